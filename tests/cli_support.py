"""What tests of the command line share: running it here or in a process of its own, and reading what it said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import derivations
from derivations.cli import app

ROOT = Path(derivations.__file__).parents[1]

SCALAR = '''"""One weight."""
from theory import SGD, Model, Normal, symbols
eta = symbols("eta", positive=True)
w, x, e = symbols("w x e")
model = Model((w * x - e) ** 2 / 2, [w], {x: Normal(), e: Normal()})
algorithm = SGD(eta)
theory = "moments"
at = {eta: 0.1}
start = {w: 1.0}
until = 10
replicas = 200
'''
"""A model file that takes no time."""


def invoke(*arguments, columns=100, **environment):
    """The command line in this process, on a terminal of `columns` characters."""
    variables = {"COLUMNS": str(columns), **environment}
    return CliRunner().invoke(app, [str(a) for a in arguments], env=variables)


def outside(*arguments, cwd, stdout=subprocess.PIPE, **environment):
    """Python in a process of its own, in another folder."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def command(*arguments, cwd, stdout=subprocess.PIPE, **environment):
    """The command line in a process of its own."""
    return outside("-m", "derivations.cli", *arguments, cwd=cwd, stdout=stdout, **environment)


def data(result):
    """The JSON on stdout, which must hold nothing else, and no number that JSON does not have."""
    assert result.stderr == ""
    return json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def assert_refused(result, *words, code=2):
    """One message on stderr that holds the words, nothing on stdout, no traceback."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("sgd-theory: ")
    assert "Traceback" not in result.stderr
    assert all(word in result.stderr for word in words), result.stderr
