"""Has running render servers make the pictures; what is asked and what comes back is coded here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

import requests

from ... import __version__
from ...client import FrameAnswer, RenderClient, RenderClientError
from ...errors import (
    DatasetError,
    RenderError,
    RequestError,
    SceneError,
    SettingsError,
    ShuttingDownError,
    UnavailableError,
)
from ...frame import Frame
from ...renderer import Arrays
from ...settings import ServerSettings
from ..shot import Shot, ShotMoment
from .documents import Documents
from .engine import Outcomes, Plan, bounded

__all__ = ["ServersEngine"]

_SPARE = 2  # items that are planned or encoded while all servers render
_PATIENCE_S = 60.0  # until an item fails for want of a server
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_LOOK_S = 0.5
_SCENE = "scene: "
_WRONG_TOKEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
_DOWN = (HTTPStatus.BAD_GATEWAY,)
_LATER = (HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT)


class ServersEngine:
    """Asks servers, each for a few frames at once. One that does not answer is left out for a while.

    Parameters
    ----------
    urls : sequence of str
        Their addresses, with their tokens.
    settings : ServerSettings
        The limits of what is read here.
    timeout_s : float or None
        How long to wait for an answer; None = for ever.
    start_s : float
        How long to wait until the first server is ready.

    Raises
    ------
    DatasetError
        None is ready, or they are of several versions.
    SettingsError
        One wants another token, or an address is none.
    """

    def __init__(
        self,
        urls: Sequence[str],
        settings: ServerSettings,
        timeout_s: float | None = None,
        start_s: float = 60.0,
    ) -> None:
        self._documents = Documents(settings)
        self._servers = _Servers(urls, timeout_s, start_s)
        self._most = self._servers.slots + _SPARE
        self._pool = ThreadPoolExecutor(self._most, "dataset")

    @property
    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        return self._servers.versions

    def run(self, plan: Plan, indices: Iterable[int]) -> Outcomes:
        """See `Engine.run`."""
        make = partial(self._documents.outcome, plan, extensions=lambda: None, render=self._render)
        return bounded(self._pool, make, indices, self._most)

    def close(self) -> None:
        """See `Engine.close`; waits for the answers that are under way."""
        self._servers.close()
        self._pool.shutdown(cancel_futures=True)

    def _render(self, shot: Shot, frame: Frame) -> Sequence[Arrays]:
        answer = self._servers.ask(shot)
        return [answer[view.name] for view in frame.views]


class _Server:
    """One server: its clients, of which each is used by one thread at a time, and how it is.

    Attributes
    ----------
    idle : list of RenderClient
        As many as it may be asked for more frames now.
    scene : str
        The digest of the document that it was asked for last.
    """

    def __init__(self, url: str, timeout_s: float | None) -> None:
        self.client = RenderClient(url, timeout_s)
        self.shown = self.client.shown_url
        self.idle: list[RenderClient] = []
        self.scene = ""
        self.failures = 0
        self.asked_again_s = 0.0
        self.slots = 2  # until it tells how many workers it has
        self._url, self._timeout_s = url, timeout_s

    def health(self) -> dict[str, Any] | None:
        """Return how the server is; None = it is not ready.

        Raises
        ------
        SettingsError
        """
        try:
            told = self.client.health()
        except RenderClientError as error:
            _check_token(error, self.shown)
            return None
        except (requests.Timeout, requests.ConnectionError):
            return None
        except (requests.RequestException, ValueError) as error:
            raise SettingsError(f"--server {self.shown}: {error}") from error
        return told if told.get("ready") else None

    def open(self, health: dict[str, Any] | None) -> None:
        """Make the clients: one for each worker, and one whose frame waits, so that no worker does."""
        if health is not None:
            self.slots = len(health.get("workers", ())) + 1
        self.idle = [RenderClient(self._url, self._timeout_s) for _ in range(self.slots)]

    def leave_out(self, pause_s: float | None = None) -> None:
        """Ask nothing of it for a while; longer each time that it fails."""
        growing_s = min(_FIRST_PAUSE_S * 2**self.failures, _LONGEST_PAUSE_S)
        self.failures += pause_s is None
        self.asked_again_s = time.monotonic() + (growing_s if pause_s is None else pause_s)


class _Servers:
    """All servers, on many threads: each asks the one that has its scene, or has the least to do."""

    def __init__(self, urls: Sequence[str], timeout_s: float | None, start_s: float) -> None:
        self._servers = [_Server(url, timeout_s) for url in urls]
        self._changed = threading.Condition()
        self._is_closed = False
        self.versions = self._meet(start_s)
        self.slots = sum(server.slots for server in self._servers)

    def close(self) -> None:
        """Ask nothing more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def ask(self, shot: Shot) -> FrameAnswer:
        """Return a frame from whichever server makes it.

        Raises
        ------
        RequestError, SceneError
            The servers refuse it.
        RenderError, UnavailableError
            A server failed at it, or none could be asked for long.
        SettingsError
        """
        asked = _asked(shot)
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            with self._held(shot.document.sha256, deadline_s) as (server, client):
                try:
                    answer = client.render(**asked)
                except RenderClientError as error:
                    _raise_unless_busy(error, server)
                except requests.RequestException:
                    server.leave_out()
                else:
                    self._check(answer, server)
                    server.failures = 0
                    return answer

    @contextmanager
    def _held(self, scene: str, deadline_s: float) -> Iterator[tuple[_Server, RenderClient]]:
        with self._changed:
            server = self._next(scene, deadline_s)
            client, server.scene = server.idle.pop(), scene
        try:
            yield server, client
        finally:
            with self._changed:
                server.idle.append(client)
                self._changed.notify()

    def _next(self, scene: str, deadline_s: float) -> _Server:
        """Wait for a server that can be asked now."""
        while True:
            now_s = time.monotonic()
            if self._is_closed:
                raise ShuttingDownError("the run ends")
            awake = [server for server in self._servers if server.asked_again_s <= now_s]
            free = [server for server in awake if server.idle]
            if free:
                return max(free, key=lambda server: (server.scene == scene, len(server.idle) / server.slots))
            if not awake and now_s > deadline_s:
                names = ", ".join(server.shown for server in self._servers)
                raise UnavailableError(f"no server could be asked for {_PATIENCE_S:g} s: {names}")
            self._changed.wait(_LOOK_S)

    def _meet(self, start_s: float) -> dict[str, str]:
        """Wait until a server is ready, and return what all that are have in common."""
        deadline_s = time.monotonic() + start_s
        while not any((health := {server: server.health() for server in self._servers}).values()):
            if time.monotonic() > deadline_s:
                names = ", ".join(server.shown for server in self._servers)
                raise DatasetError(f"--server: none is ready: {names}")
            time.sleep(_LOOK_S)
        versions = {}
        for server, told in health.items():
            server.open(told)
            if told is None:
                server.leave_out()
            else:
                versions[server.shown] = _versions(told)
        return _common(versions)

    def _check(self, answer: FrameAnswer, server: _Server) -> None:
        """Take no frame from a server that has become another, or that was not ready at the beginning."""
        told = answer.frame["renderer"]
        versions = {
            "gltf-render-server": told["server"],
            told["name"].lower(): told["version"],
            "engine": told["engine"],
        }
        if versions != self.versions:
            server.leave_out(float("inf"))
            raise RenderError(
                f"{server.shown} renders with {_listed(versions)}, and the dataset is made with "
                f"{_listed(self.versions)}; it is asked no more"
            )


