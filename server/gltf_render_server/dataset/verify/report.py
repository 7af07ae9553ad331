"""The findings of all checks, and how they are printed."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .check import CHECKS, Check, Measured

__all__ = ["Report", "Result", "print_report"]

_MOST_MESSAGES = 20


@dataclass
class Result:
    """The findings of one check.

    Attributes
    ----------
    check : Check
    measured : int
        The number of measurements.
    faults : int
        How many figures are beyond the tolerance.
    worst : float
        The largest figure; NaN = some figure is NaN.
    worst_at : str
        The place of the largest figure.
    messages : list of str
        A line for each of the first 20 faults: its place, the figure, and what was expected.
    """

    check: Check
    measured: int = 0
    faults: int = 0
    worst: float = 0.0
    worst_at: str = ""
    messages: list[str] = field(default_factory=list)

    def add(self, where: str, found: Iterable[Measured]) -> None:
        """Add measurements that were made at a place."""
        for each in found:
            figure, detail = each.figure, each.detail
            self.measured += each.count
            place = ", ".join(filter(None, (where, each.where)))
            if not self.worst_at or figure > self.worst or math.isnan(figure):
                self.worst, self.worst_at = figure, place
            if figure <= self.check.tolerance:
                continue
            self.faults += 1
            if len(self.messages) < _MOST_MESSAGES:
                size = f"{figure:.4g} {self.check.unit}".removesuffix(" 1") if self.check.unit else ""
                self.messages.append(f"{place}: {'; '.join(filter(None, (size, detail)))}")

    @property
    def state(self) -> str:
        """The result in a word."""
        if self.faults:
            return "warning" if self.check.is_warning else "FAULT"
        return "good" if self.measured else "not measured"


@dataclass
class Report:
    """The findings in a dataset.

    Attributes
    ----------
    path : Path
    layout : str
        The name of the dataset's layout, such as "store".
    scenes, views : int
        How many scenes and views were read.
    results : dict of str to Result
        The results by the names of the checks, in the order of the table.
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
        """Add measurements that a check made at a place."""
        self.results[check].add(where, found)

    def check(self, name: str, where: str, is_wrong: bool, detail: str = "") -> bool:
        """Add whether something is wrong at a place, with a detail if it is; return whether it is right."""
        self.add(name, where, Measured(1.0 * is_wrong, detail=detail if is_wrong else ""))
        return not is_wrong

    def note(self, text: str) -> None:
        """Note what could not be checked, and why; each note is kept once."""
        if text not in self.notes and len(self.notes) < _MOST_MESSAGES:
            self.notes.append(text)

    @property
    def faults(self) -> list[str]:
        """The names of the checks that found faults."""
        return [name for name, each in self.results.items() if each.faults and not each.check.is_warning]

    @property
    def warnings(self) -> list[str]:
        """The names of the checks that found something which may be intended."""
        return [name for name, each in self.results.items() if each.faults and each.check.is_warning]

    @property
    def is_good(self) -> bool:
        """Whether no check found a fault; then the program's exit code is 0."""
        return not self.faults

    def rows(self) -> list[list[str]]:
        """Return the rows of the printed table, without the checks that measured nothing."""
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
        """Return a line for each finding."""
        lines = []
        for name, each in self.results.items():
            lines += [f"{each.state} {name}: {message}" for message in each.messages]
            if each.faults > len(each.messages):
                lines.append(f"{each.state} {name}: and {each.faults - len(each.messages)} more")
        return lines

    def summary(self) -> str:
        """Return the last line, which sums up the report."""
        what = f"{self.path}: {self.layout}, {self.scenes} items, {self.views} views"
        if self.is_good:
            warnings = f"; warnings: {', '.join(self.warnings)}" if self.warnings else ""
            return f"{what}: good{warnings}"
        return f"{what}: faults found by {', '.join(self.faults)}"


_HEAD = ["check", "state", "measured", "faults", "worst", "tolerance", "worst at"]


def print_report(report: Report) -> None:
    """Print a report: the table, a line for each finding, what was not checked, and a summary."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError:
        _print_plainly(report)
        return
    if not sys.stdout.isatty():  # rich would cut the table to 80 columns
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
