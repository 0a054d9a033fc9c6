"""The claims that `validate` checks, one module per body of theory."""

from __future__ import annotations

from importlib import import_module

from derivations.claims.claim import Claim

_MODULES = (
    "language",
    "kernels",
    "moments",
    "stability",
    "moment_exponents",
    "matrix_blocks",
    "real_data_stability",
    "scaling",
)


def all_claims() -> list[Claim]:
    """Every claim, in reading order; importing the modules of claims loads SymPy and numba."""
    return [claim for name in _MODULES for claim in import_module(f"derivations.claims.{name}").REGISTRY.claims]
