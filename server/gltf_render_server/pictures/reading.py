"""Reads a file into a self-contained document, with helpful error messages."""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path

from ..dataset.embedding import HEAD_BYTES, read_document, why_not_gltf
from ..dataset.shot import Document
from ..errors import RequestError, SceneError, UnavailableError
from ..gltf.container import open_container
from ..gltf.extensions import DRACO

__all__ = ["check_file", "read_file"]

_SUFFIXES = (".glb", ".gltf")
_MOST_LISTED = 5


def check_file(path: Path) -> None:
    """Check quickly whether a path is a file that may be glTF.

    Raises
    ------
    RequestError
    """
    _check_there(path)
    _check_kind(path)


def read_file(path: Path) -> Document:
    """Read a .glb, or a .gltf with the files to which it refers.

    Raises
    ------
    RequestError
        The file does not exist or is not glTF; or it refers to a file that does not exist, or that lies
        outside its folder.
    SceneError
        The document is invalid.
    TooLargeError
        It is too large to be read.
    UnavailableError
        Its compression cannot be decoded here.
    """
    check_file(path)
    try:
        document = read_document(path)
    except SceneError as error:
        if not error.where.endswith(".uri"):
            raise
        raise RequestError(
            f"{error.where}: {error.message}; a .gltf needs its .bin and its pictures in the folders "
            "where they were exported to. Copy them along, or export the model as one .glb file"
        ) from None
    _check_decoder(document)
    return document


def _check_there(path: Path) -> None:
    if path.is_dir():
        raise RequestError(f"it is a folder; name a file in it{_listed(_models_in(path))}")
    if path.is_file():
        return
    if not path.parent.is_dir():
        raise RequestError(f"there is no such file, and no folder {path.parent}")
    there = _models_in(path.parent)
    close = difflib.get_close_matches(path.name, there, 1)
    advice = f". Did you mean {path.parent / close[0]}?" if close else _listed(there, "; in its folder are")
    raise RequestError(f"there is no such file{advice}")


def _models_in(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir() if each.suffix.lower() in _SUFFIXES)
    except OSError:
        return []


def _listed(names: list[str], introduction: str = ":") -> str:
    if not names:
        return ""
    rest = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"{introduction} {', '.join(names[:_MOST_LISTED])}{rest}"


def _check_kind(path: Path) -> None:
    """Reject files of another kind before they are parsed as JSON."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise RequestError(f"it cannot be read: {error.strerror}") from None
    if why := why_not_gltf(head):
        raise RequestError(why)


def _check_decoder(document: Document) -> None:
    if DRACO.encode() in open_container(document.data).json and find_spec("DracoPy") is None:
        raise UnavailableError(
            "it is compressed with Draco, and the package that reads this is missing: pip install dracopy"
        )
