"""Statistics of the samples: medians, ratios, stages, growth of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from .exchange import Sample, ServerName
from .measures import Run
from .memory import Reading
from .scenes import ImageType

__all__ = ["MemoryGrowth", "Timing", "frame_times", "growth", "image_types", "ratio", "stages", "timing"]

Kind = ImageType | None
"""An image type, or None for a whole frame with all image types."""


@dataclass(frozen=True)
class Timing:
    """The times of one kind of request to one server, milliseconds."""

    median_ms: float
    mean_ms: float
    p95_ms: float


@dataclass(frozen=True)
class MemoryGrowth:
    """The change of a server's memory, 10**6 bytes.

    Attributes
    ----------
    first_mb, last_mb, peak_mb : float
    per_1000_mb : float
        The slope of a line fitted to the second half, per 1000 requests. About 0 means that nothing
        accumulates.
    """

    first_mb: float
    last_mb: float
    peak_mb: float
    per_1000_mb: float


def image_types(run: Run) -> list[ImageType]:
    """Return the image types of a run, in the order of the requests."""
    return list(dict.fromkeys(sample.image_type for sample in run.samples))


def timing(run: Run, server: ServerName, kind: Kind) -> Timing | None:
    """Return the times of one image type, or of whole frames; None if they were not measured."""
    times = list(frame_times(run, server, kind).values())
    if not times:
        return None
    return Timing(float(np.median(times)), float(np.mean(times)), float(np.percentile(times, 95)))


def ratio(run: Run, kind: Kind) -> float | None:
    """Return the median over the frames of the peer's time divided by the server's."""
    ours, theirs = frame_times(run, "server", kind), frame_times(run, "peer", kind)
    ratios = [theirs[frame] / ours[frame] for frame in ours.keys() & theirs.keys()]
    return float(np.median(ratios)) if ratios else None


def frame_times(run: Run, server: ServerName, kind: Kind) -> dict[int, float]:
    """Return the milliseconds by frame. A whole frame counts only if all its images were received."""
    wanted = [kind] if kind else image_types(run)
    times: dict[int, dict[ImageType, float]] = {}
    for sample in run.samples:
        if sample.server == server and sample.image_type in wanted:
            times.setdefault(sample.frame, {})[sample.image_type] = sample.elapsed_ms
    return {frame: sum(each.values()) for frame, each in times.items() if len(each) == len(wanted)}


def stages(run: Run, server: ServerName) -> dict[str, dict[ImageType, float]]:
    """Return the mean milliseconds by stage and image type, in the order of the stages.

    The rest of the time that the client sees is the last stage, ``transport``. A server that reports no
    stages has none.
    """
    samples = [sample for sample in run.samples if sample.server == server]
    names = dict.fromkeys(name for sample in samples for name in sample.stages_ms)
    if not names:
        return {}
    means = {
        name: _means(samples, lambda sample, name=name: sample.stages_ms.get(name, 0.0)) for name in names
    }
    rest = _means(samples, lambda sample: sample.elapsed_ms - sum(sample.stages_ms.values()))
    return {**means, "transport": rest}


def growth(readings: Iterable[Reading], server: ServerName) -> MemoryGrowth | None:
    """Return the change of a server's memory; None if it was not measured."""
    own = [reading for reading in readings if reading.server == server]
    if not own:
        return None
    requests = np.array([reading.requests for reading in own], float)
    rss_mb = np.array([reading.rss_mb for reading in own])
    half = len(own) // 2
    slope = np.polyfit(requests[half:], rss_mb[half:], 1)[0] if len(own) - half > 1 else 0.0
    return MemoryGrowth(float(rss_mb[0]), float(rss_mb[-1]), float(rss_mb.max()), float(1000 * slope))


def _means(samples: list[Sample], value: Callable[[Sample], float]) -> dict[ImageType, float]:
    kinds = dict.fromkeys(sample.image_type for sample in samples)
    return {
        kind: float(np.mean([value(sample) for sample in samples if sample.image_type is kind]))
        for kind in kinds
    }
