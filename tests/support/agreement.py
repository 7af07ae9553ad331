"""How far two back ends are apart, in the passes of many views together: few pixels are mostly edges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from exactness import assert_depth_exact
from numpy.typing import NDArray

from tolerances import PIXELS_OFF

__all__ = ["Agreement"]

_NUMBERS = ("label", "instance", "material")
_P99 = {
    "distance": 5e-5,
    "position": 5e-5,
    "object_coordinates": 1e-4,
    "nocs": 1e-4,
    "normal": 1e-5,
    "normal_world": 1e-5,
    "normal_geometric": 1e-5,
    "uv": 1e-5,
}
"""The 99th percentile of the differences where both show the same object."""


class Agreement:
    """Collects the arrays of views."""

    def __init__(self) -> None:
        self._depths: tuple[list[NDArray[Any]], list[NDArray[Any]]] = ([], [])
        self._off: dict[str, list[NDArray[Any]]] = defaultdict(list)

    def add(self, one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> None:
        """Add a view as each of them shows it."""
        for depths, arrays in zip(self._depths, (one, other), strict=True):
            depths.append(arrays["depth"].reshape(1, -1))
        for name in _NUMBERS:
            self._off[name].append((one[name] != other[name]).reshape(-1))
        is_same = (one["instance"] == other["instance"]) & (one["instance"] > 0)
        for name in _P99:
            first, second = one[name][is_same].astype(float), other[name][is_same].astype(float)
            off = np.where(np.isnan(first) & np.isnan(second), 0, np.abs(first - second))
            self._off[name].append(off.reshape(len(first), -1).max(1, initial=0))

    def check(self) -> None:
        """Hold the limits of exactness."""
        assert_depth_exact(*(np.concatenate(depths, 1) for depths in self._depths))
        for name in _NUMBERS:
            share = np.concatenate(self._off[name]).mean()
            assert share <= PIXELS_OFF, f"{name}: {share:.1e} of the pixels differ"
        for name, most in _P99.items():
            p99 = np.percentile(np.concatenate(self._off[name]), 99)
            assert p99 <= most, f"{name}: the 99th percentile of the differences is {p99:.2g}"

    def table(self) -> str:
        """Return the figures as a table of Markdown."""
        one, other = (np.concatenate(depths, 1)[0] for depths in self._depths)
        both = np.isfinite(one) & np.isfinite(other)
        off_mm = 1e3 * np.abs(one[both] - other[both])
        rows = [f"| depth | {np.median(off_mm):.2g} mm, {np.percentile(off_mm, 99):.2g} mm |"]
        for name in _NUMBERS:
            off = np.concatenate(self._off[name])
            rows.append(f"| {name} | {off.sum()} of {len(off)} pixels differ |")
        for name in _P99:
            off = np.concatenate(self._off[name])
            rows.append(f"| {name} | {np.median(off):.2g}, {np.percentile(off, 99):.2g} |")
        return "\n".join(["| pass | median, p99 of the differences |", "| --- | --- |", *rows])
