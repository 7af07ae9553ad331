"""Makes items on running render servers; shots are sent to them, and their answers are encoded here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import requests

from ... import __version__
from ...client import FrameAnswer, RenderClient, RenderClientError
from ...errors import DatasetError, RenderError, SettingsError, ShuttingDownError, UnavailableError
from ...frame import Frame
from ...refusals import is_temporary, own_error
from ...renderer import Arrays
from ...settings import ServerSettings
from ..shot import Shot, ShotMoment
from .documents import Documents
from .engine import Outcomes, Plan, bounded

__all__ = ["ServersEngine"]

_SPARE = 2  # items that are planned or encoded while all servers render
_PATIENCE_S = 60.0  # until an item fails because no server is available
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_LOOK_S = 0.5


class ServersEngine:
    """Renders on servers, each of which gets a few frames at a time.

    A server that does not answer gets no frames for a while.

    Parameters
    ----------
    urls : sequence of str
        Addresses of the servers, with their tokens.
    settings : ServerSettings
        Limits for the documents that are read here.
    timeout_s : float or None
        Seconds to wait for an answer; None = without limit.
    start_s : float
        Seconds to wait until a server is ready.

    Raises
    ------
    DatasetError
        No server is ready, or the servers have different versions.
    SettingsError
        A server demands another token, or an address is not valid.
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
        """See `Engine.close`; waits for the answers that are still to come."""
        self._servers.close()
        self._pool.shutdown(cancel_futures=True)

    def _render(self, shot: Shot, frame: Frame) -> Sequence[Arrays]:
        answer = self._servers.ask(shot)
        return [answer[view.name] for view in frame.views]


class _Server:
    """One server: its state, and its clients, each of which one thread uses at a time.

    Attributes
    ----------
    idle : list of RenderClient
        The clients that are free; there is one for each further frame that the server may get now.
    scene : str
        Digest of the document of the server's last request.
    """

    def __init__(self, url: str, timeout_s: float | None) -> None:
        self.client = RenderClient(url, timeout_s)
        self.shown = self.client.shown_url
        self.idle: list[RenderClient] = []
        self.scene = ""
        self.failures = 0
        self.asked_again_s = 0.0
        self.slots = 2  # until the server reports its workers
        self._url, self._timeout_s = url, timeout_s

    def health(self) -> dict[str, Any] | None:
        """Return the health report of the server; None = it is not ready.

        Raises
        ------
        SettingsError
        """
        try:
            health = self.client.health()
        except RenderClientError as error:
            own = own_error(error, self.shown)
            if isinstance(own, SettingsError):
                raise own from error
            return None
        except (requests.Timeout, requests.ConnectionError):
            return None
        except (requests.RequestException, ValueError) as error:
            raise SettingsError(f"--server {self.shown}: {error}") from error
        return health if health.get("ready") else None

    def open(self, health: dict[str, Any] | None) -> None:
        """Make a client for each worker, and one more, so that a frame is always waiting for a worker."""
        if health is not None:
            self.slots = len(health.get("workers", ())) + 1
        self.idle = [RenderClient(self._url, self._timeout_s) for _ in range(self.slots)]

    def leave_out(self, pause_s: float | None = None) -> None:
        """Send the server no requests for a pause; without a given pause, it grows with each failure."""
        growing_s = min(_FIRST_PAUSE_S * 2**self.failures, _LONGEST_PAUSE_S)
        self.failures += not pause_s
        self.asked_again_s = time.monotonic() + (pause_s or growing_s)


