"""Makes items on this machine: threads plan and encode them, and workers render."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from math import inf

from ...backends import make_renderer
from ...dispatch.dispatcher import Dispatcher
from ...frame import Frame
from ...limits import time_limit
from ...passes import check_renders, prepare
from ...process.interruption import held_interruption
from ...renderer import Arrays, RenderedFrame
from ...settings import ServerSettings
from ..shot import Shot
from .documents import Documents
from .engine import LOOK_S, Outcomes, Plan, bounded, versions_of

__all__ = ["LocalEngine"]

_SPARE = 2  # at least so many items are planned or encoded while all workers render
_MOST_WAITING = 10_000  # no item is refused, because this engine bounds how many it submits
_LOOK_S = 0.01  # between two looks for a frame if this thread renders


class LocalEngine:
    """Renders in worker processes, or in this process on the thread that made the engine.

    Parameters
    ----------
    settings : ServerSettings
        Settings of the renderer; ``workers`` is the number of processes, 0 = this process.
    on_rendered : callable, optional
        Called with each rendered frame and its timing, on the thread that encodes the frame.

    Raises
    ------
    SettingsError
        The renderer of this process cannot start with these settings.
    """

    def __init__(
        self, settings: ServerSettings, on_rendered: Callable[[RenderedFrame], None] | None = None
    ) -> None:
        self._on_rendered = on_rendered
        self._look_s = LOOK_S if settings.workers else _LOOK_S
        threads = "share" if settings.threads == "all" else settings.threads  # all workers are always busy
        settings = replace(settings, max_queue=_MOST_WAITING, threads=threads)
        with held_interruption():
            renderer = None if settings.workers else make_renderer(settings)
        self._dispatcher = Dispatcher(settings, renderer)
        workers = 0 if renderer else len(self._dispatcher.workers())
        self._threads = workers + max(_SPARE, workers)
        self._documents = Documents(settings)
        self._pool = ThreadPoolExecutor(self._threads, "dataset")

    @property
    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        self._dispatcher.wait_until_ready()
        return versions_of(self._dispatcher.info)

    def run(self, plan: Plan, indices: Iterable[int]) -> Outcomes:
        """See `Engine.run`."""
        make = partial(
            self._documents.outcome,
            plan,
            extensions=lambda: self._dispatcher.extensions,
            render=self._render,
        )
        return bounded(self._pool, make, indices, self._threads, self._look_s, self._dispatcher.run_next)

    def close(self) -> None:
        """See `Engine.close`."""
        self._dispatcher.shut_down()
        self._pool.shutdown(cancel_futures=True)

    def _render(self, _shot: Shot, frame: Frame) -> Sequence[Arrays]:
        check_renders(frame, self._dispatcher.renders, self._dispatcher.info.name)
        prepare(frame)
        with time_limit(inf):  # the time limit is for checks, not for renders
            rendered = self._dispatcher.submit(frame)
        if self._on_rendered:
            self._on_rendered(rendered)
        return rendered.views
