"""The packages export one list of names, lazily, and importing them stays light."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", ["theory", "numerics"])
def test_every_exported_name_can_be_imported(name: str) -> None:
    package = importlib.import_module(name)
    assert all(getattr(package, export) is not None for export in package.__all__)


def test_a_loaded_submodule_does_not_hide_the_verb_of_its_name() -> None:
    code = (
        "import theory.moments.closure, numerics.solve.ode; from theory import moments; from numerics import solve; "
        "assert callable(moments) and callable(solve)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_importing_the_packages_loads_neither_sympy_nor_numba() -> None:
    heavy = ("sympy", "numba", "numpy", "xarray", "matplotlib")
    code = f"import sys, theory, numerics; loaded = set({heavy}) & set(sys.modules); assert not loaded, loaded"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("theory", ("numerics", "derivations", "numba", "scipy", "xarray")), ("numerics", ("derivations",))],
)
def test_imports_point_one_way(package: str, forbidden: tuple[str, ...]) -> None:
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not [m for m in modules if m.split(".")[0] in forbidden], path


def test_no_body_of_theory_imports_another() -> None:
    for body, other in (("moments", "theory.scaling"), ("scaling", "theory.moments")):
        for path in (ROOT / "theory" / body).rglob("*.py"):
            assert other not in path.read_text(encoding="utf-8"), path
