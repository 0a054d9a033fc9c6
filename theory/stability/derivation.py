r"""The verb `stability`: from a loss and a point to a product of random matrices, its blocks and their exponents.

At a noise-free fixed point the linearised step is theta' - theta* = A (theta - theta*) with i.i.d. A, and SGD returns to the
point in probability where the top Lyapunov exponent is negative. The verdict is local: what follows an escape needs
simulation (`numerics.fates`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, S, Symbol

from theory.algorithm import SGD
from theory.equations import Assumption, Boundary, Clock, Display, Equations, Status, Step, Steps
from theory.errors import NeutralDirection, UnknownValue
from theory.identity import content_hash
from theory.model import Model
from theory.references import PROBABILISTIC_STABILITY
from theory.stability.batches import Batch, batch_of
from theory.stability.block import Block, OneStep
from theory.stability.boundary import boundaries_of, mean_square_boundaries_of
from theory.stability.characteristic import characteristic_function
from theory.stability.fixed_point import local_hessian, read_point, require_affine, require_fixed_point
from theory.stability.matrix_formulas import matrix_steps
from theory.stability.mean_square import mean_square_threshold_of
from theory.stability.randomness import Randomness, coefficients, nonvanishing_parts, spanning_matrices
from theory.stability.splitting import Invariant, invariant_subspaces, is_scalar, restriction
from theory.update import linear_update, refuse_unless_plain, require_statement
from theory.vectors import symbols


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Stability(Equations):
    """The linearisation of SGD at a noise-free fixed point, or the linear part of an affine update.

    `model`, `algorithm`: what was linearised. `point`: the fixed point, empty for an affine update with additive noise. `hessian`: that
    of one sample's loss there. `blocks`: the invariant subspaces, each with its curvature and its Lyapunov exponent per step.
    `boundaries`: expressions that vanish where a block changes between stable and unstable. A matrix block has no line among `lines`: its
    exponents are computed.
    """

    model: Model
    algorithm: SGD
    point: Mapping[Symbol, Expr]
    hessian: ImmutableDenseMatrix
    blocks: tuple[Block, ...]
    boundaries: tuple[Boundary, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "point", dict(self.point))

    @property
    def noise_free(self) -> bool:
        """Whether SGD is at rest at `point`. Else the result is the linear part of an affine update, whose exponents tell whether a
        stationary law exists, not whether a point attracts."""
        return bool(self.point)

    @property
    def lines(self) -> tuple[tuple[Any, Any], ...]:
        return tuple((exponent_of(block), block.exponent) for block in self.blocks if block.is_scalar)

    @property
    def free_symbols(self) -> tuple[Expr, ...]:
        found: set[Any] = set()
        for block in self.blocks:
            step, present = block.step, block.randomness.of(block.curvature)
            parts = (step.carry, step.weight, step.drag, step.pull, step.beta, step.shift, block.batch.size)
            found |= set().union(*(sympy.sympify(part).free_symbols for part in parts))
            found |= block.curvature.free_symbols - set(present.symbols)
            found |= set().union(set(), *(law.free_symbols for _, law in present.groups))
        return tuple(sorted(found, key=str))

    def block(self, name: str) -> Block:
        """The block of that name. Raises `UnknownValue` with the names there are."""
        names = {block.name: block for block in self.blocks}
        if name not in names:
            raise UnknownValue(f"there is no block {name!r}; the blocks are {', '.join(names)}")
        return names[name]

    @cached_property
    def mean_square_boundaries(self) -> tuple[Boundary, ...]:
        """Where L(2) = 0 for each small block, E A M A^T ceasing to contract: polynomials that vanish (`numerics` does the others)."""
        rates = tuple(self.algorithm.learning_rate.free_symbols)
        return tuple(
            found for block in self.blocks for found in mean_square_boundaries_of(block, rates, self.model_hash)
        )

    @cached_property
    def mean_square_thresholds(self) -> Mapping[str, Expr | None]:
        """The learning rate up to which each block, by name, is mean-square stable: 0 if never, None where no formula is found."""
        return {block.name: mean_square_threshold_of(block, self.algorithm) for block in self.blocks}

    def content(self) -> tuple[Any, ...]:
        return self.clock, self.point, self.hessian, self.blocks

    def __str__(self) -> str:
        where = ", ".join(f"{parameter} = {value}" for parameter, value in self.point.items())
        rows = [f"noise-free fixed point {where}" if self.noise_free else "linear part of an affine update"]
        for block in self.blocks:
            copies = f", {block.multiplicity} copies" if block.multiplicity > 1 else ""
            if block.is_scalar:
                note = _NEUTRAL[block.is_silent] if block.is_neutral else ""
                rows.append(f"{exponent_of(block)} = {block.exponent}  [{block.kind}{copies}{note}]")
            else:
                rows.append(
                    f"{exponent_of(block)}: product of {block.order} x {block.order} matrices  [{block.kind}{copies}]"
                )
        return "\n".join(rows)

    def to_latex(self) -> str:
        """The exponents as a LaTeX `aligned` block; of a matrix block, its curvature."""
        rows = []
        for block in self.blocks:
            right = (
                sympy.latex(block.exponent)
                if block.is_scalar
                else rf"\lambda\left({sympy.latex(block.curvature)}\right)"
            )
            rows.append(f"{sympy.latex(exponent_of(block))} &= {right}")
        return r"\begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}"


_NEUTRAL = {
    True: "; no sample curves the loss here: linear theory is silent",
    False: "; no sample curves the loss here: decay alone decides",
}


def exponent_of(block: Block) -> Display:
    """The left side: the Lyapunov exponent of a block."""
    return Display("Lambda({})", r"\Lambda_{{{}}}", block.label)


def stability(model: Model, algorithm: SGD, *, point: Mapping[Any, Any] | None = None) -> Stability:
    r"""Return the stability of SGD at a noise-free fixed point: blocks, Lyapunov exponents, phase boundaries.

    With H(z) the Hessian of one sample's loss at the point and a batch B of S samples, plain SGD is linearised to

    $$ \theta' = \Big[(1-\eta\gamma)I - \frac\eta S\sum_{i\in B}H(z_i)\Big]\theta , $$

    (with momentum: on theta and its velocity), and H(z) is block-diagonalised for all z at once. A block of size one multiplies a number
    by a random number m, and has the exponent E log|m|.

    Parameters
    ----------
    model : an explicit model (vectors are expanded by `model.components`), its loss twice differentiable at the point.
    algorithm : an `SGD`; its batch size may be a symbol for independent draws.
    point : a value for every parameter; expressions of hyperparameters and of further real symbols are allowed. Left out for an update
        that is affine in the parameters (a quadratic loss), which need not rest anywhere: theta' = A theta + b with additive noise b. A
        unique stationary law exists if Lambda < 0 and E log+|b| is finite.

    Raises `NotNoiseFreeFixedPoint` with the residual gradient, `NotDifferentiable` at a kink, `SamplingNotCovered`,
    `AlgorithmNotCovered` (temperature, constraints, proximal steps), `UnsupportedExpectation` for vector models,
    `MissingValue` and `UnknownValue` for a point that does not fit. Warns of a `NeutralDirection` (once, with all of them).

    Validity: exact for the linearised dynamics. Lambda < 0 everywhere: SGD started close to the point converges to it with a
    probability that tends to one; Lambda > 0: it does not stay near. Neutral directions are reported and never counted
    as unstable. Cost: exact linear algebra in the number of parameters.

    References: Liu Ziyin, Botao Li, Tomer Galanti, Masahito Ueda, The Probabilistic Stability of Stochastic Gradient
    Descent (2023, arXiv 2303.13093).

    >>> from theory import SGD, Discrete, Model, stability, symbols
    >>> u, w, y = symbols("u w y")
    >>> eta, a = symbols("eta a", positive=True)
    >>> model = Model((u*w - y)**2/2, [u, w], {y: Discrete({1: 0.5, -a: 0.5})})
    >>> found = stability(model, SGD(eta), point={u: 0, w: 0})
    >>> found.block("u + w").exponent
    log(eta + 1)/2 + log(Abs(a*eta - 1))/2
    >>> [boundary.expression for boundary in found.boundaries[:2]]
    [a*eta - a + 1, a*eta**2 - a*eta + eta - 2]
    """
    require_statement(model, algorithm, "stability")
    refuse_unless_plain(algorithm, "stability")
    if point is None:
        require_affine(model)
        found = _linearised(model, algorithm, ())
    else:
        found = _linearised(model, algorithm, tuple(read_point(model, point).items()))
    _warn_of_neutral(found.blocks, model.parameters)
    return found


@lru_cache(maxsize=64)
def _linearised(model: Model, algorithm: SGD, point: tuple[tuple[Symbol, Expr], ...]) -> Stability:
    """The derivation. It depends on the content of its arguments alone: the same question is not worked out twice."""
    where = dict(point)
    batch = batch_of(model, algorithm)
    if where:
        require_fixed_point(model, algorithm, where)
    hessian, randomness = local_hessian(model, algorithm, where)
    step = one_step(model, algorithm)
    spanning = spanning_matrices(hessian, randomness)
    pieces = invariant_subspaces(spanning, len(model.parameters))
    blocks = _merged([_block(piece, hessian, spanning, randomness, batch, step, model) for piece in pieces])
    identity = content_hash((model, algorithm, tuple(where.items())))
    rate = tuple(algorithm.learning_rate.free_symbols)
    return Stability(
        model=model,
        algorithm=algorithm,
        point=where,
        hessian=hessian,
        blocks=blocks,
        boundaries=tuple(boundary for block in blocks for boundary in boundaries_of(block, rate, identity)),
        clock=Clock.STEPS,
        conventions=(*algorithm.conventions(), "exponents are natural logarithms per step"),
        assumptions=_assumptions(where, blocks, batch),
        steps=_steps(where, hessian, randomness, spanning, blocks, batch),
        references=(PROBABILISTIC_STABILITY,),
        model_hash=identity,
    )


def _warn_of_neutral(blocks: tuple[Block, ...], parameters: tuple[Any, ...]) -> None:
    """Warn once of the directions along which no sample curves the loss."""
    neutral = [block for block in blocks if block.is_neutral]
    if not neutral:
        return
    directions = [_direction(block.vectors[:, j], parameters) for block in neutral for j in range(block.vectors.cols)]
    step = neutral[0].step
    exponent = None if step.has_velocity else sympy.log(sympy.Abs(step.carry))
    shown = "" if exponent is None else f", with the exponent {exponent}"
    verdict = (
        "nothing moves along them to first order, linear theory does not decide them"
        if neutral[0].is_silent
        else f"decay alone moves them{shown}"
    )
    message = f"no sample curves the loss along {', '.join(map(str, directions))}: {verdict}"
    warnings.warn(NeutralDirection(directions, exponent, message), stacklevel=3)


def one_step(model: Model, algorithm: SGD) -> OneStep:
    """The scalars of the linearised step, read off the update of one parameter: they are the same for all."""
    update = linear_update(model, algorithm)
    parameter = model.parameters[0]
    rule = update.items[parameter]
    if not update.velocities:
        return OneStep(rule.carried.get(parameter, S.Zero), rule.weight)
    speed = next(item for item in update.velocities if update.items[item].parameter == parameter)
    moved = update.items[speed]
    return OneStep(
        carry=rule.carried.get(parameter, S.Zero),
        weight=rule.weight,
        drag=rule.carried.get(speed, S.Zero),
        pull=moved.carried.get(parameter, S.Zero),
        beta=moved.carried.get(speed, S.Zero),
        shift=update.point[parameter].get(speed, S.Zero),
        has_velocity=True,
    )


# ------------------------------------------------------------------------------------------------------------ blocks


def _block(
    piece: Invariant,
    hessian: sympy.MatrixBase,
    spanning: Sequence[sympy.MatrixBase],
    randomness: Randomness,
    batch: Batch,
    step: OneStep,
    model: Model,
) -> Block:
    """The block of an invariant subspace; one on which every sample is a multiple of the identity is one with copies."""
    curvature = restriction(hessian, piece.basis)
    if not any(nonvanishing_parts(entry, randomness) for entry in curvature):
        curvature = sympy.zeros(*curvature.shape)  # no sample curves the loss here, though the expression may be long
    if piece.irreducible and _is_multiple_of_identity(piece, spanning):
        copies, curvature = piece.basis.cols, curvature[:1, :1]
    else:
        copies = 1
    return Block(
        directions=tuple(_direction(piece.basis[:, j], model.parameters) for j in range(curvature.rows)),
        vectors=piece.basis,
        curvature=ImmutableDenseMatrix(curvature.applyfunc(lambda entry: _readable(entry, randomness))),
        randomness=randomness.of(curvature),
        batch=batch,
        step=step,
        multiplicity=copies,
        irreducible=piece.irreducible,
    )


def _is_multiple_of_identity(piece: Invariant, spanning: Sequence[sympy.MatrixBase]) -> bool:
    return all(is_scalar(restriction(matrix, piece.basis)) for matrix in spanning)


def _readable(entry: Expr, randomness: Randomness) -> Expr:
    """A curvature as a sum over functions of the sample, each with a short coefficient."""
    parts = coefficients(sympy.expand(entry), randomness.symbols)
    return sympy.Add(*(sympy.factor_terms(sympy.cancel(c)) * function for function, c in parts.items()))


def _direction(vector: sympy.MatrixBase, parameters: tuple[Any, ...]) -> Expr:
    """A direction in parameter space, u + w."""
    return sympy.Add(*(c * symbols(p.name) for c, p in zip(vector, parameters, strict=True) if c != 0))


def _merged(blocks: list[Block]) -> tuple[Block, ...]:
    """Blocks of equal curvature as one with a multiplicity, in the order of their first copies."""
    found: dict[Any, Block] = {}
    for block in blocks:
        other = found.get(block.curvature)
        if other is None:
            found[block.curvature] = block
            continue
        vectors = ImmutableDenseMatrix.hstack(other.vectors, block.vectors)
        found[block.curvature] = replace(other, vectors=vectors, multiplicity=other.multiplicity + block.multiplicity)
    return tuple(found.values())


# ------------------------------------------------------------------------------------------------- how it came about


def _assumptions(point: Mapping[Symbol, Expr], blocks: tuple[Block, ...], batch: Batch) -> tuple[Assumption, ...]:
    at_rest = Assumption(
        "every sample's gradient vanishes at the point",
        Status.CHECKED,
        "its coefficients in the continuous symbols vanish at every outcome of the finite laws",
    )
    additive = Assumption(
        "E log+|b| of the additive noise b is finite: a unique stationary law then exists where every exponent is negative",
        Status.STATED,
        "the update is affine in the parameters, theta' = A theta + b; no point was given",
    )
    found = [
        at_rest if point else additive,
        Assumption("batches of different steps are independent", Status.CHECKED, f"sampling: {batch.mode}"),
    ]
    neutral = [block.name for block in blocks if block.is_silent]
    if neutral:
        found.append(
            Assumption(
                f"the directions {', '.join(neutral)} are neutral: linear theory does not decide them",
                Status.CHECKED,
                "no sample curves the loss along them",
            )
        )
    coarse = [block.name for block in blocks if not block.irreducible]
    if coarse:
        found.append(
            Assumption(
                f"the blocks {', '.join(coarse)} may split further",
                Status.CHECKED,
                "their eigenvalues are roots of polynomials of degree three or more",
            )
        )
    return tuple(found)


def _steps(
    point: Mapping[Symbol, Expr],
    hessian: ImmutableDenseMatrix,
    randomness: Randomness,
    spanning: list[ImmutableDenseMatrix],
    blocks: tuple[Block, ...],
    batch: Batch,
) -> Steps:
    at_rest = Step(
        "Check that the point is a noise-free fixed point",
        tuple(point.items()),
        "the gradient of every sample, weight decay included, vanishes there",
    )
    affine = Step(
        "Check that the update is affine in the parameters",
        (),
        "the gradient of every sample is of degree one in them at most",
    )
    steps = [
        at_rest if point else affine,
        Step(
            "Take the Hessian of one sample's loss",
            ((Display("H", "H"), hessian),),
            "the step is linearised at the point"
            if point
            else "it is free of the parameters: the linear part of the step",
        ),
        Step(
            "Split the space for all samples at once",
            tuple(
                (_curvature_of(block), block.curvature if block.size > 1 else block.curvature[0, 0]) for block in blocks
            ),
            f"each of these subspaces is mapped into itself by the constant matrices that span H ({len(spanning)} of them)",
        ),
    ]
    scalar = [block for block in blocks if block.is_scalar]
    if scalar:
        steps.append(
            Step(
                "Take the expected logarithm of each multiplier",
                tuple((exponent_of(block), block.definition) for block in scalar),
                "log|theta| is then a sum of i.i.d. terms, which grows at the rate of their mean",
            )
        )
    closed = [block for block in scalar if block.closed_form is not None]
    if closed:
        steps.append(
            Step(
                "Evaluate it in closed form",
                tuple((exponent_of(block), block.closed_form) for block in closed),
                "finite laws are enumerated; log|m| is a sum of logarithmic potentials at the roots of m",
            )
        )
    steps += _integral(block for block in scalar if block.closed_form is None)
    steps += matrix_steps(blocks)
    return Steps(steps)


def _integral(blocks: Any) -> list[Step]:
    """How the blocks without closed form are evaluated."""
    listed = list(blocks)
    t = symbols("t", positive=True)
    rows = []
    for block in listed:
        function = characteristic_function(block.curvature[0, 0], block.randomness, t)
        if function is not None:
            rows.append((Display("phi({})", r"\varphi_{{{}}}(t)", block.label), function))
    if not listed:
        return []
    return [
        Step(
            "Write the logarithm through the characteristic function",
            tuple(rows),
            "log|m| = Re of the integral over t > 0 of (exp(-t) - exp(i t m))/t, and the characteristic function of a batch mean "
            "is phi(t/S)^S: a quadrature without singularity",
        )
    ]


def _curvature_of(block: Block) -> Display:
    return Display("h({})", r"h_{{{}}}", block.label)
