"""Requests that are kept to be looked at later: a folder each, the newest only. Knows nothing of Blender.

A folder holds the scene and the form as they came, ``color.gltf`` and ``color.json``, beside
``answer.png``, ``.tiff`` or ``.json``, and ``about.json``, which says what became of the request.

Others may have folders beside them. Only a folder with a mark that names that very folder, and with none but
these files, is ever removed: what somebody renamed, copied or put something into is theirs.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["NOT_KEPT", "KeptRequest", "KeptRequestError", "Shelf", "export", "read_kept"]

NOT_KEPT = "X-glTF-Render-Server-Not-Kept"
"""The header of a request that is not to be kept."""

_logger = logging.getLogger(__name__)

_ABOUT = "about.json"
_MARK = ".gltf_render_server"
_PARTIAL = ".partial-"
_PARTIAL_S = 3600.0  # what is older was left by a crash
_TYPES = ("color", "depth", "label")
_NAME = re.compile(rf"\d{{8}}-\d{{6}}-\d{{6,}}-({'|'.join(_TYPES)})-[0-9a-f]{{8}}")
_SUFFIXES = {"image/png": ".png", "image/tiff": ".tiff"}
_OWN = {
    _MARK,
    _ABOUT,
    *(f"{image_type}{suffix}" for image_type in _TYPES for suffix in (".gltf", ".json")),
    *(f"answer{suffix}" for suffix in (*_SUFFIXES.values(), ".json")),
}


class KeptRequestError(Exception):
    """A folder holds no kept request, or one that cannot be read."""


@dataclass(frozen=True)
class KeptRequest:
    """One request and its answer.

    Attributes
    ----------
    folder : Path
    image_type : str
    status : int
        HTTP status of the answer.
    seconds : float
    client : str
    message : str
        Why it failed; empty if it did not.
    """

    folder: Path
    image_type: str
    status: int
    seconds: float
    client: str
    message: str

    @property
    def fields(self) -> dict[str, str]:
        """The form, without the scene."""
        return json.loads((self.folder / f"{self.image_type}.json").read_text("utf-8"))

    @property
    def scene(self) -> bytes:
        """The glTF file."""
        return (self.folder / f"{self.image_type}.gltf").read_bytes()

    @property
    def answer(self) -> Path | None:
        """The picture that was sent; None if there was none."""
        found = sorted(self.folder.glob("answer.*"))
        return found[0] if found and found[0].suffix != ".json" else None

    @property
    def label(self) -> str:
        """A name for lists: when, what, how large."""
        _, clock, *_ = self.folder.name.split("-")
        fields = self.fields
        size = f"{fields.get('width', '?')} x {fields.get('height', '?')}"
        return f"{clock[:2]}:{clock[2:4]}:{clock[4:]}  {self.image_type}  {size}"


class Shelf:
    """The folder of all that is kept.

    Parameters
    ----------
    folder : Path
        Made when it is needed.
    most : int
        How many requests are kept; 0 = none.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self.most = most

    def keep(
        self, scene: bytes, fields: dict[str, str], answer: bytes, mimetype: str, about: dict[str, Any]
    ) -> Path:
        """Keep a request, and let go of the oldest.

        Parameters
        ----------
        scene : bytes
        fields : dict of str to str
            The form; says the image type.
        answer : bytes
        mimetype : str
            Of the answer.
        about : dict
            The other attributes of `KeptRequest`, and a ``number`` that tells requests of a second apart.
        """
        image_type = fields["image_type"]
        own = secrets.token_hex(4)  # two Blenders may share a shelf
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{about['number']:06d}-{image_type}-{own}"
        partial = self.folder / f"{_PARTIAL}{name}"
        partial.mkdir(parents=True)
        try:
            (partial / _MARK).write_text(name, "utf-8")
            (partial / f"{image_type}.gltf").write_bytes(scene)
            (partial / f"{image_type}.json").write_text(json.dumps(fields, indent=1, sort_keys=True), "utf-8")
            (partial / f"answer{_SUFFIXES.get(mimetype, '.json')}").write_bytes(answer)
            (partial / _ABOUT).write_text(json.dumps({"image_type": image_type, **about}, indent=1), "utf-8")
            folder = partial.rename(self.folder / name)
        except OSError:
            _remove_files(partial)  # or what is left would keep a full disk full
            raise
        self._let_go()
        return folder

    def newest(self, count: int) -> list[KeptRequest]:
        """Return the last that are kept and can be read, the newest first."""
        return list(_readable(reversed(self._folders()[-count:])))

    def clear(self) -> int:
        """Let go of everything that is the shelf's own; return how many folders could not be removed."""
        return sum(not _remove(folder) for folder in self._folders())

    def _let_go(self) -> None:
        for folder in self._folders()[: -self.most or None]:
            _remove(folder)  # the other requests of this moment do it, too
        for folder in _own_folders(self.folder, _PARTIAL):
            if time.time() - folder.lstat().st_mtime > _PARTIAL_S:
                _remove(folder)

    def _folders(self) -> list[Path]:
        return sorted(_own_folders(self.folder))


