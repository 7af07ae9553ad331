"""Requests that the add-on sends itself, as a client does; what comes is told on the main thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .control import controller
from .timers import Timer

__all__ = ["Reply", "send", "stop_waiting"]

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


@dataclass
class _Waiting:
    """A request that is under way."""

    then: Callable[[Reply], None]
    replies: list[Reply] = field(default_factory=list)


_waiting: list[_Waiting] = []


def send(
    url: str,
    scene: bytes,
    fields: Mapping[str, str],
    then: Callable[[Reply], None],
    headers: Mapping[str, str] | None = None,
) -> None:
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
    headers : mapping of str to str, optional
        What is sent beside the usual ones.
    """
    waiting = _Waiting(then)
    _waiting.append(waiting)

    def run() -> None:
        waiting.replies.append(_ask(url, scene, fields, headers or {}))

    threading.Thread(target=run, daemon=True).start()
    _timer.start(_POLL_S)


def stop_waiting() -> None:
    """Forget what is under way."""
    _waiting.clear()
    _timer.stop()


def _ask(url: str, scene: bytes, fields: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
    started_s, picture, error = time.perf_counter(), b"", ""
    try:
        from .gltf_render_server.client import RenderClient

        client = RenderClient(url)
        request = client.prepare(scene, fields)
        request.headers.update(headers)
        picture = client.send(request).body
    except Exception as failure:  # noqa: BLE001  whatever it is, who has asked must be told
        error = str(failure)
    return Reply(picture, error, time.perf_counter() - started_s)


def _tell_replies() -> float | None:
    for waiting in [waiting for waiting in _waiting if waiting.replies]:
        _waiting.remove(waiting)  # first, so that a failure is not met again
        waiting.then(waiting.replies[0])
    return _POLL_S if _waiting else None


_timer = Timer(_tell_replies, "show an answer", controller.tell)
