"""A teacher of two orthogonal directions, one of them seen through its square; the student is linear."""

from theory import SGD, Model, Normal, Vector, dot, symbols

n, c, strength = symbols("n c strength", positive=True)
w, v, u, z = Vector("w", n), Vector("v", n), Vector("u", n), Vector("z", n)

model = Model(
    loss=(dot(w, z) - dot(v, z) - strength * (dot(u, z) ** 2 - 1)) ** 2 / 2,
    parameters=[w],
    fixed={dot(v, v): 1, dot(u, u): 1, dot(v, u): 0},
    data={z: Normal()},
)
algorithm = SGD(learning_rate=c / n)

theory = "scaling_limit"
statistics = {"m": dot(w, v), "r": dot(w, u), "q": dot(w, w)}
at = {c: 0.4, strength: 0.5, n: 2000}
start = {"m": 0.1, "r": 0.4, "q": 1.0}
until = 4
