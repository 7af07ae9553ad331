"""The program ``gltf-render``: options -> what is wanted -> pictures -> files."""

from __future__ import annotations

import difflib
import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click
from PIL import Image, ImageColor

from .. import __version__
from ..dataset.interruption import Interruption
from ..dataset.shot import Document
from ..environments import ENVIRONMENTS, NO_ENVIRONMENT
from ..errors import RenderServerError, RequestError, SceneError, SettingsError
from ..passes import PASSES
from ..scene import Scene
from ..settings import Device, Quality, UpAxis
from .cameras import AUTO, camera_names
from .looks import BACKDROP, ENVIRONMENT, NOTHING, Lighting
from .making import COLOUR, Picture, Wanted, check_passes, pictures
from .progress import Watch, watched
from .reading import check_file, read_file
from .renderers import FileRenderer, make_file_renderer, own_settings
from .writing import Written, write_pass

__all__ = ["program"]

_PROGRAM = "gltf-render"
_FAILED, _WRONG, _INTERRUPTED = 1, 2, 130
"""Exit statuses: it may work another time; the file or the command is wrong; Ctrl-C."""

_LARGEST_SIDE_PX = 16384
_MOST_VIEWS = 3600
_MOST_NOTES = 5
_OF_SCENE = "scene: "
_BROKEN = """\
The file itself is wrong there. Copy it once more, or export it again; the validator of glTF,
https://github.khronos.org/glTF-Validator, shows all that is wrong with a file."""
_STAGES = "read", "start", "check", "import", "render", "write"
_IMPORTING = "import", "update"
"""The stages in which the renderer takes in what it shows."""

_ALSO_CALLED = {
    "mask": "instance",
    "rgb": COLOUR,
    "rgba": COLOUR,
    "segmentation": "instance",
    "semantic": "label",
    "z": "depth",
}
"""What other programs call the passes."""

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


class _SizeType(click.ParamType):
    name = "WIDTHxHEIGHT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]{1,6})\s*[x*,]\s*([0-9]{1,6})", value.strip(), re.IGNORECASE)
        size = tuple(map(int, found.groups())) if found else (0, 0)
        if not all(1 <= side <= _LARGEST_SIDE_PX for side in size):
            self.fail(
                f"{value}: must be as 1024x768: width and height in pixels, from 1 to {_LARGEST_SIDE_PX}",
                param,
                ctx,
            )
        return size[0], size[1]


class _NumberType(click.ParamType):
    """A number within bounds; click's own takes nan, too."""

    def __init__(self, low: float, high: float) -> None:
        self.name = "number"
        self._low, self._high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not self._low <= number <= self._high:
            self.fail(f"{value}: must be a number from {self._low:g} to {self._high:g}", param, ctx)
        return number


class _PassesType(click.ParamType):
    name = "NAMES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if not names:
            self.fail("names no pass; the usual one is color", param, ctx)
        for name in names:
            if name not in PASSES:
                self.fail(_unknown_pass(name), param, ctx)
        try:
            check_passes(names)
        except RequestError as error:
            self.fail(str(error).removeprefix("--passes: "), param, ctx)
        return names


class _BackgroundType(click.ParamType):
    name = "COLOUR|environment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str) or value in (BACKDROP, ENVIRONMENT, NOTHING):
            return value
        try:
            return ImageColor.getrgb(value)[:3]
        except ValueError:
            self.fail(
                f"{value}: is no colour; colours are such as white, '#204080' and 'rgb(32, 64, 128)', and "
                f"{ENVIRONMENT} shows what the model is lit by",
                param,
                ctx,
            )


def _unknown_pass(name: str) -> str:
    close = [_ALSO_CALLED[name.lower()]] if name.lower() in _ALSO_CALLED else []
    close = close or difflib.get_close_matches(name.lower(), PASSES, 2)
    meant = f"; did you mean {' or '.join(close)}?" if close else "."
    given = ", ".join(row.name for row in PASSES.values() if row.moment is None)
    return f"there is no pass {name[:40]!r}{meant} There are {given}"


