"""Renders files one after the other, writes their images, and reports the results."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from PIL import Image

from ..dataset.shot import Document
from ..errors import RenderServerError, RequestError, SceneError, SettingsError, UnavailableError
from ..scene import Scene
from ..settings import ServerSettings
from .cameras import AUTO, camera_names
from .making import Picture, Wanted, pictures
from .progress import Watch, watched
from .reading import check_file, read_file
from .renderers import FileRenderer, make_file_renderer
from .writing import Written, write_pass

__all__ = ["PROGRAM", "Outcome", "report_error", "run"]

PROGRAM = "gltf-render"

_FAILED, _WRONG = 1, 2
"""exit statuses: a failure that may be temporary; a wrong file or command"""

_MOST_NOTES = 5
_OF_SCENE = "scene: "
_BROKEN = """\
The file itself is wrong there. Copy it once more, or export it again; the validator of glTF,
https://github.khronos.org/glTF-Validator, shows all that is wrong with a file."""
_STAGES = "read", "start", "check", "import", "render", "write"
_IMPORTING = "import", "update"
"""The stages in which the renderer loads a scene."""


@dataclass
class Outcome:
    """The results so far.

    Attributes
    ----------
    status : int
        The exit status so far.
    first : Path or None
        The first file that a person can view.
    """

    status: int = 0
    first: Path | None = None

    def fail(self, path: Path, error: Exception) -> None:
        """Report why a file was not rendered. Others may still be rendered."""
        self.status = max(self.status, report_error(error, path))

    def note(self, written: Written) -> None:
        """Report a file that was written."""
        if self.first is None and written.path.suffix == ".png":
            self.first = written.path
        _say(str(written.path), sys.stdout)


def run(
    files: Sequence[Path],
    *,
    folder: Path,
    server: str | None,
    wait_s: float,
    settings: ServerSettings,
    wanted: Wanted,
) -> Outcome:
    """Render files, and write their images.

    Parameters
    ----------
    files : sequence of Path
    folder : Path
        The folder for the images. It is created if necessary.
    server, wait_s, settings
        See `renderers.make_file_renderer`.
    wanted : Wanted

    Raises
    ------
    RenderServerError
        No file can be rendered. Errors in a single file are reported, and the others are rendered.
    BrokenPipeError
        Nobody reads the standard output any more.
    """
    _check_folder(folder)
    _check_stems(files)
    outcome = Outcome()
    good = [path for path in files if _is_good(path, outcome)]
    if not good:
        return outcome
    with watched() as watch, closing(make_file_renderer(settings, server, wait_s)) as renderer:
        for path in good:
            job = _Job(path, folder, wanted, watch, outcome)
            try:
                document = job.read()
            except RenderServerError as error:
                outcome.fail(path, error)
                continue
            job.wait(renderer)
            try:
                job.render(document, renderer)
            except RenderServerError as error:
                outcome.fail(path, error)
            except BrokenPipeError:  # of standard output; no folder is to blame
                raise
            except OSError as error:
                outcome.fail(path, UnavailableError(_unwritable(folder, error)))
    return outcome


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"-o {folder}: is a file; give a folder, the names of the pictures are made here")
    if not folder.exists() and folder.suffix.lower() in Image.registered_extensions():
        raise RequestError(
            f"-o {folder}: give a folder; the names of the pictures are made of the file's name, the view "
            "and the pass"
        )


def _check_stems(files: Sequence[Path]) -> None:
    """Check that no two files have the same output names, on any file system."""
    stems = Counter(path.stem.casefold() for path in files)
    twins = [str(path) for path in files if stems[path.stem.casefold()] > 1]
    if twins:
        raise RequestError(
            f"{', '.join(twins[:5])}: their pictures would have the same names; render them one by one, with "
            "-o a folder for each"
        )


