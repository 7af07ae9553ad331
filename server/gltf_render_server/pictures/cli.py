"""The program ``gltf-render``: parses the options, renders the images, and writes the files."""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from .. import __version__
from ..environments import ENVIRONMENTS, NO_ENVIRONMENT
from ..errors import RenderServerError, RequestError
from ..process.interruption import interruption
from ..settings import Device, Quality, UpAxis
from .cameras import AUTO
from .looks import BACKDROP, NOTHING, Lighting
from .making import COLOUR, Wanted
from .parameters import BackgroundType, NumberType, PassesType, SizeType
from .renderers import own_settings
from .running import PROGRAM, report_error, run

__all__ = ["program"]

_UNREAD, _INTERRUPTED = 1, 130
_MOST_VIEWS = 3600
_ABOUT = """\
Render a glTF file: a picture in one command.

FILE is a .glb, or a .gltf with its .bin and its pictures beside it. Without options all of it is shown
from the front and slightly above, in neutral light, and the picture is written into the folder that you are
in: chair.glb becomes chair.color.png.

\b
Names of files
  chair.color.png            the pass color, of the view that is found for you
  chair.depth.tiff           a pass with all its digits, for programs
  chair.depth.colours.png    the same in false colours, for people
  chair.orbit_07.color.png   a view of --orbit, or of --camera NAME"""

_EPILOG = """\
\b
Examples
  gltf-render chair.glb --open
  gltf-render chair.glb --passes color,depth,normal,instance -o pictures
  gltf-render chair.glb --orbit 24 --transparent --size 512x512
  gltf-render robot.gltf --time 1.5 --camera wrist --quality final
  gltf-render *.glb -o pictures --backend vtk
  gltf-render chair.glb --server http://:TOKEN@render.example:8000

The paths of the files that were written go to standard output, a line each; all else goes to standard error.
The exit status is 0 when all pictures are there, 1 when something failed that may work another time (a server
that is busy, a full disk), 2 when a file or an option is wrong, and 130 after Ctrl-C. A file is there as a
whole or not at all.

docs/render.md tells more, docs/passes.md what each pass holds."""


