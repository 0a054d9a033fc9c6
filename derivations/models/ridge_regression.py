"""Least squares with weight decay: the fixed point is shrunk and keeps a noise floor."""

from theory import SGD, Model, Normal, Vector, dot, symbols

n, c, tau, ridge = symbols("n c tau ridge", positive=True)
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
xi = symbols("xi")

model = Model(
    loss=(dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2,
    parameters=[w],
    fixed={dot(v, v): 1},
    data={z: Normal(), xi: Normal()},
)
algorithm = SGD(learning_rate=c / n, weight_decay=ridge)

theory = "scaling_limit"
statistics = {"m": dot(w, v), "q": dot(w, w)}
at = {c: 0.4, tau: 0.5, ridge: 0.3, n: 2000}
start = {"m": 0.0, "q": 0.5}
until = 4