def _is_good(path: Path, outcome: Outcome) -> bool:
    """Check a file before anything is started for it."""
    try:
        check_file(path)
    except RenderServerError as error:
        outcome.fail(path, error)
        return False
    return True


class _Job:
    """Renders one file, and measures the time."""

    def __init__(self, path: Path, folder: Path, wanted: Wanted, watch: Watch, outcome: Outcome) -> None:
        self._path, self._folder, self._wanted = path, folder, wanted
        self._watch, self._outcome = watch, outcome
        self._passes = ", ".join(wanted.passes)
        self._begun_s = time.monotonic()
        self._seconds: dict[str, float] = dict.fromkeys(_STAGES, 0.0)

    def read(self) -> Document:
        """Read the file, with those to which it refers."""
        self._watch.show(f"reading {self._path.name}")
        with self._timed("read"):
            return read_file(self._path)

    def wait(self, renderer: FileRenderer) -> None:
        """Wait until the renderer is ready."""
        with self._timed("start"):
            renderer.wait(self._watch.show)

    def render(self, document: Document, renderer: FileRenderer) -> None:
        """Render and write all images of the file, and report them."""
        self._watch.show(f"checking {self._path.name}")
        written: list[Written] = []
        made = pictures(document, self._wanted, renderer, self._begin)
        while (picture := self._next(made)) is not None:
            with self._timed("write"):
                written += self._write(picture)
            self._watch.step()
        elapsed_s = time.monotonic() - self._begun_s
        times = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self._seconds.items())
        _say(f"{self._path.name}: {self._passes} in {elapsed_s:.1f} s ({times})", sys.stderr)
        for file in [file for file in written if file.legend][:_MOST_NOTES]:
            _say(f"  {file.path.name}: {file.legend}", sys.stderr)

    def _begin(self, scene: Scene, count: int) -> None:
        self._seconds["check"] += time.monotonic() - self._begun_s - sum(self._seconds.values())
        _report_notes(self._path, scene, self._wanted)
        self._watch.begin(count)
        self._watch.show(f"{self._path.name}: {self._passes}")

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
                self._outcome.note(file)
                yield file

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Measure the time of a ``with`` block, without stages measured inside it."""
        begun_s, before_s = time.monotonic(), sum(self._seconds.values())
        yield
        within_s = sum(self._seconds.values()) - before_s
        self._seconds[stage] += time.monotonic() - begun_s - within_s


def _report_notes(path: Path, scene: Scene, wanted: Wanted) -> None:
    """Report what is not shown of a file, and hints about other options."""
    for warning in scene.warnings[:_MOST_NOTES]:
        _say(f"{path.name}: note: {warning}", sys.stderr)
    if len(scene.warnings) > _MOST_NOTES:
        _say(f"{path.name}: note: and {len(scene.warnings) - _MOST_NOTES} more", sys.stderr)
    if scene.cameras and wanted.cameras == (AUTO,):
        names = ", ".join(camera_names(scene)[:_MOST_NOTES])
        _say(f"{path.name}: note: it holds cameras, too (--camera NAME): {names}", sys.stderr)


def _unwritable(folder: Path, error: OSError) -> str:
    return (
        f"its pictures cannot be written into {folder.absolute()}: {error.strerror or error}; make room, or "
        "choose another folder with -o DIR"
    )


def report_error(error: Exception, path: Path | None = None) -> int:
    """Report an error, and return the resulting exit status."""
    where = "" if path is None else f"{path}: "
    is_broken = isinstance(error, SceneError)
    _say(f"{PROGRAM}: error: {where}{str(error).removeprefix(_OF_SCENE)}", sys.stderr)
    if is_broken:
        _say(_BROKEN, sys.stderr)
    return _WRONG if isinstance(error, RequestError | SettingsError) else _FAILED


def _say(line: str, stream: TextIO) -> None:
    """Write a line. If there is a progress bar, it has replaced the stream, so the line appears above it."""
    stream.write(f"{line}\n")
    stream.flush()
