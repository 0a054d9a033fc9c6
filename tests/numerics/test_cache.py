"""The cache folder can be looked at and cleared, and PTX kept in it survives neither damage nor a change of its kernel."""

from __future__ import annotations

import pytest

from numerics.cache import cache_content, cache_folder, clear_cache, place
from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.targets import Target
from numerics.templates.trajectory import trajectory_kernel
from theory.errors import InvalidRequest


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "sgd-theory" / "kernels"


def doubling(factor=2.0, target=Target.CPU, precision=Precision.FLOAT64):
    """A kernel that doubles an array, under a title of its own."""
    return trajectory_kernel(
        functions=[f"def scaled(x):\n    return real({factor}) * x\n"],
        arguments=[Argument("x", dimensions=1), Argument("out", dimensions=1, written=True)],
        body=["out[index] = scaled(x[index])"],
        target=target,
        precision=precision,
    )


def test_looking_creates_nothing(own_cache):
    content = cache_content()
    assert (content.folder, content.kernels, content.files, content.size) == (own_cache, 0, 0, 0)
    assert not own_cache.exists()


def test_what_was_compiled_is_counted_and_cleared_and_a_stranger_stays(own_cache):
    kernel = doubling(3.0)
    kernel.module  # noqa: B018 - loading writes the source
    stranger = cache_folder() / "notes.txt"
    stranger.write_text("mine")
    before = cache_content()
    assert before.kernels == 1
    assert before.size >= len(kernel.source)
    removed = clear_cache()
    assert removed == before
    assert cache_content().files == 1
    assert stranger.read_text() == "mine"
    assert clear_cache().kernels == 0


def test_placing_a_file_is_atomic_and_keeps_what_is_right(tmp_path):
    path = tmp_path / "k_x.py"
    place(b"one", path)
    first = path.stat().st_mtime_ns
    place(b"one", path)
    assert path.stat().st_mtime_ns == first
    place(b"two", path)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_ptx_is_cached_and_a_damaged_entry_is_made_again(own_cache, monkeypatch):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    import numerics.targets.cuda as cuda

    kernel = doubling(4.0, Target.CUDA)
    text = kernel.ptx()
    (path,) = own_cache.glob("k_*.ptx")
    compiled = []
    original = cuda._compiled
    monkeypatch.setattr(cuda, "_compiled", lambda *arguments: compiled.append(1) or original(*arguments))
    assert kernel.ptx() == text
    assert not compiled
    path.write_text(path.read_text()[: len(text) // 2])
    assert kernel.ptx() == text
    path.write_bytes(b"\xff\xfe garbage")
    assert kernel.ptx() == text
    assert len(compiled) == 2
    assert doubling(5.0, Target.CUDA).ptx() != text
    assert doubling(4.0, Target.CUDA, Precision.FLOAT32).ptx() != text


def test_the_entry_of_ptx_and_its_target_can_be_read():
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    kernel = doubling(6.0, Target.CUDA)
    assert ".target sm_90" in kernel.ptx()
    assert ".target sm_80" in kernel.ptx((8, 0))
    found = kernel.resources()
    assert 0 < found.registers <= 32
    assert (found.stack, found.spills) == (0, 0)


def test_only_device_kernels_have_ptx():
    for question in (doubling().ptx, doubling().resources):
        with pytest.raises(InvalidRequest, match="target='cuda'"):
            question()


def test_a_program_says_what_it_takes():
    import numpy as np

    kernel, out = doubling(), np.zeros(3)
    kernel.run(3, [1, 2, 3], out)
    assert out.tolist() == [2, 4, 6]
    with pytest.raises(InvalidRequest, match=r"takes 2 values \(x, out\), got 1"):
        kernel.run(3, out)
    with pytest.raises(InvalidRequest, match=r"argument out.*contiguous float64"):
        kernel.run(3, out, np.zeros(3, np.float32))
    with pytest.raises(InvalidRequest, match=r"argument x.*1 dimensions"):
        kernel.run(3, np.zeros((3, 3)), out)
    assert isinstance(kernel, Kernel)


@pytest.mark.parametrize(("count", "threads"), [(0, 1), (1, 4), (7, 2), (5000, 3)])
def test_every_trajectory_runs_once_whatever_the_threads(count, threads):
    import numpy as np

    out = np.full(count, np.nan)
    doubling().run(count, np.arange(count, dtype=float), out, threads=threads)
    assert (out == 2 * np.arange(count)).all()
