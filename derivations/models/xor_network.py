"""The XOR mixture and a tanh network of width 4 with a trained second layer: its statement and its gradient."""

from sympy import sqrt

from theory import SGD, Discrete, Model, Normal, Vector, dot, symbols, vectors
from theory.networks import logistic_loss, tanh

n, c, snr = symbols("n c snr", positive=True)
mu, nu, centre, z = (Vector(name, n) for name in ("mu", "nu", "centre", "z"))
w, a = vectors("w", n, count=4), symbols("a1:5")
y = symbols("y")

point = centre + z / sqrt(snr)
output = sum(a_i * tanh(dot(w_i, point)) for a_i, w_i in zip(a, w, strict=True))
model = Model(
    loss=logistic_loss(output, y),
    parameters=[*w, *a],
    fixed={dot(mu, mu): 1, dot(nu, nu): 1, dot(mu, nu): 0},
    data={
        (centre, y): Discrete([((mu, 1), 1 / 4), ((-mu, 1), 1 / 4), ((nu, 0), 1 / 4), ((-nu, 0), 1 / 4)]),
        z: Normal(),
    },
)
algorithm = SGD(learning_rate=c / n)
