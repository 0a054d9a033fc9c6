r"""What is known of the exponents of matrix blocks before numbers are put in: how they are found, and formulas to show.

A rotation-invariant curvature in the plane has a formula of its own. With R = 2 y and y exponential of mean 1, the multipliers k across the
axis and k - s y along it,

$$ \Lambda_1 = \mathbb{E}\log\frac{k + |k - s y|}{2} , $$

integrated by parts on both sides of y = k/s.
"""

from __future__ import annotations

import sympy
from sympy import Expr, S

from theory.algorithm import Sampling
from theory.equations import Display, Step
from theory.stability.block import Block, ExponentKind
from theory.stability.cauchy_curvature import complex_step
from theory.stability.rotation_invariance import axial_form

SHOWN = 6
"""The largest block whose rotations are looked for when a derivation is written down."""


def matrix_kind(block: Block) -> ExponentKind:
    """How the top exponent of a matrix block is found, as far as that is decided without numbers."""
    present = block.randomness.of(block.curvature)
    if not present.groups or block.batch.mode in (Sampling.CYCLIC, Sampling.FULL_BATCH):
        return ExponentKind.CLOSED_FORM
    step = complex_step(block)
    if step is not None and step.determinant.is_negative is not True:
        return ExponentKind.CLOSED_FORM
    if not block.step.has_velocity and block.batch.is_single:
        form = axial_form(block)
        if form is not None and not form.others.continuous:
            return ExponentKind.QUADRATURE
    if block.order == 2 and not present.continuous:
        return ExponentKind.OPERATOR
    return ExponentKind.MONTE_CARLO


def matrix_steps(blocks: tuple[Block, ...]) -> list[Step]:
    """The derivation steps that show the formulas of matrix blocks, where there are some."""
    listed = [block for block in blocks if not block.is_scalar]
    complex_rows = tuple(
        (Display("A({})", r"A_{{{}}}", block.label), step.matrix)
        for block in listed
        if (step := complex_step(block)) is not None
    )
    steps = []
    if complex_rows:
        steps.append(
            Step(
                "Put the complex number location - i scale for the Cauchy curvature",
                complex_rows,
                "the direction of A e turns one way as the curvature grows, so that the mean of log|A ... A e| is its value there: the "
                "exponent is the logarithm of the spectral radius",
            )
        )
    rows = [row for block in listed if block.size <= SHOWN for row in _axial_rows(block)]
    if rows:
        steps.append(
            Step(
                "Average over one step of the rotation-invariant blocks",
                tuple(rows),
                "every rotation leaves the law of the curvature unchanged, so that directions are forgotten: sums of exponents are means "
                "of log|volume| of fixed unit vectors after one step, which multiplies by m along a uniform axis and by k across it",
            )
        )
    return steps


def plane_exponent(block: Block) -> Expr | None:
    """The top exponent of a rotation-invariant block of the plane through exponential integrals; None where it has not that form.

    The block must be one of single samples with curvature a + b x x^T, x Gaussian, with signs of its multipliers that SymPy decides.

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, w, x, y = symbols("u w x y")
    >>> eta = symbols("eta", positive=True)
    >>> model = Model((u*x + w*y)**2/2, [u, w], {x: Normal(), y: Normal()})
    >>> plane_exponent(stability(model, SGD(eta), point={u: 0, w: 0}).blocks[0])
    (Ei(1/(2*eta)) - Ei(1/eta))*exp(-1/eta) + expint(1, 1/(2*eta))
    """
    if block.size != 2 or block.step.has_velocity or not block.batch.is_single:
        return None
    form = axial_form(block)
    if form is None or form.others.groups or form.across.has(form.radius):
        return None
    keep = sympy.factor(block.step.carry + block.step.weight * form.across)
    fall = sympy.factor(-2 * block.step.weight * (form.along - form.across) / form.radius**2)
    if fall.has(form.radius) or keep.is_positive is not True or fall.is_positive is not True:
        return None
    middle = keep / fall
    below = _expected_log(keep, -fall / 2, S.Zero, middle)
    above = _expected_log(S.Zero, fall / 2, middle, S.Infinity)
    return sympy.collect(sympy.expand(below + above), sympy.exp(-2 * middle))


def _expected_log(constant: Expr, slope: Expr, lower: Expr, upper: Expr) -> Expr:
    """The integral of exp(-y) log(constant + slope y) between two bounds, by parts; the logarithm is real between them."""

    def edge(y: Expr) -> Expr:
        return S.Zero if y is S.Infinity else -sympy.exp(-y) * sympy.log(sympy.cancel(constant + slope * y))

    ratio = sympy.cancel(constant / slope)  # what is left is the integral of exp(-y)/(y + ratio)
    if upper is S.Infinity:
        rest = sympy.exp(ratio) * sympy.expint(1, sympy.cancel(lower + ratio))
    else:
        ends = [sympy.Ei(sympy.cancel(-(y + ratio))) for y in (lower, upper)]
        rest = sympy.exp(ratio) * (ends[1] - ends[0])
    return edge(upper) - edge(lower) + rest


def _axial_rows(block: Block) -> list[tuple[Display, Expr]]:
    form = None if block.step.has_velocity else axial_form(block)
    if form is None or not block.batch.is_single:
        return []
    rows: list[tuple[Display, Expr]] = [
        (Display(name, latex, block.label), block.step.carry + block.step.weight * part)
        for name, latex, part in (
            ("m({})", r"m_{{{}}}", form.along),
            ("k({})", r"k_{{{}}}", form.across),
        )
    ]
    closed = plane_exponent(block)
    if closed is not None:
        rows.append((Display("Lambda({})", r"\Lambda_{{{}}}", block.label), closed))
    return rows
