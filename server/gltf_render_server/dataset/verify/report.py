"""What was found, and how it is told."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .check import CHECKS, Check, Measured

__all__ = ["Report", "Result", "print_report"]

_MOST_TOLD = 20


@dataclass
class Result:
    """What a check found.

    Attributes
    ----------
    check : Check
    measured : int
        How many things were measured.
    faults : int
        How many of them are beyond the tolerance.
    worst : float
        The largest figure; NaN = one is no number.
    worst_at : str
    messages : list of str
        What the first faults are: where, the figure, and what was expected.
    """

    check: Check
    measured: int = 0
    faults: int = 0
    worst: float = 0.0
    worst_at: str = ""
    messages: list[str] = field(default_factory=list)

    def add(self, where: str, found: Iterable[Measured]) -> None:
        """Count what was measured somewhere."""
        for each in found:
            figure, detail = each.figure, each.detail
            self.measured += each.count
            place = ", ".join(filter(None, (where, each.where)))
            if not self.worst_at or figure > self.worst or math.isnan(figure):
                self.worst, self.worst_at = figure, place
            if figure <= self.check.tolerance:
                continue
            self.faults += 1
            if len(self.messages) < _MOST_TOLD:
                size = f"{figure:.4g} {self.check.unit}" if self.check.unit else ""
                self.messages.append(f"{place}: {'; '.join(filter(None, (size, detail)))}")

    @property
    def state(self) -> str:
        """How it ended, in a word."""
        if self.faults:
            return "warning" if self.check.is_warning else "FAULT"
        return "good" if self.measured else "not there"


@dataclass
class Report:
    """What was found in a dataset.

    Attributes
    ----------
    path : Path
    layout : str
        What it is, such as "store".
    scenes, views : int
        How many were looked at.
    results : dict of str to Result
        By the names of the checks, in the order of the table.
    notes : list of str
        What could not be checked, and why.
    """

    path: Path
    layout: str
    scenes: int = 0
    views: int = 0
    results: dict[str, Result] = field(
        default_factory=lambda: {name: Result(check) for name, check in CHECKS.items()}
    )
    notes: list[str] = field(default_factory=list)

    def add(self, check: str, where: str, *found: Measured) -> None:
        """Count what a check measured somewhere."""
        self.results[check].add(where, found)

    def note(self, text: str) -> None:
        """Keep what could not be checked; the same once only."""
        if text not in self.notes and len(self.notes) < _MOST_TOLD:
            self.notes.append(text)

    @property
    def faults(self) -> list[str]:
        """The names of the checks that found faults."""
        return [name for name, each in self.results.items() if each.faults and not each.check.is_warning]

    @property
    def warnings(self) -> list[str]:
        """The names of the checks that found what may be meant."""
        return [name for name, each in self.results.items() if each.faults and each.check.is_warning]

    @property
    def is_good(self) -> bool:
        """Whether there are no faults, so that the program's exit code is 0."""
        return not self.faults

    def rows(self) -> list[list[str]]:
        """Return the table: check, state, how many were measured, faults, worst figure, tolerance, where."""
        return [
            [
                name,
                each.state,
                str(each.measured),
                str(each.faults),
                f"{each.worst:.3g}",
                f"{each.check.tolerance:g} {each.check.unit}".rstrip(),
                each.worst_at if each.worst > 0 or math.isnan(each.worst) else "",
            ]
            for name, each in self.results.items()
            if each.measured or each.faults
        ]

    def messages(self) -> list[str]:
        """Return all that was found, line by line."""
        lines = []
        for name, each in self.results.items():
            lines += [f"{each.state} {name}: {message}" for message in each.messages]
            if each.faults > len(each.messages):
                lines.append(f"{each.state} {name}: and {each.faults - len(each.messages)} more")
        return lines

    def summary(self) -> str:
        """Return the last line."""
        what = f"{self.path}: {self.layout}, {self.scenes} items, {self.views} views"
        if self.is_good:
            told = f"; warnings: {', '.join(self.warnings)}" if self.warnings else ""
            return f"{what}: good{told}"
        return f"{what}: faults found by {', '.join(self.faults)}"


_HEAD = ["check", "state", "measured", "faults", "worst", "tolerance", "worst at"]


def print_report(report: Report) -> None:
    """Print what was found: a table, then each fault on a line, then a line that sums it up."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError:
        _print_plainly(report)
        return
    if not sys.stdout.isatty():  # a table would be cut to 80 columns
        _print_plainly(report)
        return
    console, table = Console(), Table(*_HEAD)
    styles = {"good": "green", "warning": "yellow", "FAULT": "bold red"}
    for row in report.rows():
        table.add_row(*map(Text, row), style=styles.get(row[1]) if row[1] != "good" else None)
    console.print(table)
    for line in _lines(report):
        console.print(Text(line), soft_wrap=True)


def _print_plainly(report: Report) -> None:
    rows = [_HEAD, *report.rows()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")
    for line in _lines(report):
        sys.stdout.write(f"{line}\n")


def _lines(report: Report) -> list[str]:
    return [*report.messages(), *(f"not checked: {note}" for note in report.notes), report.summary()]
