"""Models as the text of TOML model files: what is written is read back and compared before it is returned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import sympy
from sympy import Basic, Expr, Float

from derivations.model_files.errors import ModelFileError, NotWritable
from derivations.model_files.functions import OPTIONS
from derivations.model_files.model_file import ModelFile, Theory, one_line
from derivations.model_files.names import Names, names_in
from derivations.model_files.printing import expression_text, law_text
from derivations.model_files.toml_files import model_file_of_text
from derivations.model_files.toml_text import (
    expression_string,
    list_text,
    number_text,
    string_text,
    table_text,
)
from theory import SGD, Empirical, Model, Sampling
from theory.fields import FieldLaw
from theory.laws.law import Law
from theory.statement import outcome_vectors

_NOWHERE = Path("model.toml")


def write_model(
    statement: ModelFile | Model,
    algorithm: SGD | None = None,
    *,
    title: str = "",
    theory: Theory | None = None,
    statistics: Mapping[str, Any] | None = None,
    at: Mapping[Any, Any] | None = None,
    start: Mapping[Any, Any] | None = None,
    until: float | None = None,
    replicas: int | None = None,
    point: Mapping[Any, Any] | None = None,
    over: Mapping[Any, tuple[float, float, int]] | None = None,
) -> str:
    """Return the text of a TOML model file that states a model, an algorithm, and what to measure on them.

    Parameters: a `ModelFile`; or a `Model` with its `algorithm`, and the parts of a `ModelFile` by name.
    The text is read back before it is returned: model and algorithm have the same content hash, every other part is the same.
    Raises `NotWritable` for what a model file cannot say, such as a law of one's own.

    >>> from theory import SGD, Model, Normal, symbols
    >>> w, x = symbols("w x")
    >>> print(write_model(Model((w*x - 1)**2, [w], {x: Normal()}), SGD(symbols("eta", positive=True)), title="One weight"))
    title = "One weight"
    <BLANKLINE>
    [symbols]
    eta = "positive"
    w = "real"
    x = "real"
    <BLANKLINE>
    [model]
    loss = "(w*x - 1)**2"
    parameters = ["w"]
    <BLANKLINE>
    [data]
    x = "Normal()"
    <BLANKLINE>
    [algorithm]
    learning_rate = "eta"
    <BLANKLINE>
    """
    if isinstance(statement, ModelFile):
        file = statement
    elif isinstance(statement, Model) and isinstance(algorithm, SGD):
        parts = {"statistics": statistics, "at": at, "start": start, "point": point, "over": over}
        file = ModelFile(
            _NOWHERE.stem, one_line(title), _NOWHERE, statement, algorithm, until=until, replicas=replicas, theory=theory,
            **{name: dict(part) for name, part in parts.items() if part},
        )  # fmt: skip
    else:
        raise NotWritable(
            f"write_model takes a ModelFile, or a Model and an SGD, got {type(statement).__name__} and "
            f"{type(algorithm).__name__}"
        )
    file = _exact(file)
    text = _text(file)
    _require_same(file, text)
    return text


def _exact(file: ModelFile) -> ModelFile:
    """The file with exact numbers where a model file has them: 0.1 means 1/10."""
    statistics = {name: _rational(sympy.sympify(value)) for name, value in (file.statistics or {}).items()}
    point = {key: _rational(sympy.sympify(value)) for key, value in file.point.items()}
    return replace(file, statistics=statistics or None, point=point)


def _rational(expression: Expr) -> Expr:
    return sympy.nsimplify(expression, rational=True) if expression.has(Float) else expression


def _text(file: ModelFile) -> str:
    model, algorithm = file.model, file.algorithm
    names = Names(_objects(file))
    blocks = [
        f"title = {string_text(file.title)}\n" if file.title else "",
        f"theory = {string_text(str(file.theory))}\n" if file.theory else "",
        names.tables(),
        table_text("model", _model_rows(model, names)),
        table_text("data", _data_rows(model, names)),
        table_text("fixed", [_row(key, value) for key, value in model.fixed.items()]),
        table_text("algorithm", _algorithm_rows(algorithm)),
        table_text("statistics", [_row(name, value) for name, value in (file.statistics or {}).items()]),
        table_text("at", [(str(key), _value_text(value)) for key, value in file.at.items()]),
        table_text("start", [(str(key), _value_text(value)) for key, value in file.start.items()]),
        table_text("run", [(n, number_text(v)) for n in ("until", "replicas") if (v := getattr(file, n)) is not None]),
        table_text("point", [(str(key), _value_text(value)) for key, value in file.point.items()]),
        table_text("over", [(str(key), list_text(list(map(number_text, axis)))) for key, axis in file.over.items()]),
    ]
    return "".join(blocks).lstrip("\n")


def _objects(file: ModelFile) -> list[Any]:
    """Every symbol, vector and field that the file names."""
    model = file.model
    keys = [key for part in (file.at, file.start, file.point, file.over) for key in part if isinstance(key, Basic)]
    laws = [value for value in file.start.values() if isinstance(value, Law)]
    expressions = [
        model.loss, *model.fixed.keys(), *model.fixed.values(), *(file.statistics or {}).values(), *file.point.values(), *keys,
        *model.parameters, *model.random, *model.vectors, *model.hyperparameters, *file.algorithm.free_symbols,
        *(symbol for law in laws for symbol in (*law.free_symbols, *outcome_vectors(law))),
    ]  # fmt: skip
    return [*names_in(expressions), *(field for field in model.fields if field not in names_in(expressions))]


def _row(key: Any, value: Any) -> tuple[str, str]:
    label = str(key)
    plain = isinstance(value, sympy.Integer) and abs(value) < 2**53
    return label, str(value) if plain else expression_string(expression_text(value), len(label) + 3)


def _model_rows(model: Model, names: Names) -> list[tuple[str, str]]:
    return [
        ("loss", expression_string(expression_text(model.loss), 7)),
        ("parameters", list_text([string_text(name) for name in names.listed(model.parameters)])),
    ]


def _data_rows(model: Model, names: Names) -> list[tuple[str, str]]:
    zero = model.vectors[0].name if model.vectors else ""
    rows = []
    for keys, law in model.data:
        if not isinstance(law, FieldLaw):
            key = ", ".join(names.listed(keys))
            rows.append((key, _law_string(law, len(key) + 3, zero)))
    return rows


def _law_string(law: Law, column: int = 0, zero: str = "") -> str:
    if isinstance(law, Empirical):
        return f"{{ arrays = [{', '.join(_array_text(array) for array in law.arrays)}] }}"
    return expression_string(law_text(law, zero), column)


def _array_text(array: Any) -> str:
    if array.ndim > 1:
        return f"[{', '.join(map(_array_text, array))}]"
    return f"[{', '.join(map(number_text, array.tolist()))}]"


def _algorithm_rows(algorithm: SGD) -> list[tuple[str, str]]:
    defaults = {"batch_size": 1, "weight_decay": 0, "temperature": 0}
    rows = []
    for field in fields(algorithm):
        value = getattr(algorithm, field.name)
        if value is not None and value != defaults.get(field.name):
            rows.append(_row(field.name, value) if isinstance(value, Expr) else (field.name, _option_string(value)))
    return rows


def _option_string(option: Any) -> str:
    if isinstance(option, Sampling):
        return string_text(str(option))
    spelled = {"Bernoulli": "bernoulli", "Persistent": "persistent"}
    name = spelled.get(type(option).__name__, type(option).__name__)
    if name not in OPTIONS:
        raise NotWritable(f"the option {option} of type {type(option).__name__} has no text in a model file")
    return string_text(f"{name}({', '.join(map(expression_text, option.content()))})")


def _value_text(value: Any) -> str:
    """A value of `[at]`, `[start]`, `[point]`: a number, an expression, an array or a law."""
    if isinstance(value, Law):
        return _law_string(value)
    if isinstance(value, Float):
        return number_text(float(value))
    if isinstance(value, Basic):
        return _row("", value)[1]
    if getattr(value, "ndim", 0):
        return _array_text(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value_text, value))}]"
    return number_text(value.item() if hasattr(value, "item") else value)


# ---------------------------------------------------------------------------------------------------------- reading back


def _require_same(file: ModelFile, text: str) -> None:
    """Raise `NotWritable` unless the text is read back as the file that it was written from."""
    try:
        copy = model_file_of_text(text, file.path)
    except ModelFileError as error:
        raise NotWritable(f"the text of {file.name} is not read back: {error}") from error
    parts = [part.name for part in fields(file) if part.name not in ("name", "path", "model", "algorithm")]
    differing = [part for part in parts if not _same(getattr(file, part), getattr(copy, part))]
    if copy.model.content_hash != file.model.content_hash:
        differing.insert(0, _differing_part(file.model, copy.model))
    if copy.algorithm.content_hash != file.algorithm.content_hash:
        differing.append(f"algorithm: {copy.algorithm!r} instead of {file.algorithm!r}")
    if differing:
        raise NotWritable(f"a model file cannot say this model exactly; what is read back differs in {differing[0]}")


def _differing_part(model: Model, copy: Model) -> str:
    pairs: Sequence[tuple[str, Any, Any]] = [
        ("the loss", model.loss, copy.loss),
        ("the parameters", model.parameters, copy.parameters),
        ("the fixed values", model.fixed, copy.fixed),
        *((f"the law of {names}", law, dict(copy.data).get(names)) for names, law in model.data),
    ]
    for label, ours, theirs in pairs:
        if ours != theirs or sympy.srepr(ours) != sympy.srepr(theirs):
            return f"{label}: {str(theirs)[:120]} instead of {str(ours)[:120]}"
    return "the model"


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        left, right = _by_name(ours), _by_name(theirs)
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    if getattr(ours, "ndim", 0) or isinstance(ours, (list, tuple)):
        return _flat(ours) == _flat(theirs)
    if isinstance(ours, (Float, float)) or isinstance(theirs, (Float, float)):
        return bool(isinstance(theirs, (Basic, float, int)) and float(ours) == float(theirs))
    return bool(ours == theirs)


def _by_name(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in mapping.items()}


def _flat(values: Any) -> list[Any]:
    listed: Iterable[Any] = values.tolist() if hasattr(values, "tolist") else values
    return [_flat(item) if isinstance(item, (list, tuple)) else float(item) for item in listed]
