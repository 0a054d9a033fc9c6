"""The machine: kernels, solvers, simulators and statistics for the equations that `theory` derives.

Everything public is listed here and loaded on first use, so that `import numerics` stays light.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

_EXPORTS = {
    "numerics.generate": ("Target", "generate"),
    "numerics.kernel": ("Kernel",),
    "numerics.solve": ("solve", "spectral_radius", "stationary"),
    "numerics.simulate": ("simulate",),
    "numerics.compare": ("Agreement", "Verdict", "compare", "fit_exponent", "holm"),
}
if TYPE_CHECKING:  # the same list once more for type checkers, which do not run __getattr__; a test compares the two
    from numerics.compare import (
        Agreement as Agreement,
    )
    from numerics.compare import (
        Verdict as Verdict,
    )
    from numerics.compare import (
        compare as compare,
    )
    from numerics.compare import (
        fit_exponent as fit_exponent,
    )
    from numerics.compare import (
        holm as holm,
    )
    from numerics.generate import (
        Target as Target,
    )
    from numerics.generate import (
        generate as generate,
    )
    from numerics.kernel import (
        Kernel as Kernel,
    )
    from numerics.simulate import (
        simulate as simulate,
    )
    from numerics.solve import (
        solve as solve,
    )
    from numerics.solve import (
        spectral_radius as spectral_radius,
    )
    from numerics.solve import (
        stationary as stationary,
    )

_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'numerics' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]


class _Package(ModuleType):
    """The package object: loading the submodule `numerics.solve` must not hide the verb `numerics.solve`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
