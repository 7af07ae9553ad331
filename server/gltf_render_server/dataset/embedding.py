"""Reads a glTF file of the user into a `Document`, and embeds the files that it refers to.

Only files in the folder of the glTF file or below it are read. A server never does so: it takes only
documents with embedded resources.
"""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path
from typing import Any

from ..errors import RequestError, SceneError, TooLargeError
from ..gltf.container import open_container
from ..gltf.decoding import decode_whole
from ..gltf.images import image_type
from ..gltf.resources import decode_uri
from .binary import Binary, move_views
from .shot import Document

__all__ = ["HEAD_BYTES", "MOST_BYTES", "read_document", "why_not_gltf"]

MOST_BYTES = 2**31
"""Largest size in bytes of a file together with all files that it refers to."""

HEAD_BYTES = 64
"""How much of a file `why_not_gltf` needs."""

_DATA = "data:"
_LFS = b"version https://git-lfs"

Json = dict[str, Any]


def read_document(path: Path, *, max_bytes: int = MOST_BYTES) -> Document:
    """Read a .glb or .gltf file, and embed the buffers and images that it refers to.

    Parameters
    ----------
    path : Path
        A file whose resources are all embedded is returned unchanged. Any other becomes a GLB.
    max_bytes : int
        Largest size of the file together with the files that it refers to.

    Raises
    ------
    RequestError
        The file does not exist.
    SceneError
        The file is not glTF, or refers to a file that does not exist or is outside its own folder.
    TooLargeError
        The files are larger than ``max_bytes``.
    """
    files = _Files(path, max_bytes)
    data = files.read_document()
    if why := why_not_gltf(data[:HEAD_BYTES]):
        raise SceneError(why)
    container = open_container(data)
    json = decode_whole(container.json)
    if not any(_is_outside(item) for name in ("buffers", "images") for item in json.get(name) or ()):
        return Document(data, path)
    binary = Binary()
    views = json["bufferViews"] = json.get("bufferViews") or []
    move_views(views, binary.add_buffers(json, container.binary, files.read))
    for index, image in enumerate(json.get("images") or ()):
        if _is_outside(image):
            views.append(_embed_image(image, f"$.images[{index}]", binary, files))
            image["bufferView"] = len(views) - 1
    return Document(binary.glb(json), path)


def why_not_gltf(head: bytes) -> str:
    """Return why a file that begins with these bytes is no glTF; empty = it may be one."""
    if head.startswith(_LFS):
        return "it is only a pointer of Git LFS to the file; `git lfs pull` brings the file itself"
    if not head:
        return "it is empty"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"glTF") or text.startswith(b"{") or not text:
        return ""
    return (
        "it is no glTF file: a .glb begins with the letters glTF, and a .gltf with a brace. Blender writes "
        "both from most formats (File > Import, then File > Export > glTF 2.0)"
    )


def _is_outside(item: Json) -> bool:
    uri = item.get("uri")
    return isinstance(uri, str) and not uri.startswith(_DATA)


def _embed_image(image: Json, where: str, binary: Binary, files: _Files) -> Json:
    """Embed an image, and return its buffer view."""
    if image.get("bufferView") is not None:
        raise SceneError("the image has both uri and bufferView; leave one of them out", where)
    uri = image.pop("uri")
    data = files.read(uri, f"{where}.uri")
    if not data:
        raise SceneError(f"the file {uri[:200]!r} is empty", f"{where}.uri")
    if (kind := image_type(data)) is not None:
        image["mimeType"] = kind
    return {"buffer": 0, "byteOffset": binary.add(data), "byteLength": len(data)}


class _Files:
    """Reads a document and the files that it refers to, up to a total size."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._folder = path.parent.resolve()
        self._left = self._max = max_bytes
        self._known: dict[Path, bytes] = {}

    def read_document(self) -> bytes:
        if not self._path.is_file():
            raise RequestError(f"{self._path}: there is no such file")
        return self._read(self._path, str(self._path))

    def read(self, uri: str, where: str) -> bytes:
        """Return the data of a URI."""
        if uri.startswith(_DATA):
            return decode_uri(uri, where, may_be_text=True)
        path = self._find(uri, where)
        if path not in self._known:
            self._known[path] = self._read(path, where)
        return self._known[path]

    def _find(self, uri: str, where: str) -> Path:
        shown = f"{uri[:200]!r}"
        try:
            is_address = bool(urllib.parse.urlsplit(uri).scheme) or uri.startswith("//")
        except ValueError:
            is_address = True
        if is_address:
            raise SceneError(
                f"{shown} is an address; only files in the document's folder or below it are read", where
            )
        name = urllib.parse.unquote(uri).replace("\\", "/")  # as some exporters separate folders
        try:
            path = (self._folder / name).resolve()
            is_file = path.is_file()
        except (OSError, ValueError, RuntimeError):  # too long, with a zero byte, a circle of links
            raise SceneError(f"there is no file {shown}", where) from None
        if not path.is_relative_to(self._folder):
            raise SceneError(
                f"{shown} is outside the document's folder; only files in that folder or below it are read",
                where,
            )
        if not is_file:
            raise SceneError(f"there is no file {shown}", where)
        return path

    def _read(self, path: Path, where: str) -> bytes:
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = file.read(min(size, self._left) + 1)  # room for so many is made before they are read
        except OSError as error:
            raise SceneError(f"{path.name} cannot be read: {error.strerror}", where) from None
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError(
                f"{self._path}: the document and the files that it refers to take more than {self._max} "
                "bytes in total"
            )
        return data
