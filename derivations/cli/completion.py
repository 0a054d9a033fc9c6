"""What a shell completes: names of models, claims, benchmarks, methods; found without loading SymPy."""

from __future__ import annotations

import ast
from pathlib import Path

METHODS = ("direct", "chain")
"""The ways to run SGD, as `numerics.simulate.Method` names them."""
SOLVERS = ("DormandPrince853", "DormandPrince", "RungeKutta4", "Stiff", "SmallNoise", "EulerMaruyama", "Milstein")
"""The methods of `solve`: classes of `numerics.solve.methods`."""
PRECISIONS = ("float64", "float32")
"""The formats of `numerics.precision.Precision`, which needs NumPy."""


def models(incomplete: str) -> list[str]:
    """Shipped models, and model files and folders under the path that was begun."""
    from derivations.model_files import shipped_models

    return [name for name in shipped_models() if name.startswith(incomplete)] + _files(incomplete)


def _files(incomplete: str) -> list[str]:
    path = Path(incomplete)
    folder, start = (path, "") if incomplete.endswith("/") else (path.parent, path.name)
    prefix = incomplete[: len(incomplete) - len(start)]
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    found = []
    for entry in entries:
        if entry.name.startswith(start) and not entry.name.startswith("."):
            if entry.is_dir():
                found.append(f"{prefix}{entry.name}/")
            elif entry.suffix in (".py", ".toml"):
                found.append(f"{prefix}{entry.name}")
    return found


def claims(incomplete: str) -> list[str]:
    """Claims, read from the text of the modules that register them."""
    return [name for name in claim_names() if name.startswith(incomplete)]


def claim_names() -> list[str]:
    """The names that `@REGISTRY.claim("name", ...)` decorates with, over all modules of claims."""
    folder = Path(__file__).parents[1] / "claims"
    found = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "claim":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.append(first.value)
    return found


def benchmarks(incomplete: str) -> list[str]:
    """Groups of benchmarks."""
    from derivations.benchmarks.groups import GROUPS

    return [name for name in GROUPS if name.startswith(incomplete)]


def targets(incomplete: str) -> list[str]:
    """Targets."""
    from numerics.targets import Target

    return [str(name) for name in Target if name.startswith(incomplete)]


def precisions(incomplete: str) -> list[str]:
    """Formats of numbers."""
    return [name for name in PRECISIONS if name.startswith(incomplete)]


def methods(incomplete: str) -> list[str]:
    """Ways to run SGD and to solve equations."""
    return [name for name in (*METHODS, *SOLVERS) if name.startswith(incomplete)]
