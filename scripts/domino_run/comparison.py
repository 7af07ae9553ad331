"""Compares the client's depth and labels with VTK's, and checks the differences; independent of Drake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tolerances import MEDIAN_OFF_M, P99_OFF_M, PIXELS_OFF, SILHOUETTE_PIXELS_OFF

__all__ = [
    "Check",
    "Comparison",
    "Difference",
    "away_from_edges",
    "checks",
    "compare",
    "on_a_surface",
    "pooled",
]

_STEP = 0.01
"""The relative deviation of 1/z from a plane through a pixel's neighbours, above which there is an edge."""


@dataclass(frozen=True, eq=False)
class Difference:
    """The differences in a set of pixels.

    Attributes
    ----------
    pixels : int
        The number of pixels.
    labels_off : int
        The number of pixels with different labels.
    range_off : int
        The number of pixels with equal labels of which only one engine says "too far" or "too close".
    depth_off_m : (n,) float64
        The differences in depth, metres, where both engines have equal labels and a measured depth.
    """

    pixels: int
    labels_off: int
    range_off: int
    depth_off_m: NDArray[np.float64]

    @property
    def median_m(self) -> float:
        """The median of the differences in depth; 0 if there are none."""
        return float(np.median(self.depth_off_m)) if self.depth_off_m.size else 0.0

    @property
    def p99_m(self) -> float:
        """The 99th percentile of the differences."""
        return float(np.percentile(self.depth_off_m, 99)) if self.depth_off_m.size else 0.0

    @property
    def max_m(self) -> float:
        """The largest difference."""
        return float(self.depth_off_m.max(initial=0.0))


@dataclass(frozen=True)
class Comparison:
    """The comparison of one image or of many.

    Attributes
    ----------
    overall : Difference
        Over all pixels.
    inside : Difference
        Over the pixels that are not near an edge, between or within bodies.
    """

    overall: Difference
    inside: Difference


@dataclass(frozen=True)
class Check:
    """A number and its limit."""

    what: str
    found: float
    limit: float
    unit: str

    @property
    def passed(self) -> bool:
        """Whether the number is within its limit."""
        return self.found <= self.limit


def compare(
    label: NDArray[np.uint16],
    depth: NDArray[np.float32],
    true_label: NDArray[np.uint16],
    true_depth: NDArray[np.float32],
) -> Comparison:
    """Compare the images of two engines at one moment.

    Parameters
    ----------
    label, true_label : (height, width) uint16
    depth, true_depth : (height, width) float32, metres; 0 = too close, inf = too far
    """
    inside = away_from_edges(label) & away_from_edges(true_label) & on_a_surface(true_depth)
    return Comparison(
        overall=_difference(label, depth, true_label, true_depth),
        inside=_difference(label[inside], depth[inside], true_label[inside], true_depth[inside]),
    )


def away_from_edges(label: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return where a pixel's eight neighbours have the same label, (height, width)."""
    return (_around(label) == label[..., None]).all(-1)


def on_a_surface(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a pixel is on the plane through each pair of opposite neighbours, (height, width).

    For a plane, 1/z is linear in the image. So this also finds edges within a single body.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        near = _around(1 / depth.astype(float))
        bends = np.abs(near[..., :4] + near[..., :4:-1] - 2 * near[..., 4:5])
        return ~(bends > _STEP * near[..., 4:5]).any(-1)


def _around(values: NDArray[Any]) -> NDArray[Any]:
    """Return each pixel with its eight neighbours, row by row, (height, width, 9)."""
    windows = sliding_window_view(np.pad(values, 1, mode="edge"), (3, 3))
    return windows.reshape(*values.shape, 9)


def pooled(comparisons: Sequence[Comparison]) -> Comparison:
    """Combine the pixels of many images. A single small image may consist mostly of edges."""
    return Comparison(
        _pooled([each.overall for each in comparisons]), _pooled([each.inside for each in comparisons])
    )


def checks(comparison: Comparison) -> Iterator[Check]:
    """Compare the differences with limits, as fractions of the pixels."""
    overall, inside = comparison.overall, comparison.inside
    edge_pixels = overall.pixels - inside.pixels
    for what, everywhere, found in (
        ("other labels", overall.labels_off, inside.labels_off),
        ("too far or too close", overall.range_off, inside.range_off),
    ):
        yield Check(f"{what}, inside", _percent(found, inside.pixels), PIXELS_OFF * 100, "%")
        at_edges = _percent(everywhere - found, edge_pixels)
        yield Check(f"{what}, at edges", at_edges, SILHOUETTE_PIXELS_OFF * 100, "%")
    for where, part in (("all pixels", overall), ("inside", inside)):
        yield Check(f"depth, median, {where}", part.median_m * 1e3, MEDIAN_OFF_M * 1e3, "mm")
        yield Check(f"depth, 99th percentile, {where}", part.p99_m * 1e3, P99_OFF_M * 1e3, "mm")


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _difference(
    label: NDArray[np.uint16],
    depth: NDArray[np.float32],
    true_label: NDArray[np.uint16],
    true_depth: NDArray[np.float32],
) -> Difference:
    same = label == true_label
    measured, truly_measured = (np.isfinite(each) & (each > 0) for each in (depth, true_depth))
    unlike = (np.isinf(depth) != np.isinf(true_depth)) | ((depth == 0) != (true_depth == 0))
    both = same & measured & truly_measured
    off_m = np.abs(depth[both].astype(float) - true_depth[both])
    return Difference(label.size, int((~same).sum()), int((same & unlike).sum()), off_m)


def _pooled(parts: Sequence[Difference]) -> Difference:
    return Difference(
        sum(part.pixels for part in parts),
        sum(part.labels_off for part in parts),
        sum(part.range_off for part in parts),
        np.concatenate([part.depth_off_m for part in parts]),
    )
