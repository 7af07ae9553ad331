"""A small client: sends what a frame needs, or what Drake's client sends, and returns arrays.

Needs neither Drake nor Blender.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
import requests
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from .decode import decode
from .frame import ALPHA_THRESHOLD, Lens, Look, View
from .http.form import DepthRange, ImageType, form_fields
from .labels import DONT_CARE, decode_labels
from .recent import Recent

__all__ = [
    "DONT_CARE",
    "Exportable",
    "FrameAnswer",
    "RenderAnswer",
    "RenderClient",
    "RenderClientError",
    "form_fields",
]

_UPLOADS = 2  # of a scene that the server lets go before its frame comes; then they are sent together
_REMEMBERED = 8  # files whose digests are known

_NOT_FOUND, _NOT_KEPT = "scene_not_found", "scene_not_kept"


class Exportable(Protocol):
    """What can write itself as a GLB: a ``trimesh.Scene`` or ``trimesh.Trimesh``."""

    def export(self, *, file_type: str) -> Any:
        """Return the bytes of a file."""
        ...


SceneLike = str | os.PathLike[str] | bytes | Exportable


class RenderClientError(Exception):
    """The server answered with an error.

    Attributes
    ----------
    status : int
        HTTP status.
    reason : str or None
        A word for programs, such as ``scene_not_found``.
    message : str
        What the server says.
    retry_after_s : float or None
        When it may be asked again, where it says so.
    """

    def __init__(
        self, status: int, message: str, reason: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class RenderAnswer:
    """A picture as the server sent it.

    Attributes
    ----------
    body : bytes
        A PNG or TIFF.
    mimetype : str
    stages_ms : dict of str to float
        Where the server's time went, milliseconds.
    """

    body: bytes
    mimetype: str
    stages_ms: dict[str, float] = field(default_factory=dict)

    def pixels(self) -> NDArray[Any]:
        """Decode the picture as it is: (height, width) or (height, width, channels)."""
        with Image.open(io.BytesIO(self.body)) as image:
            return np.asarray(image)


@dataclass(frozen=True)
class FrameAnswer:
    """The arrays of a frame.

    Attributes
    ----------
    views : dict of str to dict of str to ndarray
        By the names of views and passes; what each array tells is in ``frame["passes"]``. A table, such as
        ``instances``, is a list of dictionaries.
    frame : dict
        What was rendered, as the server describes it: versions, views, passes, instances.
    stages_ms : dict of str to float
        Where the server's time went, milliseconds.
    """

    views: dict[str, dict[str, Any]]
    frame: dict[str, Any]
    stages_ms: dict[str, float]

    def __getitem__(self, view: str) -> dict[str, Any]:
        return self.views[view]

    @property
    def instances(self) -> dict[int, str]:
        """The names of the nodes by the numbers in the pass ``instance``."""
        return {instance["number"]: instance["node"] for instance in self.frame["instances"]}


class RenderClient:
    """Talks to one server. A token stands in the address, as ``http://:TOKEN@127.0.0.1:8000``.

    Parameters
    ----------
    base_url : str
        As in ``Running on http://127.0.0.1:8000``.
    timeout_s : float, optional
        How long to wait for an answer; None = for ever, as Drake's client does.

    Attributes
    ----------
    shown_url : str
        The address without its token, for people.
    """

    def __init__(self, base_url: str, timeout_s: float | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self.shown_url = re.sub(r"^([^/@]*//)?.*@", r"\1", self._base_url)
        self._timeout_s = timeout_s
        self._digests = Recent[str](_REMEMBERED * len(_sha256(b"")))
        self._last = b"", _sha256(b"")
        self._unkept: set[str] = set()

    def render(
        self,
        scene: SceneLike,
        views: View | Mapping[str, Any] | Sequence[View | Mapping[str, Any]],
        passes: Sequence[str] = ("color",),
        *,
        look: Look | Mapping[str, Any] | None = None,
        poses: Mapping[str, ArrayLike] | None = None,
        time_s: float | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        alpha_threshold: float | None = ALPHA_THRESHOLD,
    ) -> FrameAnswer:
        """Render views of a scene, which is uploaded where the server does not have it.

        Parameters
        ----------
        scene : path, bytes or Exportable
            A GLB, or a glTF with embedded resources. A path is read again when the file changes.
        views : View, mapping, or sequence of them
            Mappings hold what the API's JSON does; see docs/api.md.
        passes : sequence of str
        look : Look or mapping, optional
        poses : mapping of str to (4, 4) array, optional
            World matrices, column vectors, that nodes have instead of their own, by the nodes' names.
        time_s : float, optional
            When the scene's animation is shown.
        before, after : mapping, optional
            How things stand at another moment, for passes that tell of motion: ``poses`` and ``time_s`` as
            above, and ``cameras``, a (4, 4) camera_to_world by the name of a view. What is left out is as in
            the frame.
        alpha_threshold : float or None
            The alpha, 0 to 1, from which on surfaces of the mode BLEND are solid in the exact passes; None =
            all surfaces are solid, those of the mode MASK included.

        Raises
        ------
        RenderClientError
            The server refused or failed.
        ValueError
            A number is not finite.
        """
        digest, read = self._scene(scene)
        frame = {
            "scene": digest,
            "views": _views(views),
            "passes": [passes] if isinstance(passes, str) else [*passes],
            "alpha_threshold": alpha_threshold,
        }
        if look is not None:
            look = asdict(look) if isinstance(look, Look) else look
            frame["look"] = {name: value for name, value in look.items() if value is not None}
        if poses:
            frame["poses"] = {name: _rows(matrix) for name, matrix in poses.items()}
        if time_s is not None:
            frame["time_s"] = time_s
        frame |= {
            when: _moment(moment)
            for when, moment in (("before", before), ("after", after))
            if moment is not None
        }
        return _read_frame(self._frame(json.dumps(frame, allow_nan=False, default=_plain), digest, read))

    def _frame(self, frame: str, digest: str, read: Callable[[], bytes]) -> requests.Response:
        """Ask for a frame by its scene's digest, and send the scene where the server lacks it."""
        headers = {"Content-Type": "application/json"}
        for _ in range(_UPLOADS + 1):
            if digest in self._unkept:
                break
            try:
                return self._ask("POST", "/v1/frames", data=frame, headers=headers)
            except RenderClientError as error:
                if error.reason != _NOT_FOUND:
                    raise
            try:
                self._ask("PUT", f"/v1/scenes/{digest}", data=read())
            except RenderClientError as error:
                if error.reason != _NOT_KEPT:
                    raise
                self._unkept.add(digest)
        return self._ask("POST", "/v1/frames", files={"frame": frame, "scene": ("scene", read())})

    def _ask(self, method: str, path: str, **options: Any) -> requests.Response:
        with self._plainly():
            response = self._session.request(
                method, f"{self._base_url}{path}", timeout=self._timeout_s, **options
            )
        _raise_for_error(response)
        return response

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        session.headers["X-Render-Client"] = uuid4().hex  # a balancer lets it stay where its scene is
        return session

    def _scene(self, scene: SceneLike) -> tuple[str, Callable[[], bytes]]:
        """Return a scene's digest, and what reads it; what was digested before is not read again."""
        if isinstance(scene, bytes):
            if self._last[0] is not scene:
                self._last = scene, _sha256(scene)
            return self._last[1], lambda: scene
        if isinstance(scene, str | os.PathLike):
            path = Path(scene)
            status = path.stat()
            key = (path.resolve(), status.st_mtime_ns, status.st_size)
            return self._digests.get(key, lambda: _sha256(path.read_bytes()), len), path.read_bytes
        data = bytes(scene.export(file_type="glb"))
        return _sha256(data), lambda: data

    def color(self, scene: bytes, camera: Lens) -> NDArray[np.uint8]:
        """Return (height, width, 3 or 4) uint8."""
        return self.post(scene, form_fields(ImageType.COLOR, camera)).pixels()

    def depth(self, scene: bytes, camera: Lens, depth_range: DepthRange) -> NDArray[np.float32]:
        """Return (height, width) float32, metres along the optical axis; 0 = too close, inf = too far."""
        pixels = self.post(scene, form_fields(ImageType.DEPTH, camera, depth_range)).pixels()
        if pixels.dtype == np.float32:
            return pixels
        metres = pixels.astype(np.float32) / np.float32(1000)
        return np.where(pixels == np.iinfo(np.uint16).max, np.float32(np.inf), metres)

    def label(self, scene: bytes, camera: Lens) -> NDArray[np.uint16]:
        """Return (height, width) uint16 labels; `DONT_CARE` where there is none."""
        return decode_labels(self.post(scene, form_fields(ImageType.LABEL, camera)).pixels())

    def post(self, scene: bytes, fields: Mapping[str, str]) -> RenderAnswer:
        """Send a request as it is.

        Parameters
        ----------
        scene : bytes
            A glTF 2.0 file.
        fields : mapping of str to str
            The form; see `form_fields`.

        Raises
        ------
        RenderClientError
            The server refused or failed.
        """
        return self.send(self.prepare(scene, fields))

    def prepare(self, scene: bytes, fields: Mapping[str, str]) -> requests.PreparedRequest:
        """Write the request that `post` sends, digest and form included, and leave it to `send`."""
        files = {"scene": ("scene.gltf", scene, "model/gltf+json")}
        fields = {"scene_sha256": hashlib.sha256(scene).hexdigest(), **fields}
        request = requests.Request("POST", f"{self._base_url}/render", data=fields, files=files)
        with requests.Session() as session, self._plainly():
            return session.prepare_request(request)

    def send(self, request: requests.PreparedRequest) -> RenderAnswer:
        """Send what `prepare` made, over a connection of its own, as Drake's client does.

        Raises
        ------
        RenderClientError
            The server refused or failed.
        requests.RequestException
            Nobody answered; the message says where and why.
        """
        with requests.Session() as session, self._plainly():
            proxies = session.merge_environment_settings(request.url, {}, None, None, None)
            response = session.send(request, timeout=self._timeout_s, **proxies)
        _raise_for_error(response)
        timing = _server_timing(response.headers.get("Server-Timing", ""))
        return RenderAnswer(response.content, response.headers["Content-Type"], timing)

    def health(self) -> dict[str, Any]:
        """Return what ``/healthz`` says, whether the server is ready or not."""
        with self._plainly():
            response = requests.get(f"{self._base_url}/healthz", timeout=self._timeout_s)
        if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            _raise_for_error(response)
        return response.json()

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Say in a line that nobody answers, where the HTTP library tells of its pools and of the token."""
        try:
            yield
        except requests.Timeout as error:
            message = f"the server at {self.shown_url} did not answer within {self._timeout_s:g} s"
            raise type(error)(message) from error
        except requests.ConnectionError as error:
            message = f"no server answers at {self.shown_url}: {_innermost_reason(error)}"
            raise type(error)(message) from error
        except (InvalidSchema, InvalidURL, MissingSchema) as error:  # its text holds the token
            message = f"{self.shown_url!r} is no address such as http://127.0.0.1:8000"
            raise type(error)(f"{message} ({type(error).__name__})") from None


def _views(views: View | Mapping[str, Any] | Sequence[View | Mapping[str, Any]]) -> list[dict[str, Any]]:
    several = [views] if isinstance(views, View | Mapping) else [*views]
    written = [_view(view) for view in several]
    if len(written) > 1 and {view.get("name", View.name) for view in written} == {View.name}:
        for view in written:  # they were given no names: the server numbers them
            view.pop("name", None)
    return written


def _view(view: View | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(view, View):
        return {
            "name": view.name,
            **asdict(view.lens),
            "camera_to_world": _rows(view.camera_to_world),
            "amodal_margin": view.amodal_margin,
        }
    pose = view.get("camera_to_world")
    return dict(view) if pose is None else {**view, "camera_to_world": _rows(pose)}


def _moment(moment: Mapping[str, Any]) -> dict[str, Any]:
    matrices = {
        name: {key: _rows(matrix) for key, matrix in moment[name].items()}
        for name in ("poses", "cameras")
        if name in moment
    }
    return {**moment, **matrices}


def _rows(matrix: ArrayLike) -> list[float]:
    return np.asarray(matrix, float).ravel().tolist()


def _plain(value: Any) -> Any:
    """Write numpy's numbers as they are."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent: {value!r}")


def _read_frame(response: requests.Response) -> FrameAnswer:
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        frame = json.loads(archive.read("frame.json"))
        views = {
            view["name"]: {
                row["name"]: decode(
                    archive.read(f"{view['name']}/{row['file']}"), row["dtype"], row.get("count")
                )
                for row in frame["passes"]
            }
            for view in frame["views"]
        }
    return FrameAnswer(views, frame, _server_timing(response.headers.get("Server-Timing", "")))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _raise_for_error(response: requests.Response) -> None:
    if response.ok:
        return
    try:
        body = response.json()
        message, reason = str(body["message"]), body.get("reason")
    except (ValueError, KeyError, TypeError):
        message, reason = response.text[:500], None
    told = response.headers.get("Retry-After", "")
    retry_after_s = float(told) if told.isdecimal() else None
    raise RenderClientError(response.status_code, message, reason, retry_after_s)


def _innermost_reason(error: BaseException) -> str:
    if error.__context__ is not None:
        return _innermost_reason(error.__context__)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _server_timing(header: str) -> dict[str, float]:
    entries = (entry.strip().partition(";dur=") for entry in header.split(",") if entry.strip())
    return {name: float(duration) for name, _, duration in entries if duration}
