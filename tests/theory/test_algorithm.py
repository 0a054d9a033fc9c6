"""Algorithms: every option is stated, printed and compared by what it says; impossible ones are refused."""

import pickle

import pytest
import strategies
import sympy
from hypothesis import given, strategies as st
from sympy import Rational, srepr

from theory import (
    GD,
    SGD,
    DecoupledDecay,
    HeavyBall,
    Nesterov,
    NesterovLookahead,
    Sampling,
    SoftThreshold,
    Sphere,
    bernoulli,
    persistent,
    symbols,
)
from theory.errors import InvalidAlgorithm, NotReal

ETA, N, ALPHA, TAU = symbols("eta n alpha tau", positive=True)


@given(strategies.algorithms())
def test_an_algorithm_survives_pickling(algorithm):
    twin = pickle.loads(pickle.dumps(algorithm))
    assert twin == algorithm
    assert hash(twin) == hash(algorithm)
    assert twin.content_hash == algorithm.content_hash
    assert repr(twin) == repr(algorithm)


@given(strategies.algorithms(), strategies.algorithms())
def test_algorithms_are_equal_if_and_only_if_they_read_alike(first, second):
    assert (first == second) == (first.content_hash == second.content_hash)
    if repr(first) != repr(second):
        assert first != second


@given(strategies.algorithms())
def test_an_algorithm_cannot_be_changed(algorithm):
    with pytest.raises(AttributeError):
        algorithm.learning_rate = ETA


@given(st.floats(1e-6, 10), strategies.algorithms())
def test_numbers_become_exact(rate, algorithm):
    assert SGD(rate).learning_rate.is_Rational
    assert not any("Float" in srepr(part) for part in algorithm.content() if isinstance(part, sympy.Basic))


def test_a_simple_decimal_is_the_rational_that_it_looks_like():
    assert SGD(0.1, weight_decay=0.05, momentum=HeavyBall(0.9)).learning_rate == Rational(1, 10)
    assert HeavyBall(0.9).beta == Rational(9, 10)
    assert SGD(0.3 * ETA).learning_rate == 3 * ETA / 10


def test_options_of_one_number_are_told_apart_by_kind():
    choices = [
        HeavyBall(0.5),
        Nesterov(0.5),
        NesterovLookahead(0.5),
        DecoupledDecay(0.5),
        SoftThreshold(0.5),
        bernoulli(0.5),
    ]
    assert len(set(choices)) == len({choice.content_hash for choice in choices}) == len(choices)
    assert SGD(ETA, weight_decay=0.5) != SGD(ETA, weight_decay=DecoupledDecay(0.5))


def test_the_symbols_of_an_algorithm_are_those_of_its_options():
    beta, ridge = symbols("beta lambda")
    algorithm = SGD(
        ETA / N,
        momentum=HeavyBall(beta),
        weight_decay=ridge,
        samples=ALPHA * N,
        sampling=persistent(Rational(1, 2), TAU),
    )
    assert algorithm.free_symbols == {ETA, N, beta, ridge, ALPHA, TAU}


def test_coupled_and_decoupled_decay_exclude_each_other():
    assert (SGD(ETA, weight_decay=2).coupled_decay, SGD(ETA, weight_decay=2).decoupled_decay) == (2, 0)
    decoupled = SGD(ETA, weight_decay=DecoupledDecay(2))
    assert (decoupled.coupled_decay, decoupled.decoupled_decay) == (0, 2)


def test_the_conventions_say_what_the_numbers_mean():
    assert SGD(ETA).conventions() == ("learning_rate multiplies the batch mean of the per-sample gradient",)
    assert any("theta^2/2" in line for line in SGD(ETA, weight_decay=1).conventions())
    assert any("decoupled" in line for line in SGD(ETA, weight_decay=DecoupledDecay(1)).conventions())
    assert any(
        "lookahead" in line.lower() or "beta v'" in line
        for line in SGD(ETA, momentum=NesterovLookahead(0.5)).conventions()
    )


def test_the_sampling_in_force_follows_from_the_data():
    assert SGD(ETA).sampling_for(None) == Sampling.ONLINE
    assert SGD(ETA).sampling_for(10) == Sampling.WITH_REPLACEMENT
    assert SGD(ETA, samples=10).sampling_for(None) == Sampling.WITH_REPLACEMENT
    assert SGD(ETA, sampling=Sampling.ONLINE).sampling_for(10) == Sampling.WITH_REPLACEMENT
    assert SGD(ETA, samples=10, sampling=bernoulli(0.5)).sampling_for(None) == bernoulli(0.5)
    assert GD(ETA).sampling_for(10) == Sampling.FULL_BATCH
    assert GD(ETA, samples=ALPHA * N).sampling_for(None) == Sampling.FULL_BATCH


def test_gradient_descent_is_sgd_on_the_full_batch():
    assert GD(ETA, weight_decay=1) == SGD(ETA, weight_decay=1, sampling=Sampling.FULL_BATCH)