def read_kept(folder: Path) -> KeptRequest:
    """Read one kept request from its folder.

    Raises
    ------
    KeptRequestError
        It is gone, or damaged.
    """
    try:
        about = json.loads((folder / _ABOUT).read_text("utf-8"))
        kept = KeptRequest(
            folder,
            str(about["image_type"]),
            int(about["status"]),
            float(about["seconds"]),
            str(about["client"]),
            str(about["message"]),
        )
        if kept.image_type not in _TYPES or not isinstance(kept.fields, dict):
            raise ValueError("it names no type of image")
    except FileNotFoundError as error:
        raise KeptRequestError(f"The kept request {folder.name} is gone") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeptRequestError(f"The kept request {folder.name} cannot be read: {error!r}") from error
    return kept


def export(kept: KeptRequest, target: Path) -> Path:
    """Copy a kept request into a folder, as somebody's own.

    Parameters
    ----------
    kept : KeptRequest
    target : Path
        Gets a folder with the request's name, and a number if there is one of that name.

    Returns
    -------
    Path
        The new folder.
    """
    names = (f"{kept.folder.name}{number}" for number in ("", *(f"-{n}" for n in range(2, 10_000))))
    folder = next(target / name for name in names if not os.path.lexists(target / name))
    folder.mkdir(parents=True)
    for name in sorted(_OWN - {_MARK}):
        if (kept.folder / name).exists():
            shutil.copyfile(kept.folder / name, folder / name)
    return folder


def _readable(folders: Iterable[Path]) -> Iterator[KeptRequest]:
    for folder in folders:
        try:
            yield read_kept(folder)
        except KeptRequestError as error:
            _logger.warning("%s", error)


def _own_folders(shelf: Path, prefix: str = "") -> Iterator[Path]:
    """Yield the folders that carry the mark of a shelf; a link is none."""
    try:
        found = sorted(shelf.iterdir())
    except OSError:
        return
    for folder in found:
        if folder.name.startswith(prefix or ".") == bool(prefix) and _is_own(folder, prefix):
            yield folder


def _is_own(folder: Path, prefix: str = "") -> bool:
    """Whether a folder is one itself, no link to one, and its mark names it."""
    try:
        mark = folder / _MARK
        name = folder.name.removeprefix(prefix)
        is_plain = _is_plain(folder, stat.S_ISDIR) and _is_plain(mark, stat.S_ISREG)
        return is_plain and mark.read_text("utf-8") == name and _NAME.fullmatch(name) is not None
    except (OSError, ValueError):
        return False


def _is_plain(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether a path is of a kind itself; Windows has links, junctions, that look like folders."""
    status = path.lstat()
    is_reparsed = getattr(status, "st_file_attributes", 0) & getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    return is_kind(status.st_mode) and not is_reparsed


def _remove(folder: Path) -> bool:
    """Remove a folder of the shelf's own, if nothing else is in it; tell whether it is gone."""
    prefix = _PARTIAL if folder.name.startswith(_PARTIAL) else ""
    try:
        holds_own = all(file.name in _OWN and _is_plain(file, stat.S_ISREG) for file in folder.iterdir())
        if holds_own and _is_own(folder, prefix):
            _remove_files(folder)
    except OSError:
        pass  # another request's thread may be removing it
    return not os.path.lexists(folder)


def _remove_files(folder: Path) -> None:
    """Remove the files that a kept request has, the mark last, and the folder if no other is in it."""
    with suppress(OSError):
        for name in sorted(_OWN, key=lambda name: name == _MARK):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
