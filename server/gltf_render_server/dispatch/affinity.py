"""Which waiting job goes to which idle worker: to one that has its scene, but nobody waits for ever."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from blake3 import blake3

from ..frame import Frame
from ..passes import Render, passes_of
from ..recent import RecentViews, view_bytes
from .job import Job, Needs

__all__ = ["Loaded", "choose", "needs_of"]

_MOST_OVERTAKINGS = 4
_ALREADY_RENDERED = 2.0  # counts more than a scene that is all there


def needs_of(frame: Frame) -> Needs:
    """Return what a worker should have loaded for a frame; the one place here that reads a frame."""
    scene = frame.scene
    parts: dict[str, frozenset[object]] = {}
    if passes_of(frame, Render.COLOUR, Render.LINEAR, Render.MATERIAL):
        parts[Render.COLOUR] = frozenset((*scene.surfaces, *scene.light_sources))
    views: dict[bytes, int] = {}
    if rows := passes_of(frame, Render.EXACT):
        for shown in dict.fromkeys(row.shows(scene).tobytes() for row in rows):
            views |= _views(frame, shown)
        rendered = {row.moment for row in rows if row.renders_moment}
        others = [frame.at(when) for when in frame.moments if when in rendered]
        for other in others:
            views |= _views(other, np.ones(len(other.scene.placements), bool).tobytes())
        parts[Render.EXACT] = frozenset(shape for each in (frame, *others) for shape in each.shapes)
    return Needs(parts, views)


def _views(frame: Frame, shown: bytes) -> dict[bytes, int]:
    """Return what the exact renders of a frame's views depend on, and the bytes that each takes."""
    placements = frame.scene.placements
    where = blake3(b"".join(frame.shapes))
    where.update(placements.primitive.tobytes() + placements.matrix.tobytes())
    views = {}
    for view in frame.views:
        key = blake3(where.digest() + shown + view.camera_to_world.tobytes())
        key.update(repr(view.lens).encode())
        views[key.digest()] = view_bytes(view.lens.width, view.lens.height, len(placements))
    return views


class Loaded:
    """What a worker has: the last scene for colour, that for exact passes, and the last of these."""

    def __init__(self) -> None:
        self._parts: dict[str, frozenset[object]] = {}
        self._views: RecentViews[int] = RecentViews()

    def note(self, needs: Needs) -> None:
        """Note what the worker has after it has rendered what had these needs."""
        loaded = [kind for kind in needs.parts if not self._has_rendered(kind, needs)]
        self._parts.update((kind, needs.parts[kind]) for kind in loaded)
        for view, size_bytes in needs.views.items():
            self._views.get(view, lambda size_bytes=size_bytes: size_bytes, int)

    def share(self, needs: Needs) -> float:
        """Return how much of what is needed is there, from 0 to 1; 2 if it has been rendered already."""
        shares = [self._share_of(kind, needs) for kind in needs.parts]
        return sum(shares) / max(1, len(shares))

    def _share_of(self, kind: str, needs: Needs) -> float:
        if self._has_rendered(kind, needs):
            return _ALREADY_RENDERED
        parts = needs.parts[kind]
        return len(self._parts.get(kind, frozenset()) & parts) / max(1, len(parts))

    def _has_rendered(self, kind: str, needs: Needs) -> bool:
        return kind == Render.EXACT and bool(needs.views) and all(view in self._views for view in needs.views)


def choose(jobs: Sequence[Job], idle: Sequence[Loaded], busy: Sequence[Loaded] = ()) -> tuple[int, int]:
    """Choose a job and an idle worker, and count whom the job overtakes.

    Parameters
    ----------
    jobs : sequence of Job
        At least one, the oldest first.
    idle : sequence of Loaded
        At least one, whoever has waited longest first.
    busy : sequence of Loaded

    Returns
    -------
    job, worker : int
        Indices. Of all pairs that where the worker has most of the job, compared with the busy ones: what
        one of those has can wait for it while there is something else to do. Among equals, the older ones. A
        job that has been overtaken too often is next.
    """
    candidates = range(len(jobs)) if jobs[0].overtaken < _MOST_OVERTAKINGS else range(1)
    elsewhere = [max((loaded.share(jobs[job].needs) for loaded in busy), default=0.0) for job in candidates]
    pairs = [(job, worker) for job in candidates for worker in range(len(idle))]
    chosen = max(pairs, key=lambda pair: idle[pair[1]].share(jobs[pair[0]].needs) - elsewhere[pair[0]])
    for job in jobs[: chosen[0]]:
        job.overtaken += 1
    return chosen
