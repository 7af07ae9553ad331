"""What was measured, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as ListOf

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gltf_render_server.http.form import ImageType

from .exchange import Server
from .measures import Measure, Run
from .summary import Kind, Timing, growth, image_types, ratio, stages, timing

__all__ = ["tables"]


def tables(measure: Measure, runs: ListOf[Run], servers: ListOf[Server]) -> Iterator[RenderableType]:
    """Yield what to print."""
    if measure.grows:
        yield _heading(f"how cost grows with {measure}: median milliseconds")
        yield _points(measure, runs, servers)
        yield from _failures(runs)
    for run in runs:
        if run.memory:
            requests = max(reading.requests for reading in run.memory)
            yield _heading(f"{run.name}: resident memory over {requests} requests, MB")
            yield _memory(run, servers)
        if not measure.grows:
            frames = len({sample.frame for sample in run.samples})
            yield _heading(f"{run.name}: milliseconds, {frames} frames, requests up to {run.scene_mb:.3g} MB")
            yield _times(run, servers)
            yield from _stages(run, servers)


def _times(run: Run, servers: ListOf[Server]) -> Table:
    table = Table("image")
    for server in servers:
        table.add_column(f"{server.name}, median", justify="right")
        table.add_column("p95", justify="right")
    if len(servers) > 1:
        table.add_column("peer / server", justify="right")
    for kind in _kinds(run):
        cells = [cell for server in servers for cell in _timing_cells(timing(run, server.name, kind))]
        table.add_row(_name(kind), *cells, *([_ratio(run, kind)] if len(servers) > 1 else ()))
    return table


def _stages(run: Run, servers: ListOf[Server]) -> Iterator[RenderableType]:
    kinds = image_types(run)
    for server in servers:
        means = stages(run, server.name)
        if not means:
            yield f"{server.url} sends no Server-Timing, so where its time goes is not known.\n"
            continue
        yield _heading(f"{run.name}: where the time of {server.url} goes, mean milliseconds")
        table = Table("stage")
        for kind in kinds:
            table.add_column(kind.value, justify="right")
            table.add_column("%", justify="right")
        totals = {kind: sum(each.get(kind, 0.0) for each in means.values()) for kind in kinds}
        for name, each in means.items():
            table.add_row(name, *_stage_cells(kinds, each, totals), end_section=name == "transport")
        table.add_row("total", *_stage_cells(kinds, totals, totals))
        yield table


def _stage_cells(
    kinds: ListOf[ImageType], each: dict[ImageType, float], totals: dict[ImageType, float]
) -> Iterator[str]:
    for kind in kinds:
        value = each.get(kind, 0.0)
        yield f"{value:.1f}"
        yield f"{100 * value / totals[kind]:.0f}" if totals[kind] else ""


def _points(measure: Measure, runs: ListOf[Run], servers: ListOf[Server]) -> Table:
    kinds = next((_kinds(run) for run in runs if run.samples), [])
    table = Table(measure.unit)
    table.add_column("request MB", justify="right")
    for kind in kinds:
        for server in servers:
            table.add_column(f"{_name(kind)}, {server.name}", justify="right")
        if len(servers) > 1:
            table.add_column("ratio", justify="right")
    for run in runs:
        table.add_row(run.name, f"{run.scene_mb:.3g}", *_point_cells(run, kinds, servers))
    return table


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
            yield f"{run.name}: {message}\n"


def _memory(run: Run, servers: ListOf[Server]) -> Table:
    table = Table("server")
    for heading in ("at first", "at last", "peak", "growth per 1000 requests, second half"):
        table.add_column(heading, justify="right")
    for server in servers:
        if memory := growth(run.memory, server.name):
            numbers = (memory.first_mb, memory.last_mb, memory.peak_mb)
            table.add_row(server.url, *(f"{each:.0f}" for each in numbers), f"{memory.per_1000_mb:+.1f}")
    return table


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


def _heading(text: str) -> Text:
    return Text(text, style="bold")
