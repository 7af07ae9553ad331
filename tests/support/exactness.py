"""Depth and labels are as near to the truth as `tolerances` asks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tolerances import MEDIAN_OFF_M, P99_OFF_M, PIXELS_OFF


def assert_labels_exact(labels: NDArray[Any], truth: NDArray[Any]) -> None:
    """labels, truth: (height, width) integers."""
    assert labels.shape == truth.shape
    strangers = set(np.unique(labels)) - set(np.unique(truth))
    assert not strangers, f"labels that the scene does not have: {strangers}"
    off = np.count_nonzero(labels != truth)
    assert off <= PIXELS_OFF * truth.size, f"{off} of {truth.size} label pixels differ"


def assert_depth_exact(depth: NDArray[np.float32], truth: NDArray[Any]) -> None:
    """depth, truth: (height, width) metres; 0 = too close, inf = too far."""
    assert depth.shape == truth.shape
    for name, special in (("too far", np.inf), ("too close", 0.0)):
        off = np.count_nonzero((depth == special) != (truth == special))
        assert off <= PIXELS_OFF * truth.size, f"{off} of {truth.size} pixels differ in '{name}'"
    both = np.isfinite(depth) & np.isfinite(truth) & (depth > 0) & (truth > 0)
    if both.any():
        off_m = np.abs(depth[both].astype(float) - truth[both])
        median, p99 = np.median(off_m), np.percentile(off_m, 99)
        assert median <= MEDIAN_OFF_M, f"median {median * 1e3:.4f} mm"
        assert p99 <= P99_OFF_M, f"99th percentile {p99 * 1e3:.4f} mm"
