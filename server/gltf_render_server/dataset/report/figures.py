"""Counts values of a dataset into histograms, item by item, so that no list of values is kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .objects import ShownObject

__all__ = ["Figures"]

_A_DOUBLING = 8  # bins, before neighbours are merged
_MOST_BINS = 40


@dataclass(frozen=True)
class _Figure:
    """A histogram: its key, title, unit, and the value of an object that it counts.

    With a step, a bin begins at ``bin * step``, and the last ends at 1. Without one, bins are logarithmic:
    each begins at ``2 ** (bin / 8)``.
    """

    key: str
    title: str
    unit: str
    value: Callable[[ShownObject], float | None]
    step: float = 0.0

    def bin(self, value: float) -> int:
        if self.step:
            return min(math.floor(value / self.step + 1e-9), round(1 / self.step) - 1)
        return math.floor(_A_DOUBLING * math.log2(value) + 1e-9)

    def low(self, number: int) -> float:
        return number * self.step if self.step else 2 ** (number / _A_DOUBLING)


_FIGURES = (
    _Figure("pixels", "Pixels that show an object", "px", lambda each: each.pixels),
    _Figure("side", "Longer side of the box", "px", lambda each: max(each.box[2:])),
    _Figure("distance", "Distance along the optical axis", "m", lambda each: each.distance_m),
    _Figure("visible", "Share that nothing hides", "", lambda each: each.visible, step=0.05),
)


class Figures:
    """The histograms of a dataset by category."""

    def __init__(self) -> None:
        self.labels: Counter[str] = Counter()
        self.truncated: Counter[str] = Counter()
        self._counts: dict[str, dict[str, Counter[int]]] = {figure.key: {} for figure in _FIGURES}

    def add(self, objects: Iterable[ShownObject]) -> None:
        """Count the objects of a view."""
        for each in objects:
            self.labels[each.category] += 1
            self.truncated[each.category] += each.truncated
            for figure in _FIGURES:
                value = figure.value(each)
                if value is not None and (value > 0 or figure.step) and math.isfinite(value):
                    counts = self._counts[figure.key].setdefault(each.category, Counter())
                    counts[figure.bin(value)] += 1

    def histograms(self) -> list[dict[str, Any]]:
        """Return the histograms for the page: the limits of the bins, and the counts of each category."""
        return [
            self._histogram(figure, self._counts[figure.key])
            for figure in _FIGURES
            if any(self._counts[figure.key].values())
        ]

    def _histogram(self, figure: _Figure, counts: dict[str, Counter[int]]) -> dict[str, Any]:
        found = {number for each in counts.values() for number in each}
        first, last = (0, round(1 / figure.step) - 1) if figure.step else (min(found), max(found))
        wide = 1
        while last // wide - first // wide >= _MOST_BINS:
            wide *= 2
        bins = range(first // wide, last // wide + 1)
        return {
            "title": figure.title,
            "unit": figure.unit,
            "ends": [float(f"{figure.low(wide * number):.4g}") for number in (*bins, bins[-1] + 1)],
            "counts": {
                name: [sum(each[wide * number + part] for part in range(wide)) for number in bins]
                for name, each in counts.items()
            },
        }
