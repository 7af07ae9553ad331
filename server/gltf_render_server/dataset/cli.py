"""The commands of ``gltf-render-dataset``: each reads its options and calls one function."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click

from .. import __version__
from ..command_line import option_type
from ..errors import RenderServerError
from ..options import options_of
from ..settings import Device, ServerSettings
from .engines.choosing import make_engine
from .formats import FORMATS, export, find_format
from .making import read_plan, renderer_settings, write_formats
from .planning import Plan
from .progress import counted, progress_on, report, stepped
from .report.inspecting import inspect
from .report.previewing import preview
from .running import RETRIES, Shard, run
from .specification import schema
from .store import Store
from .verify import print_report, verify

__all__ = ["program"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_STORE = click.Path(exists=True, file_okay=False, path_type=Path)
_NEW = click.Path(path_type=Path)
_device = click.option(
    "--device",
    type=click.Choice(get_args(Device)),
    default="auto",
    show_default=True,
    help="Device that Cycles renders on.",
)
_WORKERS = option_type(options_of(ServerSettings)["workers"])
_WRONG = 2  # the exit status of what cannot be begun
_INTERRUPTED = 130


_ABOUT = """\
Make training data from glTF scenes: pictures rendered by Blender, with exact labels.

\b
gltf-render-dataset preview shelf.toml -o shelf.png        show what it will look like
gltf-render-dataset make shelf.toml -o shelf               render it; continues after a stop
gltf-render-dataset verify shelf                           prove that labels and pictures agree
gltf-render-dataset inspect shelf                          show it in a browser
gltf-render-dataset export shelf --to coco -o shelf-coco   write it for a trainer

docs/datasets.md, beside the code, explains how to write a specification."""

_ABOUT_SCHEMA = """\
Print the JSON schema of specifications. Editors use it to complete and check them.

\b
gltf-render-dataset schema > dataset.schema.json
Then begin a specification with the line:  #:schema dataset.schema.json"""


def _plainly(command: Callable[..., None]) -> Callable[..., None]:
    """Report errors in one line, without a traceback."""

    @wraps(command)
    def run(**options: Any) -> None:
        try:
            command(**options)
        except (RenderServerError, OSError) as error:
            click.echo(f"gltf-render-dataset: error: {error}", err=True)
            sys.exit(_WRONG)
        except KeyboardInterrupt:
            click.echo("gltf-render-dataset: interrupted", err=True)
            sys.exit(_INTERRUPTED)

    return run


class _ShardType(click.ParamType):
    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        if isinstance(value, Shard):
            return value
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            self.fail(
                f"{value}: must have the form I/N, such as 2/8 for the second of eight parts", param, ctx
            )
        return Shard(number, of)


@click.group(help=_ABOUT, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(version)s")
def program() -> None:
    """Select a command."""


@program.command("make")
@click.argument("specification", type=_FILE)
@click.option(
    "-o", "--out", type=_NEW, required=True, help="Folder of the dataset: a new one, or one to continue."
)
@click.option(
    "--workers",
    type=_WORKERS,
    metavar="N|auto",
    default=1,
    show_default=True,
    help="Number of render processes on this machine, which share its cores; auto = as many as its "
    "cores, GPUs and memory allow; 0 = render in this process.",
)
@_device
@click.option(
    "--ray",
    metavar="[ADDRESS]",
    is_flag=False,
    flag_value="",
    help="Render on a Ray cluster: the one at ADDRESS or RAY_ADDRESS, or a new one on this machine.",
)
@click.option("--server", metavar="URL[,URL]", help="Render on these running servers, separated by commas.")
@click.option(
    "--shard",
    type=_ShardType(),
    default=Shard(),
    help="Make only part I of N, such as 2/8 for the second of eight parts.",
)
@click.option(
    "--retries",
    type=click.IntRange(0, 100),
    default=RETRIES,
    show_default=True,
    help="Number of retries for an item whose render failed.",
)
@click.option("--retry-quarantined", is_flag=True, help="Retry the items in quarantine.")
@_plainly
def _make(specification: Path, out: Path, **options: Any) -> None:
    """Make a dataset, or continue one.

    Finished items stay as they are. An item that cannot be made, because its file is broken for example, is
    quarantined with the reason, and all others are made. The exit status is 0 if the dataset is complete, 1
    if something failed, and 130 after Ctrl-C; the same command then continues. Several runs may work in one
    folder at once.
    """
    plan = read_plan(specification)
    settings = renderer_settings(plan, workers=options.pop("workers"), device=options.pop("device"))
    chosen = {name: options.pop(name) for name in ("ray", "server")}
    with closing(make_engine(settings, **chosen)) as engine, progress_on() as progress:
        summary = run(plan, out, engine, progress=progress, **options)
    click.echo(report(summary))
    status = summary.exit_code or _write_formats(plan, out)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # if this process renders, Blender sometimes hangs at its own end


def _write_formats(plan: Plan, out: Path) -> int:
    """Write the missing formats, and return the exit status."""
    store = Store(out)
    store.note_asset_folder(plan.folder)
    failures = write_formats(store, lambda items, name: counted(items, f"{name}: reading items"), click.echo)
    for failure in failures:
        click.echo(f"gltf-render-dataset: error: {failure}", err=True)
    if failures:
        click.echo(
            "All items are complete. Run the same command again to write the missing formats.", err=True
        )
    return int(bool(failures))


@program.command("verify")
@click.argument("dataset", type=_STORE)
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Check the images of every Nth item only.",
)
@_plainly
def _verify(dataset: Path, every: int) -> None:
    """Prove a dataset of this program, or one in the layout of BOP, COCO or BlenderProc (HDF5).

    Masks, boxes, depth, flow, normals, poses and files are compared with each other. A table shows what was
    checked, and the worst finding of each check. The exit status is 1 if anything is wrong.
    """
    with stepped("checking items") as step:
        found = verify(dataset, progress=step, every=every)
    print_report(found)
    sys.exit(0 if found.is_good else 1)