def _asked(shot: Shot) -> dict[str, Any]:
    """Return a shot as the client asks for it."""
    return {
        "scene": shot.document.data,
        "views": shot.views,
        "passes": shot.passes,
        "look": shot.look,
        "poses": shot.poses,
        "time_s": shot.time_s,
        "alpha_threshold": shot.alpha_threshold,
        **{when: _moment(shot, moment) for when, moment in shot.moments.items()},
    }


def _moment(shot: Shot, moment: ShotMoment) -> dict[str, Any]:
    if missing := shot.poses.keys() - moment.poses.keys():
        raise DatasetError(
            f"{', '.join(sorted(missing))}: has a pose at one moment only, which no server can be asked "
            "for; give it a pose at each"
        )
    cameras = {view.name: camera for view, camera in zip(shot.views, moment.cameras, strict=True)}
    return {"poses": moment.poses, "time_s": moment.time_s, "cameras": cameras}


def _raise_unless_busy(error: RenderClientError, server: _Server) -> None:
    """Raise what is wrong with a frame, unless another try may be answered."""
    _check_token(error, server.shown)
    if error.status in _BUSY:
        server.leave_out(error.retry_after_s or _FIRST_PAUSE_S)
    elif error.status in _DOWN:
        server.leave_out()
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status in _LATER:
        raise RenderError(f"{server.shown}: {error}") from error
    elif error.message.startswith(_SCENE):
        raise SceneError(error.message.removeprefix(_SCENE)) from error
    else:
        raise RequestError(error.message) from error


def _check_token(error: RenderClientError, shown: str) -> None:
    if error.status in _WRONG_TOKEN:
        raise SettingsError(
            f"--server {shown}: {error}; its token stands in its address, as in http://:TOKEN@host:8000"
        ) from error


def _versions(health: dict[str, Any]) -> dict[str, str]:
    """Return what a server says of its versions, as `versions_of` names them."""
    suffix = "_version"
    renderers = {
        name.removesuffix(suffix): version for name, version in health.items() if name.endswith(suffix)
    }
    return {"gltf-render-server": health["version"], **renderers, "engine": health["engine"]}


def _common(versions: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the versions of servers, all of which have the same, that of this package included."""
    told = [f"{where}: {_listed(found)}" for where, found in versions.items()]
    found = list(versions.values())
    if any(other != found[0] for other in found):
        raise DatasetError(f"--server: they are not of the same versions: {'; '.join(told)}")
    if found[0]["gltf-render-server"] != __version__:
        raise DatasetError(f"--server: here is gltf-render-server {__version__}, there another: {told[0]}")
    return found[0]


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
