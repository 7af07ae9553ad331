"""Who renders: a process of this machine that lives as long as the pictures take, or a server that runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any, Protocol

import requests
from requests.exceptions import InvalidSchema, InvalidURL, JSONDecodeError, MissingSchema

from ..client import RenderClient, RenderClientError
from ..dataset.engines.documents import required_extensions
from ..dataset.shot import Document
from ..dispatch.dispatcher import Dispatcher
from ..errors import (
    RenderError,
    RequestError,
    SceneError,
    SettingsError,
    TooLargeError,
    UnavailableError,
    WorkerLostError,
)
from ..frame import Frame
from ..gltf import Asset, read_asset
from ..limits import Limits
from ..passes import check_renders, prepare
from ..renderer import Arrays
from ..settings import ServerSettings

__all__ = ["FileRenderer", "Rendered", "make_file_renderer", "own_settings"]

_MANY = 2**31 - 1
_LOOK_S = 0.5
_HEALTH_TIMEOUT_S = 10.0
_SCENE = "scene: "
_WRONG_TOKEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY)

Tell = Callable[[str], None]
"""Is told what is being waited for, in a few words."""


@dataclass(frozen=True)
class Rendered:
    """The arrays of a view by their passes, and the milliseconds that each stage took."""

    arrays: Arrays
    stages_ms: Mapping[str, float]


class FileRenderer(Protocol):
    """Renders the frames of documents. It is used by one thread, which closes it."""

    def wait(self, tell: Tell) -> None:
        """Wait until it is ready; all that follows needs that.

        Parameters
        ----------
        tell : callable

        Raises
        ------
        SettingsError
            It cannot start, or the server does not let us in.
        UnavailableError, WorkerLostError
            It did not start, or the server does not answer.
        """
        ...

    @property
    def is_blender(self) -> bool:
        """Whether it is Blender, which knows environments and qualities."""
        ...

    def asset(self, document: Document) -> Asset:
        """Read and check a document.

        Raises
        ------
        SceneError, TooLargeError
            It cannot be shown.
        """
        ...

    def render(self, document: Document, frame: Frame, time_s: float) -> Rendered:
        """Render a frame with one view, whose scene is that of a document at a time.

        Raises
        ------
        RequestError, SceneError
            It cannot be rendered.
        RenderError, UnavailableError
            It was not rendered, though it might be at another time.
        """
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...


def own_settings(**options: Any) -> ServerSettings:
    """Return settings for files of the user's own, which may be as large as the machine bears."""
    limits = {"max_vertices": _MANY, "max_triangles": 10**12, "max_objects": _MANY, "max_texture_mb": 1e6}
    settings = ServerSettings(
        **{**limits, "workers": 1, "max_pixels": _MANY, "log_level": "error", **options}
    )
    settings.check()
    return settings


def make_file_renderer(settings: ServerSettings, server: str | None, wait_s: float) -> FileRenderer:
    """Return what renders. What has to be started for that is starting then.

    Parameters
    ----------
    settings : ServerSettings
        Of what renders here; see `own_settings`.
    server : str or None
        The address of a server that is to render instead.
    wait_s : float
        How long a server may be busy, or starting, before that is an error.

    Raises
    ------
    SettingsError
        There is no Blender for this Python.
    """
    return _Server(server, settings, wait_s) if server else _Own(settings)


class _Own:
    """One worker of this machine: what crashes in it, and what is printed there, is not ours."""

    def __init__(self, settings: ServerSettings) -> None:
        _check_installed(settings.backend)
        self._name = settings.backend
        self._limits = settings.limits
        self._dispatcher = Dispatcher(settings)

    def wait(self, tell: Tell) -> None:
        tell(f"starting {self._name}")
        try:
            self._dispatcher.wait_until_ready()
        except WorkerLostError as error:
            raise WorkerLostError(f"{self._name} does not start: {error}") from error

    @property
    def is_blender(self) -> bool:
        return self._dispatcher.info.name == "Blender"

    def asset(self, document: Document) -> Asset:
        return _read(document, self._dispatcher.extensions, self._limits)

    def render(self, document: Document, frame: Frame, time_s: float) -> Rendered:
        check_renders(frame, self._dispatcher.renders, self._dispatcher.info.name)
        prepare(frame)
        rendered = self._dispatcher.submit(frame)
        return Rendered(rendered.views[0], rendered.stages_ms)

    def close(self) -> None:
        self._dispatcher.shut_down()


def _read(document: Document, extensions: frozenset[str], limits: Limits) -> Asset:
    """Read and check a document; its key lets it travel to a worker only once."""
    asset = read_asset(document.data, extensions=extensions, limits=limits)
    return asset.keyed(bytes.fromhex(document.sha256))


