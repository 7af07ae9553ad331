"""The statistics of each feature that LeRobot stores for each episode and for the whole dataset.

LeRobot samples frames and pixels, and estimates quantiles from bins. Here, every value of an episode counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Histogram", "Statistics", "as_lists", "merged", "statistics_of"]

Statistics = NDArray[np.float64]
"""(10, dimensions) of vectors, or (10, channels, 1, 1) of images. `_NAMES` names the rows."""

_QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
_NAMES = ("min", "max", "mean", "std", "count", *_QUANTILES)
_MIN, _MAX, _MEAN, _STD, _COUNT = range(5)


def statistics_of(values: NDArray[Any]) -> Statistics:
    """Return the statistics of vectors, (frames, dimensions)."""
    exact = values.astype(np.float64)
    count = np.full(exact.shape[1], len(exact))
    quantiles = np.quantile(exact, list(_QUANTILES.values()), axis=0, method="inverted_cdf")
    return np.stack([exact.min(0), exact.max(0), exact.mean(0), exact.std(0), count, *quantiles])


class Histogram:
    """Counts the values of images whose pixels are codes.

    Parameters
    ----------
    values : (codes,) float64
        The value of each code, ascending.
    channels : int
    """

    def __init__(self, values: NDArray[np.float64], channels: int) -> None:
        self._values = values
        self._counts = np.zeros((channels, len(values)), np.int64)
        self._frames = 0

    def add(self, codes: NDArray[Any]) -> None:
        """Count the pixels of an image, (height, width) or (height, width, channels)."""
        planes = codes.reshape(-1, len(self._counts)).T
        self._counts += [np.bincount(plane, minlength=len(self._values)) for plane in planes]
        self._frames += 1

    def statistics(self) -> Statistics:
        """Return the statistics of at least one image; their "count" is the number of images."""
        pixels = self._counts.sum(1)
        mean = (self._counts * self._values).sum(1) / pixels
        variance = (self._counts * (self._values - mean[:, None]) ** 2).sum(1) / pixels
        count = np.full(len(pixels), self._frames)
        quantiles = [self._value_at(share) for share in _QUANTILES.values()]
        rows = [self._value_at(0), self._value_at(1), mean, np.sqrt(variance), count, *quantiles]
        return np.stack(rows)[:, :, None, None]

    def _value_at(self, share: float) -> NDArray[np.float64]:
        """Return, for each channel, the smallest value that this share of the pixels does not exceed."""
        ends = self._counts.cumsum(1)
        ranks = np.maximum(np.ceil(share * ends[:, -1]), 1)
        return self._values[[np.searchsorted(*each) for each in zip(ends, ranks, strict=True)]]


def merged(first: Statistics, second: Statistics) -> Statistics:
    """Merge the statistics of two parts as LeRobot does.

    Quantiles become weighted means of the parts' quantiles, as in LeRobot, which only approximate the
    quantiles of all values.
    """
    parts = np.stack([first, second])
    counts = parts[:, _COUNT]
    shares = counts / counts.sum(0)
    out = (parts * shares[:, None]).sum(0)
    variance = ((parts[:, _STD] ** 2 + (parts[:, _MEAN] - out[_MEAN]) ** 2) * shares).sum(0)
    out[_MIN], out[_MAX], out[_STD], out[_COUNT] = (
        parts[:, _MIN].min(0),
        parts[:, _MAX].max(0),
        np.sqrt(variance),
        counts.sum(0),
    )
    return out


def as_lists(statistics: Statistics) -> dict[str, list[Any]]:
    """Return statistics as lists by their names, as LeRobot writes them."""
    found = {name: row.tolist() for name, row in zip(_NAMES, statistics, strict=True)}
    return found | {"count": [int(statistics[_COUNT].flat[0])]}
