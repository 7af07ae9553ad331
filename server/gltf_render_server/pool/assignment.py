"""Which waiting request goes to which idle worker: to one that has its scene, but nobody waits for ever."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..jobs import Job
from ..protocol import ImageType, RenderRequest

__all__ = ["Memory", "PoolJob", "choose"]

_MOST_OVERTAKINGS = 4


@dataclass(eq=False)
class PoolJob(Job):
    """A request that waits for a worker.

    Attributes
    ----------
    packed : bytes
        The request, pickled: whoever submits it does that, so that no worker has to wait for it.
    is_colour : bool
    parts : frozenset
        Digests of all that its picture shows.
    crashes, kills : int
        How many workers were lost over it, and how many were killed by somebody else while they had it.
    overtaken : int
        How many younger ones were preferred to it.
    """

    packed: bytes = field(kw_only=True)
    is_colour: bool = field(kw_only=True)
    parts: frozenset[object] = field(kw_only=True)
    crashes: int = 0
    kills: int = 0
    overtaken: int = 0

    @classmethod
    def of(cls, request: RenderRequest, is_abandoned: Callable[[], bool]) -> PoolJob:
        """Make the job of a request."""
        is_colour = request.image_type is ImageType.COLOR
        scene = request.scene
        parts = (*scene.surfaces, *scene.light_sources) if is_colour else scene.shapes
        packed = pickle.dumps(request, pickle.HIGHEST_PROTOCOL)
        return cls(is_abandoned, packed=packed, is_colour=is_colour, parts=frozenset(parts))


class Memory:
    """What a worker has in its Blender: the last scene for colour, and the last for depth and labels."""

    def __init__(self) -> None:
        self._parts: dict[bool, frozenset[object]] = {}

    def learn(self, job: PoolJob) -> None:
        """Note what the worker has after `job`."""
        self._parts[job.is_colour] = job.parts

    def share(self, job: PoolJob) -> float:
        """Return how much of what `job` needs is there, from 0 to 1."""
        known = self._parts.get(job.is_colour, frozenset())
        return len(known & job.parts) / max(1, len(job.parts))


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
