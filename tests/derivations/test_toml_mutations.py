"""Whatever becomes of a model file, it is read or refused by name, at once, and nothing of it is ever run.

Every shipped file is mutated from a fixed seed: bytes, lines and tokens are changed, moved, doubled and dropped, brackets
inserted, numbers blown up, names misspelt, and strings of a nasty list spliced in.
"""

from __future__ import annotations

import os
import random
import re
import time

import pytest
import sympy.parsing.sympy_parser
from cli_support import invoke

from derivations.model_files import ModelFileError, load_model, shipped_models
from derivations.model_files.toml_files import model_file_of_text

SECONDS = 5.0
TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
TARGET = "mutation-was-run"
NASTY = [
    f'__import__("os").system("touch {TARGET}")', f"__import__('os').system('touch {TARGET}')", "().__class__.__base__",
    "lambda: 0", "eval(x)", "9**9**9", "10**9", "x**(10**9)", "w**9999", "exp(10**9*log(2))", "1e400", "nan", "inf", "-inf",
    "sqrt(-1)", "0/0", "1/0", "log(0)", "Max()", "Piecewise()", "dot(", "W(W(w))", "erf(erf(erf(erf(w))))", "w*w*w*w",
    "sum(1 for i in range(10**6))", "sum(sum(w for i in range(999)) for j in range(999))", "Normal(Normal())", "Discrete({})",
    "Mixture([])", "Empirical([])", "StudentT(0)", "HeavyBall(2)", "persistent(0, 0)", "bernoulli(9)", "Sphere()",
    "((((((", "]]]]", "{{{", "(" * 200, "-" * 200, "u+" * 300, "9" * 5000, "a.b.c.d.e.f.g.h.i.j.k", "\\u0000", "\\", "'''",
    '"""', "#", "\n", "\r", "\t", "\x00", "\ufeff", "**", "%", "@", "$", "é", "𝒳", "'", '"', "=", ",", ".", "..", "true", "false",
    "1979-05-27", "07:32:00", "0x10", "1_000", "positive integer", "even odd", "count = 1000000000", "dimension = 1000000000",
    "widths = [1000000, 1000000]", "order = 10**9", "covariance = 'r**r**r'", "[symbols]", "[[symbols]]", "[data]", "[point]",
    "[definitions]\na = 'b'\nb = 'a'\n", 'file = "/etc/passwd"', 'file = "../x"', '{ file = "." }', "arrays = [[[[1]]]]", "real",
]  # fmt: skip


def mutated(generator: random.Random, text: str) -> str:
    """The text after one to five mutations."""
    for _ in range(generator.choice([1, 1, 1, 2, 3, 5])):
        text = generator.choice(MUTATIONS)(generator, text)
    return text


def change_bytes(generator: random.Random, text: str) -> str:
    content = bytearray(text.encode() or b"x")
    for _ in range(generator.randint(1, 4)):
        content[generator.randrange(len(content))] = generator.randrange(256)
    return content.decode(errors="replace")


def change_lines(generator: random.Random, text: str) -> str:
    lines = text.split("\n")
    first, second = generator.randrange(len(lines)), generator.randrange(len(lines))
    kind = generator.randrange(3)
    if kind == 0:
        del lines[first]
    elif kind == 1:
        lines.insert(second, lines[first])
    else:
        lines[first], lines[second] = lines[second], lines[first]
    return "\n".join(lines)


def change_tokens(generator: random.Random, text: str) -> str:
    tokens = TOKEN.findall(text) or ["x"]
    first, second = generator.randrange(len(tokens)), generator.randrange(len(tokens))
    kind = generator.randrange(4)
    if kind == 0:
        tokens[first], tokens[second] = tokens[second], tokens[first]
    elif kind == 1:
        tokens[first] = tokens[second]
    elif kind == 2:
        del tokens[first]
    else:
        tokens.insert(first, tokens[second])
    return "".join(tokens)


def misspell(generator: random.Random, text: str) -> str:
    tokens = TOKEN.findall(text)
    words = [index for index, token in enumerate(tokens) if token[0].isalpha()] or [0]
    if not tokens:
        return text
    index = generator.choice(words)
    letters = list(tokens[index])
    letters[generator.randrange(len(letters))] = generator.choice("abcdefgxyz_")
    tokens[index] = "".join(letters)
    return "".join(tokens)


def blow_up_numbers(generator: random.Random, text: str) -> str:
    def image(match: re.Match[str]) -> str:
        number = match[0]
        images = [number + "0" * generator.choice([1, 3, 9, 30]), "-" + number, number + "e9", "0", number * 9]
        return generator.choice(images) if generator.random() < 0.3 else number

    return re.sub(r"\d+", image, text)


def insert_brackets(generator: random.Random, text: str) -> str:
    return insert(generator, text, generator.choice("()[]{}\"'") * generator.choice([1, 2, 50]))


def splice_nasty(generator: random.Random, text: str) -> str:
    return insert(generator, text, generator.choice(NASTY))


def insert(generator: random.Random, text: str, piece: str) -> str:
    place = generator.randrange(len(text) + 1)
    return text[:place] + piece + text[place:]


MUTATIONS = [
    change_bytes, change_lines, change_tokens, change_tokens, misspell, blow_up_numbers, insert_brackets, splice_nasty,
]  # fmt: skip


@pytest.fixture
def guarded(monkeypatch, tmp_path):
    """A folder of its own, in which no process is started and no text of a file reaches SymPy's own parser."""
    parse = sympy.parsing.sympy_parser.parse_expr

    def numbers_only(text, *arguments, **options):
        """`nsimplify` parses what mpmath makes of a number; nothing else may be parsed."""
        assert set(re.findall(r"[^\W\d]+", text)) <= {"sqrt", "log", "exp", "e", "pi"}, text
        return parse(text, *arguments, **options)

    def forbidden(*arguments):
        raise AssertionError(f"a model file was run: {arguments}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "system", forbidden)
    monkeypatch.setattr(sympy.parsing.sympy_parser, "parse_expr", numbers_only)
    return tmp_path


def check(name: str, cases: int) -> int:
    """Read mutations of a shipped file; return how many of them are refused."""
    path = shipped_models()[name]
    original, generator, refused = path.read_text(encoding="utf-8"), random.Random(name), 0
    for case in range(cases):
        text = mutated(generator, original)
        begin = time.process_time()
        try:
            model_file_of_text(text, path)
        except ModelFileError as error:
            refused += 1
            assert str(error).startswith(str(path)), (name, case)
            assert len(str(error)) < 3000, (name, case)
        assert time.process_time() - begin < SECONDS, (name, case)
    return refused


@pytest.mark.parametrize("name", shipped_models())
def test_a_mutated_file_is_read_or_refused_by_name(guarded, name):
    refused = check(name, 60)
    assert 0 < refused < 60
    assert not list(guarded.iterdir())


def test_the_command_line_says_one_message_and_exits_with_two(guarded):
    generator, path = random.Random(4), guarded / "mine.toml"
    shipped, refused = list(shipped_models().values()), 0
    for case in range(20):
        text = mutated(generator, shipped[case % len(shipped)].read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            load_model(path)
        except ModelFileError as error:
            result = invoke("derive", "mine.toml")
            assert result.exit_code == 2, text
            assert result.stdout == ""
            assert result.stderr == "sgd-theory: " + str(error).replace(str(path), "mine.toml") + "\n"
            refused += 1
    assert refused > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_models())
def test_two_thousand_mutations_of_every_file_are_read_or_refused_by_name(guarded, name):
    assert check(name, 2000) > 1000
    assert not list(guarded.iterdir())
