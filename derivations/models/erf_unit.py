"""One erf unit that learns from an erf teacher: the limit holds Gaussian integrals, evaluated by quadrature."""

from sympy import erf, sqrt

from theory import SGD, Model, Normal, Vector, dot, symbols

n, c = symbols("n c", positive=True)
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)

model = Model(
    loss=(erf(dot(w, z) / sqrt(2)) - erf(dot(v, z) / sqrt(2))) ** 2 / 2,
    parameters=[w],
    fixed={dot(v, v): 1},
    data={z: Normal()},
)
algorithm = SGD(learning_rate=c / n)

theory = "scaling_limit"
statistics = {"m": dot(w, v), "q": dot(w, w)}
at = {c: 1.0, n: 1000}
start = {"m": 0.1, "q": 0.5}
until = 4
