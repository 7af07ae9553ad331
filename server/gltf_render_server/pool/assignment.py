"""Which waiting request goes to which idle worker: to one that has its scene, but nobody waits for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..jobs import Job
from ..protocol import ImageType, RenderRequest

__all__ = ["Memory", "PoolJob", "choose", "parts_of"]

_MOST_OVERTAKINGS = 4


@dataclass(eq=False)
class PoolJob(Job):
    """A request that waits for a worker.

    Attributes
    ----------
    parts : frozenset
        Digests of all that its picture shows.
    crashes, kills : int
        How many workers were lost over it, and how many were killed by somebody else while they had it.
    overtaken : int
        How many younger ones were preferred to it.
    """

    parts: frozenset[object] = field(default_factory=frozenset)
    crashes: int = 0
    kills: int = 0
    overtaken: int = 0


class Memory:
    """What a worker has in its Blender: the last scene for colour, and the last for depth and labels."""

    def __init__(self) -> None:
        self._parts: dict[bool, frozenset[object]] = {}

    def learn(self, job: PoolJob) -> None:
        """Note what the worker has after `job`."""
        self._parts[_is_colour(job.request)] = job.parts

    def share(self, job: PoolJob) -> float:
        """Return how much of what `job` needs is there, from 0 to 1."""
        known = self._parts.get(_is_colour(job.request), frozenset())
        return len(known & job.parts) / max(1, len(job.parts))


def parts_of(request: RenderRequest) -> frozenset[object]:
    """Return the digests of all that a picture of `request` shows."""
    scene = request.scene
    if _is_colour(request):
        return frozenset((*scene.surfaces, *scene.light_sources))
    return frozenset(scene.shapes)


def choose(jobs: Sequence[PoolJob], idle: Sequence[Memory]) -> tuple[int, int]:
    """Choose a job and an idle worker, and count whom the job overtakes.

    Parameters
    ----------
    jobs : sequence of PoolJob
        At least one, the oldest first.
    idle : sequence of Memory
        At least one, whoever has waited longest first.

    Returns
    -------
    job, worker : int
        Indices. Of all pairs that which shares most; among equals, the older ones. A job that has been
        overtaken too often is next.
    """
    candidates = range(len(jobs)) if jobs[0].overtaken < _MOST_OVERTAKINGS else range(1)
    pairs = [(job, worker) for job in candidates for worker in range(len(idle))]
    chosen = max(pairs, key=lambda pair: idle[pair[1]].share(jobs[pair[0]]))
    for job in jobs[: chosen[0]]:
        job.overtaken += 1
    return chosen


def _is_colour(request: RenderRequest) -> bool:
    return request.image_type is ImageType.COLOR
