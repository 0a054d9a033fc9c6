"""The networks of a model file: read from `[networks]`, and called within the bounds of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import sympy
from sympy import Symbol

from derivations.model_files.document import Entry, nearest
from derivations.model_files.errors import ModelFileError
from derivations.model_files.functions import NETWORKS, Wrong, activations, kind, scalars
from derivations.model_files.limits import Limits, TooLarge
from theory.networks import MLP, Attention, Linear

MOST_WEIGHTS = 10_000
"""Weights and biases of one network."""
LARGEST_OUTPUTS = 3500
"""Nodes of the outputs of a network, written out; SymPy takes seconds over the assumptions of larger quotients."""

_KEYS: Mapping[str, tuple[str, ...]] = {
    "MLP": ("widths", "activation", "bias", "name"),
    "Linear": ("inputs", "outputs", "bias", "name"),
    "Attention": ("dimension", "key_dimension", "outputs", "softmax", "scaled", "name"),
}
_NUMBERS = ("inputs", "outputs", "dimension", "key_dimension")
_ARGUMENT = Symbol("x", real=True)


def is_network(value: Any) -> bool:
    """Whether a value is a network or a layer."""
    return isinstance(value, (MLP, Linear, Attention))


def read_network(entry: Entry, activation: Callable[[Entry], Any]) -> Any:
    """The network of an entry such as `f = { kind = "MLP", widths = [10, 16, 1], activation = "swish" }`.

    `activation` reads an activation that is written as an expression in x. Raises `ModelFileError`.
    """
    if not entry.is_table:
        raise entry.error('expected a table, as in { kind = "MLP", widths = [2, 8, 1], activation = "tanh" }')
    chosen = entry.get("kind")
    if chosen is None or chosen.value not in NETWORKS:
        where, got = chosen or entry, f", got {chosen.value!r}" if chosen else ""
        raise where.error(f"kind must be one of {', '.join(NETWORKS)}{got}")
    keys = _KEYS[chosen.value]
    options: dict[str, Any] = {}
    for part in entry.entries():
        if part.name not in ("kind", *keys):
            raise part.error(
                f"{chosen.value} has no {part.name}{nearest(part.name, keys) or '; it has ' + ', '.join(keys)}",
                of_key=True,
            )
        if part.name != "kind":
            options[part.name] = _option(part, activation)
    for key in keys:
        if key not in options and key not in ("bias", "softmax", "scaled", "name"):
            raise entry.error(f"a network of kind {chosen.value} needs {key}")
    if _weights(chosen.value, options) > MOST_WEIGHTS:
        raise entry.error(f"a network of {_weights(chosen.value, options)} weights; at most {MOST_WEIGHTS}")
    with entry.refusing():
        if chosen.value == "MLP":
            return MLP(options.pop("widths"), activation=options.pop("activation"), **options)
        return (Linear if chosen.value == "Linear" else Attention)(**{"name": entry.name, **options})


def _weights(network: str, options: Mapping[str, Any]) -> int:
    """The weights and biases that a network would have."""
    if network == "Attention":
        return options["dimension"] * (2 * options["key_dimension"] + options["outputs"])
    widths = options["widths"] if network == "MLP" else [options["inputs"], options["outputs"]]
    return sum(a * b + b for a, b in pairwise(widths))


def _option(part: Entry, activation: Callable[[Entry], Any]) -> Any:
    value = part.value
    if part.name == "activation":
        return activations().get(value) or activation(part) if isinstance(value, str) else activation(part)
    if part.name == "name":
        if not isinstance(value, str):
            raise part.error(f"expected a text, got {value!r}")
        return value
    if part.name in _NUMBERS:
        return _width(part, value)
    if part.name == "widths":
        if not isinstance(value, list) or not 2 <= len(value) <= 16:
            raise part.error("expected a list of 2 to 16 widths, from the input to the output, as in [10, 16, 1]")
        return [_width(part, width) for width in value]
    if not isinstance(value, bool):
        raise part.error(f"expected true or false, got {value!r}")
    return value


def _width(part: Entry, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_WEIGHTS:
        raise part.error(f"a width is a whole number from 1 to {MOST_WEIGHTS}, got {value!r}")
    return value


def call_network(network: Any, argument: Any, limits: Limits) -> Any:
    """The outputs of a network, refused before they are built if they would be too large."""
    if isinstance(network, Attention):
        if not isinstance(argument, tuple):
            raise Wrong(f"attention takes a tuple of tokens, as in [x, y], got {kind(argument)}")
        tokens = [scalars(token) for token in argument]
        size = max((_size(value) for token in tokens for value in token), default=1)
        _require(_attention_size(network, len(tokens), size))
        limits.charge(2 * len(tokens) ** 2 * (network.key_dimension + network.outputs))
        return network(tokens)
    row = scalars(argument)
    size = max(map(_size, row), default=1)
    if isinstance(network, Linear):
        _require(network.outputs * network.inputs * (size + 2))
    else:
        image = network.activation.expr
        nodes = list(sympy.preorder_traversal(image))
        copies, other = nodes.count(network.activation.variables[0]), len(nodes)
        for index, width in enumerate(network.widths[:-1]):
            size = width * (size + 2) + 1
            if index < len(network.widths) - 2:
                size = copies * size + other
            _require(size)
        _require(size * network.widths[-1])
        limits.charge(2 * len(network.parameters))
    return network(row)


def _attention_size(network: Attention, tokens: int, size: int) -> int:
    """Nodes of the outputs of an attention head on so many tokens whose entries have so many nodes."""
    projected = network.dimension * (size + 2)
    score = network.key_dimension * (2 * projected + 1) + 2
    weight = 2 * tokens * (score + 2) if network.softmax else score
    return tokens * network.outputs * tokens * (weight + projected)


def _size(value: Any) -> int:
    return sum(1 for _ in sympy.preorder_traversal(value))


def _require(size: int) -> None:
    if size > LARGEST_OUTPUTS:
        raise TooLarge(f"outputs of about {size} nodes, written out; at most {LARGEST_OUTPUTS}, state it in Python")


def activation_lambda(image: Any, entry: Entry) -> sympy.Lambda:
    """An activation that is written as an expression in x."""
    strangers = sorted(map(str, image.free_symbols - {_ARGUMENT}))
    if strangers:
        raise _refused(entry, strangers[0])
    return sympy.Lambda(_ARGUMENT, image)


def _refused(entry: Entry, name: str) -> ModelFileError:
    return entry.error(f"an activation is a function of x alone, such as x*tanh(x); it holds {name}")
