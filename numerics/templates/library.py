"""The library functions that generated programs may call, and the import lines of those that a program does call."""

from __future__ import annotations

import re
from collections.abc import Iterable

from numerics.precision import Precision

_BY_PRECISION = (
    "exponential_block",
    "exponential_of",
    "fill_exponentials",
    "fill_normals",
    "fill_signs",
    "fill_uniforms",
    "gamma_draw",
    "normal_block",
    "normal_draw",
    "normal_pair",
    "sign_of",
    "sign_quad",
    "uniform_block",
    "uniform_of",
)
"""Functions of `numerics.random` with a variant for single precision, under whose plain name programs call it."""
_RANDOM = ("exponential_of_pair", "integer_draw", "uniform_draw", "uniform_of_pair", "words4")
_VECTORS = ("combine_rows", "field_coefficients")

PURPOSES = (
    "DATA_PURPOSE, SCALAR_PURPOSE, BATCH_PURPOSE, START_PURPOSE, NOISE_PURPOSE, DATASET_PURPOSE, FIELD_PURPOSE = range(7)",
    "DATASET_ENTRIES_PURPOSE = 16",
)
"""The members of `numerics.random.Purpose` as constants; entries of a data set have a purpose of their own."""


def library_imports(texts: Iterable[str], precision: Precision) -> tuple[str, ...]:
    """Import lines for what the texts of a program call, and the purposes if they are named.

    >>> library_imports(["row = integer_draw(count, seed, 0, 0, 0, 0, 0)"], Precision.FLOAT32)
    ('from numerics.random import integer_draw',)
    >>> library_imports(["fill_normals(x, seed, 0, 0, 0, 0)"], Precision.FLOAT32)
    ('from numerics.random import fill_normals32 as fill_normals',)
    """
    body = "\n".join(texts)
    called = set(re.findall(r"\b(\w+)\(", body))
    lines = []
    for name in sorted(called & set(_BY_PRECISION)):
        variant = precision.suffixed(name)
        lines.append(f"from numerics.random import {variant if variant == name else f'{variant} as {name}'}")
    plain = sorted(called & set(_RANDOM))
    lines += [f"from numerics.random import {', '.join(plain)}"] if plain else []
    vectors = sorted(called & set(_VECTORS))
    lines += [f"from numerics.linear_algebra import {', '.join(vectors)}"] if vectors else []
    return (*lines, *(("", *PURPOSES) if "_PURPOSE" in body else ()))
