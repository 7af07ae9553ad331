"""Which waiting request goes to which idle worker: to one that has its scene, but nobody waits for ever."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from blake3 import blake3

from ..frame import Frame
from ..passes import Render, passes_of
from ..recent import RecentViews, view_bytes
from .jobs import Job

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
    view : bytes or None
        For depth and labels, equal where one render answers both; see `ExactStage`.
    view_bytes : int
        What a worker takes to keep that render.
    crashes, kills : int
        How many workers its render has ended, and how many were lost otherwise after it had begun.
    overtaken : int
        How many younger ones were preferred to it.
    """

    packed: bytes = field(kw_only=True)
    is_colour: bool = field(kw_only=True)
    parts: frozenset[object] = field(kw_only=True)
    view: bytes | None = None
    view_bytes: int = 0
    crashes: int = 0
    kills: int = 0
    overtaken: int = 0

    @classmethod
    def of(cls, frame: Frame, is_abandoned: Callable[[], bool]) -> PoolJob:
        """Make the job of a frame."""
        packed = pickle.dumps(frame, pickle.HIGHEST_PROTOCOL)
        scene = frame.scene
        if passes_of(frame, Render.COLOUR):
            parts = frozenset((*scene.surfaces, *scene.light_sources))
            return cls(is_abandoned, packed=packed, is_colour=True, parts=parts)
        return cls(
            is_abandoned,
            packed=packed,
            is_colour=False,
            parts=frozenset(scene.shapes),
            view=_view(frame),
            view_bytes=_view_bytes(frame),
        )


class Memory:
    """What a worker has: the last scene for colour, that for depth and labels, and their last passes."""

    def __init__(self) -> None:
        self._parts: dict[bool, frozenset[object]] = {}
        self._views: RecentViews[None] = RecentViews()

    def learn(self, job: PoolJob) -> None:
        """Note what the worker has after `job`."""
        if job.view in self._views:
            return
        self._parts[job.is_colour] = job.parts
        if job.view is not None:
            self._views.keep(job.view, None, job.view_bytes)

    def share(self, job: PoolJob) -> float:
        """Return how much of what `job` needs is there, from 0 to 1; 2 if it has been rendered already."""
        if job.view in self._views:
            return 2.0
        known = self._parts.get(job.is_colour, frozenset())
        return len(known & job.parts) / max(1, len(job.parts))


def choose(jobs: Sequence[PoolJob], idle: Sequence[Memory], busy: Sequence[Memory] = ()) -> tuple[int, int]:
    """Choose a job and an idle worker, and count whom the job overtakes.

    Parameters
    ----------
    jobs : sequence of PoolJob
        At least one, the oldest first.
    idle : sequence of Memory
        At least one, whoever has waited longest first.
    busy : sequence of Memory

    Returns
    -------
    job, worker : int
        Indices. Of all pairs that where the worker has most of the job, compared with the busy ones: what
        one of those has can wait for it while there is something else to do. Among equals, the older ones. A
        job that has been overtaken too often is next.
    """
    candidates = range(len(jobs)) if jobs[0].overtaken < _MOST_OVERTAKINGS else range(1)
    elsewhere = [max((memory.share(jobs[job]) for memory in busy), default=0.0) for job in candidates]
    pairs = [(job, worker) for job in candidates for worker in range(len(idle))]
    chosen = max(pairs, key=lambda pair: idle[pair[1]].share(jobs[pair[0]]) - elsewhere[pair[0]])
    for job in jobs[: chosen[0]]:
        job.overtaken += 1
    return chosen


def _view(frame: Frame) -> bytes:
    """Digest all that the exact renders of a frame show."""
    scene = frame.scene
    digest = blake3(repr([view.lens for view in frame.views]).encode())
    poses = [view.camera_to_world for view in frame.views]
    for part in (*scene.shapes, scene.placements.primitive, scene.placements.matrix, *poses):
        digest.update(bytes(part))
    return digest.digest()


def _view_bytes(frame: Frame) -> int:
    placements = len(frame.scene.placements)
    return sum(view_bytes(view.lens.width, view.lens.height, placements) for view in frame.views)
