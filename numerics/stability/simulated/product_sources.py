"""Where the random matrices of a block come from: a data set in one of two forms, draws inside the program, or a stream made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.kernel import Argument
from numerics.precision import Precision
from numerics.printer import argument_names
from numerics.stability.matrices import Outcomes, sample_curvatures
from numerics.stability.problem import Array
from numerics.stability.simulated.dyads import factored
from numerics.targets import Target
from numerics.templates.curvature import FINITE_MODES, CurvatureCode, DrawnEntries, Form
from numerics.templates.draws import SampleCode, choice_thresholds, hoisted, sample_code
from numerics.templates.maps import elementary_for, straight
from numerics.values import whole_number
from theory import Block, Sampling
from theory.algorithm import Bernoulli
from theory.errors import UnsupportedExpectation
from theory.stability.randomness import Randomness

LARGEST_DRAWN = 144
"""Entries of a curvature up to which a program draws its samples itself; larger ones come as a stream of matrices."""


def _none() -> NDArray[np.uint64]:
    return np.zeros(0, np.uint64)


@dataclass(frozen=True)
class Source:
    """The code of the batches and the numbers that it is given (`CurvatureCode.arguments`, all but seed, stream and
    length).

    `epoch` : steps after which the batches repeat or are dealt anew. `finite` : whether nothing that is drawn has a
        density.
    """

    code: CurvatureCode
    batch: int
    count: int
    size: int
    fraction: float = 1.0
    thresholds: NDArray[np.uint64] = field(default_factory=_none)
    arrays: tuple[NDArray[Any], ...] = ()
    epoch: int = 1
    finite: bool = True

    def values(self, seed: int, length: int = 1, *, stream: int = 0) -> list[Any]:
        """The values of the arguments of the code."""
        with np.errstate(divide="ignore"):
            skip = -1.0 / np.log1p(-self.fraction)
        whole = [seed, stream, self.size, self.batch, self.count, length]
        return [*whole, self.fraction, skip + 0.0, self.thresholds, *self.arrays]


def source_of(block: Block, values: Mapping[Symbol, float], target: Target) -> Source | None:
    """Return where a block's curvatures come from at these values of the symbols.

    None where the samples cannot be drawn inside a program: laws that are not finite, and too large or without device
    code. Raises `ValuesError` for a batch size that is no positive whole number.
    """
    single = sample_curvatures(block, values)
    if single is None:
        return _drawn(block, values, target)
    return _of_data(block, values, single)


def relevant(block: Block) -> list[Symbol]:
    """The symbols on which the curvature of a sample, the laws and the batches depend."""
    found = {*_of_samples(block), *block.batch.size.free_symbols}
    if isinstance(block.batch.mode, Bernoulli):
        found |= block.batch.mode.fraction.free_symbols
    return sorted(found, key=str)


def _of_samples(block: Block) -> list[Symbol]:
    """The symbols on which the curvature of a sample and the laws depend."""
    present = block.randomness.of(block.curvature)
    found = block.curvature.free_symbols - set(present.symbols)
    return sorted(found.union(*(law.free_symbols for _, law in present.groups)), key=str)


def batch_size_of(block: Block, values: Mapping[Symbol, float]) -> int:
    """The batch size as a number. Raises `ValuesError` if it is no positive whole number."""
    return whole_number(number(block.batch.size, values), f"batch_size = {block.batch.size}")


def has_code(present: Randomness) -> bool:
    """Whether programs can draw the laws themselves."""
    try:
        for _, law in present.groups:
            law.draw("check")
    except UnsupportedExpectation:
        return False
    return True


def number(expression: Expr, values: Mapping[Symbol, float]) -> float:
    """An expression of symbols at their values."""
    return float(sympy.sympify(expression).xreplace({s: sympy.Float(v, 17) for s, v in values.items()}))


def stream_source(matrices: Array) -> Source:
    """The source of a stream: a matrix for each replica and step, shape (replica * step, k, k)."""
    code = CurvatureCode(Form.MATRICES, None)
    arrays = (matrices, _norms(matrices))
    return Source(code, 1, len(matrices), matrices.shape[-1], arrays=arrays, finite=False)


# --------------------------------------------------------------------------------------------------------- a data set


def _of_data(block: Block, values: Mapping[Symbol, float], single: Outcomes) -> Source:
    mode: Any = block.batch.mode
    matrices, shares = single.matrices, single.shares
    if isinstance(mode, Bernoulli):
        if len(matrices) != block.batch.data_count:  # the same curvature for every sample, which still come and go
            matrices = np.repeat(matrices, int(block.batch.data_count or 1), axis=0)
        fraction = number(mode.fraction, values)
        return _table(Source(CurvatureCode(Form.MATRICES, mode), 1, len(matrices), block.size, fraction), matrices)
    if mode == Sampling.FULL_BATCH or len(matrices) == 1:
        mean = np.einsum("n,nij->ij", shares, matrices)[np.newaxis]
        return _table(Source(CurvatureCode(Form.MATRICES, Sampling.FULL_BATCH), 1, 1, block.size), mean)
    batch, count = batch_size_of(block, values), len(matrices)
    epoch = count // batch if mode in (Sampling.RESHUFFLED, Sampling.CYCLIC) else 1
    if mode in FINITE_MODES:
        mode = Sampling.WITH_REPLACEMENT
    weighted = bool(np.ptp(shares) > 1e-15)
    thresholds = choice_thresholds(list(shares)) if weighted else _none()
    code = CurvatureCode(Form.MATRICES, mode, weighted)
    return _table(Source(code, batch, count, block.size, thresholds=thresholds, epoch=epoch), matrices)


def _table(source: Source, matrices: Array) -> Source:
    """The matrices of the samples as dyads where this saves work, else as they are."""
    found = factored(matrices)
    if found is None:
        return replace(source, arrays=(matrices, _norms(matrices)))
    arrays = (found.left, found.right, found.offsets, _norms(matrices))
    return replace(source, code=replace(source.code, form=Form.FACTORS), arrays=arrays)


def _norms(matrices: Array) -> Array:
    return np.asarray(np.linalg.norm(matrices, axis=(1, 2)))


# ------------------------------------------------------------------------------------------------ drawn by the program


def _drawn(block: Block, values: Mapping[Symbol, float], target: Target) -> Source | None:
    """Samples drawn by the program itself, if their curvature is small and every law has code."""
    size = block.size
    entries = {(a, b): block.curvature[a, b] for a in range(size) for b in range(size) if block.curvature[a, b] != 0}
    if len(entries) > LARGEST_DRAWN:
        return None
    present = block.randomness.of(block.curvature)
    laws = [(names, law) for names, law in present.groups if not hasattr(law, "arrays")]
    rows = [(names, law) for names, law in present.groups if hasattr(law, "arrays")]
    hyper = _of_samples(block)
    held = dict(zip(hyper, argument_names(hyper), strict=True))
    options = {"elementary": elementary_for(target)}
    try:
        sample = sample_code(laws, held, values, (), precision=Precision.FLOAT64, print_options=options)
    except UnsupportedExpectation:
        return None
    columns = _add_rows(sample, rows)
    distinct = list(dict.fromkeys(entries.values()))
    results = [f"entry_{k}" for k in range(len(distinct))]
    used = [s for s in sample.scalars if any(entry.has(s) for entry in distinct)]
    arguments = [*hyper, *used]
    code = straight("curvature", arguments, distinct, results, target=target, precision=Precision.FLOAT64)
    named = zip(code.names, [*held.values(), *(sample.scalars[s] for s in used)], strict=True)
    loaded = [f"{name} = {variable}" for name, variable in named if name != variable]
    tables, statements = hoisted(sample)
    drawn = DrawnEntries(
        size=size,
        places=tuple(entries),
        values=tuple(results[distinct.index(entry)] for entry in entries.values()),
        statements=(*statements, *loaded, *code.lines),
        tables=(*(f"{name} = hyper[{k}]" for k, name in enumerate(held.values())), *tables),
        functions=(*sample.functions, *code.functions),
        imports=code.imports,
        arguments=(
            Argument("hyper", dimensions=1),
            *(Argument(name, dimensions=1) for name in sample.tables),
            *(Argument(name, "uint64", 1) for name in sample.thresholds),
        ),
    )
    numbers = np.array([values[s] for s in hyper], dtype=float)
    arrays = (numbers, *sample.tables.values(), *sample.thresholds.values())
    batch = batch_size_of(block, values)
    source = CurvatureCode(Form.DRAWN, block.batch.mode, drawn=drawn)
    return Source(source, batch, columns, size, arrays=arrays, finite=False)


def _add_rows(sample: SampleCode, rows: Any) -> int:
    """Rows of data sets beside other draws, with replacement; returns the largest number of rows."""
    for number_, (names, law) in enumerate(rows):
        place = f"seed, stream, replica, step, {len(rows)} * member + {number_}, BATCH_PURPOSE"
        sample.statements.append(f"data_row_{number_} = integer_draw({law.count}, {place})")
        for slot, (name, column) in enumerate(zip(names, law.arrays, strict=True)):
            table = f"data_{number_}_{slot}"
            sample.tables[table] = np.ascontiguousarray(column, dtype=float)
            sample.scalars[name] = f"data_{number_}_value_{slot}"
            sample.statements.append(f"data_{number_}_value_{slot} = {table}[data_row_{number_}]")
    return max((law.count for _, law in rows), default=1)
