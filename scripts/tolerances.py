"""The tolerances for depth and labels, in the tests and in the Drake demo."""

from __future__ import annotations

__all__ = ["MEDIAN_OFF_M", "P99_OFF_M", "PIXELS_OFF", "SILHOUETTE_PIXELS_OFF"]

PIXELS_OFF = 1e-4
"""The fraction of pixels that may differ in their label, or in being "too far" or "too close"."""

SILHOUETTE_PIXELS_OFF = 2e-3
"""The same fraction among the pixels near a silhouette, which are more frequent in smaller images."""

MEDIAN_OFF_M = 0.02e-3
"""The median of the differences in depth, metres."""

P99_OFF_M = 0.05e-3
"""The 99th percentile of the differences, metres."""
