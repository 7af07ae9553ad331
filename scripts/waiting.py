"""A progress bar for each task, with the remaining time if it can be estimated."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

__all__ = ["for_result"]

_LOOK_S = 0.1
_NEARLY = 0.98
"""The fullest state of a bar before the task ends, because the estimate may be wrong."""

_Result = TypeVar("_Result")


def for_result(
    console: Console, what: str, work: Callable[[], _Result], expected_s: float | None = None
) -> _Result:
    """Run `work` with a progress bar, and return its result.

    Parameters
    ----------
    console : Console
    what : str
    work : callable
        Called on another thread, so that signals are handled meanwhile.
    expected_s : float, optional
        The expected duration in seconds. Without it, the bar only moves.
    """
    columns = (
        TextColumn("{task.description:32}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    executor = ThreadPoolExecutor(1)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None if expected_s is None else 1.0, left="")
        result = executor.submit(work)
        executor.shutdown(wait=False)
        _watch(result, expected_s, progress, task)
        progress.update(task, total=1.0, completed=1.0, left="")
    return result.result()


def _watch(result: Future[_Result], expected_s: float | None, progress: Progress, task: TaskID) -> None:
    started_s = time.monotonic()
    while not wait([result], _LOOK_S).done:
        if expected_s is not None:
            left_s = expected_s - (time.monotonic() - started_s)
            share = min(1 - left_s / expected_s, _NEARLY)
            progress.update(task, completed=share, left=_time_left(left_s))


def _time_left(left_s: float) -> str:
    return f"about {left_s:.0f} s left" if left_s >= 1 else "any moment now"
