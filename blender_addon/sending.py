"""Sends requests like a client, and handles the responses on the main thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from .meanwhile import meanwhile

__all__ = ["Reply", "send"]


@dataclass(frozen=True)
class Reply:
    """The response to a request.

    Attributes
    ----------
    picture : bytes
        The image; empty after a failure.
    error : str
        The error message if there is no image.
    seconds : float
        The time from sending to the last byte.
    """

    picture: bytes
    error: str
    seconds: float


def send(
    url: str,
    scene: bytes,
    fields: Mapping[str, str],
    then: Callable[[Reply], None],
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send a request, and call `then` on the main thread with the response.

    Parameters
    ----------
    url : str
        The server's address, with its token.
    scene : bytes
        A glTF file.
    fields : mapping of str to str
        The form fields.
    then : callable
    headers : mapping of str to str, optional
        Additional request headers.
    """
    meanwhile(partial(_ask, url, scene, fields, headers or {}), then)


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
