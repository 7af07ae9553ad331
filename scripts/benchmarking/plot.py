"""The measurements as a figure."""

from __future__ import annotations

from collections.abc import Sequence as ListOf
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .exchange import Server
from .measures import Measure, Run
from .scenes import ImageType
from .summary import image_types, stages, timing

__all__ = ["save_plot"]

_COLOURS = {"color": "tab:red", "depth": "tab:blue", "label": "tab:green"}
_UNREPORTED = "not reported"
_STYLES = {"server": "-", "peer": "--"}


def save_plot(path: Path, measure: Measure, runs: ListOf[Run], servers: ListOf[Server]) -> None:
    """Save a figure of the runs. The suffix of the file gives the format (.png, .svg, .pdf)."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    if measure is Measure.MEMORY:
        _draw_memory(figure.add_subplot(), runs[0], servers)
    elif measure.grows:
        _draw_growth(figure.add_subplot(), measure, runs, servers)
    else:
        _draw_frames(figure, runs, servers)
    figure.savefig(path, dpi=150)


def _draw_growth(axes: Axes, measure: Measure, runs: ListOf[Run], servers: ListOf[Server]) -> None:
    kinds = next((image_types(run) for run in runs if run.samples), [])
    for server in servers:
        for kind in kinds:
            times = [(run.value, timing(run, server.name, kind)) for run in runs]
            points = [(value, each.median_ms) for value, each in times if each]
            label = f"{kind.value}, {server.name}"
            values, medians = [value for value, _ in points], [median for _, median in points]
            style, colour = _STYLES[server.name], _COLOURS[kind.value]
            axes.plot(values, medians, label=label, linestyle=style, color=colour, marker=".")
    axes.set(xscale="log", yscale="log", xlabel=measure.unit, ylabel="median, ms")
    axes.grid(alpha=0.3)
    axes.legend()


def _draw_frames(figure: Figure, runs: ListOf[Run], servers: ListOf[Server]) -> None:
    """Draw a row for each run. Each image type has its own scale."""
    figure.set_figheight(1 + 2 * len(runs))
    kinds = image_types(runs[0])
    reported = [name for run in runs for server in servers for name in stages(run, server.name)]
    names = list(dict.fromkeys([*reported, _UNREPORTED]))
    for row, run in zip(figure.subplots(len(runs), len(kinds), squeeze=False), runs, strict=True):
        for axes, kind in zip(row, kinds, strict=True):
            _draw_stages(axes, run, servers, kind, names)
    figure.legend(
        handles=[Patch(color=f"C{n}", label=name) for n, name in enumerate(names)], loc="outside right upper"
    )


def _draw_stages(axes: Axes, run: Run, servers: ListOf[Server], kind: ImageType, names: ListOf[str]) -> None:
    """Draw a bar for each server, divided into stages if the server reports them."""
    left = [0.0] * len(servers)
    for number, name in enumerate(names):
        widths = [_stage_ms(run, server, kind, name) for server in servers]
        axes.barh([server.name for server in servers], widths, left=left, color=f"C{number}")
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("mean, ms")
    axes.set_title(f"{run.name}, {kind.value}", fontsize="medium")


def _stage_ms(run: Run, server: Server, kind: ImageType, name: str) -> float:
    reported = stages(run, server.name)
    if reported:
        return reported.get(name, {}).get(kind, 0.0)
    each = timing(run, server.name, kind)
    return each.mean_ms if each and name == _UNREPORTED else 0.0


def _draw_memory(axes: Axes, run: Run, servers: ListOf[Server]) -> None:
    for server in servers:
        own = [reading for reading in run.memory if reading.server == server.name]
        axes.plot(
            [reading.requests for reading in own], [reading.rss_mb for reading in own], label=server.url
        )
    axes.set(xlabel="requests", ylabel="resident memory, MB", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
