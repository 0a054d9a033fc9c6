"""The model file that a newcomer changes into one of their own."""

from __future__ import annotations

from derivations.model_files.model_file import Theory
from derivations.model_files.toml_text import string_text
from theory.errors import InvalidRequest


def starter(name: str, *, theory: Theory = Theory.SCALING_LIMIT) -> str:
    """Return the text of a commented model file that loads, derives and runs as it stands.

    Parameters: `name`, which becomes part of the title; `theory`, a scaling limit or stability.
    Raises `InvalidRequest` for a theory without a starter.

    >>> starter("mine").splitlines()[0]
    'title = "mine: least squares in n dimensions with label noise"'
    """
    if theory not in _TEXTS:
        raise InvalidRequest(
            f"there is no starter for the theory {theory}; there are {', '.join(_TEXTS)}, and sgd-theory models lists examples"
        )
    subject, text = _TEXTS[theory]
    return text.replace("TITLE", string_text(f"{' '.join(name.split())}: {subject}"))


_LIMIT = """\
title = TITLE
theory = "scaling_limit"  # or "moments", "stability"; without it, SGD is run and nothing is predicted

# Every name is declared here, with what is known of it: real, positive, nonnegative, integer, ...
[symbols]
n = "positive"    # dimension
c = "positive"    # step-size constant
tau = "positive"  # strength of the label noise
xi = "real"       # the label noise

# Vectors in R^n; w = { dimension = "n", count = 3 } makes w1, w2, w3, and w[0], w[1], w[2] in expressions.
[vectors]
w = "n"  # the student
v = "n"  # the teacher
z = "n"  # the input

# Names for parts of an expression, in any order; nothing else depends on them.
[definitions]
output = "dot(w, z)"  # try another activation: erf(dot(w, z)/sqrt(2)), tanh(dot(w, z))
# A kinked activation such as relu(...) can be simulated, but not averaged: remove the line with theory, too.
target = "dot(v, z) + tau*xi"

# The loss of one sample, and what is trained on it.
[model]
loss = "(output - target)**2 / 2"
parameters = ["w"]

# The law of each random name. A vector with the law of one number has independent entries. Other laws:
# Rademacher(), Discrete({1: 1 - p, -1: p}), Uniform(-1, 1), StudentT(5), Exponential(2), Gamma(3, 2), Cauchy(),
# Density(t, exp(-abs(t))/2) over a name t of [symbols] (on a half line: Density(t, exp(-t), support=(0, oo))),
# Mixture([(Normal(), 3/4), (Normal(0, 9), 1/4)]); jointly "x, y" = "Normal(covariance=[[1, rho], [rho, 1]])";
# a data set: "x, y" = { file = "data.csv", columns = ["*", "label"] }.
[data]
z = "Normal()"
xi = "Normal()"

# Inner products of vectors that never move.
[fixed]
"dot(v, v)" = 1

# How SGD is run. Also: batch_size = 8, momentum = "HeavyBall(0.9)", weight_decay = 0.1, temperature, samples,
# sampling = "without_replacement" (or "full_batch", "reshuffled", "bernoulli(b)", "persistent(b, tau)").
[algorithm]
learning_rate = "c/n"

# What is measured.
[statistics]
m = "dot(w, v)"  # overlap with the teacher
q = "dot(w, w)"  # squared norm

# Numbers for the symbols; --at c=0.3 on the command line replaces them.
[at]
c = 0.5
tau = 0.3
n = 1000

# Where SGD starts: a statistic, or a parameter with a number or a law, as in w = "Normal(0, 1/n)".
[start]
m = 0.1
q = 1.0

[run]
until = 4      # in units of the clock: learning rate x steps for this theory
replicas = 32  # independent runs
"""

_STABILITY = """\
title = TITLE
theory = "stability"  # does SGD that starts near a point stay there, and if not, in which direction does it leave?

# Every name is declared here, with what is known of it: real, positive, nonnegative, integer, ...
[symbols]
eta = "positive"  # learning rate
a = "real"        # the second label
u = "real"        # first weight
w = "real"        # second weight
y = "real"        # label

# The loss of one sample, and what is trained on it.
[model]
loss = "(u*w - y)**2 / 2"  # the input is 1
parameters = ["u", "w"]

# The law of each random name. Others: Normal(), Uniform(-1, 1), Exponential(2), Mixture([(Normal(), 3/4), (Normal(0, 9), 1/4)]).
[data]
y = "Discrete({1: 1/2, a: 1/2})"

# How SGD is run. Also: batch_size = 8, momentum = "HeavyBall(0.9)", weight_decay = 0.1.
[algorithm]
learning_rate = "eta"

# A point where the gradient of every sample is zero.
[point]
u = 0
w = 0

# Numbers for the symbols; --at eta=0.3 on the command line replaces them.
[at]
eta = 0.5
a = -0.8

# Where SGD starts, near the point.
[start]
u = "Normal(0, 1e-6)"
w = "Normal(0, 1e-6)"

[run]
until = 2000    # steps
replicas = 200  # independent runs

# The axes of the phase diagram: first value, last value, how many. Both must be symbols on which the exponents depend.
[over]
eta = [0.02, 2.0, 100]
a = [-0.99, -0.01, 50]
"""

_TEXTS = {
    Theory.SCALING_LIMIT: ("least squares in n dimensions with label noise", _LIMIT),
    Theory.STABILITY: ("a two-layer net of scalars with two labels", _STABILITY),
}
