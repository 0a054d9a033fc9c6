"""Where generated code goes when the cache cannot be written: read-only folders, full disks."""

from __future__ import annotations

import errno

import pytest

from numerics import cache
from numerics.cache import NoCache, keep, why_not_writable
from theory.errors import TheoryError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(cache, "_temporary_folder", lambda: tmp_path / "elsewhere")
    cache._writable.cache_clear()
    yield cache.home_folder()
    cache._writable.cache_clear()


def full(below):
    """`cache.place` on a disk that is full below these folders."""
    honest = cache.place

    def place(content, path):
        if any(folder in path.parents for folder in below):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        honest(content, path)

    return place


def test_what_is_kept_lies_in_the_cache(home):
    assert keep(b"text", "k_1.py") == home / "k_1.py"
    assert (home / "k_1.py").read_bytes() == b"text"
    assert why_not_writable(home) is None


def test_a_full_disk_moves_code_into_a_temporary_folder_with_a_warning(home, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "place", full([home]))
    with pytest.warns(RuntimeWarning, match=r"cannot be written any more .*No space left.* set XDG_CACHE_HOME"):
        path = keep(b"text", "k_1.py")
    assert path == tmp_path / "elsewhere" / "k_1.py"
    assert path.read_bytes() == b"text"


def test_no_place_at_all_is_named_with_what_to_do(home, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "place", full([tmp_path]))
    with pytest.warns(RuntimeWarning), pytest.raises(NoCache, match="XDG_CACHE_HOME and TMPDIR") as caught:
        keep(b"text", "k_1.py")
    assert isinstance(caught.value, TheoryError)
    assert str(home) in str(caught.value)


def test_no_temporary_folder_is_named_with_what_to_do(monkeypatch):
    def nowhere(**_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(cache.tempfile, "mkdtemp", nowhere)
    with pytest.raises(NoCache, match="TMPDIR"):
        cache._temporary_folder.__wrapped__()


def test_a_disk_that_takes_empty_files_only_is_no_cache(home, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.tempfile, "TemporaryFile", lambda **_: Full())
    assert "No space left on device" in why_not_writable(home)
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        assert cache.cache_folder().name == "elsewhere"
