"""The text of a module of printed functions: imports, the type of real numbers, helpers, decorators."""

from __future__ import annotations

import re
from collections.abc import Sequence

from numerics.precision import Precision
from numerics.printer.scalar import FAST, HELPERS, helper_text

DECORATOR = '@njit(cache=True, error_model="numpy", fastmath=False)'
"""The decorator of every generated function: arithmetic exactly as printed, which no optimisation changes.

With reassociation a kernel loaded from the disk cache gives other last bits than the one that wrote it, since numba links a
callee's machine code in one case and optimises a copy of it anew in the other. And on CUDA any fast-math flag makes numba
take coarse approximations of single-precision functions (`tanh` to 11 bits). It has to be said: a function that leaves it
open inherits the flags of whichever caller compiles it first. In the loops of this project it costs no measurable time.
"""


def module_source(
    functions: Sequence[str],
    *,
    header: str = "",
    imports: Sequence[str] = (),
    decorator: str = DECORATOR,
    precision: Precision = Precision.FLOAT64,
) -> str:
    r"""Return the text of a module of `functions`: header comment, imports, the helpers they call, decorated functions.

    Parameters: `functions`, source texts in an order in which callees come first; `header`, text for the comment at the
    top; `imports`, further import lines; `decorator`, the line put before each function that has none of its own;
    `precision`, of the helpers and of the name `real`, which must be that of the functions.

    >>> print(module_source(["def double(x):\n    return real(2.0)*x\n"], precision=Precision.FLOAT32, decorator="@njit"))
    import math
    <BLANKLINE>
    import numpy as np
    from numba import njit
    <BLANKLINE>
    real = np.float32
    <BLANKLINE>
    <BLANKLINE>
    @njit
    def double(x):
        return real(2.0)*x
    <BLANKLINE>
    """
    body = "\n".join(functions)
    helpers = [helper_text(name, precision) for name in sorted(HELPERS) if _calls(body, name)]
    comment = [f"# {line}".rstrip() for line in header.splitlines()]
    lines = [*comment, "import math", "", "import numpy as np", "from numba import njit", *imports, *_library(body)]
    texts = [text.strip() for text in [*helpers, *functions]]
    # a text may begin with tables that its function reads
    decorated = [
        text if re.search("(?m)^@", text) else re.sub("(?m)^def ", f"{decorator}\\ndef ", text, count=1)
        for text in texts
    ]
    return "\n".join([*lines, "", f"real = np.{precision}"]) + "\n" + "".join(f"\n\n{text}\n" for text in decorated)


def _calls(body: str, name: str) -> bool:
    return re.search(rf"\b{name}\(", body) is not None


def _library(body: str) -> list[str]:
    """Import lines of what printed code takes from this package."""
    fast = [precision.suffixed(f"fast_{name}") for name in FAST for precision in Precision]
    used = sorted(name for name in fast if _calls(body, name))
    lines = [f"from numerics.elementary import {', '.join(used)}"] if used else []
    return [*lines, *(["from numerics.emitter import emitted"] if "@emitted(" in body else [])]
