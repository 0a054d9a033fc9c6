"""A scalar two-layer net with label noise: its gradient is not linear, so its moments do not close."""

from theory import SGD, Discrete, Model, Normal, symbols

eta, p = symbols("eta p", positive=True)  # learning rate, probability of a wrong label
u, w, x, s = symbols("u w x s")

model = Model(
    loss=(u * w * x - s * x) ** 2 / 2,
    parameters=[u, w],
    data={x: Normal(), s: Discrete({1: 1 - p, -1: p})},
)
algorithm = SGD(learning_rate=eta)

statistics = {"product": u * w, "difference": u**2 - w**2}
at = {eta: 0.1, p: 0.1}
start = {u: 0.5, w: 0.4}
until = 200