def test_an_algorithm_prints_what_differs_from_plain_sgd():
    assert repr(SGD(ETA)) == "SGD(learning_rate=eta)"
    assert repr(SGD(ETA, samples=ALPHA * N, sampling=persistent(0.5, TAU))) == (
        "SGD(learning_rate=eta, samples=alpha*n, sampling=persistent(1/2, tau))"
    )
    assert "HeavyBall(beta=9/10)" in repr(SGD(ETA, momentum=HeavyBall(0.9)))
    assert "Sphere()" in repr(SGD(ETA, constraint=Sphere()))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SGD(0), "learning_rate must be positive, got 0"),
        (lambda: SGD(-0.1), "learning_rate must be positive, got -0.1"),
        (lambda: SGD(symbols("eta", negative=True)), "learning_rate must be positive, got eta"),
        (lambda: SGD(float("nan")), "learning_rate must be finite, got nan"),
        (lambda: SGD(float("inf")), "learning_rate must be finite, got inf"),
        (lambda: SGD("0.1"), "learning_rate must be a number or a real symbol, got '0.1'"),
        (lambda: SGD(None), "learning_rate must be a number or a real symbol, got None"),
        (lambda: SGD(object), "learning_rate must be a number or a real symbol"),
        (lambda: SGD(True), "learning_rate must be a number or a real symbol, got True"),
        (lambda: SGD(ETA, batch_size=0), "batch_size must be at least 1, got 0"),
        (lambda: SGD(ETA, batch_size=2.5), r"batch_size must be a whole number, got 2.5; .*bernoulli\(b\)"),
        (lambda: SGD(ETA, batch_size=0.5), "batch_size must be at least 1, got 0.5"),
        (lambda: SGD(ETA, batch_size=9, samples=8), "a batch of 9 is larger than the data set of 8 samples"),
        (lambda: SGD(ETA, samples=0), "samples must be at least 1, got 0"),
        (lambda: SGD(ETA, samples=2.5), "samples must be a whole number, got 2.5"),
        (lambda: SGD(ETA, weight_decay=-1), "weight_decay must be at least 0, got -1"),
        (lambda: SGD(ETA, temperature=-1), "temperature must be at least 0, got -1"),
        (lambda: SGD(ETA, momentum=0.9), r"momentum=0.9: expected HeavyBall\(beta\)"),
        (lambda: SGD(ETA, constraint="sphere"), r"constraint='sphere': expected Sphere\(\)"),
        (lambda: SGD(ETA, proximal=1), r"proximal=1: expected SoftThreshold\(strength\)"),
        (lambda: SGD(ETA, sampling="reshuffled"), "sampling='reshuffled' is unknown; choose one of Sampling.ONLINE"),
        (lambda: SGD(ETA, samples=8, sampling=Sampling.ONLINE), "samples=8 asks for a fixed data set"),
        (
            lambda: SGD(ETA, batch_size=2, samples=8, sampling=bernoulli(0.5)),
            r"bernoulli\(1/2\) sets the batch .*batch_size=2",
        ),
        (lambda: GD(ETA, batch_size=2), "FULL_BATCH uses every sample; drop batch_size=2"),
        (lambda: HeavyBall(1), "momentum beta must be below 1, got 1"),
        (lambda: HeavyBall(-0.1), "momentum beta must be at least 0"),
        (lambda: DecoupledDecay(-1), "weight decay must be at least 0, got -1"),
        (lambda: SoftThreshold(-1), "L1 strength must be at least 0, got -1"),
        (lambda: bernoulli(0), "batch fraction b must be above 0, got 0"),
        (lambda: bernoulli(1.5), "batch fraction b must be at most 1, got 3/2"),
        (lambda: persistent(0.5, 0), "persistence time tau must be above 0, got 0"),
        (lambda: GD(ETA).sampling_for(None), "sampling=full_batch needs a fixed data set"),
        (
            lambda: SGD(ETA, sampling=bernoulli(0.5)).sampling_for(None),
            r"sampling=bernoulli\(1/2\) needs a fixed data set",
        ),
        (
            lambda: SGD(ETA, batch_size=9, sampling=Sampling.WITHOUT_REPLACEMENT).sampling_for(8),
            "a batch of 9 is larger than the data set of 8",
        ),
        (
            lambda: SGD(ETA, batch_size=3, sampling=Sampling.RESHUFFLED).sampling_for(8),
            "sampling=reshuffled .* 8 samples are no multiple of batch_size=3",
        ),
        (lambda: SGD(ETA, samples=9).sampling_for(8), "samples=9 .* Empirical data of 8 samples"),
    ],
)
def test_an_impossible_algorithm_is_refused_by_what_was_written(build, message):
    with pytest.raises(InvalidAlgorithm, match=message):
        build()


def test_a_symbol_that_is_not_real_is_refused_by_name():
    with pytest.raises(NotReal, match="learning_rate contains eta"):
        SGD(sympy.Symbol("eta"))
    with pytest.raises(NotReal, match=r"HeavyBall\(beta\) contains b"):
        HeavyBall(sympy.Symbol("b"))
