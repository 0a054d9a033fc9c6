"""The command `validate`: its lines, its exit codes, its report, and what an interrupt leaves."""

from __future__ import annotations

import json
import sys
import threading
from types import ModuleType

import pytest
from cli_support import assert_refused, invoke

from derivations import claims
from derivations.claims.claim import Body, Claim, ClaimNotRun, Evidence, exact
from derivations.cli import ExitCode
from derivations.cli.completion import claim_names
from derivations.cli.work import is_abandoned


@pytest.fixture(autouse=True)
def reports(tmp_path, monkeypatch):
    """Reports that take no time; the list says which were written."""
    found = []

    def write_report(report, path):
        found.append((path, [result.claim.name for result in report.results]))
        path.write_text("<html>", encoding="utf-8")
        return path

    stand_in = ModuleType("derivations.report")
    stand_in.write_report = write_report
    monkeypatch.setitem(sys.modules, "derivations.report", stand_in)
    monkeypatch.chdir(tmp_path)
    return found


def claim(name, check, *, slow=False):
    return Claim(name, f"what {name} says [in brackets]", Body.MOMENTS, check, slow)


def raises(error):
    raise error


TRUE = [exact("an identity", 1, 1, True), Evidence("noise", "0", "0.1", p_values=(0.4, 0.6), largest_z=0.9)]
GOOD = claim("good-claim", lambda: TRUE)
WRONG = claim("wrong-claim", lambda: [exact("an identity", "one", "two", False)])
UNLIKELY = claim("unlikely-claim", lambda: [Evidence("noise", "0", "9", p_values=(1e-12,), largest_z=9.0)])
BROKEN = claim("broken-claim", lambda: raises(ZeroDivisionError("nothing over nothing")))
ABSENT = claim("absent-claim", lambda: raises(ClaimNotRun("scikit-learn is not installed")))
SLOW = claim("slow-claim", lambda: TRUE, slow=True)


@pytest.fixture
def registry(monkeypatch):
    return lambda *found: monkeypatch.setattr(claims, "all_claims", lambda: list(found))


def test_validate_prints_one_line_per_claim_and_a_summary(registry):
    registry(GOOD, claim("other-claim", lambda: TRUE), SLOW)
    result = invoke("validate")
    assert result.exit_code == 0
    first, second, last = result.stdout.splitlines()
    assert first.startswith("✓ good-claim: what good-claim says [in brackets] [3 comparisons, largest |z| 0.90, ")
    assert second.startswith("✓ other-claim")
    assert last.startswith("✓ 2 claims: 2 agree; 6 comparisons, Holm at 0.001; ")


def test_validate_says_what_speaks_against_a_claim_and_exits_with_one(registry):
    registry(GOOD, WRONG, UNLIKELY, BROKEN, ABSENT)
    result = invoke("validate")
    assert result.exit_code == 1
    for text in (
        "✓ good-claim",
        "✗ wrong-claim",
        "an identity: expected one, got two",
        "✗ unlikely-claim",
        "smallest p-value 1e-12 in noise: expected 0, got 9",
        "✗ broken-claim",
        "the check raised ZeroDivisionError: nothing over nothing (",
        "– absent-claim",
        "not run: scikit-learn is not installed",
        "✗ 5 claims: 1 agrees, 2 disagree, 1 failed, 1 not run",
    ):
        assert text in result.stdout
    assert "Traceback" not in result.output
    assert "Traceback" in invoke("validate", "--debug").stderr


