"""The measurements as tables."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as ListOf

from rich.console import RenderableType
from rich.table import Table

from reporting import table

from .exchange import Server
from .measures import Measure, Run
from .scenes import ImageType
from .summary import Kind, Timing, growth, image_types, ratio, stages, timing

__all__ = ["tables"]


def tables(measure: Measure, runs: ListOf[Run], servers: ListOf[Server]) -> Iterator[RenderableType]:
    """Yield the tables to print."""
    if measure.grows:
        yield _points(measure, runs, servers)
        yield from _failures(runs)
    for run in runs:
        if run.memory:
            yield _memory(run, servers)
        if not measure.grows:
            yield _times(run, servers)
            yield from _stages(run, servers)


def _times(run: Run, servers: ListOf[Server]) -> Table:
    frames = len({sample.frame for sample in run.samples})
    headings = [heading for server in servers for heading in (f"{server.name}, median", "p95")]
    made = table(
        f"{run.name}: milliseconds, {frames} frames, requests up to {run.scene_mb:.3g} MB",
        ["image"],
        [*headings, *(["peer / server"] if len(servers) > 1 else ())],
    )
    for kind in _kinds(run):
        cells = [cell for server in servers for cell in _timing_cells(timing(run, server.name, kind))]
        made.add_row(_name(kind), *cells, *([_ratio(run, kind)] if len(servers) > 1 else ()))
    return made


def _stages(run: Run, servers: ListOf[Server]) -> Iterator[RenderableType]:
    kinds = image_types(run)
    for server in servers:
        means = stages(run, server.name)
        if not means:
            yield f"{server.url} sends no Server-Timing, so where its time goes is not known."
            continue
        title = f"{run.name}: where the time of {server.url} goes, mean milliseconds"
        made = table(title, ["stage"], [heading for kind in kinds for heading in (kind.value, "%")])
        totals = {kind: sum(each.get(kind, 0.0) for each in means.values()) for kind in kinds}
        for name, each in means.items():
            made.add_row(name, *_stage_cells(kinds, each, totals), end_section=name == "transport")
        made.add_row("total", *_stage_cells(kinds, totals, totals))
        yield made


def _stage_cells(
    kinds: ListOf[ImageType], each: dict[ImageType, float], totals: dict[ImageType, float]
) -> Iterator[str]:
    for kind in kinds:
        value = each.get(kind, 0.0)
        yield f"{value:.1f}"
        yield f"{100 * value / totals[kind]:.0f}" if totals[kind] else ""


def _points(measure: Measure, runs: ListOf[Run], servers: ListOf[Server]) -> Table:
    kinds = next((_kinds(run) for run in runs if run.samples), [])
    headings = ["request MB"]
    for kind in kinds:
        headings += [f"{_name(kind)}, {server.name}" for server in servers]
        headings += ["ratio"] if len(servers) > 1 else []
    made = table(f"how cost grows with {measure}: median milliseconds", [measure.unit], headings)
    for run in runs:
        made.add_row(run.name, f"{run.scene_mb:.3g}", *_point_cells(run, kinds, servers))
    return made


def _point_cells(run: Run, kinds: ListOf[Kind], servers: ListOf[Server]) -> Iterator[str]:
    for kind in kinds:
        for server in servers:
            yield (
                "failed" if server.name in run.failures else _timing_cells(timing(run, server.name, kind))[0]
            )
        if len(servers) > 1:
            yield _ratio(run, kind)


def _failures(runs: ListOf[Run]) -> Iterator[str]:
    for run in runs:
        for message in run.failures.values():
            yield f"{run.name}: {message}"


def _memory(run: Run, servers: ListOf[Server]) -> Table:
    requests = max(reading.requests for reading in run.memory)
    made = table(
        f"{run.name}: resident memory over {requests} requests, MB",
        ["server"],
        ["at first", "at last", "peak", "growth per 1000 requests, second half"],
    )
    for server in servers:
        if memory := growth(run.memory, server.name):
            numbers = (memory.first_mb, memory.last_mb, memory.peak_mb)
            made.add_row(server.url, *(f"{each:.0f}" for each in numbers), f"{memory.per_1000_mb:+.1f}")
    return made


def _kinds(run: Run) -> list[Kind]:
    kinds = image_types(run)
    return [*kinds, None] if len(kinds) > 1 else [*kinds]


def _name(kind: Kind) -> str:
    return kind.value if kind else "frame"


def _timing_cells(each: Timing | None) -> tuple[str, str]:
    return (_milliseconds(each.median_ms), _milliseconds(each.p95_ms)) if each else ("-", "-")


def _milliseconds(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(run: Run, kind: Kind) -> str:
    value = ratio(run, kind)
    return f"{value:.3g}" if value else "-"
