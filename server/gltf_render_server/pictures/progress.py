"""A progress bar at a terminal; nothing if standard error is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["Watch", "watched"]


class Watch:
    """The state of the progress bar, and the number of finished images."""

    def __init__(self, shown: Progress, task: TaskID) -> None:
        self._shown, self._task = shown, task

    def show(self, what: str) -> None:
        """Display what is being done, or waited for."""
        self._shown.update(self._task, description=escape(what))

    def begin(self, count: int) -> None:
        """Set the number of images of the next file."""
        self._shown.update(self._task, total=count, completed=0)

    def step(self) -> None:
        """Count a finished image."""
        self._shown.advance(self._task)


@contextmanager
def watched() -> Iterator[Watch]:
    """Show a bar on standard error during a ``with`` statement, if that is a terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # otherwise output to a pipe would appear above the bar instead
        disable=not console.is_terminal,
    ) as shown:
        yield Watch(shown, shown.add_task("", total=None))
