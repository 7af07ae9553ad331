"""Runs a child Blender that makes a dataset's files from a copy of this file, without blocking the window."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy

from . import child_main
from .control import controller
from .dataset_choices import DatasetError
from .dataset_specification import LIGHT, RESULT, SCENE, SPECIFICATION
from .events import Failed, from_line
from .launch import save_copy
from .meanwhile import meanwhile
from .options import child_environment
from .session import redraw_panels

__all__ = ["DatasetJob", "abandon", "current", "files_in", "place"]

_LOG_CHARACTERS = 300
_PRINTED, _LOG = "printed", "log.txt"

Done = Callable[[Path, dict[str, Any]], None]


class DatasetJob:
    """A running child Blender, with a temporary folder.

    Parameters
    ----------
    job : mapping
        The job; see `dataset_choices.job_of`.
    done : callable
        Called on the main thread with the folder of the results and the child's report.
    beside : Path or None
        The folder to which the files will be moved. The temporary folder is created on the same disk.

    Raises
    ------
    DatasetError
        The child cannot be started.
    """

    def __init__(self, job: Mapping[str, Any], done: Done, beside: Path | None = None) -> None:
        if not bpy.app.binary_path:
            raise DatasetError("This Blender has no program that could be started")
        self._done = done
        self._is_cancelled = False
        try:
            if beside is not None:
                beside.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=beside or bpy.app.tempdir))
            try:
                self._process = self._start(job)
            except BaseException:
                shutil.rmtree(self._folder, ignore_errors=True)
                raise
        except (OSError, RuntimeError) as error:
            raise DatasetError(f"The dataset could not be begun: {error}") from error
        meanwhile(self._wait, self._meet)

    def cancel(self) -> None:
        """End the child, and discard its results."""
        self._is_cancelled = True
        with suppress(OSError):
            self._process.kill()

    def abandon(self) -> None:
        """Cancel the job, and remove its folder at once."""
        self.cancel()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, job: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        copy, file = self._folder / "copy.blend", self._folder / "job.json"
        save_copy(copy)
        file.write_text(json.dumps(job))
        command = [bpy.app.binary_path, "-b", "--factory-startup", "--offline-mode", str(copy)]
        environment = child_environment({})
        environment[child_main.PATHS] = json.dumps(sys.path)
        environment[child_main.DATASET] = os.fspath(file)
        environment["BLENDER_USER_RESOURCES"] = os.fspath(self._folder / "resources")
        with (self._folder / _PRINTED).open("wb") as printed, (self._folder / _LOG).open("wb") as log:
            return subprocess.Popen(  # noqa: S603  Blender itself, with a script of this add-on
                [*command, "-P", child_main.__file__],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=log,
            )

    def _wait(self) -> str:
        """Wait for the child, on a thread. Return an error message, or an empty text."""
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            events = map(from_line, (self._folder / _PRINTED).read_bytes().splitlines())
        except OSError as error:
            return str(error)
        failures = [event.message for event in events if isinstance(event, Failed)]
        if failures or (self._folder / RESULT).exists():
            return "".join(failures[:1])
        with suppress(OSError):
            log = (self._folder / _LOG).read_text(errors="replace").strip()
            return f"its Blender ended without a word: {log[-_LOG_CHARACTERS:]}"
        return "its folder is gone"

    def _meet(self, failure: str) -> None:
        current.clear()
        try:
            if self._is_cancelled:
                controller.show_message("", note="Dataset: cancelled; nothing was written")
            elif failure:
                controller.show_message(f"Dataset: {failure}")
            else:
                self._done(self._folder, json.loads((self._folder / RESULT).read_text()))
        except OSError as error:
            controller.show_message(f"Dataset: {error}")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
            redraw_panels()


current: list[DatasetJob] = []
"""The running job, if any."""


def abandon() -> None:
    """End the running job and clean up, because nobody will use its results any more."""
    while current:
        current.pop().abandon()


def files_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder that a specification would replace."""
    return [name for name in (SPECIFICATION, SCENE, LIGHT) if (folder / name).exists()]


def place(made: Path, folder: Path) -> None:
    """Move the results to the chosen folder; the specification is last, because it refers to the others.

    Raises
    ------
    OSError
    """
    for name in (LIGHT, SCENE, SPECIFICATION):
        if (made / name).exists():
            (made / name).replace(folder / name)
