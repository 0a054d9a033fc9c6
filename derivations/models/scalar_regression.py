"""Regression with one weight and noisy labels: exact moments up to order two, at any learning rate."""

from theory import SGD, Model, Normal, symbols

eta, sigma = symbols("eta sigma", positive=True)  # learning rate, label noise
w, x, noise = symbols("w x noise")

model = Model(
    loss=(w * x - sigma * noise) ** 2 / 2,
    parameters=[w],
    data={x: Normal(), noise: Normal()},
)
algorithm = SGD(learning_rate=eta)

theory = "moments"
at = {eta: 0.1, sigma: 0.5}
start = {w: 1.0}
until = 60
replicas = 4000
