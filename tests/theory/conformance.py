"""One exact step of SGD on a vector model, in plain NumPy: the reference for scaling limits and moments.

Inner products of a few vectors with n-dimensional Gaussian data have a law that needs no n-dimensional vectors. Every
fixed or trained vector is written in an orthonormal frame of their span (d coordinates). A data vector has d
independent Gaussian coordinates there; its remainder, in n - d dimensions, is written by Bartlett's decomposition: the
k-th remainder has k - 1 Gaussian coordinates along the earlier ones and then the root of a chi-squared number with
n - d - k + 1 degrees of freedom. One step on these short vectors is one step of SGD in R^n, exactly in law, for any n.
Nothing here uses the derivations of `theory`: the loss is differentiated by SymPy with respect to its inner products
and lambdified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from scipy import stats
from sympy import Dummy, Expr, Symbol

from theory import Discrete, Exponential, GaussianQuadrature, Model, Normal, Quadrature, Rademacher, Uniform, Vector
from theory.vectors import InnerProduct, VectorExpression

Array = np.ndarray
FAMILY_WISE_ERROR = 1e-3


@dataclass(frozen=True)
class State:
    """Coordinates of trained and fixed vectors in a frame of their span, and values of the trained scalars."""

    vectors: dict[Vector, Array]
    scalars: dict[Symbol, float]

    @property
    def span(self) -> int:
        return next(iter(self.vectors.values())).size


@dataclass(frozen=True)
class Sample:
    """One copy of the sample: vectors (size, coordinates) and scalars (size,)."""

    vectors: dict[Vector, Array]
    scalars: dict[Symbol, Array]


def number(expression: Any, at: Mapping[Any, Any]) -> float:
    """An expression with hyperparameters as a float."""
    return float(sympy.sympify(expression).subs(dict(at)))


def random_state(model: Model, at: Mapping[Any, Any], rng: np.random.Generator, size: float = 0.6) -> State:
    """Fixed vectors with the Gram matrix that the model states, trained vectors in random position to them."""
    signals, trained = model.signals, model.vector_parameters
    span = len(signals) + len(trained)
    gram = np.array([[number(model.fixed[InnerProduct(a, b)], at) for b in signals] for a in signals]).reshape(
        (len(signals),) * 2
    )
    values, axes = np.linalg.eigh(gram) if len(signals) else (np.zeros(0), np.zeros((0, 0)))
    vectors = {
        v: np.concatenate([row, np.zeros(len(trained))])
        for v, row in zip(signals, axes * np.sqrt(values.clip(0)), strict=True)
    }
    vectors |= {w: size * rng.standard_normal(span) for w in trained}
    return State(vectors, {s: float(rng.uniform(-1, 1)) for s in model.scalar_parameters})


# --------------------------------------------------------------------------------------------------- draws


def draw_law(law: Any, size: int, rng: np.random.Generator, at: Mapping[Any, Any]) -> list[Any]:
    """Draws of a law, one array (or list of vector expressions) per slot."""
    if isinstance(law, Normal):
        mean = np.array([number(entry, at) for entry in law.means])
        covariance = np.array([[number(entry, at) for entry in row] for row in law.covariance])
        values, axes = np.linalg.eigh(covariance)
        return list((mean + rng.standard_normal((size, mean.size)) @ (axes * np.sqrt(values.clip(0))).T).T)
    if isinstance(law, Uniform):
        return [rng.uniform(number(law.support.inf, at), number(law.support.sup, at), size)]
    if isinstance(law, Exponential):
        return [rng.exponential(number(law.mean, at), size)]
    if isinstance(law, (Discrete, Rademacher)):
        outcomes = law.outcomes()
        chosen = rng.choice(len(outcomes), size, p=[number(weight, at) for _, weight in outcomes])
        return [_table([_slots(value)[slot] for value, _ in outcomes], chosen, at) for slot in range(law.size)]
    raise NotImplementedError(law)


def _slots(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, sympy.Tuple)) else (value,)


def _table(entries: list[Any], chosen: Array, at: Mapping[Any, Any]) -> Any:
    if isinstance(entries[0], VectorExpression):
        return entries, chosen
    return np.array([number(entry, at) for entry in entries])[chosen]


def _resolved(entry: tuple[list[Any], Array], state: State, width: int, at: Mapping[Any, Any]) -> Array:
    """The coordinates of a vector that is drawn from a table of combinations of fixed vectors."""
    entries, chosen = entry
    rows = np.zeros((len(entries), width))
    for row, combination in zip(rows, entries, strict=True):
        for vector, coefficient in combination.terms.items():
            row[: state.span] += number(coefficient, at) * state.vectors[vector]
    return rows[chosen]


def draw_batch(
    model: Model, at: Mapping[Any, Any], state: State, n: int, size: int, batch: int, rng: np.random.Generator
) -> list[Sample]:
    """`size` independent batches of `batch` samples, exact in law at dimension n."""
    isotropic = [
        (names[0], law) for names, law in model.data if isinstance(names[0], Vector) and isinstance(law, Normal)
    ]
    span, count = state.span, batch * len(isotropic)
    samples = []
    for copy in range(batch):
        vectors: dict[Vector, Array] = {}
        scalars: dict[Symbol, Array] = {}
        for position, (vector, law) in enumerate(isotropic):
            index = copy * len(isotropic) + position
            entries = np.zeros((size, span + count))
            entries[:, : span + index] = rng.standard_normal((size, span + index))
            entries[:, span + index] = np.sqrt(rng.chisquare(n - span - index, size))
            vectors[vector] = np.sqrt(number(law.moment(2), at)) * entries
        for names, law in model.data:
            if names[0] in vectors:
                continue
            for name, entry in zip(names, draw_law(law, size, rng, at), strict=True):
                if isinstance(name, Vector):
                    vectors[name] = _resolved(entry, state, span + count, at)
                else:
                    scalars[name] = entry
        samples.append(Sample(vectors, scalars))
    return samples


def limit_nodes(model: Model, at: Mapping[Any, Any], state: State, n: float, order: int) -> tuple[Sample, Array]:
    """Quadrature nodes and weights of one sample as n grows: remainders are orthogonal, of length sqrt(n sigma^2)."""
    isotropic = [
        (names[0], law) for names, law in model.data if isinstance(names[0], Vector) and isinstance(law, Normal)
    ]
    span, width = state.span, state.span + len(isotropic)
    axes: list[tuple[Any, list[Any], Array]] = []
    hermite, hermite_weights = np.polynomial.hermite_e.hermegauss(order)
    legendre, legendre_weights = np.polynomial.legendre.leggauss(order)
    for vector, _ in isotropic:
        axes += [((vector, i), list(hermite), hermite_weights / hermite_weights.sum()) for i in range(span)]
    for names, law in model.data:
        if isinstance(law, Normal) and not isinstance(names[0], Vector):
            deviation, mean = np.sqrt(number(law.variance, at)), number(law.mean, at)
            axes.append((names, [(mean + deviation * x,) for x in hermite], hermite_weights / hermite_weights.sum()))
        elif isinstance(law, Uniform):
            low, high = number(law.support.inf, at), number(law.support.sup, at)
            axes.append((names, [((low + high) / 2 + (high - low) / 2 * x,) for x in legendre], legendre_weights / 2))
        elif isinstance(law, (Discrete, Rademacher)):
            weights = np.array([number(weight, at) for _, weight in law.outcomes()])
            axes.append((names, [_slots(value) for value, _ in law.outcomes()], weights))
        elif not isinstance(names[0], Vector):
            raise NotImplementedError(law)
    grids = np.meshgrid(*(np.arange(len(values)) for _, values, _ in axes), indexing="ij")
    chosen = [grid.ravel() for grid in grids]
    weight = np.prod([weights[index] for (_, _, weights), index in zip(axes, chosen, strict=True)], axis=0)
    vectors = {vector: np.zeros((weight.size, width)) for vector, _ in isotropic}
    scalars: dict[Symbol, Array] = {}
    for (names, values, _), index in zip(axes, chosen, strict=True):
        if isinstance(names[0], Vector) and isinstance(names[1], int):
            vectors[names[0]][:, names[1]] = np.array(values)[index]
            continue
        for slot, name in enumerate(names):
            entry = _table([value[slot] for value in values], index, at)
            if isinstance(name, Vector):
                vectors[name] = _resolved(entry, state, width, at)
            else:
                scalars[name] = entry
    for position, (vector, law) in enumerate(isotropic):
        vectors[vector][:, span + position] = np.sqrt(n)
        vectors[vector] *= np.sqrt(number(law.moment(2), at))
    return Sample(vectors, scalars), weight


# --------------------------------------------------------------------------------------------------- a step


class Reference:
    """One step of SGD on a model, on coordinates: `change` of every Gram entry and trained scalar per learning rate."""

    def __init__(self, model: Model, at: Mapping[Any, Any]) -> None:
        self.model, self.at = model, dict(at)
        self.products = sorted(model.loss.atoms(InnerProduct), key=str)
        places = {product: Dummy(f"d{i}", real=True) for i, product in enumerate(self.products)}
        self.symbols = sorted(model.loss.free_symbols - set(self.at), key=str)
        loss = model.loss.xreplace(places).subs(self.at)
        arguments = [*places.values(), *self.symbols]
        self.coefficients: dict[Vector, list[tuple[Vector, Callable[..., Any]]]] = {}
        for parameter in model.vector_parameters:
            terms = []
            for product in self.products:
                if parameter in product.args:
                    other = product.args[1] if product.args[0] == parameter else product.args[0]
                    slope = sympy.diff(loss, places[product]) * (2 if other == parameter else 1)
                    terms.append((other, sympy.lambdify(arguments, slope, ["numpy", "scipy"])))
            self.coefficients[parameter] = terms
        self.slopes = {
            s: sympy.lambdify(arguments, sympy.diff(loss, s), ["numpy", "scipy"]) for s in model.scalar_parameters
        }

    def change(
        self, entries: Iterable[Expr], state: State, samples: list[Sample], n: float, rate: float, decay: float = 0.0
    ) -> Array:
        """(new - old) / rate of Gram entries and trained scalars, shape (entries, size)."""
        size, width = next(iter(samples[0].vectors.values())).shape
        fixed = {v: np.concatenate([x, np.zeros(width - x.size)])[None, :] for v, x in state.vectors.items()}
        moves = {w: rate * decay * fixed[w] + np.zeros((size, width)) for w in self.model.vector_parameters}
        shifts = {s: rate * decay * state.scalars[s] + np.zeros(size) for s in self.model.scalar_parameters}
        for sample in samples:
            vectors = {**fixed, **sample.vectors}
            values = [np.sum(vectors[p.args[0]] * vectors[p.args[1]], axis=1) for p in self.products]
            known = {**sample.scalars, **state.scalars}
            values += [known.get(s, n) for s in self.symbols]
            for parameter, terms in self.coefficients.items():
                for other, coefficient in terms:
                    moves[parameter] += (
                        rate / len(samples) * np.broadcast_to(coefficient(*values), size)[:, None] * vectors[other]
                    )
            for symbol, slope in self.slopes.items():
                shifts[symbol] += rate / len(samples) * np.broadcast_to(slope(*values), size)
        return np.array([self._change(entry, fixed, moves, shifts, size) for entry in entries]) / rate

    @staticmethod
    def _change(
        entry: Expr, fixed: dict[Vector, Array], moves: dict[Vector, Array], shifts: dict[Symbol, Array], size: int
    ) -> Array:
        if not isinstance(entry, InnerProduct):
            return -shifts[entry]
        left, right = entry.args
        first, second = moves.get(left, np.zeros((1, 1))), moves.get(right, np.zeros((1, 1)))
        total = (
            np.sum(first * second, axis=1) - np.sum(first * fixed[right], axis=1) - np.sum(fixed[left] * second, axis=1)
        )
        return np.broadcast_to(total, size)


# --------------------------------------------------------------------------------------------------- evaluation


def evaluated(expression: Any, values: Mapping[Any, float], order: int = 80, *, kinked: bool = False) -> float:
    """An expression with nodes as a float: Gauss-Hermite for Gaussians, an adaptive rule for densities.

    `kinked`: polar coordinates for integrands with kinks and jumps along lines through the origin.
    """
    images = {
        key: sympy.Float(value, 17) if isinstance(value, float) else sympy.sympify(value)
        for key, value in values.items()
    }
    return float(_evaluated(sympy.sympify(expression).xreplace(images), order, kinked))


def _evaluated(expression: Expr, order: int, kinked: bool = False) -> Expr:
    nodes = [e for e in sympy.preorder_traversal(expression) if isinstance(e, (GaussianQuadrature, Quadrature))]
    outermost = [e for e in nodes if not any(e != other and other.has(e) for other in nodes)]
    return expression.xreplace({node: sympy.Float(_node(node, order, kinked), 17) for node in outermost}).evalf(17)


def _standard_normal_rule(size: int, order: int, kinked: bool) -> tuple[Array, Array]:
    """Points (size, ...) and weights that average over `size` independent standard normals."""
    if not kinked:
        x, weights = np.polynomial.hermite_e.hermegauss(order)
        grids = np.meshgrid(*[x] * size, indexing="ij")
        return np.array(grids), np.prod(np.meshgrid(*[weights / weights.sum()] * size, indexing="ij"), axis=0)
    knots, weights = np.polynomial.legendre.leggauss(60)
    radii, weights = 6 * (knots + 1), 6 * weights * (6 * (knots + 1)) * np.exp(-18 * (knots + 1) ** 2)
    angles = (np.arange(20_000) + 0.5) * np.pi / 10_000
    radius, angle = np.meshgrid(radii, angles, indexing="ij")
    plane = np.array([radius * np.cos(angle), radius * np.sin(angle)])
    assert size <= 2
    return plane[:size], np.repeat(weights[:, None] / angles.size, angles.size, axis=1)


def _node(node: Any, order: int, kinked: bool) -> float:
    if isinstance(node, GaussianQuadrature):
        covariance = np.array(node.covariance.evalf(17).tolist(), dtype=float)
        eigenvalues, axes = np.linalg.eigh(covariance)
        standard, weight = _standard_normal_rule(len(node.variables), order, kinked)
        points = np.tensordot(axes * np.sqrt(eigenvalues.clip(0)), standard, axes=1)
        values = sympy.lambdify(node.variables, node.integrand, ["numpy", "scipy"])(*points)
        return float(np.sum(weight * values))
    from scipy.integrate import quad

    def integrand(x: float) -> float:
        inner = (node.integrand * node.density).xreplace({node.variable: sympy.Float(x)})
        return float(_evaluated(inner, order))

    if node.integrand.has(Quadrature, GaussianQuadrature):
        x, weights = np.polynomial.legendre.leggauss(24)  # nested: finite intervals of smooth integrands only
        low, high = float(node.lower), float(node.upper)
        return float(
            sum(
                (high - low) / 2 * w * integrand((low + high) / 2 + (high - low) / 2 * t)
                for t, w in zip(x, weights, strict=True)
            )
        )
    function = sympy.lambdify(node.variable, node.integrand * node.density, ["numpy", "scipy"])
    value, _ = quad(
        lambda x: float(function(x)), float(node.lower), float(node.upper), epsabs=1e-12, epsrel=1e-11, limit=400
    )
    return value


def gram_values(entries: Iterable[Expr], state: State) -> dict[Expr, float]:
    """The numbers of Gram entries and trained scalars at a state."""
    return {
        e: float(state.vectors[e.args[0]] @ state.vectors[e.args[1]])
        if isinstance(e, InnerProduct)
        else state.scalars[e]
        for e in entries
    }


# --------------------------------------------------------------------------------------------------- statistics


def holm_rejections(comparisons: list[tuple[str, float, float, float]], level: float = FAMILY_WISE_ERROR) -> list[str]:
    """What Holm's procedure rejects of comparisons (name, estimate, standard error, prediction), family-wise."""
    scored = []
    for name, estimate, error, prediction in comparisons:
        gap = abs(estimate - prediction)
        score = gap / error if error > 0 else (0.0 if gap < 1e-9 * (1 + abs(prediction)) else np.inf)
        scored.append(
            (
                2 * stats.norm.sf(score),
                f"{name}: {estimate:.6g} +- {error:.2g}, predicted {prediction:.6g} ({score:.1f} SE)",
            )
        )
    rejected = []
    for rank, (p, text) in enumerate(sorted(scored)):
        if p > level / (len(scored) - rank):
            break
        rejected.append(text)
    return rejected


def covariance_with_errors(changes: Array) -> tuple[Array, Array]:
    """The sample covariance of the rows, and the standard error of each entry."""
    centred = changes - changes.mean(axis=1, keepdims=True)
    products = centred[:, None, :] * centred[None, :, :]
    return products.mean(axis=2), products.std(axis=2) / np.sqrt(changes.shape[1])
