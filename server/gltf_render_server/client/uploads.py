"""The scenes of frames: a request names its scene by digest, and only a server without it gets the bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..recent import Recent
from .connection import Connection, RenderAnswer, RenderClientError

__all__ = ["Exportable", "SceneLike", "SceneSource", "Uploads"]

# attempts to upload a scene that the server evicts before rendering; then the frame and scene go in one
# request
_UPLOADS = 2
_REMEMBERED = 8  # number of files whose digests are remembered

_NOT_FOUND, _NOT_KEPT = "scene_not_found", "scene_not_kept"


class Exportable(Protocol):
    """An object that can export itself as a GLB: a ``trimesh.Scene`` or a ``trimesh.Trimesh``."""

    def export(self, *, file_type: str) -> Any:
        """Return the object as the bytes of a file."""
        ...


SceneLike = str | os.PathLike[str] | bytes | Exportable


@dataclass(frozen=True)
class SceneSource:
    """A scene as it can be uploaded.

    Attributes
    ----------
    digest : str
        The SHA-256 digest of its bytes.
    read : callable
        Returns its bytes.
    """

    digest: str
    read: Callable[[], bytes]


class Uploads:
    """Requests frames of one server, and uploads the scenes that it does not have.

    Parameters
    ----------
    connection : Connection
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._digests = Recent[str](_REMEMBERED * len(_sha256(b"")))
        self._last = b"", _sha256(b"")
        self._unkept: set[str] = set()

    def source(self, scene: SceneLike) -> SceneSource:
        """Return the digest of a scene and a function that reads it. A file is digested only once."""
        if isinstance(scene, bytes):
            if self._last[0] is not scene:
                self._last = scene, _sha256(scene)
            return SceneSource(self._last[1], lambda: scene)
        if isinstance(scene, str | os.PathLike):
            path = Path(scene)
            status = path.stat()
            key = (path.resolve(), status.st_mtime_ns, status.st_size)
            digest = self._digests.get(key, lambda: _sha256(path.read_bytes()), len)
            return SceneSource(digest, path.read_bytes)
        data = bytes(scene.export(file_type="glb"))
        return SceneSource(_sha256(data), lambda: data)

    def ask(self, frame: str, scene: SceneSource) -> RenderAnswer:
        """Request a frame by the digest of its scene, and upload the scene if the server does not have it.

        Parameters
        ----------
        frame : str
            The frame as JSON; see `frame_json`.
        scene : SceneSource

        Raises
        ------
        RenderClientError
            The server refused the request or failed to render it.
        """
        headers = {"Content-Type": "application/json"}
        for _ in range(_UPLOADS + 1):
            if scene.digest in self._unkept:
                break
            try:
                return self._connection.ask("POST", "/v1/frames", data=frame, headers=headers)
            except RenderClientError as error:
                if error.reason != _NOT_FOUND:
                    raise
            try:
                self._connection.ask("PUT", f"/v1/scenes/{scene.digest}", data=scene.read())
            except RenderClientError as error:
                if error.reason != _NOT_KEPT:
                    raise
                self._unkept.add(scene.digest)
        files = {"frame": frame, "scene": ("scene", scene.read())}
        return self._connection.ask("POST", "/v1/frames", files=files)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
