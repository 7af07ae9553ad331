"""Shows the progress of a run: as a bar in a terminal, and elsewhere as a line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TextIO

from rich import progress as bars
from rich.console import Console
from rich.markup import escape

from .running import Progress, Summary
from .store import Store

__all__ = ["counted", "progress_on", "report", "stepped"]

_LINE_S = 10.0
_MOST_LISTED = 10
_LONGEST_REASON = 300


@contextmanager
def progress_on(stream: TextIO = sys.stderr) -> Iterator[Progress]:
    """Show the progress of a run during a ``with`` block."""
    if not stream.isatty():
        yield _Lines(stream)
        return
    columns = (
        bars.TextColumn("{task.fields[rate]}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[left]}"),
    )
    with bars.Progress(*columns, console=Console(file=stream)) as shown:
        yield _Bar(shown)


@contextmanager
def counted(store: Store, what: str) -> Iterator[Store]:
    """Show in a terminal how many items of a store were read, during a ``with`` block."""
    columns = (
        bars.TextColumn("{task.description}"),
        bars.SpinnerColumn(),
        bars.TextColumn("{task.completed}"),
    )
    with _passing(*columns) as shown:
        task = shown.add_task(what)
        yield store.watched(lambda: shown.advance(task))


@contextmanager
def stepped(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show in a terminal how many of a known number of steps are done, during a ``with`` block.

    The block gets a function, which it calls with the number of finished steps and the number of all steps.
    """
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    with _passing(*columns) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, count: shown.update(task, completed=done, total=count)


def _passing(*columns: bars.ProgressColumn) -> bars.Progress:
    """Return a bar that disappears at the end, and that is shown in a terminal only."""
    console = Console(stderr=True)
    return bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def report(summary: Summary) -> str:
    """Describe in several lines what a run has done, and how to make the items that are missing."""
    found = summary.quarantined
    counts = [
        f"{summary.made} made",
        *([f"{summary.before} already there"] if summary.before else ()),
        *([f"{summary.by_others} made by other runners"] if summary.by_others else ()),
        *([f"{len(found)} cannot be made"] if found else ()),
        *([f"{len(summary.failed)} failed"] if summary.failed else ()),
    ]
    lines = [
        f"{summary.finished} of {summary.items} items after {_time(summary.elapsed_s)}: {', '.join(counts)}"
    ]
    lines += _listed("cannot be made", [(each.index, each.name, each.reason) for each in found])
    lines += _listed("failed", [(each.index, each.name, each.reason) for each in summary.failed.values()])
    if summary.ended:
        lines.append(f"The run ended early: {summary.ended}.")
    if summary.finished < summary.items:
        lines.append("Run the same command again to make the missing items.")
    if found:
        lines.append(
            "The folder quarantine/ says why items cannot be made. Add --retry-quarantined to try them again."
        )
    return "\n".join(lines)


def _listed(what: str, items: list[tuple[int, str, str]]) -> list[str]:
    lines = [
        f"  item {index} ({name}) {what}: {_line(reason)}" for index, name, reason in items[:_MOST_LISTED]
    ]
    rest = len(items) - _MOST_LISTED
    return [*lines, f"  and {rest} more"] if rest > 0 else lines


class _Bar:
    def __init__(self, shown: bars.Progress) -> None:
        self._shown = shown
        self._task = shown.add_task("", rate="", left="")

    def update(self, summary: Summary) -> None:
        """See `Progress.update`."""
        self._shown.update(
            self._task,
            total=summary.items,
            completed=summary.finished,
            rate=_rate(summary),
            left=", ".join(filter(None, [_left(summary), *_troubles(summary)])),
        )

    def show(self, line: str) -> None:
        """See `Progress.show`."""
        self._shown.console.print(escape(_line(line)), highlight=False)


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown_s = time.monotonic()

    def update(self, summary: Summary) -> None:
        """See `Progress.update`."""
        if time.monotonic() - self._shown_s < _LINE_S:
            return
        self._shown_s = time.monotonic()
        parts = [f"{summary.finished} of {summary.items} items", _rate(summary), _left(summary)]
        self.show(", ".join(filter(None, [*parts, *_troubles(summary)])))

    def show(self, line: str) -> None:
        """See `Progress.show`."""
        print(_line(line), file=self._stream, flush=True)


def _tried(summary: Summary) -> int:
    return summary.made + len(summary.quarantined)


def _rate(summary: Summary) -> str:
    a_minute = 60 * summary.made / max(summary.elapsed_s, 1e-9)
    return f"{a_minute:.3g} a minute" if summary.made else ""


def _left(summary: Summary) -> str:
    """Estimate the time left, assuming that all runners keep their speed."""
    done, left = _tried(summary) + summary.by_others, summary.items - summary.finished
    return f"{_time(summary.elapsed_s * left / done)} left" if done and left else ""


def _troubles(summary: Summary) -> list[str]:
    counts = {"cannot be made": len(summary.quarantined), "failed": len(summary.failed)}
    return [f"{count} {what}" for what, count in counts.items() if count]


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _line(text: str) -> str:
    """Return a reason as one short line."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."