@click.command(
    _PROGRAM,
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
    type=_PassesType(),
    default=(COLOUR,),
    help="What is rendered, with commas between: color, depth, normal, instance, label, albedo and more.  "
    "[default: color]",
)
@click.option(
    "--size",
    metavar="WIDTHxHEIGHT",
    type=_SizeType(),
    default=Wanted.size,
    help="Of each picture, in pixels.  [default: 1024x768]",
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
    type=_NumberType(0, 1e6),
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
@click.option("--exposure", metavar="STOPS", type=_NumberType(-10, 10), help="Brighter, or darker.")
@click.option(
    "--background",
    metavar="COLOUR|environment",
    type=_BackgroundType(),
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
    type=_NumberType(0, 1e6),
    default=60.0,
    help="How long a server may be busy before that is an error.  [default: 60]",
)
@click.option("--open", "is_opened", is_flag=True, help="Show the first picture when it is there.")
@click.version_option(__version__, message="%(version)s")
def program(files: Sequence[Path], *, is_opened: bool, **options: Any) -> None:
    """Do what the command line says."""
    logging.getLogger(__name__.partition(".")[0]).addHandler(logging.NullHandler())
    try:
        with Interruption():
            run = _run(files, **options)
    except RenderServerError as error:
        sys.exit(_tell_error(error))
    except KeyboardInterrupt:
        click.echo(f"{_PROGRAM}: interrupted", err=True)
        sys.exit(_INTERRUPTED)
    if is_opened and run.first is not None:
        _open(run.first)
    sys.exit(run.status)


@dataclass
class _Run:
    """What has become of the files.

    Attributes
    ----------
    status : int
        The exit status so far.
    first : Path or None
        The first file that a person can look at.
    """

    status: int = 0
    first: Path | None = None

    def fail(self, path: Path, error: Exception) -> None:
        """Tell why a file is not rendered; the others may be."""
        self.status = max(self.status, _tell_error(error, path))

    def note(self, written: Written) -> None:
        """Tell of a file that was written."""
        if self.first is None and written.path.suffix == ".png":
            self.first = written.path
        click.echo(written.path)


def _run(
    files: Sequence[Path],
    *,
    folder: Path,
    server: str | None,
    wait_s: float,
    backend: str,
    device: Device,
    **options: Any,
) -> _Run:
    """Render all files.

    Raises
    ------
    RenderServerError
        None can be rendered like that.
    """
    run = _Run()
    wanted, environment_file = _wanted(server, **options)
    _check_folder(folder)
    _check_stems(files)
    settings = own_settings(backend=backend, device=device, environment=environment_file)
    good = [path for path in files if _is_good(path, run)]
    if not good:
        return run
    with watched() as watch, closing(make_file_renderer(settings, server, wait_s)) as renderer:
        for path in good:
            job = _Job(path, folder, wanted, watch, run)
            try:
                document = job.read()
            except RenderServerError as error:
                run.fail(path, error)
                continue
            job.wait(renderer)
            try:
                job.render(document, renderer)
            except (RenderServerError, OSError) as error:
                run.fail(path, error)
    return run


def _wanted(
    server: str | None,
    *,
    environment: str | None,
    transparent: bool,
    background: str | tuple[int, int, int],
    exposure: float | None,
    quality: str | None,
    cameras: tuple[str, ...],
    orbit: int | None,
    **others: Any,
) -> tuple[Wanted, str | None]:
    """Return what is wanted of each file, and the file of an environment."""
    if orbit is not None and AUTO not in cameras:
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
    return Wanted(cameras=cameras, orbit=orbit, lighting=lighting, **others), environment if is_file else None


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


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"-o {folder}: is a file; give a folder, the names of the pictures are made here")
    if not folder.exists() and folder.suffix.lower() in Image.registered_extensions():
        raise RequestError(
            f"-o {folder}: give a folder; the names of the pictures are made of the file's name, the view "
            "and the pass"
        )


def _check_stems(files: Sequence[Path]) -> None:
    """Check that no file's pictures take the place of another's, whatever the file system."""
    stems = Counter(path.stem.casefold() for path in files)
    twins = [str(path) for path in files if stems[path.stem.casefold()] > 1]
    if twins:
        raise RequestError(
            f"{', '.join(twins[:5])}: their pictures would have the same names; render them one by one, with "
            "-o a folder for each"
        )


