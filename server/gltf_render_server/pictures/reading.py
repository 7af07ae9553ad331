"""A path -> a document with all that belongs to it, and words for what is wrong with the file."""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path

from ..dataset.embedding import read_document
from ..dataset.shot import Document
from ..errors import RequestError, SceneError, UnavailableError
from ..gltf.container import open_container
from ..gltf.extensions import DRACO

__all__ = ["check_file", "read_file"]

_SUFFIXES = (".glb", ".gltf")
_HEAD_BYTES = 64
_LFS = b"version https://git-lfs"
_MOST_LISTED = 5


def check_file(path: Path) -> None:
    """Look whether there is a file that may be glTF, at no cost.

    Raises
    ------
    RequestError
    """
    _check_there(path)
    _check_kind(path)


def read_file(path: Path) -> Document:
    """Read a .glb, or a .gltf with the files that lie beside it.

    Raises
    ------
    RequestError
        There is no such file, or it is something else than glTF; or it refers to a file that is not there, or
        that lies outside of its folder.
    SceneError
        It is broken.
    TooLargeError
        It is larger than any that can be read.
    UnavailableError
        What it is compressed with cannot be read here.
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
    """Refuse what is something else than glTF before anybody looks for JSON in it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise RequestError(f"it cannot be read: {error.strerror}") from None
    if head.startswith(_LFS):
        raise RequestError(
            "it is only a pointer of Git LFS to the file; `git lfs pull` brings the file itself"
        )
    if not head:
        raise RequestError("it is empty")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"glTF") or text.startswith(b"{") or not text:
        return
    raise RequestError(
        "it is no glTF file: a .glb begins with the letters glTF, and a .gltf with a brace. Blender writes "
        "both from most formats (File > Import, then File > Export > glTF 2.0)"
    )


def _check_decoder(document: Document) -> None:
    if DRACO.encode() in open_container(document.data).json and find_spec("DracoPy") is None:
        raise UnavailableError(
            "it is compressed with Draco, and the package that reads this is missing: pip install dracopy"
        )
