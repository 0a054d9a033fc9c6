r"""Layered models over scalar parameters: matrices of symbols, layers, activations, and losses on their outputs.

Everything here is ordinary SymPy: a layer maps a tuple of expressions to a tuple of expressions, and what comes out is
the loss of a `Model` like any other. Entries of the matrix `U` are the real symbols `U_0_0`, `U_0_1`, ...

>>> from theory import Empirical, Model, symbols
>>> from theory.networks import MLP, inputs, squared_error, tanh
>>> network, x, y = MLP([2, 3, 1], activation=tanh), inputs("x", 2), symbols("y")
>>> model = Model(squared_error(network(x), [y]), network.parameters, {(x, y): Empirical([[0, 1], [1, 1]], [1, 0])})
>>> len(model.parameters)
13
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, Integer, Lambda, S, Symbol

from theory.errors import DimensionMismatch, ModelError, NotDimensionFree
from theory.identity import Identified

Activation = Callable[[Any], Any]
Outputs = tuple[Expr, ...]

_ARGUMENT = Symbol("x", real=True)


# ------------------------------------------------------------------------------------------------ matrices and inputs


def Matrix(name: str, rows: int, columns: int) -> ImmutableDenseMatrix:
    """Return a matrix of real symbols `name_i_j`, counted from 0; it may be listed whole in a model's `parameters`.

    Raises `ModelError` for a missing name or a size that is no positive whole number.

    >>> from theory import Matrix
    >>> Matrix("U", 1, 2)
    Matrix([[U_0_0, U_0_1]])
    """
    call = f"Matrix({name!r}, {rows!r}, {columns!r})"
    _require_name(name, call)
    shape = _size(rows, "rows", call), _size(columns, "columns", call)
    return ImmutableDenseMatrix(*shape, lambda i, j: Symbol(f"{name}_{i}_{j}", real=True))


def inputs(name: str, count: int) -> tuple[Symbol, ...]:
    """Return the real symbols `name_0`, `name_1`, ...: the entries of an input, or of `Vector(name, count)`.

    Raises `ModelError` for a missing name or a count that is no positive whole number.

    >>> from theory.networks import inputs
    >>> inputs("x", 3)
    (x_0, x_1, x_2)
    """
    call = f"inputs({name!r}, {count!r})"
    _require_name(name, call)
    return tuple(Symbol(f"{name}_{index}", real=True) for index in range(_size(count, "count", call)))


def weight_normalised(directions: Any, gains: Sequence[Any]) -> ImmutableDenseMatrix:
    r"""Return the matrix with rows $g_i v_i/|v_i|$: each row of `directions` at length 1, times its gain.

    Raises `DimensionMismatch` unless there is one gain per row.

    >>> from theory import Matrix, symbols
    >>> from theory.networks import weight_normalised
    >>> weight_normalised(Matrix("V", 1, 2), symbols("g:1"))[0]
    V_0_0*g0/sqrt(V_0_0**2 + V_0_1**2)
    """
    matrix, factors = ImmutableDenseMatrix(directions), _row(gains)
    if len(factors) != matrix.rows:
        raise DimensionMismatch(
            f"weight_normalised: {matrix.rows} rows and {len(factors)} gains; give one gain per row"
        )
    norms = [sympy.sqrt(sympy.Add(*(entry**2 for entry in matrix.row(i)))) for i in range(matrix.rows)]
    return ImmutableDenseMatrix(*matrix.shape, lambda i, j: factors[i] * matrix[i, j] / norms[i])


# -------------------------------------------------------------------------------------------------------- activations


def relu(x: Any) -> Expr:
    """Return max(x, 0); its derivative is a step, with the value 1/2 at 0."""
    return sympy.Max(x, 0)


def sigmoid(x: Any) -> Expr:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + sympy.exp(-x))


def swish(x: Any) -> Expr:
    """Return x / (1 + exp(-x))."""
    return x * sigmoid(x)


def softplus(x: Any) -> Expr:
    """Return log(1 + exp(x))."""
    return sympy.log(1 + sympy.exp(x))


def tanh(x: Any) -> Expr:
    """Return the hyperbolic tangent."""
    return sympy.tanh(x)


def erf(x: Any) -> Expr:
    """Return the error function."""
    return sympy.erf(x)


def square(x: Any) -> Expr:
    """Return x**2."""
    return sympy.sympify(x) ** 2


def identity(x: Any) -> Expr:
    """Return x: the activation of a linear network."""
    return sympy.sympify(x)


def softmax(scores: Sequence[Any]) -> Outputs:
    r"""Return the weights $e^{s_i}/\sum_j e^{s_j}$, written as $1/\sum_je^{s_j-s_i}$ so that no weight overflows."""
    row = _row(scores)
    return tuple(1 / sympy.Add(*(sympy.exp(other - score) for other in row)) for score in row)


# ------------------------------------------------------------------------------------------------------------- layers


@dataclass(frozen=True, eq=False)
class Linear(Identified):
    """The layer x -> W x + b.

    Parameters: `name`; `inputs` and `outputs`, its widths; `bias`, whether there is b. W has the entries `name_i_j`, b
    the entries `name_bias_i`. Raises `ModelError` for impossible widths.

    >>> from theory.networks import Linear, inputs
    >>> Linear("A", 2, 1)(inputs("x", 2))
    (A_0_0*x_0 + A_0_1*x_1 + A_bias_0,)
    """

    name: str
    inputs: int
    outputs: int
    bias: bool = True

    def __post_init__(self) -> None:
        Matrix(self.name, self.outputs, self.inputs)

    @cached_property
    def weight(self) -> ImmutableDenseMatrix:
        """W, of shape (outputs, inputs)."""
        return Matrix(self.name, self.outputs, self.inputs)

    @cached_property
    def shift(self) -> tuple[Symbol, ...]:
        """The entries of b; none without bias."""
        return inputs(f"{self.name}_bias", self.outputs) if self.bias else ()

    @property
    def parameters(self) -> tuple[Symbol, ...]:
        """The entries of W row by row, then those of b."""
        return (*self.weight, *self.shift)

    def content(self) -> tuple[Any, ...]:
        return self.name, int(self.inputs), int(self.outputs), self.bias

    def __call__(self, values: Iterable[Any]) -> Outputs:
        row = _row(values)
        if len(row) != self.inputs:
            raise DimensionMismatch(f"layer {self.name} takes {self.inputs} inputs, got {len(row)}")
        outputs = _product(self.weight, row)
        return tuple(map(sympy.Add, outputs, self.shift)) if self.bias else outputs


@dataclass(frozen=True, eq=False)
class MLP(Identified):
    """A multilayer perceptron: linear layers of the given `widths`, with `activation` between them, none after the last.

    Parameters
    ----------
    widths : at least two positive whole numbers, from the input to the output.
    activation : a function of one expression, such as `swish`, or a `sympy.Lambda`; kept as a `Lambda`.
    bias : whether the layers have biases.
    name : put before the names of the layers, `W1`, `W2`, ..., to tell networks apart.

    Raises `ModelError` for impossible widths and for an activation that is no function of one expression.

    >>> from theory.networks import MLP, inputs, relu
    >>> network = MLP([1, 2, 1], activation=relu, bias=False)
    >>> network(inputs("x", 1))
    (W2_0_0*Max(0, W1_0_0*x_0) + W2_0_1*Max(0, W1_1_0*x_0),)
    """

    widths: tuple[int, ...]
    activation: Lambda
    bias: bool
    name: str

    def __init__(self, widths: Sequence[int], *, activation: Activation, bias: bool = True, name: str = "") -> None:
        call = f"MLP({widths!r})"
        if isinstance(widths, str) or not isinstance(widths, Sequence) or len(widths) < 2:
            raise ModelError(f"{call}: widths must list the input, the hidden and the output widths, as in [10, 16, 1]")
        sizes = tuple(_size(width, "a width", call) for width in widths)
        for field, value in {
            "widths": sizes,
            "activation": _lambda(activation),
            "bias": bool(bias),
            "name": name,
        }.items():
            object.__setattr__(self, field, value)

    @cached_property
    def layers(self) -> tuple[Linear, ...]:
        """The linear layers from the input to the output."""
        pairs = zip(self.widths, self.widths[1:], strict=False)
        prefix = f"{self.name}_" if self.name else ""
        return tuple(Linear(f"{prefix}W{k}", size, after, self.bias) for k, (size, after) in enumerate(pairs, start=1))

    @property
    def parameters(self) -> tuple[Symbol, ...]:
        """Every weight and bias, layer by layer."""
        return tuple(symbol for layer in self.layers for symbol in layer.parameters)

    def content(self) -> tuple[Any, ...]:
        return self.widths, self.activation, self.bias, self.name

    def __call__(self, values: Iterable[Any]) -> Outputs:
        row = _row(values)
        for layer in self.layers[:-1]:
            row = tuple(self.activation(value) for value in layer(row))
        return self.layers[-1](row)


@dataclass(frozen=True, eq=False)
class Attention(Identified):
    r"""One attention head: token i becomes $\sum_j a_{ij}Vx_j$.

    Formula: $a_{i\cdot}$ is the softmax over j of $(Qx_i)\cdot(Kx_j)/\sqrt{d_k}$.

    Parameters
    ----------
    name : its matrices are `name_Q`, `name_K` (key_dimension x dimension) and `name_V` (outputs x dimension).
    dimension, key_dimension, outputs : the widths of a token, of a key, and of an output token.
    softmax : False for linear attention, where $a_{ij}$ is the score itself.
    scaled : whether scores are divided by $\sqrt{d_k}$.

    Raises `ModelError` for impossible widths.

    >>> from theory.networks import Attention, inputs
    >>> head = Attention("h", 1, 1, 1, softmax=False)
    >>> head([inputs("x", 1)])
    ((h_K_0_0*h_Q_0_0*h_V_0_0*x_0**3,),)
    """

    name: str
    dimension: int
    key_dimension: int
    outputs: int
    softmax: bool = True
    scaled: bool = True

    def __post_init__(self) -> None:
        Matrix(self.name, self.key_dimension, self.dimension)
        Matrix(self.name, self.outputs, self.dimension)

    @property
    def query(self) -> ImmutableDenseMatrix:
        """Q."""
        return Matrix(f"{self.name}_Q", self.key_dimension, self.dimension)

    @property
    def key(self) -> ImmutableDenseMatrix:
        """K."""
        return Matrix(f"{self.name}_K", self.key_dimension, self.dimension)

    @property
    def value(self) -> ImmutableDenseMatrix:
        """V."""
        return Matrix(f"{self.name}_V", self.outputs, self.dimension)

    @property
    def parameters(self) -> tuple[Symbol, ...]:
        """The entries of Q, K and V."""
        return (*self.query, *self.key, *self.value)

    def content(self) -> tuple[Any, ...]:
        return self.name, int(self.dimension), int(self.key_dimension), int(self.outputs), self.softmax, self.scaled

    def __call__(self, tokens: Iterable[Iterable[Any]]) -> tuple[Outputs, ...]:
        rows = [_row(token) for token in tokens]
        for position, row in enumerate(rows):
            if len(row) != self.dimension:
                raise DimensionMismatch(
                    f"attention {self.name} takes tokens of width {self.dimension}; token {position} "
                    f"has width {len(row)}"
                )
        scale = 1 / sympy.sqrt(self.key_dimension) if self.scaled else S.One
        queries, keys, values = ([_product(m, row) for row in rows] for m in (self.query, self.key, self.value))
        result = []
        for query in queries:
            scores = tuple(scale * _inner(query, key) for key in keys)
            weights = softmax(scores) if self.softmax else scores
            result.append(tuple(_inner(weights, column) for column in zip(*values, strict=True)))
        return tuple(result)


# ------------------------------------------------------------------------------------------------------------- losses


def squared_error(outputs: Any, targets: Any) -> Expr:
    r"""Return $\frac12\sum_i(o_i-t_i)^2$, for numbers or sequences. Raises `DimensionMismatch` for unlike lengths."""
    left, right = _row(outputs), _row(targets)
    if len(left) != len(right):
        raise DimensionMismatch(f"squared_error: {len(left)} outputs and {len(right)} targets; give as many of each")
    return sympy.Add(*((output - target) ** 2 for output, target in zip(left, right, strict=True))) / 2


def cross_entropy(outputs: Sequence[Any], target: Any) -> Expr:
    r"""Return $\log\sum_je^{o_j}-\sum_it_io_i$: the softmax cross-entropy of the outputs o.

    Parameters: `target`, the index of the right class (counted from 0), or one weight per class (one-hot, sum 1; these
    may be data symbols). Raises `ModelError` for an index out of range, `DimensionMismatch` for unlike lengths.
    """
    row = _row(outputs)
    if isinstance(target, (int, Integer)) and not isinstance(target, bool):
        if not 0 <= target < len(row):
            raise ModelError(f"cross_entropy: target {target} is no class; the classes are 0 to {len(row) - 1}")
        return sympy.log(sympy.Add(*(sympy.exp(output - row[int(target)]) for output in row)))
    weights = _row(target)
    if len(weights) != len(row):
        raise DimensionMismatch(
            f"cross_entropy: {len(row)} outputs and {len(weights)} target weights; one per class is needed"
        )
    # shifted by the last output: two classes then give log(1 + exp(.)), which is printed as a stable softplus
    shifted = [output - row[-1] for output in row]
    return sympy.log(sympy.Add(*map(sympy.exp, shifted))) - _inner(weights, shifted)


def logistic_loss(output: Any, label: Any) -> Expr:
    r"""Return $\log(1+e^o)-yo$: the loss of logistic regression with a label y of 0 or 1.

    For labels s = +1 or -1 give (1 + s)/2. Raises `ModelError` for a number outside [0, 1].
    """
    (score,), (target,) = _row(output), _row(label)
    if target.is_number and not 0 <= target <= 1:
        raise ModelError(f"logistic_loss: the label must be 0 or 1, got {label}; for labels s = +1, -1 give (1 + s)/2")
    return softplus(score) - target * score


# ------------------------------------------------------------------------------------------------------------- private


def _require_name(name: Any, call: str) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ModelError(f"{call}: a name is needed, got {name!r}")


def _size(value: Any, what: str, call: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, Integer)) or value < 1:
        raise ModelError(f"{call}: {what} must be a positive whole number, got {value!r}")
    return int(value)


def _lambda(activation: Any) -> Lambda:
    """The activation as a `Lambda`: it is compared by what it says, and pickles, whatever it was written as."""
    image = activation(_ARGUMENT) if callable(activation) else None
    if not isinstance(image, Expr) or image.free_symbols - {_ARGUMENT}:
        raise ModelError(f"activation={activation!r} must be a function of one expression, such as networks.relu")
    return Lambda(_ARGUMENT, image)


def _row(values: Any) -> Outputs:
    """Numbers and expressions, one or several, as a tuple of expressions."""
    if isinstance(values, str):
        raise ModelError(f"expected expressions, got the text {values!r}")
    # a matrix of SymPy is an Expr, too
    single = isinstance(values, (int, float, Expr)) and not isinstance(values, sympy.MatrixBase)
    listed = [values] if single else list(values) if isinstance(values, sympy.MatrixBase) else values
    if not isinstance(listed, Iterable):
        raise NotDimensionFree(
            f"layers take tuples of scalars, got {values!r} of type {type(values).__name__}; the "
            f"entries of a vector are made with inputs(name, count)"
        )
    row = tuple(sympy.sympify(value) for value in listed)
    for value in row:
        if not isinstance(value, Expr) or isinstance(value, sympy.MatrixBase):
            raise NotDimensionFree(f"layers take tuples of scalars, got {value!r} of type {type(value).__name__}")
    return row


def _inner(left: Sequence[Expr], right: Sequence[Expr]) -> Expr:
    return sympy.Add(*(a * b for a, b in zip(left, right, strict=True)))


def _product(matrix: ImmutableDenseMatrix, row: Sequence[Expr]) -> Outputs:
    return tuple(_inner(tuple(matrix.row(i)), row) for i in range(matrix.rows))
