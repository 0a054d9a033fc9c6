"""Least squares in n dimensions with heavy-ball momentum: exact moments of inner products at finite n."""

from theory import SGD, HeavyBall, Model, Normal, Vector, dot, symbols

n, c, beta, tau = symbols("n c beta tau", positive=True)
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
xi = symbols("xi")

model = Model(
    loss=(dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2,
    parameters=[w],
    fixed={dot(v, v): 1},
    data={z: Normal(), xi: Normal()},
)
algorithm = SGD(learning_rate=c / n, momentum=HeavyBall(beta))

theory = "moments"
statistics = {"m": dot(w, v), "q": dot(w, w)}
at = {c: 0.2, beta: 0.5, tau: 0.3, n: 50}
start = {"m": 0.1, "q": 1.0}
until = 400
replicas = 500
