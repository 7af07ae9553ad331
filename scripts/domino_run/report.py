"""A comparison as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table

from reporting import table

from .comparison import Check, Comparison

__all__ = ["tables"]


def tables(
    comparisons: Sequence[Comparison], total: Comparison, verdict: Sequence[Check]
) -> Iterator[RenderableType]:
    """Yield the tables: one of all frames and their total, and one of the numbers with their limits."""
    yield _frames(comparisons, total)
    yield _verdict(verdict)


def _frames(comparisons: Sequence[Comparison], total: Comparison) -> Table:
    made = table(
        "client against vtk: label pixels that differ, depth differences in mm",
        ["frame"],
        ["px off", "median", "p99", "inside: px off", "median", "p99", "max"],
    )
    for number, comparison in enumerate(comparisons):
        is_last = number == len(comparisons) - 1
        made.add_row(str(number), *_row(comparison), end_section=is_last)
    made.add_row("total", *_row(total))
    made.caption = (
        "inside = the eight neighbours have the pixel's label and are on its surface. At an edge the last\n"
        "bit decides which of two surfaces is seen: the largest difference is how far these are apart."
    )
    return made


def _row(comparison: Comparison) -> Iterator[str]:
    overall, inside = comparison.overall, comparison.inside
    yield from _cells(overall.labels_off, overall.median_m, overall.p99_m)
    yield from _cells(inside.labels_off, inside.median_m, inside.p99_m, inside.max_m)


def _cells(labels_off: int, *values_m: float) -> Iterator[str]:
    yield f"{labels_off}"
    for value_m in values_m:
        yield f"{value_m * 1e3:.4f}"


def _verdict(verdict: Sequence[Check]) -> Table:
    made = table("within the limits?", ["summary"], ["found", "limit", ""])
    for check in verdict:
        numbers = (f"{value:.4f} {check.unit}" for value in (check.found, check.limit))
        made.add_row(check.what, *numbers, "[green]yes[/]" if check.passed else "[bold red]NO[/]")
    return made
