"""Claims are run in order, judged together, and one that raises neither passes nor ends the run."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from derivations.claims import all_claims
from derivations.claims.claim import LEVEL, Body, Claim, ClaimNotRun, ClaimResult, Evidence, exact, judge, statistical
from derivations.validate import Outcome, UnknownClaim, outcome, run_claims, select


def claim(name, *evidence, slow=False):
    return Claim(name, f"what {name} says", Body.LANGUAGE, lambda: list(evidence), slow)


def raising(name, error):
    def check():
        raise error

    return Claim(name, f"what {name} says", Body.LANGUAGE, check)


def noisy(*p_values):
    return Evidence("noise", "0", "1", p_values=p_values, largest_z=2.0)


TRUE, FALSE = exact("an identity", 1, 1, True), exact("an identity", 1, 2, False)


def test_a_run_agrees_only_if_every_claim_does():
    assert run_claims([claim("a", TRUE), claim("b", noisy(0.3))]).agrees
    assert not run_claims([claim("a", TRUE), claim("b", TRUE, FALSE)]).agrees
    assert not run_claims([claim("a", TRUE), claim("b", noisy(1e-9))]).agrees
    assert not run_claims([]).agrees


def test_a_check_that_raises_fails_and_the_others_still_run():
    seen = []
    run = run_claims(
        [claim("a", TRUE), raising("b", ZeroDivisionError("nothing over nothing")), claim("c", TRUE)],
        raised=lambda claim, error: seen.append((claim.name, type(error))),
    )
    assert [outcome(result) for result in run.results] == [Outcome.AGREES, Outcome.FAILED, Outcome.AGREES]
    assert "ZeroDivisionError: nothing over nothing (" in run.results[1].error
    assert "test_validate.py:" in run.results[1].error
    assert seen == [("b", ZeroDivisionError)]
    assert not run.agrees


def test_an_interrupt_ends_the_run():
    with pytest.raises(KeyboardInterrupt):
        run_claims([raising("a", KeyboardInterrupt())])


@pytest.mark.parametrize("evidence", [(), (Evidence("nothing", "1", "1"),)])
def test_a_check_that_compares_nothing_fails(evidence):
    run = run_claims([claim("a", TRUE), claim("b", *evidence)])
    assert outcome(run.results[1]) is Outcome.FAILED
    assert not run.agrees


@pytest.mark.parametrize("p_value", [math.nan, -0.1, 1.1, math.inf])
def test_an_impossible_p_value_fails_the_claim_alone(p_value):
    run = run_claims([claim("a", noisy(0.5, p_value)), claim("b", TRUE)])
    assert [outcome(result) for result in run.results] == [Outcome.FAILED, Outcome.AGREES]
    assert "is no p-value" in run.results[0].error


def test_a_claim_that_cannot_run_here_is_neither_true_nor_false():
    run = run_claims([claim("a", TRUE), raising("b", ClaimNotRun("scikit-learn is not installed"))])
    assert outcome(run.results[1]) is Outcome.NOT_RUN
    assert run.results[1].not_run == "scikit-learn is not installed"
    assert run.agrees
    assert not run_claims([raising("b", ClaimNotRun("nothing"))]).agrees


def test_the_run_is_judged_as_a_whole():
    # 2e-4 is below the level alone, but not below the level divided by ten comparisons
    first, others = claim("a", noisy(2e-4)), [claim(f"b{i}", noisy(0.5)) for i in range(9)]
    seen = []
    run = run_claims([first, *others], finished=lambda result: seen.append(result.rejected))
    assert run.level == LEVEL
    assert seen[0] == 1
    assert run.results[0].rejected == 0
    assert run.agrees


@given(st.lists(st.lists(st.floats(0, 0.01), min_size=1, max_size=4), min_size=1, max_size=6))
def test_a_claim_that_agrees_when_its_check_ends_agrees_for_good(p_values):
    seen = []
    run = run_claims([claim(str(i), noisy(*values)) for i, values in enumerate(p_values)], finished=seen.append)
    for early, late in zip(seen, run.results, strict=True):
        assert late.rejected <= early.rejected


def test_rejections_are_counted_for_the_claim_they_belong_to():
    results = [
        ClaimResult(claim(name), (noisy(*values),), 0.0) for name, values in {"a": (0.5, 1e-8), "b": (0.4,)}.items()
    ]
    assert [result.rejected for result in judge(results)] == [1, 0]


def test_hooks_are_called_around_each_check_in_order():
    seen = []
    run = run_claims(
        [claim("a", TRUE), claim("b", TRUE)],
        starting=lambda claim: seen.append(f"start {claim.name}"),
        finished=lambda result: seen.append(f"end {result.claim.name}"),
    )
    assert seen == ["start a", "end a", "start b", "end b"]
    assert all(result.seconds >= 0 for result in run.results)
    assert run.comparisons == 2


def test_slow_claims_run_when_asked_for():
    claims = [claim("quick", TRUE), claim("slow", TRUE, slow=True)]
    assert [c.name for c in select(claims, [])] == ["quick"]
    assert [c.name for c in select(claims, [], full=True)] == ["quick", "slow"]
    assert [c.name for c in select(claims, ["slow"])] == ["slow"]


def test_named_claims_run_once_each_in_the_order_given():
    claims = [claim("a", TRUE), claim("b", TRUE)]
    assert [c.name for c in select(claims, ["b", "a", "b"])] == ["b", "a"]


def test_an_unknown_claim_is_refused_with_the_nearest():
    with pytest.raises(UnknownClaim, match=r"no claim 'least-square'; did you mean least-squares\? The claims are"):
        select([claim("least-squares", TRUE)], ["least-square"])


def test_a_model_in_the_place_of_a_claim_is_told_apart():
    for name in ("my_model.toml", "least_squares"):
        with pytest.raises(UnknownClaim, match=f"takes the names of claims, and sgd-theory simulate {name} compares"):
            select([claim("least-squares", TRUE)], [name])
    with pytest.raises(UnknownClaim, match=r"no claim 'zzz'; the claims are least-squares"):
        select([claim("least-squares", TRUE)], ["zzz"])


def test_every_claim_of_the_project_has_a_name_of_its_own_and_a_statement():
    claims = all_claims()
    names = [c.name for c in claims]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name for name in names)
    assert all(len(c.statement) > 10 for c in claims)


def test_statistical_evidence_carries_its_z():
    evidence = statistical("mean", 1.0, 1.2, 0.1, 0.05)
    assert evidence.largest_z == pytest.approx(2.0)
    assert np.isfinite(evidence.p_values).all()
