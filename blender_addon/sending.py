"""Requests that the add-on sends itself, as a client does; what comes is told on the main thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import bpy

__all__ = ["Reply", "send", "stop_waiting"]

_logger = logging.getLogger(__name__)

_POLL_S = 0.1


@dataclass(frozen=True)
class Reply:
    """What came.

    Attributes
    ----------
    picture : bytes
        Empty after a failure.
    error : str
        Why there is no picture.
    seconds : float
        From sending to the last byte.
    """

    picture: bytes
    error: str
    seconds: float


class _Waiting:
    """One request that is under way."""

    def __init__(
        self, url: str, scene: bytes, fields: Mapping[str, str], then: Callable[[Reply], None]
    ) -> None:
        self._then = then
        self._reply = Reply(b"", "The request has not been sent", 0.0)
        self._thread = threading.Thread(target=self._run, args=(url, scene, fields), daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def tell(self) -> None:
        self._then(self._reply)

    def _run(self, url: str, scene: bytes, fields: Mapping[str, str]) -> None:
        import requests

        from .gltf_render_server.client import RenderClient, RenderClientError

        started_s, picture, error = time.perf_counter(), b"", ""
        try:
            picture = RenderClient(url).post(scene, fields).body
        except (RenderClientError, requests.RequestException, OSError) as failure:
            error = str(failure)
        self._reply = Reply(picture, error, time.perf_counter() - started_s)


_waiting: list[_Waiting] = []


def send(url: str, scene: bytes, fields: Mapping[str, str], then: Callable[[Reply], None]) -> None:
    """Send a request, and call `then` on the main thread with what comes.

    Parameters
    ----------
    url : str
        The server's address, with its token.
    scene : bytes
        A glTF file.
    fields : mapping of str to str
        The form.
    then : callable
    """
    _waiting.append(_Waiting(url, scene, fields, then))
    if not bpy.app.timers.is_registered(_poll):
        bpy.app.timers.register(_poll, first_interval=_POLL_S, persistent=True)


def stop_waiting() -> None:
    """Forget what is under way."""
    _waiting.clear()
    if bpy.app.timers.is_registered(_poll):
        bpy.app.timers.unregister(_poll)


def _poll() -> float | None:
    """Run by Blender's timer while a reply is waited for; Blender drops one that lets an exception out."""
    for waiting in [waiting for waiting in _waiting if waiting.is_done]:
        _waiting.remove(waiting)
        try:
            waiting.tell()
        except Exception:
            _logger.exception("an answer could not be shown")
    return _POLL_S if _waiting else None
