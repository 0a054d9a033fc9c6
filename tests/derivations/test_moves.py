"""The moves on a model file: its values stand in for what is not given, and names are checked at the door."""

from __future__ import annotations

from fractions import Fraction

import pytest

from derivations import moves, phases
from derivations.model_files import ModelFileError, Theory, load_model
from theory.errors import InvalidRequest, UnknownValue


@pytest.fixture(scope="module")
def least_squares():
    file = load_model("least_squares")
    return file, moves.derive(file, file.theory)


def test_numbers_given_take_the_place_of_those_of_the_file(least_squares):
    file, limit = least_squares
    values = moves.merged(file, {"c": Fraction(1, 4)})
    assert values["c"] == Fraction(1, 4)
    assert values["tau"] == file.at[next(key for key in file.at if str(key) == "tau")]
    start = moves.started(file, limit, {"q": Fraction(3, 2)})
    assert {str(key): float(value) for key, value in start.items()} == {"m": pytest.approx(0.1), "q": 1.5}


def test_every_symbol_that_may_be_given_a_number_is_known(least_squares):
    file, limit = least_squares
    assert list(moves.known_symbols(file, limit)) == ["c", "n", "tau"]
    assert list(moves.known_symbols(load_model("two_point_net"))) == ["a", "eta"]


def test_a_name_without_a_symbol_is_refused_with_the_nearest(least_squares):
    file, limit = least_squares
    with pytest.raises(UnknownValue, match=r"--at tua=...: least_squares has no symbol tua \(did you mean tau\?\)"):
        moves.check_names(file, limit, ["c", "tua"])
    with pytest.raises(UnknownValue, match=r"--start mm=...: .* \(did you mean m\?\); it starts from"):
        moves.started(file, limit, {"mm": 1})
    with pytest.raises(UnknownValue, match="--over eta"):
        phases.axes_of(file, limit, {"eta": (0, 1, 5)})


def test_numbers_go_into_right_hand_sides_and_nowhere_else(least_squares):
    file, limit = least_squares
    half = moves.with_values(limit, {"c": Fraction(1, 2), "n": 100}, file)
    assert [str(symbol) for symbol in half.free_symbols] == ["tau"]
    noisy = moves.with_values(moves.derive(file, Theory.SCALING_LIMIT, fluctuations=True), {"c": Fraction(1, 2)}, file)
    assert [str(symbol) for symbol in noisy.free_symbols] == ["n", "tau"]
    assert noisy.covariance.shape == (2, 2)
    net = load_model("two_point_net")
    with pytest.raises(InvalidRequest, match="solve two_point_net"):
        moves.with_values(moves.derive(net, Theory.STABILITY), {"eta": Fraction(1, 2)}, net)


def test_the_kernel_of_sgd_is_that_of_a_simulation():
    file = load_model("two_layer_net")
    values = moves.merged(file, {})
    cpu = moves.kernel_of_sgd(file, None, values, target="cpu", precision="float64")
    cuda = moves.kernel_of_sgd(file, None, values, target="cuda", precision="float32")
    assert (str(cpu.target), str(cuda.target), str(cuda.precision)) == ("cpu", "cuda", "float32")
    assert cpu.source != cuda.source
    with pytest.raises(ModelFileError, match="nothing to record"):
        moves.kernel_of_sgd(load_model("attention_head"), None, {}, target="cpu", precision="float64")


def test_the_last_time_is_that_of_the_command_or_of_the_file(least_squares):
    file, _ = least_squares
    assert moves.last_time(file, None) == file.until
    assert moves.last_time(file, 3.0) == 3.0
    with pytest.raises(ModelFileError, match="--until"):
        moves.last_time(load_model("xor_network"), None)
