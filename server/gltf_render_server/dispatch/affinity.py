"""Assigns waiting jobs to idle workers, preferably to one that has the scene, without starvation."""

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
_ALREADY_RENDERED = 2.0  # a finished render of the same view is worth more than a loaded scene


def needs_of(frame: Frame) -> Needs:
    """Return what a worker should have loaded for a frame.

    This is the only place here that examines a frame.
    """
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
    """Return the cache key of the exact render of each view, and the memory that it takes."""
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
    """What a worker has loaded: the last colour scene, the last exact scene, and recent exact views."""

    def __init__(self) -> None:
        self._parts: dict[str, frozenset[object]] = {}
        self._views: RecentViews[int] = RecentViews()

    def note(self, needs: Needs) -> None:
        """Record that the worker has rendered a job with these needs."""
        loaded = [kind for kind in needs.parts if not self._has_rendered(kind, needs)]
        self._parts.update((kind, needs.parts[kind]) for kind in loaded)
        for view, size_bytes in needs.views.items():
            self._views.get(view, lambda size_bytes=size_bytes: size_bytes, int)

    def share(self, needs: Needs) -> float:
        """Return the loaded fraction of what is needed, from 0 to 1, or 2 if it was rendered already."""
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
    """Choose a job and an idle worker, and count the older jobs that are overtaken.

    Parameters
    ----------
    jobs : sequence of Job
        The waiting jobs; at least one, the oldest first.
    idle : sequence of Loaded
        The idle workers; at least one, the longest idle first.
    busy : sequence of Loaded

    Returns
    -------
    job, worker : int
        The indices of the chosen pair: the one for which the worker has loaded the most, compared with busy
        workers. A job for which a busy worker has loaded more may wait for that worker while there is other
        work. Among equal pairs, the older job and the longer idle worker win. A job that has been overtaken
        too often is always next.
    """
    candidates = range(len(jobs)) if jobs[0].overtaken < _MOST_OVERTAKINGS else range(1)
    elsewhere = [max((loaded.share(jobs[job].needs) for loaded in busy), default=0.0) for job in candidates]
    pairs = [(job, worker) for job in candidates for worker in range(len(idle))]
    chosen = max(pairs, key=lambda pair: idle[pair[1]].share(jobs[pair[0]].needs) - elsewhere[pair[0]])
    for job in jobs[: chosen[0]]:
        job.overtaken += 1
    return chosen
