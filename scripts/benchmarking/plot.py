"""What was measured, as a figure."""

from __future__ import annotations

from collections.abc import Sequence as ListOf
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gltf_render_server.protocol import ImageType

from .exchange import Server
from .measures import Measure, Run
from .summary import image_types, stages, timing

__all__ = ["save_plot"]

_COLOURS = {"color": "tab:red", "depth": "tab:blue", "label": "tab:green"}
_STYLES = {"server": "-", "peer": "--"}


def save_plot(path: Path, measure: Measure, runs: ListOf[Run], servers: ListOf[Server]) -> None:
    """Draw the runs into a file; its suffix says the format (.png, .svg, .pdf)."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    if measure is Measure.MEMORY:
        _draw_memory(figure.add_subplot(), runs[0], servers)
    elif measure.grows:
        _draw_growth(figure.add_subplot(), measure, runs, servers)
    else:
        axes = figure.subplots(len(runs), squeeze=False)[:, 0]
        figure.set_figheight(1 + 3 * len(runs))
        for each, run in zip(axes, runs, strict=True):
            _draw_stages(each, run, servers)
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


def _draw_stages(axes: Axes, run: Run, servers: ListOf[Server]) -> None:
    """Draw a bar for each image and server, in parts where the server tells its stages."""
    bars = [(server, kind) for kind in image_types(run) for server in servers]
    names = list(dict.fromkeys(name for server in servers for name in stages(run, server.name)))
    left = [0.0] * len(bars)
    for name in [*names, "not told"]:
        widths = [_stage_ms(run, *bar, name) for bar in bars]
        if any(widths):
            axes.barh(range(len(bars)), widths, left=left, label=name)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(bars)), [f"{kind.value}, {server.name}" for server, kind in bars])
    axes.invert_yaxis()
    axes.set(xlabel="mean, ms", title=run.name)
    axes.legend(fontsize="small")


def _stage_ms(run: Run, server: Server, kind: ImageType, name: str) -> float:
    told = stages(run, server.name)
    if told:
        return told.get(name, {}).get(kind, 0.0)
    each = timing(run, server.name, kind)
    return each.mean_ms if each and name == "not told" else 0.0


def _draw_memory(axes: Axes, run: Run, servers: ListOf[Server]) -> None:
    for server in servers:
        own = [reading for reading in run.memory if reading.server == server.name]
        axes.plot(
            [reading.requests for reading in own], [reading.rss_mb for reading in own], label=server.url
        )
    axes.set(xlabel="requests", ylabel="resident memory, MB", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
