"""The renderers of files: a worker process on this machine, or a running server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import requests
from requests.exceptions import InvalidJSONError, InvalidSchema, InvalidURL, MissingSchema

from ..client import RenderClient, RenderClientError
from ..dataset.engines.documents import required_extensions
from ..dataset.shot import Document
from ..dispatch.dispatcher import Dispatcher
from ..errors import SettingsError, UnavailableError, WorkerLostError
from ..frame import Frame
from ..gltf import Asset, read_asset
from ..limits import Limits
from ..passes import check_renders, prepare
from ..refusals import is_temporary, own_error
from ..renderer import Arrays
from ..settings import ServerSettings

__all__ = ["FileRenderer", "Rendered", "make_file_renderer", "own_settings"]

_MANY = 2**31 - 1
_LOOK_S = 0.5
_HEALTH_TIMEOUT_S = 10.0

Notify = Callable[[str], None]
"""A function that is called with a short text about what is being waited for."""


@dataclass(frozen=True)
class Rendered:
    """The arrays of a view by pass name, and the milliseconds that each stage took."""

    arrays: Arrays
    stages_ms: Mapping[str, float]


class FileRenderer(Protocol):
    """A renderer of documents' frames. It is used and closed by a single thread."""

    def wait(self, notify: Notify) -> None:
        """Wait until the renderer is ready. All other methods need that.

        Parameters
        ----------
        notify : callable

        Raises
        ------
        SettingsError
            It cannot start, or the server rejects the token.
        UnavailableError, WorkerLostError
            It did not start, or the server does not respond.
        """
        ...

    @property
    def looks(self) -> frozenset[str]:
        """The fields of `Look` that it supports; see `renderer.Renderer`."""
        ...

    def asset(self, document: Document) -> Asset:
        """Read and check a document.

        Raises
        ------
        SceneError, TooLargeError
            The document cannot be rendered.
        """
        ...

    def render(self, document: Document, frame: Frame, time_s: float) -> Rendered:
        """Render a frame with one view, whose scene is that of a document at a given time.

        Raises
        ------
        RequestError, SceneError
            The frame cannot be rendered.
        RenderError, UnavailableError
            Rendering failed, but might succeed at another time.
        """
        ...

    def close(self) -> None:
        """End everything that was started for it."""
        ...


def own_settings(**options: Any) -> ServerSettings:
    """Return settings for the user's own files, which may be as large as the machine can handle."""
    limits = {"max_vertices": _MANY, "max_triangles": 10**12, "max_objects": _MANY, "max_texture_mb": 1e6}
    settings = ServerSettings(
        **{**limits, "workers": 1, "max_pixels": _MANY, "log_level": "error", **options}
    )
    settings.check()
    return settings


def make_file_renderer(settings: ServerSettings, server: str | None, wait_s: float) -> FileRenderer:
    """Return a renderer. Any process that it needs has begun to start.

    Parameters
    ----------
    settings : ServerSettings
        The settings of a local renderer; see `own_settings`.
    server : str or None
        The address of a server that renders instead.
    wait_s : float
        How long to wait for a server that is busy or starting.

    Raises
    ------
    SettingsError
        There is no Blender for this Python version.
    """
    return _Server(server, settings, wait_s) if server is not None else _Own(settings)


class _Own:
    """A worker process on this machine. Its crashes and its output do not affect this process."""

    def __init__(self, settings: ServerSettings) -> None:
        _check_installed(settings.backend)
        self._name = settings.backend
        self._limits = settings.limits
        self._dispatcher = Dispatcher(settings)

    def wait(self, notify: Notify) -> None:
        notify(f"starting {self._name}")
        try:
            self._dispatcher.wait_until_ready()
        except WorkerLostError as error:
            raise WorkerLostError(f"{self._name} does not start: {error}") from error

    @property
    def looks(self) -> frozenset[str]:
        return self._dispatcher.looks

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
    """Read and check a document. With its key, it is sent to the worker only once."""
    asset = read_asset(document.data, extensions=extensions, limits=limits)
    return asset.keyed(bytes.fromhex(document.sha256))


def _check_installed(backend: str) -> None:
    """Report that Blender does not support this Python version before starting a process."""
    if backend != "blender":
        return
    if sys.modules.get("bpy") is not None:
        raise SettingsError(
            "this process has loaded Blender itself, the package bpy, and no other can be started beside it. "
            "Start a Python without `import bpy`, or let a server render"
        )
    with suppress(ValueError):  # sys.modules has an entry for bpy that blocks its import
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
    """A running server, local or remote."""

    looks = frozenset[str]()

    def __init__(self, url: str, settings: ServerSettings, wait_s: float) -> None:
        self._limits = settings.limits
        self._client, self._health_client = RenderClient(url), RenderClient(url, _HEALTH_TIMEOUT_S)
        self._shown = self._client.shown_url
        self._wait_s = wait_s
        self._notify: Notify | None = None

    def wait(self, notify: Notify) -> None:
        if self._notify is None:
            self.looks = self._meet(notify)
            self._notify = notify

    def asset(self, document: Document) -> Asset:
        known = required_extensions(document.data)  # only the server decides which of them it supports
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
                self._check_time_left(error, deadline_s)
                if self._notify:
                    self._notify(f"waiting for the server: {error.message}")
                time.sleep(min(error.retry_after_s or _LOOK_S, max(0.0, deadline_s - time.monotonic())))
            except requests.RequestException as error:
                raise self._unreachable(error) from error

    def close(self) -> None:
        """Do nothing, because nothing was started."""

    def _meet(self, notify: Notify) -> frozenset[str]:
        """Wait until the server is ready, and return the fields of a look that it supports."""
        notify(f"asking {self._shown}")
        deadline_s = time.monotonic() + self._wait_s
        while True:
            health = self._health()
            if health.get("ready"):
                return frozenset(health["looks"])
            if time.monotonic() > deadline_s:
                raise UnavailableError(
                    f"--server {self._shown}: it is not ready: {health.get('status', 'unknown')}; try again "
                    "later"
                )
            notify(f"waiting until {self._shown} has started")
            time.sleep(_LOOK_S)

    def _health(self) -> dict[str, Any]:
        """Return the health of the server, and its ``looks`` if it is ready."""
        try:
            health = self._health_client.health()
            if health.get("ready"):
                health["looks"] = self._health_client.describe().get("looks", ())
        except RenderClientError as error:
            if is_temporary(error):
                return {"ready": False, "status": str(error)}
            own = own_error(error, self._shown)
            raise (
                own if isinstance(own, SettingsError) else self._stranger(f"it answers {error.status}")
            ) from error
        except (InvalidSchema, InvalidURL, MissingSchema) as error:
            raise SettingsError(f"--server: {error}") from error
        except InvalidJSONError as error:
            raise self._stranger("it answers something else") from error
        except requests.RequestException as error:
            raise self._unreachable(error) from error
        if "ready" not in health:
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

    def _check_time_left(self, error: RenderClientError, deadline_s: float) -> None:
        """Raise what a refusal means, unless the server may take the request before the deadline."""
        if not is_temporary(error):
            raise own_error(error, self._shown) from error
        if time.monotonic() >= deadline_s:
            raise UnavailableError(
                f"the server at {self._shown} was busy or restarting for {self._wait_s:g} s ({error}). Try "
                "again later, wait longer (--wait SECONDS), or leave --server out to render here"
            ) from error
