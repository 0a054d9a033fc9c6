"""Two Gaussian classes with centres +mu and -mu, labels +1 and -1, fitted by least squares."""

from theory import SGD, Discrete, Model, Normal, Vector, dot, symbols

n, c, sigma = symbols("n c sigma", positive=True)  # sigma: the width of the classes
w, mu, centre, z = Vector("w", n), Vector("mu", n), Vector("centre", n), Vector("z", n)
y = symbols("y")

model = Model(
    loss=(dot(w, centre + sigma * z) - y) ** 2 / 2,
    parameters=[w],
    fixed={dot(mu, mu): 1},
    data={(centre, y): Discrete([((mu, 1), 1 / 2), ((-mu, -1), 1 / 2)]), z: Normal()},
)
algorithm = SGD(learning_rate=c / n)

theory = "scaling_limit"
statistics = {"m": dot(w, mu), "q": dot(w, w)}
at = {c: 0.6, sigma: 0.8, n: 2000}
start = {"m": 0.0, "q": 1.0}
until = 4
