"""Kernels are cached on disk for the next process, and no damage to that cache is ever an error."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from numerics.cache import cache_folder
from numerics.kernel import Kernel, load_source
from numerics.printer import DECORATOR
from theory.errors import InvalidRequest

ROOT = Path(__file__).parents[2]
SOURCE = f"""# TITLE
import numpy as np
from numba import njit
from numerics.random import fill_normals


{DECORATOR}
def square(x):
    return x * x


{DECORATOR}
def total(count):
    noise = np.empty(count)
    fill_normals(noise, 1, 0, 0, 0, 0)
    s = 0.0
    for i in range(count):
        s += square(noise[i])
    return s
"""


def titled(title):
    """The source under another title: another kernel, which no test before has loaded."""
    return SOURCE.replace("TITLE", title)


PROGRAM = """
import pathlib, sys
from numerics.kernel import Kernel
kernel = Kernel(source=pathlib.Path(sys.argv[1]).read_text(), entry="total")
print(repr(kernel(1000)), len(kernel.function.stats.cache_hits), len(kernel.function.stats.cache_misses))
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source_file(tmp_path):
    path = tmp_path / "source.txt"
    path.write_text(titled("a kernel"))
    return path


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """The value, and the cache folder that one process leaves behind."""
    folder = tmp_path_factory.mktemp("first run")
    (folder / "source.txt").write_text(titled("a kernel"))
    value, hits, misses, _ = finish(start(folder / "source.txt", "1", XDG_CACHE_HOME=str(folder / "cache")))
    assert (hits, misses) == (0, 1)
    return value, folder / "cache"


@pytest.fixture
def value(first_run, own_cache):
    """The kernel's value; its cache is filled with what the first process left."""
    shutil.copytree(first_run[1], own_cache)
    return first_run[0]


def start(source_file, seed="0", **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "always", "-c", PROGRAM, str(source_file)], cwd=ROOT, text=True,
        env={**os.environ, "PYTHONHASHSEED": seed, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process):
    """What the program printed: the value, the cache hits, the cache misses."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    value, hits, misses = output.split()
    return float(value), int(hits), int(misses), errors


def test_the_second_process_loads_machine_code(source_file, value):
    assert finish(start(source_file, "2"))[:3] == (value, 1, 0)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "data truncated", "data missing"])
def test_a_damaged_cache_is_rebuilt(source_file, own_cache, value, damage):
    index, data = sorted(own_cache.rglob("*.nbi")), sorted(own_cache.rglob("*.nbc"))
    assert index
    assert data
    for path in index + data if damage in ("truncated", "foreign") else data:
        content = path.read_bytes()
        if damage == "data missing":
            path.unlink()
        else:
            path.write_bytes(b"garbage" * 50 if damage == "foreign" else content[: len(content) // 2])
    assert finish(start(source_file))[:3] == (value, 0, 1)
    assert finish(start(source_file))[:3] == (value, 1, 0)


def test_a_corrupted_source_in_the_cache_is_replaced(source_file, own_cache, value):
    (path,) = own_cache.rglob("k_*.py")
    path.write_text("raise SystemExit('corrupted')")
    assert finish(start(source_file))[:3] == (value, 1, 0)
    assert path.read_text() == source_file.read_text()


def test_concurrent_processes_agree(source_file):
    processes = [start(source_file, str(seed)) for seed in range(2)]
    assert len({finish(process)[0] for process in processes}) == 1
    assert finish(start(source_file))[1:3] == (1, 0)


def test_an_unwritable_folder_falls_back_to_a_temporary_one_with_one_warning(source_file, tmp_path, first_run):
    blocked = tmp_path / "a file, no folder"
    blocked.write_text("")
    *result, errors = finish(start(source_file, XDG_CACHE_HOME=str(blocked)))
    assert result == [first_run[0], 0, 1]
    assert errors.count("RuntimeWarning") == 1
    assert "cannot be written" in errors


def test_the_hash_of_the_file_covers_the_modules_that_the_source_imports(source_file, monkeypatch):
    import numerics.kernel as module

    source = source_file.read_text()
    before = module.cache_key(source)
    original = module._module_text
    monkeypatch.setattr(module, "_module_text", lambda name: original(name) + "\n#" * (name == "numerics.random"))
    assert module._imported(source) >= {"numerics.random"}
    assert module.cache_key(source) != before


def test_a_kernel_is_a_value():
    one, same = (Kernel(source=titled("one"), entry="total") for _ in range(2))
    other = Kernel(source=titled("other"), entry="total")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != Kernel(source=one.source, entry="square")
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.content_hash == same.content_hash != other.content_hash
    with pytest.raises(AttributeError, match="immutable"):
        one.entry = "square"
    assert "total" in repr(one)


def test_nothing_is_compiled_before_the_first_use(own_cache):
    kernel = Kernel(source=titled("lazy"), entry="square")
    assert not own_cache.exists()
    assert kernel(3.0) == 9.0
    assert kernel.function is kernel.module.square
    assert [path.read_text() for path in cache_folder().glob("k_*.py")] == [kernel.source]


def test_one_process_loads_a_source_once():
    source = titled("once")
    assert load_source(source) is load_source(source)


def test_new_argument_types_are_compiled_in_their_turn():
    kernel = Kernel(source=titled("types"), entry="square")
    assert kernel(3) == 9
    assert kernel(np.float32(1.5)) == 2.25


def test_a_source_that_fails_leaves_nothing_behind():
    source = "def f():\n    return 1\n\nraise ValueError('at import')\n"
    for _ in range(2):
        with pytest.raises(ValueError, match="at import"):
            load_source(source)


def test_impossible_sources_are_refused():
    with pytest.raises(InvalidRequest, match="no function 'g'; it defines f"):
        Kernel(source="def f():\n    return 1\n", entry="g")
    with pytest.raises(InvalidRequest, match="no Python"):
        Kernel(source="def f(:\n", entry="f")