class _Servers:
    """All servers, shared by threads; a frame goes to the server with its scene, or to the least busy."""

    def __init__(self, urls: Sequence[str], timeout_s: float | None, start_s: float) -> None:
        self._servers = [_Server(url, timeout_s) for url in urls]
        self._changed = threading.Condition()
        self._is_closed = False
        self.versions = self._meet(start_s)
        self.slots = sum(server.slots for server in self._servers)

    def close(self) -> None:
        """Send no more requests."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def ask(self, shot: Shot) -> FrameAnswer:
        """Return the frame of a shot from the server that is chosen for it.

        Raises
        ------
        RequestError, SceneError
            The server refuses the request.
        RenderError, UnavailableError
            The server failed, or no server was available.
        SettingsError
            The server demands another token.
        """
        asked = _asked(shot)
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            with self._held(shot.document.sha256, deadline_s) as (server, client):
                try:
                    answer = client.render(**asked)
                except RenderClientError as error:
                    if not is_temporary(error):
                        raise own_error(error, server.shown) from error
                    server.leave_out(error.retry_after_s)
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
        """Wait for a server that has room for a request."""
        while True:
            now_s = time.monotonic()
            if self._is_closed:
                raise ShuttingDownError("the run is ending")
            awake = [server for server in self._servers if server.asked_again_s <= now_s]
            free = [server for server in awake if server.idle]
            if free:
                return max(free, key=lambda server: (server.scene == scene, len(server.idle) / server.slots))
            if not awake and now_s > deadline_s:
                names = ", ".join(server.shown for server in self._servers)
                raise UnavailableError(
                    f"no server was available for {_PATIENCE_S:g} s ({names}); check that they are running"
                )
            self._changed.wait(_LOOK_S)

    def _meet(self, start_s: float) -> dict[str, str]:
        """Wait until a server is ready, and return the versions that all ready servers share."""
        deadline_s = time.monotonic() + start_s
        while not any((health := {server: server.health() for server in self._servers}).values()):
            if time.monotonic() > deadline_s:
                names = ", ".join(server.shown for server in self._servers)
                raise DatasetError(f"--server: no server is ready ({names}); start them, or try again later")
            time.sleep(_LOOK_S)
        versions = {}
        for server, each in health.items():
            server.open(each)
            if each is None:
                server.leave_out()
            else:
                versions[server.shown] = _versions(each)
        return _common(versions)

    def _check(self, answer: FrameAnswer, server: _Server) -> None:
        """Refuse the frames of a server whose versions are not those of the dataset."""
        renderer = answer.frame["renderer"]
        versions = {
            "gltf-render-server": renderer["server"],
            renderer["name"].lower(): renderer["version"],
            "engine": renderer["engine"],
        }
        if versions != self.versions:
            server.leave_out(float("inf"))
            raise RenderError(
                f"the server at {server.shown} now renders with {_listed(versions)}, but the dataset is made "
                f"with {_listed(self.versions)}; this run sends it no more items"
            )


def _asked(shot: Shot) -> dict[str, Any]:
    """Return a shot as parameters of `RenderClient.render`."""
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
            f"{', '.join(sorted(missing))}: these nodes have a pose at some moments only, which servers "
            "cannot render; give them a pose at each moment"
        )
    cameras = {view.name: camera for view, camera in zip(shot.views, moment.cameras, strict=True)}
    return {"poses": moment.poses, "time_s": moment.time_s, "cameras": cameras}


def _versions(health: dict[str, Any]) -> dict[str, str]:
    """Return the versions in a server's health report, named as in `versions_of`."""
    suffix = "_version"
    renderers = {
        name.removesuffix(suffix): version for name, version in health.items() if name.endswith(suffix)
    }
    return {"gltf-render-server": health["version"], **renderers, "engine": health["engine"]}


def _common(versions: dict[str, dict[str, str]]) -> dict[str, str]:
    """Return the versions that all servers share, after checking that they and this package agree."""
    listed = [f"{where}: {_listed(found)}" for where, found in versions.items()]
    found = list(versions.values())
    if any(other != found[0] for other in found):
        raise DatasetError(
            f"--server: the servers run different versions: {'; '.join(listed)}; install the same on each"
        )
    if found[0]["gltf-render-server"] != __version__:
        raise DatasetError(
            f"--server: this machine has gltf-render-server {__version__}, but the servers run another "
            f"version: {listed[0]}; install the same version everywhere"
        )
    return found[0]


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
