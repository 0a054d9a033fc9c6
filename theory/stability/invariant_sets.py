r"""Sets that SGD never leaves: the fixed spaces of sign flips and of exchanges of parameters that leave every sample's loss unchanged.

If the loss satisfies $\ell(R\theta;z)=\ell(\theta;z)$ for all z, with an orthogonal R, then its gradient commutes with R: from a point with
$R\theta=\theta$ every step of SGD, whatever the batch, leads to such a point again. At these points every sample's Hessian commutes
with R and has no entries between the set's directions and those *transverse* to it. The transverse exponents tell whether the set
attracts (stochastic collapse onto simpler networks).

References: Feng Chen, Daniel Kunin, Atsushi Yamamura, Surya Ganguli, Stochastic Collapse: How Gradient Noise Attracts SGD Dynamics
Towards Simpler Subnetworks (2023, arXiv 2306.04251).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, S, Symbol

from theory.algorithm import SGD
from theory.equations import RandomMap, Step, Steps
from theory.errors import InvalidRequest, ValuesError
from theory.identity import Identified, content_hash
from theory.model import Model
from theory.stability.boundary import boundaries_of
from theory.stability.derivation import Stability
from theory.stability.fixed_point import refuse_vectors
from theory.stability.randomness import vanishes
from theory.update import random_map, velocity

MOST_PARAMETERS = 12
"""The most parameters of a polynomial loss whose symmetries are searched."""
MOST_WITHOUT_POLYNOMIAL = 8
"""The most parameters of any other loss: every candidate is put into the loss."""
MOST_SETS = 4096
"""The most invariant sets that are listed."""


class Symmetry(StrEnum):
    """What leaves the loss unchanged."""

    SIGN_FLIP = "sign flip"
    """Some parameters change their sign: they vanish on the invariant set."""
    EXCHANGE = "exchange"
    """Pairs of parameters change places, all at once: they are equal on the invariant set."""


@dataclass(frozen=True, eq=False)
class InvariantSet(Identified):
    """A linear space of parameters that every step of SGD maps into itself.

    `parameters`: those of the model, in order. `symmetry`: its kind. `moved`: the parameters that are flipped, each as a tuple of one,
    or the pairs that are exchanged.
    """

    parameters: tuple[Symbol, ...]
    symmetry: Symmetry
    moved: tuple[tuple[Symbol, ...], ...]

    @property
    def equations(self) -> tuple[Expr, ...]:
        """What vanishes on the set, as many equations as it has transverse directions."""
        return tuple(group[0] if len(group) == 1 else group[0] - group[1] for group in self.moved)

    @property
    def free(self) -> tuple[Symbol, ...]:
        """The parameters that are coordinates on the set; of a pair of equal ones, the first."""
        bound = {group[-1] for group in self.moved}
        return tuple(parameter for parameter in self.parameters if parameter not in bound)

    @property
    def frozen(self) -> dict[Symbol, Expr]:
        """The other parameters, as they are on the set: 0, or equal to a free one."""
        return {group[-1]: S.Zero if len(group) == 1 else group[0] for group in self.moved}

    @property
    def reflection(self) -> ImmutableDenseMatrix:
        """The matrix R of the symmetry: 1 on the set, -1 across it."""
        order = {parameter: index for index, parameter in enumerate(self.parameters)}
        matrix = sympy.eye(len(self.parameters))
        for group in self.moved:
            places = [order[parameter] for parameter in group]
            for place in places:
                matrix[place, place] = -1 if len(group) == 1 else 0
            if len(group) == 2:
                matrix[places[0], places[1]] = matrix[places[1], places[0]] = 1
        return ImmutableDenseMatrix(matrix)

    @property
    def transverse(self) -> tuple[dict[Symbol, Expr], ...]:
        """The directions across the set, each as its components: one parameter, or the difference of two equal ones."""
        return tuple(
            {group[0]: S.One} if len(group) == 1 else {group[0]: S.One, group[1]: -S.One} for group in self.moved
        )

    def contains(self, point: Mapping[Symbol, Any]) -> bool:
        """Whether a point, a value for every parameter, lies on the set."""
        return all(vanishes(sympy.sympify(equation.xreplace(dict(point)))) for equation in self.equations)

    def content(self) -> tuple[Any, ...]:
        return self.parameters, self.symmetry, self.moved

    def __repr__(self) -> str:
        listed = [f"{group[0]} = 0" if len(group) == 1 else f"{group[0]} = {group[1]}" for group in self.moved]
        return f"InvariantSet({', '.join(listed)})"


def invariant_sets(model: Model) -> tuple[InvariantSet, ...]:
    """Return the invariant sets of SGD that come from sign flips and from exchanges of parameters.

    Listed are the fixed spaces of every set of parameters that may be flipped together, and of every set of pairs that may be exchanged
    together (the weights of two neurons), such that each sample's loss stays the same function; few transverse directions first. They
    hold for every optimiser of `SGD` and every way of drawing batches. Flips combined with exchanges lead to images of these sets.

    Raises `UnsupportedExpectation` for vector models, `InvalidRequest` for more than 12 parameters (8 for a loss that is no polynomial
    in them), or more than 4096 sets. Cost: milliseconds for a polynomial; otherwise every candidate is put into the loss.

    >>> from theory import Model, Normal, symbols
    >>> u, w, x, y = symbols("u w x y")
    >>> invariant_sets(Model((u*w*x - y)**2/2, [u, w], {x: Normal(), y: Normal()}))
    (InvariantSet(u = w), InvariantSet(u = 0, w = 0))
    """
    if not isinstance(model, Model):
        raise InvalidRequest(f"invariant_sets takes a Model, got {type(model).__name__}")
    refuse_vectors(model)
    parameters = model.parameters
    polynomial = model.loss.is_polynomial(*parameters)
    limit = MOST_PARAMETERS if polynomial else MOST_WITHOUT_POLYNOMIAL
    if len(parameters) > limit:
        raise InvalidRequest(
            f"invariant_sets searches the symmetries of at most {limit} parameters of "
            f"{'a polynomial loss' if polynomial else 'a loss that is no polynomial in them'}; this model has {len(parameters)}"
        )
    loss = _Monomials(model) if polynomial else _AnyLoss(model)
    found: list[InvariantSet] = []
    for symmetry, candidates in ((Symmetry.SIGN_FLIP, loss.flips()), (Symmetry.EXCHANGE, loss.exchanges())):
        for moved in candidates:
            groups = tuple(tuple(parameters[index] for index in group) for group in moved)
            found.append(InvariantSet(parameters, symmetry, groups))
            if len(found) > MOST_SETS:
                raise InvalidRequest(f"the loss has more than {MOST_SETS} invariant sets; study a smaller network")
    return tuple(sorted(found, key=lambda one: (len(one.moved), str(one))))


# -------------------------------------------------------------------------------------------------------- symmetries

Moved = tuple[tuple[int, ...], ...]


class _Monomials:
    """A loss that is polynomial in the parameters: exponents -> coefficient."""

    def __init__(self, model: Model) -> None:
        polynomial = sympy.Poly(model.loss, *model.parameters)
        self.size = len(model.parameters)
        self.terms = {powers: sympy.expand(c) for powers, c in polynomial.terms()}

    def flips(self) -> Iterator[Moved]:
        """Sets of parameters in which every monomial has even degree."""
        parities = {tuple(power % 2 for power in powers) for powers in self.terms}
        for count in range(1, self.size + 1):
            for chosen in combinations(range(self.size), count):
                if all(sum(parity[index] for index in chosen) % 2 == 0 for parity in parities):
                    yield tuple((index,) for index in chosen)

    def exchanges(self) -> Iterator[Moved]:
        """Sets of pairs whose exchange maps every monomial to one with the same coefficient."""
        signatures = [self._signature(index) for index in range(self.size)]
        yield from self._extended((), {}, signatures)

    def _signature(self, index: int) -> tuple[Any, ...]:
        """What an exchange must preserve of a parameter: its powers, the shapes and coefficients of the monomials that hold it."""
        held = [
            (powers[index], tuple(sorted(powers)), str(coefficient))
            for powers, coefficient in self.terms.items()
            if powers[index]
        ]
        return tuple(sorted(held))

    def _extended(self, pairs: Moved, image: dict[int, int], signatures: list[Any]) -> Iterator[Moved]:
        left = [index for index in range(self.size) if index not in image]
        if not left:
            if pairs:
                yield pairs
            return
        first = left[0]
        for partner in left:
            if signatures[partner] != signatures[first]:
                continue
            larger = {**image, first: partner, partner: first}
            if self._agrees(larger, first, partner):
                new = pairs if partner == first else (*pairs, (first, partner))
                yield from self._extended(new, larger, signatures)

    def _agrees(self, image: dict[int, int], first: int, partner: int) -> bool:
        """Whether the monomials of the parameters that have an image keep their coefficients."""
        for powers, coefficient in self.terms.items():
            if not (powers[first] or powers[partner]):
                continue
            if any(power and index not in image for index, power in enumerate(powers)):
                continue
            moved = tuple(powers[image[index]] if index in image else 0 for index in range(self.size))
            if self.terms.get(moved) != coefficient:
                return False
        return True


class _AnyLoss:
    """Any loss: candidates are put into it."""

    def __init__(self, model: Model) -> None:
        self.loss, self.parameters = model.loss, model.parameters

    def flips(self) -> Iterator[Moved]:
        size = len(self.parameters)
        for count in range(1, size + 1):
            for chosen in combinations(range(size), count):
                if self._keeps({self.parameters[index]: -self.parameters[index] for index in chosen}):
                    yield tuple((index,) for index in chosen)

    def exchanges(self) -> Iterator[Moved]:
        for pairs in _pairings(tuple(range(len(self.parameters)))):
            images = {self.parameters[a]: self.parameters[b] for pair in pairs for a, b in (pair, pair[::-1])}
            if pairs and self._keeps(images):
                yield pairs

    def _keeps(self, images: Mapping[Symbol, Expr]) -> bool:
        difference = self.loss.xreplace(dict(images)) - self.loss
        return bool(difference == 0 or sympy.expand(difference) == 0)


def _pairings(left: tuple[int, ...]) -> Iterator[Moved]:
    """Every set of disjoint pairs."""
    if not left:
        yield ()
        return
    first, *rest = left
    yield from _pairings(tuple(rest))
    for partner in rest:
        for pairs in _pairings(tuple(index for index in rest if index != partner)):
            yield ((first, partner), *pairs)


# ------------------------------------------------------------------------------------------------ transverse stability


def transverse_stability(equations: Stability, invariant_set: InvariantSet) -> Stability:
    """Return the part of a linearisation that acts across an invariant set: its transverse blocks, with their copies there.

    The point must lie on the set. What computes exponents, thresholds and phases of a `Stability` does so for this one: the set attracts
    nearby points where every exponent is negative.

    Raises `ValuesError` if the point does not lie on the set, or the set belongs to another model.

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, w, x, y = symbols("u w x y")
    >>> eta = symbols("eta", positive=True)
    >>> model = Model((u*w*x - y)**2/2, [u, w], {x: Normal(), y: Normal()})
    >>> saddle = stability(model, SGD(eta), point={u: 0, w: 0})
    >>> [block.name for block in transverse_stability(saddle, invariant_sets(model)[0]).blocks]
    ['u - w']
    """
    _require_set(equations.model, invariant_set)
    if not invariant_set.contains(equations.point):
        where = ", ".join(f"{parameter} = {value}" for parameter, value in equations.point.items())
        raise ValuesError(f"the point {where} does not lie on {invariant_set}; linearise at a point of the set")
    across = (sympy.eye(len(invariant_set.parameters)) - invariant_set.reflection) / 2
    blocks = []
    for block in equations.blocks:
        kept: list[sympy.MatrixBase] = []
        for copy in range(block.vectors.cols // block.size):
            # across commutes with every Hessian: the image of a copy is nothing, or a copy of the same curvature
            columns = across * block.vectors[:, copy * block.size : (copy + 1) * block.size]
            if sympy.Matrix.hstack(*kept, columns).rank() == sum(c.cols for c in kept) + block.size:
                kept.append(columns)
        if kept:
            vectors = ImmutableDenseMatrix.hstack(*map(ImmutableDenseMatrix, kept))
            names = tuple(_combination(kept[0][:, j], equations.model.parameters) for j in range(block.size))
            blocks.append(replace(block, vectors=vectors, directions=names, multiplicity=len(kept)))
    identity = content_hash((equations.model_hash, invariant_set))
    rate = tuple(equations.algorithm.learning_rate.free_symbols)
    return replace(
        equations,
        blocks=tuple(blocks),
        boundaries=tuple(boundary for block in blocks for boundary in boundaries_of(block, rate, identity)),
        steps=Steps((*equations.steps, Step("Keep what acts across the set", (), str(invariant_set)))),
        model_hash=identity,
    )


def transverse_map(model: Model, algorithm: SGD, invariant_set: InvariantSet) -> RandomMap:
    """Return SGD on an invariant set together with its linearisation across the set, as a random map.

    The state is the free parameters of the set, which move by SGD as it is, then the transverse coordinates `transverse_1`, ..., on which
    a step acts as a matrix that depends on the free parameters and the batch; with momentum also the velocities of both. A transverse
    coordinate is the value of a flipped parameter, or half the difference of a pair.

    Raises what `theory.random_map` raises, and `ValuesError` for the set of another model.
    """
    _require_set(model, invariant_set)
    step = random_map(model, algorithm)
    present = [invariant_set.parameters]
    if any(velocity(parameter) in step.update for parameter in model.parameters):
        present.append(tuple(velocity(parameter) for parameter in model.parameters))
    rename = [dict(zip(invariant_set.parameters, layer, strict=True)) for layer in present]
    place = {images[p]: value.xreplace(images) for images in rename for p, value in invariant_set.frozen.items()}
    update: dict[Expr, Expr] = {
        images[p]: sympy.expand(step.update[images[p]].xreplace(place)) for images in rename for p in invariant_set.free
    }
    taken = {
        symbol.name for symbol in (*step.free_symbols, *step.update, *(s for names, _ in step.draws for s in names))
    }
    coordinates = [
        [_fresh(f"{word}_{index}", taken) for index in range(1, len(invariant_set.moved) + 1)]
        for word in ("transverse", "transverse_velocity")[: len(present)]
    ]
    shifts = [
        (images[p], weight * coordinate)
        for images, listed in zip(rename, coordinates, strict=True)
        for coordinate, direction in zip(listed, invariant_set.transverse, strict=True)
        for p, weight in direction.items()
    ]
    for images, listed in zip(rename, coordinates, strict=True):
        for coordinate, direction in zip(listed, invariant_set.transverse, strict=True):
            moved = [
                weight / len(direction) * sympy.diff(step.update[images[p]], item) * shift
                for p, weight in direction.items()
                for item, shift in shifts
            ]
            update[coordinate] = sympy.expand(sympy.Add(*moved).xreplace(place))
    return RandomMap(
        update=update,
        draws=step.draws,
        clock=step.clock,
        conventions=step.conventions,
        steps=step.steps,
        model_hash=content_hash((step.model_hash, invariant_set)),
    )


def transverse_coordinates(equations: RandomMap, invariant_set: InvariantSet) -> tuple[Expr, ...]:
    """The transverse coordinates of a `transverse_map`, velocities among them: what is no free parameter, nor its velocity."""
    live = {name for parameter in invariant_set.free for name in (parameter, velocity(parameter))}
    return tuple(quantity for quantity in equations.state if quantity not in live)


def _require_set(model: Model, invariant_set: Any) -> None:
    if not isinstance(invariant_set, InvariantSet):
        raise InvalidRequest(f"expected one of invariant_sets(model), got {type(invariant_set).__name__}")
    if invariant_set.parameters != model.parameters:
        raise ValuesError(
            f"{invariant_set} belongs to a model with the parameters {', '.join(map(str, invariant_set.parameters))}; this one has "
            f"{', '.join(map(str, model.parameters))}"
        )
    if invariant_set not in invariant_sets(model):
        raise ValuesError(f"{invariant_set} is no invariant set of this model; take one of invariant_sets(model)")


def _combination(vector: sympy.MatrixBase, parameters: tuple[Any, ...]) -> Expr:
    scaled = vector * sympy.ilcm(*(sympy.denom(entry) for entry in vector if entry.is_Rational))
    return sympy.Add(*(c * p for c, p in zip(scaled, parameters, strict=True) if c != 0))


def _fresh(name: str, taken: set[str]) -> Symbol:
    while name in taken:
        name += "_"
    taken.add(name)
    return Symbol(name, real=True)
