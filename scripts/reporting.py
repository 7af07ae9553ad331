"""Reports of the scripts: progress bars, tables, result files, and error messages."""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from rich import box
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

__all__ = [
    "ScriptError",
    "add_output_options",
    "check_outputs",
    "end",
    "progress",
    "report",
    "run",
    "table",
]

_FILE_WIDTH = 200  # the width of tables that are written to a file


class ScriptError(Exception):
    """A script cannot continue. The message says why, and what to do."""


def run(name: str, work: Callable[[Console], int], stopped: str = "stopped") -> int:
    """Run a script's work, return the exit status, and print a one-line message if it fails.

    Parameters
    ----------
    name : str
        The name of the script.
    work : callable
        Called with the console for messages, which is stderr. It returns the exit status.
    stopped : str
        The message if the user stops the script.
    """
    console = Console(stderr=True, highlight=False)
    try:
        return work(console)
    except ScriptError as error:
        console.print(f"[bold red]{name}:[/] {escape(str(error))}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print(f"{name}: {escape(stopped)}", soft_wrap=True)
        return 130


def end(status: int) -> NoReturn:
    """End the process at once, because Blender's own exit sometimes hangs, if it was loaded."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def progress(console: Console) -> Progress:
    """Return a progress display for many counted steps."""
    return Progress(
        TextColumn("{task.description:20}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return an empty table with columns of words, and columns of numbers."""
    made = Table(*words, title=title, caption_justify="left")
    for heading in numbers:
        made.add_column(heading, justify="right")
    return made


def add_output_options(parser: argparse.ArgumentParser, *, plot: bool = True) -> None:
    """Add the options that `check_outputs` and `report` read; `plot` = there is a figure to draw."""
    parser.set_defaults(plot=None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every sample and every result")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="keep the tables")
    if plot:
        parser.add_argument(
            "--plot", type=_picture, metavar="FILE", help="draw the result (.png, .svg, .pdf)"
        )


def check_outputs(options: argparse.Namespace) -> None:
    """Check now, not after an hour of measuring, that the output files can be written.

    Raises
    ------
    ScriptError
    """
    for path in (options.json, options.markdown, options.plot):
        if path and not path.resolve().parent.is_dir():
            raise ScriptError(f"{path}: there is no folder {path.resolve().parent}; make it first")


def report(
    found: Iterable[RenderableType],
    record: Any = None,
    options: argparse.Namespace | None = None,
    draw: Callable[[Path], None] | None = None,
) -> None:
    """Print the results, and write the files that the options name.

    Parameters
    ----------
    found : iterable of table or str
    record : object
        The content of the JSON file: dataclasses, lists, numbers.
    options : argparse.Namespace, optional
        The options of `add_output_options`. Without them, nothing is written.
    draw : callable, optional
        Draws the figure to a file.
    """
    parts = list(found)
    output = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH, highlight=False)
    _print(parts, output)
    if options and options.json:
        data = msgspec.json.encode(record, enc_hook=str)  # for paths
        options.json.write_bytes(msgspec.json.format(data, indent=1) + b"\n")
    if options and options.markdown:
        with options.markdown.open("w") as file:
            _print(parts, Console(file=file, width=_FILE_WIDTH, highlight=False), box.MARKDOWN)
    if options and options.plot and draw:
        draw(options.plot)


def _print(parts: Sequence[RenderableType], console: Console, lines: box.Box | None = None) -> None:
    """Print the parts, with titles above the tables, because a title may be wider than its table."""
    for part in parts:
        if isinstance(part, Table):
            console.print(Text(f"{part.title}\n" if lines else f"{part.title}", "bold"), soft_wrap=True)
            untitled = copy.copy(part)
            untitled.title, untitled.box = None, lines or part.box
            console.print(untitled)
        else:
            console.print(part, soft_wrap=True)
        console.print()


def _picture(text: str) -> Path:
    if Path(text).suffix not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"must end in .png, .svg or .pdf; got {text!r}")
    return Path(text)