@program.command("preview")
@click.argument("specification", type=_FILE)
@click.option(
    "-o", "--out", type=_NEW, required=True, help="File of the picture; its name must end in .png or .jpg."
)
@click.option(
    "--items",
    type=click.IntRange(1, 1000),
    default=12,
    show_default=True,
    help="Largest number of items to show.",
)
@click.option(
    "--workers",
    type=_WORKERS,
    metavar="N|auto",
    default=0,
    show_default=True,
    help="Number of render processes, as for make; 0 = render in this process.",
)
@_device
@_plainly
def _preview(specification: Path, out: Path, items: int, **options: Any) -> None:
    """Show what a dataset will look like: a sheet of small pictures, in seconds.

    The items are spread evenly over the dataset, and each is seen by one camera. Colour has a lower quality
    than in the dataset. The exit status is 1 if some of the items cannot be made; the sheet says why.
    """
    plan = read_plan(specification)
    with closing(make_engine(renderer_settings(plan, **options))) as engine:
        missing = preview(plan, engine, out, items)
    click.echo(f"{out}: shows {min(items, len(plan))} of the {len(plan)} items of the dataset")
    for line in missing:
        click.echo(line, err=True)
    sys.exit(1 if missing else 0)


@program.command("inspect")
@click.argument("dataset", type=_STORE)
@click.option(
    "-o", "--out", type=_NEW, metavar="FILE.html", help="Page to write.  [default: DATASET/report/index.html]"
)
@click.option(
    "--verify", "is_verified", is_flag=True, help="Run verify first and show its findings in the report."
)
@click.option("--open", "is_opened", is_flag=True, help="Open the report in a browser.")
@_plainly
def _inspect(dataset: Path, out: Path | None, is_verified: bool, is_opened: bool) -> None:
    """Show a dataset in a browser: a page with its pictures, their annotations, and problems.

    The page needs no network and no server. It refers to the pictures in the dataset's folder.
    """
    findings: list[str] = []
    if is_verified:
        with stepped("checking items") as progress:
            findings = verify(dataset, progress=progress).messages()
    with stepped("reading items") as progress:
        page = inspect(dataset, out, findings=findings, progress=progress)
    click.echo(page)
    if is_opened:
        click.launch(str(page))


@program.command("export")
@click.argument("dataset", type=_STORE)
@click.option(
    "--to", "name", required=True, metavar="FORMAT", help=f"Format to write, one of {', '.join(FORMATS)}."
)
@click.option("-o", "--out", type=_NEW, required=True, help="Folder to write to; it must not exist.")
@_plainly
def _export(dataset: Path, name: str, out: Path) -> None:
    """Write a dataset in the format of a trainer.

    Pictures are linked if the file system allows it, so they take no extra space.
    """
    find_format(name)
    store = Store(dataset)
    with counted(store, f"{name}: reading items") as items:
        export(items, name, out)
    click.echo(f"{out}: {find_format(name).summary}")


@program.command("schema", help=_ABOUT_SCHEMA)
def _schema() -> None:
    """Print the schema."""
    click.echo(json.dumps(schema(), indent=2))