@click.command(
    PROGRAM,
    help=_ABOUT,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("files", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The folder for the pictures; made if need be.  [default: where you are]",
)
@click.option(
    "--passes",
    type=PassesType(),
    default=(COLOUR,),
    help="What is rendered, with commas between: color, depth, normal, instance, label, albedo and more.  "
    "[default: color]",
)
@click.option(
    "--size",
    metavar="WIDTHxHEIGHT",
    type=SizeType(),
    default=Wanted.size,
    help="Of each picture, in pixels.  [default: 800x600]",
)
@click.option(
    "--camera",
    "cameras",
    metavar="NAME|auto",
    multiple=True,
    default=(AUTO,),
    help="One of the cameras in the file, by its name or number; auto finds a view that shows all of it. "
    "May be given several times.  [default: auto]",
)
@click.option(
    "--orbit",
    metavar="N",
    type=click.IntRange(1, _MOST_VIEWS),
    help="N pictures from all around instead of one.",
)
@click.option(
    "--time",
    "time_s",
    metavar="SECONDS",
    type=NumberType(0, 1e6),
    default=0.0,
    help="When its animation is shown.  [default: 0]",
)
@click.option(
    "--quality",
    type=click.Choice(get_args(Quality)),
    help="Samples and denoising of Blender's colour.  [default: balanced]",
)
@click.option(
    "--environment",
    metavar="NAME|FILE",
    help=f"Light from all around: {', '.join(ENVIRONMENTS)}, an .exr or .hdr file, or {NO_ENVIRONMENT}.  "
    "[default: city, dimmed where the file has lights]",
)
@click.option("--exposure", metavar="STOPS", type=NumberType(-10, 10), help="Brighter, or darker.")
@click.option(
    "--background",
    metavar="COLOUR|environment",
    type=BackgroundType(),
    default=BACKDROP,
    help="What is behind the model; environment shows what it is lit by.  [default: a light grey]",
)
@click.option(
    "--ground/--no-ground",
    "ground",
    default=None,
    help="Whether it stands on something that its shadow falls on.  [default: before the light grey, yes]",
)
@click.option("--transparent", is_flag=True, help="Nothing is behind it: color has an alpha channel.")
@click.option(
    "--up-axis",
    type=click.Choice(get_args(UpAxis)),
    default="y",
    help="Which axis of the file points up.  [default: y, as the format says]",
)
@click.option(
    "--backend",
    metavar="NAME",
    default="blender",
    help="What renders here: blender, or vtk for plain pictures in no time.  [default: blender]",
)
@click.option(
    "--device", type=click.Choice(get_args(Device)), default="auto", help="What Blender's Cycles renders on."
)
@click.option("--server", metavar="URL", help="Render on a server that is running, instead of here.")
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=NumberType(0, 1e6),
    default=60.0,
    help="How long a server may be busy before that is an error.  [default: 60]",
)
@click.option("--open", "is_opened", is_flag=True, help="Show the first picture when it is there.")
@click.version_option(__version__, message="%(version)s")
def program(files: Sequence[Path], *, is_opened: bool, **options: Any) -> None:
    """Run the program."""
    logging.getLogger(__name__.partition(".")[0]).addHandler(logging.NullHandler())
    try:
        with interruption():
            outcome = run(files, **_read(**options))
    except RenderServerError as error:
        sys.exit(report_error(error))
    except KeyboardInterrupt:
        click.echo(f"{PROGRAM}: interrupted", err=True)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # as with `| head -1`; Python would complain once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_UNREAD)
    if is_opened and outcome.first is not None:
        _open(outcome.first)
    sys.exit(outcome.status)


def _read(
    *,
    folder: Path,
    server: str | None,
    wait_s: float,
    backend: str,
    device: Device,
    environment: str | None,
    transparent: bool,
    background: str | tuple[int, int, int],
    exposure: float | None,
    quality: str | None,
    **wanted: Any,
) -> dict[str, Any]:
    """Return the arguments for `run`.

    Raises
    ------
    RequestError
        Some options contradict each other, or an environment does not exist.
    """
    if wanted["orbit"] is not None and AUTO not in wanted["cameras"]:
        raise RequestError("--orbit, --camera: give one of them; an orbit leads around the whole model")
    if transparent and background != BACKDROP:
        raise RequestError("--transparent, --background: give one of them")
    is_file = environment is not None and environment not in (*ENVIRONMENTS, NO_ENVIRONMENT)
    if is_file:
        _check_environment(str(environment), server)
    lighting = Lighting(
        environment=None if is_file else environment,
        exposure=exposure,
        quality=quality,
        background=NOTHING if transparent else background,
        has_environment_file=is_file,
    )
    return {
        "folder": folder,
        "server": server,
        "wait_s": wait_s,
        "settings": own_settings(
            backend=backend, device=device, environment=environment if is_file else None
        ),
        "wanted": Wanted(lighting=lighting, **wanted),
    }


def _check_environment(environment: str, server: str | None) -> None:
    if not Path(environment).expanduser().is_file():
        close = difflib.get_close_matches(environment, ENVIRONMENTS, 1)
        meant = f"; did you mean {close[0]}?" if close else f". The names are {', '.join(ENVIRONMENTS)}"
        raise RequestError(f"--environment {environment}: is neither a name nor a file that is there{meant}")
    if server is not None:
        raise RequestError(
            f"--environment {environment}: a server does not take files; give one of the names "
            f"{', '.join(ENVIRONMENTS)}"
        )


def _open(path: Path) -> None:
    if click.launch(str(path)):
        click.echo(f"{PROGRAM}: no program of this machine shows {path}", err=True)
