"""How far the pictures are, for a person at a terminal; nothing where nobody looks."""

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
    """What the bar shows, and how many pictures are done."""

    def __init__(self, shown: Progress, task: TaskID) -> None:
        self._shown, self._task = shown, task

    def tell(self, what: str) -> None:
        """Say what is being done, or waited for."""
        self._shown.update(self._task, description=escape(what))

    def begin(self, count: int) -> None:
        """Say how many pictures there will be of the file that is next."""
        self._shown.update(self._task, total=count, completed=0)

    def step(self) -> None:
        """Count a picture."""
        self._shown.advance(self._task)


@contextmanager
def watched() -> Iterator[Watch]:
    """Show a bar on standard error, for the length of a ``with`` block, if that is a terminal."""
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
        redirect_stdout=sys.stdout.isatty(),  # else what is piped would be shown above the bar instead
        disable=not console.is_terminal,
    ) as shown:
        yield Watch(shown, shown.add_task("", total=None))
