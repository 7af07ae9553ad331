"""How far depth and labels may be from the truth: for the tests, and for the Drake demo."""

from __future__ import annotations

__all__ = ["MEDIAN_OFF_M", "P99_OFF_M", "PIXELS_OFF", "SILHOUETTE_PIXELS_OFF"]

PIXELS_OFF = 1e-4
"""Share of the pixels that may have another label, or another opinion of "too far" or "too close"."""

SILHOUETTE_PIXELS_OFF = 2e-3
"""The same of those pixels alone that a silhouette is near, which a smaller picture has more of."""

MEDIAN_OFF_M = 0.02e-3
"""Median of the differences in depth, metres."""

P99_OFF_M = 0.05e-3
"""Their 99th percentile, metres."""