def _check_installed(backend: str) -> None:
    """Tell what to do where there is no Blender for this Python, before a process is started for it."""
    if backend != "blender":
        return
    if sys.modules.get("bpy") is not None:
        raise SettingsError(
            "this process has loaded Blender itself, the package bpy, and no other can be started beside it. "
            "Start a Python without `import bpy`, or let a server render"
        )
    with suppress(ValueError):  # it was taken away
        if find_spec("bpy") is not None:
            return
    here = ".".join(map(str, sys.version_info[:2]))
    raise SettingsError(
        f"Blender, the package bpy, is not installed for this Python {here}; it exists for Python 3.11 and "
        "3.13. One of these helps:\n"
        "  uv tool install --python 3.13 gltf-render-server    this program, with a Python of its own\n"
        "  gltf-render --backend vtk ...                       simpler pictures; pip install "
        '"gltf-render-server[vtk]" brings VTK\n'
        "  gltf-render --server URL ...                        a server that runs elsewhere renders"
    )


class _Server:
    """A server that runs, wherever that is."""

    is_blender = False

    def __init__(self, url: str, settings: ServerSettings, wait_s: float) -> None:
        self._limits = settings.limits
        self._client, self._health_client = RenderClient(url), RenderClient(url, _HEALTH_TIMEOUT_S)
        self._shown = self._client.shown_url
        self._wait_s = wait_s
        self._tell: Tell | None = None

    def wait(self, tell: Tell) -> None:
        if self._tell is None:
            self.is_blender = "blender_version" in self._meet(tell)
            self._tell = tell

    def asset(self, document: Document) -> Asset:
        known = required_extensions(document.data)  # the server has a say in that
        return _read(document, known, self._limits)

    def render(self, document: Document, frame: Frame, time_s: float) -> Rendered:
        deadline_s = time.monotonic() + self._wait_s
        while True:
            try:
                answer = self._client.render(
                    document.data,
                    frame.views,
                    frame.passes,
                    look=frame.look,
                    time_s=time_s,
                    alpha_threshold=frame.alpha_threshold,
                )
                return Rendered(answer[frame.views[0].name], answer.stages_ms)
            except RenderClientError as error:
                self._raise_unless_busy(error, deadline_s)
                if self._tell:
                    self._tell(f"the server is busy, waiting: {error.message}")
                time.sleep(min(error.retry_after_s or _LOOK_S, max(0.0, deadline_s - time.monotonic())))
            except requests.RequestException as error:
                raise self._unreachable(error) from error

    def close(self) -> None:
        """Nothing was started."""

    def _meet(self, tell: Tell) -> dict[str, Any]:
        """Wait until the server is ready, and return how it is."""
        tell(f"asking {self._shown}")
        deadline_s = time.monotonic() + self._wait_s
        while True:
            health = self._health()
            if health.get("ready"):
                return health
            if time.monotonic() > deadline_s:
                raise UnavailableError(
                    f"--server {self._shown}: it is not ready: {health.get('status', 'unknown')}; try again "
                    "later"
                )
            tell(f"waiting until {self._shown} has started")
            time.sleep(_LOOK_S)

    def _health(self) -> dict[str, Any]:
        try:
            health = self._health_client.health()
        except RenderClientError as error:
            self._check_token(error)
            raise self._stranger(f"it answers {error.status}") from error
        except (InvalidSchema, InvalidURL, MissingSchema) as error:
            raise SettingsError(f"--server: {error}") from error
        except JSONDecodeError as error:
            raise self._stranger("what it says is no JSON") from error
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if not isinstance(health, dict) or "ready" not in health:
            raise self._stranger("it does not say whether it is ready")
        return health

    def _stranger(self, why: str) -> SettingsError:
        return SettingsError(
            f"--server {self._shown}: this is no glTF Render Server ({why}); give the address that the "
            "server prints when it starts, such as http://127.0.0.1:8000"
        )

    def _unreachable(self, error: Exception) -> UnavailableError:
        return UnavailableError(
            f"{error}. Start a server there by `gltf-render-server`, or leave --server out to render here"
        )

    def _check_token(self, error: RenderClientError) -> None:
        if error.status in _WRONG_TOKEN:
            raise SettingsError(
                f"--server {self._shown}: this server wants a token ({error.status}), which stands in "
                f"the address: --server {_with_token(self._shown)}"
            ) from error

    def _raise_unless_busy(self, error: RenderClientError, deadline_s: float) -> None:
        self._check_token(error)
        if error.status in _BUSY and time.monotonic() < deadline_s:
            return
        if error.status in _BUSY:
            raise UnavailableError(
                f"the server at {self._shown} was busy for {self._wait_s:g} s: {error.message}. Try again "
                "later, wait longer (--wait SECONDS), or leave --server out to render here"
            ) from error
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RenderError(f"the server at {self._shown}: {error.message}") from error
        if error.message.startswith(_SCENE):
            raise SceneError(error.message.removeprefix(_SCENE)) from error
        kind = TooLargeError if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else RequestError
        raise kind(f"the server at {self._shown}: {error.message}") from error


def _with_token(url: str) -> str:
    scheme, _, rest = url.partition("//")
    return f"{scheme}//:TOKEN@{rest}"
