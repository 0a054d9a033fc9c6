"""Model files: TOML files that state a model, an algorithm, and what to measure on them. A TOML file is data, never code:
its expressions go through a parser that knows a list of functions and the names that the file declares, and nothing else.

    title = "Two tanh neurons and an error-free teacher"
    theory = "moments"             # or "scaling_limit", "stability"; optional

    [symbols]                      # every name is declared, with what is known of it:
    n = "positive integer"         # real, positive, nonnegative, nonzero, integer, even, ..., or several of these
    eta = "positive"
    k = "positive"
    rho = "real"
    y = "real"
    a = { count = 2 }              # a1 and a2, real; in expressions also a[0] and a[1]

    [vectors]                      # vectors in R^n; the loss is a function of dot(w, z)
    z = "n"
    v = "n"
    w = { dimension = "n", count = 2 }

    [inputs]                       # x_0, x_1, x_2, real; also x[0], x[1], x[2]
    x = 3

    [matrices]                     # U_0_0, U_0_1, ..., real; also U[0, 0]; products are U*transpose(V)
    U = [4, 2]

    [fields]                       # Gaussian fields, drawn afresh for each sample; W(w[0]) in the loss, no entry in [data]
    W = "k"                        # the order; or { covariance = "r**3 + r" } of the inner product r of two points

    [networks]                     # f(x) in expressions, "f" among the parameters
    f = { kind = "MLP", widths = [3, 16, 1], activation = "swish", bias = true }
    head = { kind = "Attention", dimension = 3, key_dimension = 2, outputs = 1 }
    layer = { kind = "Linear", inputs = 3, outputs = 1 }

    [definitions]                  # names for parts of expressions, in any order
    output = "sum(a_i*tanh(dot(w_i, z)) for a_i, w_i in zip(a, w))"
    target = "erf(dot(v, z)/sqrt(2))"

    [model]
    loss = "(output - target - y)**2 / 2"  # of one sample
    parameters = ["w", "a"]                # trained symbols, vectors, families, matrices, networks

    [data]                         # random names and their laws
    z = "Normal()"                 # for a vector, an input or a matrix: independent entries
    y = "Discrete({1: 3/4, -1: 1/4})"
    # jointly: "x, y" = "Normal(covariance=[[1, rho], [rho, 1]])", "centre, y" = "Discrete([((mu, 1), 1/2), ((-mu, 0), 1/2)])"
    # a data set beside this file, or in it: "x, y" = { file = "data.csv", columns = ["*", "label"] }, { arrays = [[1, 2], [0, 1]] }

    [fixed]                        # known inner products of vectors that never move
    "dot(v, v)" = 1

    [algorithm]                    # the options of theory.SGD by name; sampling = "full_batch" is gradient descent
    learning_rate = "eta/n"
    momentum = "HeavyBall(0.9)"

    [statistics]                   # what is measured
    q = "dot(w[0], w[0])"

    [at]                           # numbers for symbols
    eta = 0.1
    n = 100

    [start]                        # numbers, lists or laws for statistics, parameters, inner products
    w = "Normal(0, 1/100)"
    a = 1

    [run]
    until = 100                    # in units of the clock
    replicas = 500

    [point]                        # for theory = "stability": where the parameters are
    a1 = 0

    [over]                         # axes of a phase diagram: first value, last value, how many
    eta = [0.01, 1.5, 60]

Expressions have + - * / **, comparisons, `sum(... for i in range(K))`, and the functions exp, log, sqrt, sin, cos, tan, their
inverses, sinh, cosh, tanh, erf, erfc, Abs, sign, Heaviside, Max, Min, `Piecewise((1, x > 0), (0, True))`, dot, transpose,
relu, sigmoid, swish, softplus, softmax, squared_error, cross_entropy, logistic_loss, weight_normalised. Decimal numbers are
exact (0.1 is 1/10) except inside laws, where the language keeps floating-point numbers. Sizes are bounded, and an error
names the line, the column, and the nearest known name.

A Python file that defines `model`, `algorithm` and, if it likes, the other parts by the names of `ModelFile` is a model file,
too; it is a program, and loading it runs it. Shipped models lie in `derivations/models` and are called by name.

>>> from derivations.model_files import load_model
>>> load_model("least_squares").title
'Least squares in n dimensions with label noise: the closed limit of overlap and norm'
"""

from theory.lazy import attach

__all__ = attach(__name__, __file__)
