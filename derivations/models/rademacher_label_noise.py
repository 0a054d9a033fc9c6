"""Least squares whose label noise is a random sign: the limit knows the noise by its variance alone."""

from theory import SGD, Model, Normal, Rademacher, Vector, dot, symbols

n, c, tau = symbols("n c tau", positive=True)
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
sign_noise = symbols("epsilon")

model = Model(
    loss=(dot(w, z) - dot(v, z) - tau * sign_noise) ** 2 / 2,
    parameters=[w],
    fixed={dot(v, v): 1},
    data={z: Normal(), sign_noise: Rademacher()},
)
algorithm = SGD(learning_rate=c / n, batch_size=2)

theory = "scaling_limit"
statistics = {"m": dot(w, v), "q": dot(w, w)}
at = {c: 0.8, tau: 0.5, n: 2000}
start = {"m": 0.0, "q": 0.25}
until = 4
