"""Least squares in n dimensions with label noise: the closed limit of overlap and norm."""

from theory import SGD, Model, Normal, Vector, dot, symbols

n, c, tau = symbols("n c tau", positive=True)  # dimension, step-size constant, label noise
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
xi = symbols("xi")

model = Model(
    loss=(dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2,
    parameters=[w],
    fixed={dot(v, v): 1},
    data={z: Normal(), xi: Normal()},
)
algorithm = SGD(learning_rate=c / n)

theory = "scaling_limit"
statistics = {"m": dot(w, v), "q": dot(w, w)}
at = {c: 0.5, tau: 0.3, n: 2000}
start = {"m": 0.1, "q": 1.0}
until = 4
