"""Requests that are kept for inspection: one file each, the newest only; independent of Blender.

A file is a zip with a recording of one frame (docs/recording.md), and with ``about.json``, which has the data
for a list and can be read without any of the wheels.

The folder may contain other files. Only a plain file whose ``about.json`` contains the file's own name is
ever removed. Files that a user has renamed, copied or changed, and all folders, are never touched.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from .events import Answered

if TYPE_CHECKING:
    from .gltf_render_server.recording import Answer, RecordedFrame, Request

__all__ = ["NOT_KEPT", "KeptRequest", "KeptRequestError", "Shelf", "export", "read_kept"]

NOT_KEPT = "X-glTF-Render-Server-Not-Kept"
"""The header of a request that must not be kept."""

_logger = logging.getLogger(__name__)

_ABOUT = "about.json"
_PARTIAL = ".partial-"
_PARTIAL_S = 3600.0  # an older partial file was left by a crash
_NAME = re.compile(rf"({re.escape(_PARTIAL)})?\d{{8}}-\d{{6}}-\d{{6,}}-\w+-[0-9a-f]{{8}}\.zip")
_MOST_BYTES = 4 * 10**9
_TYPES: dict[str, Callable[[Any], Any]] = {"int": int, "float": float, "str": str}


class KeptRequestError(Exception):
    """A file is not a kept request, or cannot be read."""


@dataclass(frozen=True)
class KeptRequest:
    """A request and its response.

    Attributes
    ----------
    path : Path
    answered : Answered
        The data for a list.
    passes, views : tuple of str
        The names of the requested passes and views; empty if the request was rejected, or kept by an earlier
        version.
    """

    path: Path
    answered: Answered
    passes: tuple[str, ...] = ()
    views: tuple[str, ...] = ()

    @cached_property
    def recorded(self) -> RecordedFrame:
        """The complete record.

        Raises
        ------
        RecordingError
            The file is damaged.
        """
        from .gltf_render_server.recording import RecordedFrames

        return RecordedFrames(self.path)[0]

    @property
    def fields(self) -> dict[str, str]:
        """The form without the scene."""
        return {name: values[0] for name, values in self.recorded.request.form.items()}

    @property
    def scene(self) -> bytes:
        """The glTF file."""
        document = self.recorded.request.document
        return b"" if document is None else document.data

    @property
    def answer(self) -> bytes | None:
        """The image that was sent; None if there was none."""
        return self.recorded.answer.body if self.answered.status == HTTPStatus.OK else None

    @property
    def label(self) -> str:
        """A label for lists: time, image type, size."""
        _, clock, *_ = self.path.name.split("-")
        answered = self.answered
        size = f"{answered.width or '?'} x {answered.height or '?'}"
        return f"{clock[:2]}:{clock[2:4]}:{clock[4:]}  {answered.image_type}  {size}"


class Shelf:
    """The folder of kept requests.

    Parameters
    ----------
    folder : Path
        The folder, which is created when it is needed.
    most : int
        How many requests are kept; 0 = none.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self.most = most

    def keep(self, request: Request, answer: Answer, answered: Answered) -> Path:
        """Keep a request and remove the oldest ones; return its file.

        Raises
        ------
        OSError
        """
        from .gltf_render_server.recording import save_frame

        own = secrets.token_hex(4)  # two Blenders may share a shelf
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{answered.number:06d}-{answered.image_type}-{own}.zip"
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"{_PARTIAL}{name}"
        asked = {"passes": request.passes, "views": [view.name for view in request.views]}
        text = json.dumps({**asdict(answered), **asked, "kept": name}, indent=1)
        try:
            save_frame(request, answer, partial, **{_ABOUT: text.encode()})
            path = partial.rename(self.folder / name)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)  # otherwise the partial file would keep a full disk full
            raise
        self._let_go()
        return path

    def newest(self, count: int) -> list[KeptRequest]:
        """Return the newest readable requests, the newest first."""
        found = []
        for path in reversed(self._files()[-count:]):
            try:
                found.append(read_kept(path))
            except KeptRequestError as error:
                _logger.warning("%s", error)
        return found

    def clear(self) -> int:
        """Remove all files of the shelf, and return how many could not be removed."""
        return sum(not _remove(path) for path in self._files())

    def _let_go(self) -> None:
        size = 0
        for number, path in enumerate(reversed(self._files())):
            with suppress(OSError):  # concurrent requests also remove files
                size += path.stat().st_size
            if number and (number >= self.most or size > _MOST_BYTES):
                _remove(path)
        for path in self._files(_PARTIAL):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _PARTIAL_S:
                    path.unlink()

    def _files(self, prefix: str = "") -> list[Path]:
        """Return the plain files whose names match those of the shelf, the oldest first."""
        try:
            paths = sorted(self.folder.iterdir())
        except OSError:
            return []
        called = (
            path for path in paths if (match := _NAME.fullmatch(path.name)) and (match[1] or "") == prefix
        )
        return [path for path in called if _is_plain(path)]


def read_kept(path: Path) -> KeptRequest:
    """Read the list data of a kept request from its file.

    Raises
    ------
    KeptRequestError
        The file is missing or damaged.
    """
    try:
        with ZipFile(path) as file:
            about = json.loads(file.read(_ABOUT))
        values = {field.name: _TYPES[str(field.type)](about[field.name]) for field in fields(Answered)}
        passes, views = (tuple(map(str, about.get(name, ()))) for name in ("passes", "views"))
        return KeptRequest(path, Answered(**values), passes, views)
    except FileNotFoundError as error:
        raise KeptRequestError(f"The kept request {path.name} is gone") from error
    except (OSError, BadZipFile, ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeptRequestError(f"The kept request {path.name} cannot be read: {error!r}") from error


def export(kept: KeptRequest, target: Path) -> Path:
    """Export a kept request as plain files.

    Parameters
    ----------
    kept : KeptRequest
    target : Path
        The parent of the new folder, which has the request's name, plus a number if that name exists.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    RecordingError
        The file is damaged.
    """
    from .gltf_render_server.recording import unpack

    names = (f"{kept.path.stem}{number}" for number in ("", *(f"-{n}" for n in range(2, 10_000))))
    folder = next(target / name for name in names if not os.path.lexists(target / name))
    unpack(kept.recorded, folder)
    return folder


def _is_plain(path: Path) -> bool:
    """Return whether a path is a regular file; on Windows, junctions must be excluded, too."""
    try:
        status = path.lstat()
    except OSError:
        return False
    is_reparsed = getattr(status, "st_file_attributes", 0) & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    return stat.S_ISREG(status.st_mode) and not is_reparsed


def _remove(path: Path) -> bool:
    """Remove a file if it belongs to the shelf, and return whether it is gone."""
    with suppress(OSError, BadZipFile, ValueError, KeyError, TypeError, RecursionError):
        with ZipFile(path) as file:
            is_own = json.loads(file.read(_ABOUT))["kept"] == path.name
        if is_own:
            path.unlink()
    return not os.path.lexists(path)