def test_validate_as_json_is_one_document(registry):
    def chatty():
        print("a check that prints")
        return TRUE

    registry(claim("chatty-claim", chatty), BROKEN)
    result = invoke("validate", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["agrees"] is False
    assert [row["outcome"] for row in found["claims"]] == ["agrees", "failed"]
    assert found["counts"] == {"agrees": 1, "disagrees": 0, "failed": 1, "not run": 0}
    assert found["claims"][0]["evidence"][1]["smallest_p_value"] == 0.4
    assert "sympy" in found["versions"]


def test_validate_checks_the_claims_that_are_named(registry):
    registry(GOOD, WRONG, SLOW, ABSENT)
    assert invoke("validate", "good-claim", "slow-claim").exit_code == 0
    assert "2 claims" in invoke("validate", "good-claim", "slow-claim").stdout
    assert "4 claims" in invoke("validate", "--full").stdout
    assert_refused(invoke("validate", "god-claim"), "no claim 'god-claim'", "did you mean good-claim?")


def test_a_claim_that_was_asked_for_and_could_not_run_is_not_success(registry):
    registry(GOOD, ABSENT)
    assert invoke("validate").exit_code == 0
    assert invoke("validate", "good-claim", "absent-claim").exit_code == 1


def test_a_claim_cleared_by_the_whole_run_is_named_again(registry):
    early = claim("early-claim", lambda: [Evidence("noise", "0", "3", p_values=(2e-4,), largest_z=3.7)])
    many = claim("many-claim", lambda: [Evidence("noise", "0", "0", p_values=(0.5,) * 20, largest_z=0.7)])
    registry(early, many)
    result = invoke("validate")
    assert result.exit_code == 0
    assert "✗ early-claim" in result.stdout
    assert "✓ early-claim: agrees at the level of the whole run" in result.stdout


def test_validate_fits_a_narrow_terminal(registry):
    registry(GOOD, WRONG, BROKEN)
    assert invoke("validate", columns=40).exit_code == 1


# ---------------------------------------------------------------------------------------------------------- report


def test_validate_writes_a_report_and_says_where(registry, reports, tmp_path):
    registry(GOOD, WRONG)
    result = invoke("validate")
    assert result.exit_code == 1
    assert "wrote the report sgd-theory-report.html" in result.stderr
    assert (tmp_path / "sgd-theory-report.html").exists()
    assert invoke("validate", "-o", "mine.html").exit_code == 1
    assert [(str(path), names) for path, names in reports] == [
        ("sgd-theory-report.html", ["good-claim", "wrong-claim"]),
        ("mine.html", ["good-claim", "wrong-claim"]),
    ]


def test_validate_writes_no_report_where_none_is_wanted(registry, reports):
    registry(GOOD)
    assert invoke("validate", "--no-report").exit_code == 0
    assert invoke("validate", "--json").exit_code == 0
    assert reports == []
    assert json.loads(invoke("validate", "--json", "-o", "mine.html").stdout)["agrees"] is True
    assert len(reports) == 1


def test_a_report_that_cannot_be_written_is_named_and_leaves_the_verdict(registry, reports, monkeypatch):
    def full(report, path):
        raise OSError(28, "No space left on device", str(path))

    registry(GOOD)
    monkeypatch.setattr(sys.modules["derivations.report"], "write_report", full)
    result = invoke("validate")
    assert result.exit_code == 0
    assert "no report: sgd-theory-report.html could not be written: the disk is full" in result.stderr
    assert "--no-report" in result.stderr
    asked = invoke("validate", "-o", "mine.html")
    assert asked.exit_code == ExitCode.CANNOT
    assert "1 claim: 1 agrees" in asked.stdout


def test_a_report_is_refused_before_the_claims_are_checked_where_it_cannot_be(registry):
    registry(claim("never-claim", lambda: pytest.fail("a check ran")))
    assert_refused(invoke("validate", "-o", "no/such/folder/mine.html"), "No such file or folder", "no/such/folder")
    assert_refused(invoke("validate", "-o", "mine.docx"), "the suffix says what is written", ".html")


# -------------------------------------------------------------------------------------------------------- interrupt


def test_an_interrupt_keeps_the_claims_that_were_checked(registry, reports):
    registry(GOOD, claim("endless-claim", lambda: raises(KeyboardInterrupt())), WRONG)
    result = invoke("validate")
    assert result.exit_code == ExitCode.INTERRUPTED
    assert "✓ good-claim" in result.stdout
    assert "1 of 3 claims, interrupted: 1 agrees" in result.stdout
    assert "1 of 3 claims were checked and are summarised above and in the report" in result.stderr
    assert [names for _, names in reports] == [["good-claim"]]
    assert "Traceback" not in result.output


def test_an_interrupted_run_as_json_says_so(registry):
    registry(GOOD, claim("endless-claim", lambda: raises(KeyboardInterrupt())))
    result = invoke("validate", "--json")
    assert result.exit_code == ExitCode.INTERRUPTED
    found = json.loads(result.stdout)
    assert found["interrupted"] is True
    assert [row["name"] for row in found["claims"]] == ["good-claim"]


def test_an_interrupt_does_not_wait_for_the_check_that_it_meets(registry, monkeypatch):
    release = threading.Event()
    waits = threading.Event.wait

    def interrupted(event, timeout=None):
        if timeout == 0.1 and not waits(event, 0.3):  # the main thread waits like this; the check has begun by then
            raise KeyboardInterrupt
        return waits(event, timeout)

    registry(GOOD, claim("endless-claim", lambda: waits(release) and TRUE))
    monkeypatch.setattr(threading.Event, "wait", interrupted)
    result = invoke("validate", "--no-report")
    assert is_abandoned()
    release.set()
    assert result.exit_code == ExitCode.INTERRUPTED
    assert "1 of 2 claims, interrupted: 1 agrees" in result.stdout
    assert "endless-claim" not in result.stdout


def test_claims_are_completed_without_being_imported():
    assert set(claim_names()) == {claim.name for claim in claims.all_claims()}
