"""Datasets with what a reader needs to trust them: units, conventions, seed, versions, the hash of the model."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theory import Clock

_PACKAGES = ("sgd-theory", "sympy", "numpy", "scipy", "numba", "xarray")


@functools.cache
def versions() -> str:
    """The versions of this project and of what it computes with, as `name version` pairs."""
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} (not installed as a package)")
    return ", ".join(found)


def dataset(
    variables: Mapping[str, NDArray[Any]],
    times: NDArray[np.float64],
    *,
    clock: Clock,
    replicas: bool,
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """A dataset over time (and replica), with the clock as unit of the time axis; text and numbers as attributes."""
    dimensions = ("replica", "time") if replicas else ("time",)
    data = {name: (dimensions, values, {"units": "1"}) for name, values in variables.items()}
    result = xr.Dataset(data, coords={"time": ("time", times, {"units": str(clock), "long_name": "time"})})
    result.attrs = {
        "clock": str(clock),
        "versions": versions(),
        **{k: v for k, v in attributes.items() if v is not None},
    }
    return result