def _is_good(path: Path, run: _Run) -> bool:
    """Look at a file before anything is started for it."""
    try:
        check_file(path)
    except RenderServerError as error:
        run.fail(path, error)
        return False
    return True


class _Job:
    """Renders one file, and notes where the time goes."""

    def __init__(self, path: Path, folder: Path, wanted: Wanted, watch: Watch, run: _Run) -> None:
        self._path, self._folder, self._wanted = path, folder, wanted
        self._watch, self._run = watch, run
        self._passes = ", ".join(wanted.passes)
        self._begun_s = time.monotonic()
        self._seconds: dict[str, float] = dict.fromkeys(_STAGES, 0.0)

    def read(self) -> Document:
        """Read it, with what lies beside it."""
        self._watch.tell(f"reading {self._path.name}")
        with self._timed("read"):
            return read_file(self._path)

    def wait(self, renderer: FileRenderer) -> None:
        """Wait until the renderer is there."""
        with self._timed("start"):
            renderer.wait(self._watch.tell)

    def render(self, document: Document, renderer: FileRenderer) -> None:
        """Render and write all of its pictures, and tell of them."""
        self._watch.tell(f"checking {self._path.name}")
        written: list[Written] = []
        made = pictures(document, self._wanted, renderer, self._begin)
        while (picture := self._next(made)) is not None:
            with self._timed("write"):
                written += self._write(picture)
            self._watch.step()
        elapsed_s = time.monotonic() - self._begun_s
        times = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self._seconds.items())
        click.echo(f"{self._path.name}: {self._passes} in {elapsed_s:.1f} s ({times})", err=True)
        for file in [file for file in written if file.legend][:_MOST_NOTES]:
            click.echo(f"  {file.path.name}: {file.legend}", err=True)

    def _begin(self, scene: Scene, count: int) -> None:
        self._seconds["check"] += time.monotonic() - self._begun_s - sum(self._seconds.values())
        _tell_notes(self._path, scene, self._wanted)
        self._watch.begin(count)
        self._watch.tell(f"{self._path.name}: {self._passes}")

    def _next(self, made: Iterator[Picture]) -> Picture | None:
        with self._timed("render"):
            picture = next(made, None)
        if picture is not None:
            import_s = sum(picture.stages_ms.get(name, 0.0) for name in _IMPORTING) / 1000
            self._seconds["import"] += import_s
            self._seconds["render"] -= import_s
        return picture

    def _write(self, picture: Picture) -> Iterator[Written]:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, array in picture.arrays.items():
            view = picture.view.name
            for file in write_pass(self._folder, self._path.stem, view, name, array, picture.scene):
                self._run.note(file)
                yield file

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Count the time of a ``with`` block, but for what is counted within it."""
        begun_s, before_s = time.monotonic(), sum(self._seconds.values())
        yield
        within_s = sum(self._seconds.values()) - before_s
        self._seconds[stage] += time.monotonic() - begun_s - within_s


def _tell_notes(path: Path, scene: Scene, wanted: Wanted) -> None:
    """Tell what of a file is not shown, and what else might be."""
    for warning in scene.warnings[:_MOST_NOTES]:
        click.echo(f"{path.name}: note: {warning}", err=True)
    if len(scene.warnings) > _MOST_NOTES:
        click.echo(f"{path.name}: note: and {len(scene.warnings) - _MOST_NOTES} more", err=True)
    if scene.cameras and wanted.cameras == (AUTO,):
        names = ", ".join(camera_names(scene)[:_MOST_NOTES])
        click.echo(f"{path.name}: note: it holds cameras, too: --camera {names}", err=True)


def _tell_error(error: Exception, path: Path | None = None) -> int:
    """Tell of an error, and return the exit status that it leads to."""
    where = "" if path is None else f"{path}: "
    is_broken = isinstance(error, SceneError)
    click.echo(f"{_PROGRAM}: error: {where}{str(error).removeprefix(_OF_SCENE)}", err=True)
    if is_broken:
        click.echo(_BROKEN, err=True)
    return _WRONG if isinstance(error, RequestError | SettingsError) else _FAILED


def _open(path: Path) -> None:
    if click.launch(str(path)):
        click.echo(f"{_PROGRAM}: no program of this machine shows {path}", err=True)
