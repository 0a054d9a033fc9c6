"""Spiked tensor of order 3: a Gaussian field of noise, drawn afresh each step, and a planted direction."""

from theory import SGD, GaussianField, Model, Vector, dot, symbols

n, c, snr = symbols("n c snr", positive=True)
w, v, W = Vector("w", n), Vector("v", n), GaussianField("W", order=3)

model = Model(
    loss=-2 * (W(w) + snr * dot(w, v) ** 3) + dot(w, w) ** 3,
    parameters=[w],
    fixed={dot(v, v): 1},
    data={W: W.law},
)
algorithm = SGD(learning_rate=c / n)

theory = "scaling_limit"
statistics = {"m": dot(w, v), "q": dot(w, w)}
at = {c: 0.05, snr: 2.0, n: 500}
start = {"m": 0.5, "q": 0.8}
until = 0.5
