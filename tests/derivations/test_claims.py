"""Findings of a claim: evidence is judged, exhibits are kept beside it, and comparisons keep what a report needs."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from derivations.claims import all_claims
from derivations.claims.claim import Body, Claim, Registry, close, exact, from_agreement
from derivations.claims.exhibits import Derivation, Drawing, GeneratedCode, Runs
from derivations.validate import run_claims, select
from numerics import compare
from theory.references import Reference


def simulation(shift=0.0, **attributes):
    rng, time = np.random.default_rng(0), np.linspace(0, 1, 5)
    runs = {"q": (("replica", "time"), shift + rng.standard_normal((40, 5)))}
    return xr.Dataset(runs, {"time": time}, {"clock": "steps", **attributes})


def prediction():
    time = np.linspace(0, 1, 5)
    return xr.Dataset({"q": ("time", np.zeros(5))}, {"time": time}, {"clock": "steps"})


def test_exhibits_are_kept_in_order_and_never_judged():
    shown = [Runs("first", {}), GeneratedCode("second", "pass")]
    check = lambda: [shown[0], exact("an identity", 1, 1, True), shown[1]]  # noqa: E731
    (result,) = run_claims([Claim("a", "what it says", Body.LANGUAGE, check)]).results
    assert result.exhibits == tuple(shown)
    assert [evidence.label for evidence in result.evidence] == ["an identity"]
    assert result.comparisons == 1


def test_exhibits_alone_are_no_evidence():
    report = run_claims([Claim("a", "what it says", Body.LANGUAGE, lambda: [Runs("runs", {})])])
    assert not report.agrees


def test_a_comparison_keeps_its_table_and_how_it_was_run():
    agreement = compare(prediction(), simulation(seed=7, at="c=1"))
    (evidence,) = from_agreement("runs", agreement)
    assert evidence.agreement is agreement
    assert (agreement.run["seed"], agreement.run["at"]) == (7, "c=1")


def test_rejections_are_counted_for_the_evidence_they_belong_to():
    findings = [
        *from_agreement("good", compare(prediction(), simulation())),
        close("exact", 1.0, 1.0, 1e-9),
        *from_agreement("bad", compare(prediction(), simulation(shift=5.0))),
    ]
    (result,) = run_claims([Claim("a", "what it says", Body.SCALING, lambda: findings)]).results
    assert result.rejections == (0, 0, 5)
    assert result.rejected == 5


def test_runs_keep_what_a_dataset_says_and_none_of_its_numbers():
    assert Runs.of("runs", simulation(seed=3)).attributes == {"clock": "steps", "seed": 3}


def test_a_claim_may_name_sources_of_its_own():
    source = Reference("key", "One, Some", "Title", 2020)
    registry = Registry()
    registry.claim("a", "what it says", Body.KERNELS, references=[source])(lambda: [])
    assert registry.claims[0].references == (source,)


@pytest.mark.parametrize("name", ["closure", "tensor-limit", "momentum-threshold", "least-squares-limit"])
def test_claims_of_derivations_show_them(name):
    (result,) = run_claims(select(all_claims(), [name])).results
    derived = [exhibit.equations for exhibit in result.exhibits if isinstance(exhibit, Derivation)]
    assert derived
    assert any(equations.steps for equations in derived)
    assert all(isinstance(exhibit.draw().axes, list) for exhibit in result.exhibits if isinstance(exhibit, Drawing))


def test_a_number_that_misses_its_tolerance_says_by_how_much():
    evidence = close("root", 0.5, 0.5 + 3e-13, 2e-13)
    assert evidence.holds is False
    assert evidence.measured == "0.5 (off by 3e-13, tolerance 2e-13)"
