"""What a target says of itself: what it needs, what is missing, what to do."""

from __future__ import annotations

import pytest

from numerics.targets import Target, TargetUnavailable, backend, cuda_presence
from numerics.targets.cuda_presence import Check


def by_name(checks):
    return {check.name: check for check in checks}


def test_the_cpu_compiles_a_probe():
    (check,) = backend("cpu").checks()
    assert (check.name, check.works) == ("compiler", True)


def test_a_cpu_that_compiles_nothing_says_so(monkeypatch):
    import numba

    def broken(*_, **__):
        raise OSError("libllvmlite.so: cannot open")

    monkeypatch.setattr(numba, "njit", broken)
    (check,) = backend("cpu").checks()
    assert check.works is False
    assert "libllvmlite.so" in check.detail
    assert "install numba again" in check.remedy


def test_without_the_package_nothing_else_is_looked_at(monkeypatch):
    monkeypatch.setattr(
        cuda_presence, "missing_packages", lambda: f"numba-cuda is not installed; {cuda_presence.INSTALL}"
    )
    found = by_name(cuda_presence.checks())
    assert found["package"].works is False
    assert "sgd-theory[cuda]" in found["package"].remedy
    assert {check.works for name, check in found.items() if name != "package"} == {None}
    assert "sgd-theory[cuda]" in cuda_presence.reason_unavailable()


def test_a_missing_driver_is_told_from_a_missing_device(monkeypatch):
    pytest.importorskip("numba_cuda")
    missing = Check("driver", False, "the NVIDIA driver is not installed (no libcuda)", "install the driver")
    monkeypatch.setattr(cuda_presence, "driver", lambda: missing)
    found = by_name(cuda_presence.checks())
    assert found["device"].works is found["kernel"].works is None
    assert found["compiler"].works is True
    assert cuda_presence.reason_unavailable() == "the NVIDIA driver is not installed (no libcuda); install the driver"
    monkeypatch.setattr(cuda_presence, "driver", lambda: Check("driver", True, "CUDA 13.0"))
    monkeypatch.setattr(cuda_presence, "device", lambda: Check("device", False, "no CUDA device", "look at nvidia-smi"))
    assert by_name(cuda_presence.checks())["kernel"].works is None
    assert cuda_presence.reason_unavailable() == "no CUDA device; look at nvidia-smi"


def test_hidden_devices_are_named(monkeypatch):
    pytest.importorskip("numba_cuda")
    from numba import cuda

    def absent():
        raise RuntimeError("[100] CUDA_ERROR_NO_DEVICE")

    monkeypatch.setattr(cuda, "current_context", absent)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    check = cuda_presence.device()
    assert check.works is False
    assert "CUDA_VISIBLE_DEVICES='7' hides devices" in check.remedy


def test_the_simulator_stands_in_for_a_device(monkeypatch):
    pytest.importorskip("numba_cuda")
    monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
    assert cuda_presence.reason_unavailable() is None
    assert {name: check.works for name, check in by_name(cuda_presence.checks()).items()} == {
        "package": True, "compiler": None, "driver": True, "device": True, "kernel": None,
    }  # fmt: skip


@pytest.mark.skipif(backend(Target.CUDA).reason_unavailable() is None, reason="there is a CUDA device")
def test_a_program_without_a_device_says_what_to_do():
    with pytest.raises(TargetUnavailable, match=r"NUMBA_ENABLE_CUDASIM|sgd-theory\[cuda\]|nvidia-smi"):
        backend(Target.CUDA).require()


@pytest.mark.gpu
def test_a_device_passes_every_check():
    assert all(check.works for check in backend(Target.CUDA).checks())
