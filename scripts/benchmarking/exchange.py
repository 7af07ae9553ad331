"""Sends requests to one server, or to two in turn, and records the time and stages of each response."""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator
from collections.abc import Sequence as ListOf
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import requests
from PIL import Image

from gltf_render_server.client import RenderAnswer, RenderClient, RenderClientError, innermost_reason
from reporting import ScriptError

from .scenes import ImageType
from .sequences import SceneRequest, Sequence

__all__ = ["Sample", "Server", "ServerName", "play", "servers_of"]

ServerName = Literal["server", "peer"]

_GREETING_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Server:
    """A server to be measured.

    Attributes
    ----------
    name : {"server", "peer"}
        Its role. A ratio is the peer's time divided by the server's time.
    url : str
    timeout_s : float
        How long to wait for a response.
    """

    name: ServerName
    url: str
    timeout_s: float

    @cached_property
    def client(self) -> RenderClient:
        """The client for this server."""
        return RenderClient(self.url, self.timeout_s)

    def greet(self) -> dict[str, Any]:
        """Return the server's description of itself; empty if it has none.

        Raises
        ------
        ScriptError
            The server cannot be reached.
        """
        try:
            return RenderClient(self.url, _GREETING_TIMEOUT_S).health()
        except (RenderClientError, requests.exceptions.InvalidJSONError):
            return {}  # the server is running, but has no such page
        except requests.RequestException as error:
            raise ScriptError(
                f"{self.url} cannot be reached: {innermost_reason(error)}\n{self._advice()}"
            ) from error

    def _advice(self) -> str:
        if self.name == "server":
            return (
                "Start it in another terminal (gltf-render-server --port 8000), or name another with --url."
            )
        return "Start the peer, or leave --peer-url out to measure one server alone."


def servers_of(options: argparse.Namespace) -> list[Server]:
    """Return the server that the options of a script name, and the peer if they name one."""
    servers = [Server("server", options.url, options.timeout)]
    if options.peer_url:
        servers.append(Server("peer", options.peer_url, options.timeout))
    return servers


@dataclass(frozen=True)
class Sample:
    """A request and its response.

    Attributes
    ----------
    server : {"server", "peer"}
    image_type : ImageType
    frame : int
        The number of the frame; 0 is the first one after the warm-up.
    elapsed_ms : float
        The time from connecting to receiving the last byte, as the client sees it.
    stages_ms : dict of str to float
        The stages in the server's ``Server-Timing`` header.
    sent_bytes, received_bytes : int
        The sizes of the request's form and of the image.
    """

    server: ServerName
    image_type: ImageType
    frame: int
    elapsed_ms: float
    stages_ms: dict[str, float]
    sent_bytes: int
    received_bytes: int


def play(
    sequence: Sequence,
    servers: ListOf[Server],
    image_types: ListOf[ImageType],
    *,
    frames: int,
    warm_up: int,
    failures: dict[ServerName, str] | None = None,
) -> Iterator[Sample]:
    """Request every image of each frame from all servers in turn, each time beginning with another server.

    Parameters
    ----------
    sequence : Sequence
    servers : sequence of Server
    image_types : sequence of ImageType
        In the order of the requests.
    frames, warm_up : int
        The number of frames that count, and of frames before them that do not. The latter have negative
        numbers.
    failures : dict, optional
        Receives the failures of servers. A failed server is skipped from then on. Without it, a failure is
        raised.

    Raises
    ------
    ScriptError
        A server failed.
    """
    for number in range(warm_up + frames):
        for image_type in image_types:
            request = sequence.request(number, image_type)
            for server in _in_turn(servers, number, failures):
                try:
                    yield _ask(server, request, image_type, number - warm_up)
                except ScriptError as error:
                    if failures is None:
                        raise
                    failures[server.name] = str(error)


def _in_turn(
    servers: ListOf[Server], number: int, failures: dict[ServerName, str] | None
) -> Iterator[Server]:
    first = number % len(servers)
    for server in (*servers[first:], *servers[:first]):
        if server.name not in (failures or ()):
            yield server


def _ask(server: Server, request: SceneRequest, image_type: ImageType, frame: int) -> Sample:
    what = f"{image_type} of frame {frame} ({len(request.scene) / 1e6:.1f} MB)"
    prepared = server.client.prepare(request.scene, request.fields)
    started_s = time.perf_counter()
    try:
        answer = server.client.send(prepared)
    except (RenderClientError, requests.RequestException) as error:
        raise ScriptError(_failure(server, what, error)) from error
    elapsed_ms = (time.perf_counter() - started_s) * 1000
    _check_size(server, answer, request, what)
    sent = len(prepared.body or b"")
    return Sample(server.name, image_type, frame, elapsed_ms, answer.stages_ms, sent, len(answer.body))


def _check_size(server: Server, answer: RenderAnswer, request: SceneRequest, what: str) -> None:
    """Reject an image of the wrong size, because its time would be meaningless."""
    asked = int(request.fields["width"]), int(request.fields["height"])
    try:
        with Image.open(io.BytesIO(answer.body)) as image:
            size = image.size
    except OSError as error:
        raise ScriptError(f"{server.url} answered {what} with no picture: {error}") from error
    if size != asked:
        raise ScriptError(f"{server.url} answered {what} with {size} pixels, where {asked} were asked")


def _failure(server: Server, what: str, error: Exception) -> str:
    if isinstance(error, RenderClientError):
        return (
            f"{server.url} does not render {what}: {error}\n"
            "Its log may tell more; to go on without this kind of image, leave it out of --types."
        )
    if isinstance(error, requests.Timeout):
        return (
            f"{server.url} took longer than {server.timeout_s:g} s for {what}\n"
            "Give it more (--timeout), or ask for less (--width, --height, --values, --types)."
        )
    reason = innermost_reason(error)
    return f"{server.url} went away during {what}: {reason}\nIts log may tell why; start it again."
