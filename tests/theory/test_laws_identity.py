"""Laws are values: equal, hashed, pickled and printed by content, in every process; and light to import."""

import os
import pickle
import subprocess
import sys

import pytest
from sympy import Rational, Symbol

from theory.laws import (
    Cauchy,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    Mixture,
    Normal,
    Rademacher,
    StudentT,
    Uniform,
)
from theory.vectors import Vector

V, P = Symbol("v", positive=True), Symbol("p", real=True)
MU = Vector("mu", Symbol("n", positive=True))


def all_laws():
    return [
        Normal(),
        Normal(1, V),
        Normal([P, 0], covariance=[[V, P], [P, 2]]),
        Rademacher(),
        Discrete({1: P, -1: 1 - P}),
        Discrete([((MU, 1), 0.5), ((-2 * MU, 0), 0.5)]),
        Uniform(-V, V),
        StudentT(3, P, V),
        Cauchy(P, V),
        Exponential(V),
        Gamma(Rational(1, 2), V),
        Mixture([(Normal(), P), (Cauchy(), 1 - P)]),
        Empirical([1, 2, 3], [[0.5], [1.5], [2.5]]),
    ]


@pytest.mark.parametrize("law", all_laws(), ids=str)
def test_a_law_survives_pickling(law):
    if law.is_scalar and not isinstance(law, (Cauchy, Mixture)):
        law.moment(1)  # remembered moments are not part of the value
    copy = pickle.loads(pickle.dumps(law))
    assert copy == law
    assert hash(copy) == hash(law)
    assert copy.draw() == law.draw()


def test_laws_are_equal_if_and_only_if_their_content_is():
    first, second = all_laws(), all_laws()
    assert first == second
    assert len(set(first + second)) == len(first)
    assert Normal(0, 1) != Uniform(0, 1)
    assert Normal([1], covariance=[[2]]) == Normal(1, 2)


def test_content_hashes_are_the_same_in_another_process():
    program = (
        "from sympy import Symbol, Rational\n"
        "from theory.laws import *\n"
        "from theory.vectors import Vector\n"
        "p = Symbol('p', real=True)\n"
        "mu = Vector('mu', Symbol('n', positive=True))\n"
        "laws = [Normal(p, 2), Discrete({1: p, -1: 1 - p}), Discrete([((mu, 1), 0.5), ((-2*mu, 0), 0.5)]),\n"
        "        Mixture([(StudentT(3), p), (Gamma(Rational(1, 2)), 1 - p)]), Empirical([1, 2], [0.5, 1.5])]\n"
        "print('\\n'.join(law.content_hash for law in laws))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "4242")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 5


def test_importing_the_laws_does_not_import_numpy():
    program = "import sys; from theory.laws import Normal, Discrete, Mixture; assert 'numpy' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


@pytest.mark.parametrize("law", all_laws(), ids=str)
def test_a_law_cannot_be_changed(law):
    with pytest.raises(AttributeError, match="substitute"):
        law.location = 3


def test_laws_print_as_they_are_written_and_typeset():
    assert repr(Normal()) == "Normal(0, 1)"
    assert repr(StudentT(3)) == "StudentT(3, 0, 1)"
    assert repr(Discrete({1: 1 - P, -1: P})) == "Discrete({1: 1 - p, -1: p})"
    assert Normal().latex() == r"\mathcal{N}(0, 1)"
    assert all(law.latex() and "$" not in law.latex() for law in all_laws())


def test_an_unknown_name_is_refused_with_the_names_that_exist():
    import theory.laws

    with pytest.raises(AttributeError, match="StudentT"):
        theory.laws.Gaussian  # noqa: B018
