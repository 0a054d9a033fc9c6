"""Phase retrieval: a teacher seen through its square, a quartic loss with a saddle at overlap zero."""

from theory import SGD, Model, Normal, Vector, dot, symbols

n, c = symbols("n c", positive=True)
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)

model = Model(
    loss=(dot(w, z) ** 2 - dot(v, z) ** 2) ** 2 / 4,
    parameters=[w],
    fixed={dot(v, v): 1},
    data={z: Normal()},
)
algorithm = SGD(learning_rate=c / n)

theory = "scaling_limit"
statistics = {"m": dot(w, v), "q": dot(w, w)}
at = {c: 0.05, n: 1000}
start = {"m": 0.5, "q": 0.6}
until = 1
