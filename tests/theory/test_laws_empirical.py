"""The law of a data set."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, strategies as st
from sympy import FiniteSet, Integer, Rational

from theory.errors import InvalidData, UnsupportedExpectation
from theory.laws import Empirical, Row, Slot

SMALL = st.integers(-9, 9)


@given(st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=12))
def test_moments_of_integer_data_are_exact_sums_over_rows(rows):
    table = np.array(rows)
    law = Empirical(table[:, 0], table[:, 1:])
    for exponents in [(1, 0, 0), (2, 1, 0), (0, 3, 2), (1, 1, 1)]:
        total = sum(a ** exponents[0] * b ** exponents[1] * c ** exponents[2] for a, b, c in rows)
        assert law.moment(exponents) == Rational(total, len(rows))


def test_exact_moments_do_not_overflow():
    assert Empirical(np.array([10**6, 2], dtype=np.int32)).moment(10) == Rational(10**60 + 2**10, 2)
    assert Empirical(np.array([255, 255], dtype=np.uint8)).moment(2) == 255**2


def test_rationals_stay_exact():
    law = Empirical([Fraction(1, 3), Rational(2, 3), 1])
    assert law.is_exact
    assert law.mean == Rational(2, 3)
    assert law.outcomes()[0] == (Rational(1, 3), Rational(1, 3))
    assert law.support == FiniteSet(Rational(1, 3), Rational(2, 3), 1)


def test_float_data_have_float_moments_and_mixed_data_are_exact_where_they_can_be():
    law = Empirical([0.5, 1.5], [[1, 2], [3, 4]])
    assert not law.is_exact
    assert law.moment((1, 0, 0)) == sympy.Float(1.0)
    assert law.moment((0, 1, 1)) == 7
    assert float(law.moment((1, 1, 0))) == pytest.approx((0.5 * 1 + 1.5 * 3) / 2)
    assert Empirical([True, False, True, True]).mean == Rational(3, 4)
    assert not Empirical([Rational(1, 2), 0.25]).is_exact


def test_columns_slots_and_count_describe_the_arrays():
    law = Empirical(np.zeros((5, 3)), np.zeros(5))
    assert (law.count, law.columns, law.size, law.slots) == (5, (3, 1), 2, (Slot.VECTOR, Slot.SCALAR))
    assert law.draw().standards[0][1] == Row(5)


def test_arrays_are_read_only_copies_also_after_pickling():
    data = np.arange(4.0)
    law = Empirical(data)
    data[0] = 99
    assert law.mean == sympy.Float(1.5)
    for copy in (law, pickle.loads(pickle.dumps(law))):
        with pytest.raises(ValueError, match="read-only"):
            copy.arrays[0][0] = 1
    assert pickle.loads(pickle.dumps(law)) == law


def test_equality_sees_every_entry():
    assert Empirical([1.0, 2.0]) == Empirical(np.array([1.0, 2.0]))
    assert Empirical([1.0, 2.0]) != Empirical([1.0, 2.5])
    assert Empirical([1.0, 2.0]) != Empirical([[1.0], [2.0]])
    assert Empirical([1.0, 2.0]) != Empirical([1, 2])
    assert hash(Empirical(np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]))) == hash(Empirical([[1.0, 2.0], [3.0, 4.0]]))
    assert Empirical(np.array([1.0, 2.0], dtype=">f8")) == Empirical([1.0, 2.0])


def test_equal_rows_are_kept_apart_and_joint_outcomes_are_tuples():
    law = Empirical([1, 1, 2], [0, 0, 5])
    assert law.outcomes() == (((1, 0), Rational(1, 3)),) * 2 + (((2, 5), Rational(1, 3)),)
    with pytest.raises(UnsupportedExpectation, match="vector slots"):
        Empirical([[1, 2]]).outcomes()


def test_object_arrays_of_sympy_integers_equal_fractions():
    assert Empirical([Integer(1), Integer(2)]) == Empirical(np.array([Fraction(1), Fraction(2)], dtype=object))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((), "at least one array"),
        (([[1.0, 2.0], [3.0, np.nan]],), "array number 1 holds nan at row 1, column 1"),
        (([1.0, 2.0], [1.0, np.inf]), "array number 2 holds inf at row 1"),
        (([1.0, 2.0], [1.0]), "2, 1 samples"),
        (([[1], [1, 2]],), "ragged"),
        (([],), "empty"),
        ((np.zeros((3, 0)),), "empty"),
        ((np.zeros((2, 2, 2)),), "3 dimensions"),
        ((3.0,), "0 dimensions"),
        ((["a", "b"],), "real numbers"),
        (([1j, 2.0],), "real numbers"),
        (([1, None],), "None at row 1"),
        (([sympy.Symbol("x", real=True), 1],), "x at row 0"),
    ],
)
def test_bad_data_are_refused_by_name_and_place(arrays, message):
    with pytest.raises(InvalidData, match=message):
        Empirical(*arrays)


def test_a_moment_that_overflows_is_refused():
    with pytest.raises(InvalidData, match="overflows"):
        Empirical([1e200, 1.0]).moment(2)
