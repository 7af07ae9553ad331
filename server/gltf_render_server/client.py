"""A small HTTP client: it sends a frame request, or a request in Drake's form, and returns arrays.

The client needs neither Drake nor Blender.
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
from requests.exceptions import (
    ChunkedEncodingError,
    InvalidJSONError,
    InvalidSchema,
    InvalidURL,
    MissingSchema,
)

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

# attempts to upload a scene that the server evicts before rendering; then the frame and scene go in one
# request
_UPLOADS = 2
_REMEMBERED = 8  # number of files whose digests are remembered
_PIECE_BYTES = 2**20  # chunk size for reading a response; requests reads only 10 KiB at a time by default

_NOT_FOUND, _NOT_KEPT = "scene_not_found", "scene_not_kept"


class Exportable(Protocol):
    """An object that can export itself as a GLB: a ``trimesh.Scene`` or a ``trimesh.Trimesh``."""

    def export(self, *, file_type: str) -> Any:
        """Return the object as the bytes of a file."""
        ...


SceneLike = str | os.PathLike[str] | bytes | Exportable


class RenderClientError(Exception):
    """The server answered a request with an error.

    Attributes
    ----------
    status : int
        The HTTP status code.
    reason : str or None
        A machine-readable reason, such as ``scene_not_found``.
    message : str
        The error message of the server.
    retry_after_s : float or None
        The number of seconds after which to retry, if the server gave one.
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
    """The server's response as it was received: an image, or an archive with a frame.

    Attributes
    ----------
    body : bytes
        The response body: a PNG or a TIFF; for a frame, a ZIP archive.
    mimetype : str
    stages_ms : dict of str to float
        The milliseconds that the server spent in each stage.
    """

    body: bytes
    mimetype: str
    stages_ms: dict[str, float] = field(default_factory=dict)

    def pixels(self) -> NDArray[Any]:
        """Decode the image without conversion: (height, width) or (height, width, channels)."""
        with Image.open(io.BytesIO(self.body)) as image:
            return np.asarray(image)


@dataclass(frozen=True)
class FrameAnswer:
    """The decoded arrays of a frame.

    Attributes
    ----------
    views : dict of str to dict of str to ndarray
        The arrays by view name and pass name. ``frame["passes"]`` describes the content of each pass. A
        table, such as ``instances``, is a list of dictionaries.
    frame : dict
        The server's description of what it rendered: versions, views, passes, instances.
    stages_ms : dict of str to float
        The milliseconds that the server spent in each stage.
    """

    views: dict[str, dict[str, Any]]
    frame: dict[str, Any]
    stages_ms: dict[str, float]

    def __getitem__(self, view: str) -> dict[str, Any]:
        return self.views[view]

    @property
    def instances(self) -> dict[int, str]:
        """The node names by the numbers that the pass ``instance`` contains."""
        return {instance["number"]: instance["node"] for instance in self.frame["instances"]}


class RenderClient:
    """A client of one server. A token can be part of the address: ``http://:TOKEN@127.0.0.1:8000``.

    Parameters
    ----------
    base_url : str
        The address of the server, as it prints it: ``Running on http://127.0.0.1:8000``.
    timeout_s : float, optional
        How long to wait for a response. None means no timeout, which is what Drake's client does.

    Attributes
    ----------
    shown_url : str
        The address without its token, for messages.
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
        """Render views of a scene. The scene is uploaded if the server does not have it yet.

        Parameters
        ----------
        scene : path, bytes or Exportable
            A GLB, or a glTF with embedded resources. A file is read again when it has changed.
        views : View, mapping, or sequence of them
            The views to render. A mapping holds the fields of the API's JSON; see docs/api.md.
        passes : sequence of str
        look : Look or mapping, optional
        poses : mapping of str to (4, 4) array, optional
            World matrices by node name, for column vectors. They replace the nodes' own world matrices.
        time_s : float, optional
            The time in the scene's animation that is rendered.
        before, after : mapping, optional
            The state at another moment, for motion passes: ``poses`` and ``time_s`` as above, and
            ``cameras``, which holds a (4, 4) camera_to_world matrix by view name. Omitted values are those of
            the frame.
        alpha_threshold : float or None
            The alpha, from 0 to 1, at or above which surfaces with alpha mode BLEND count as solid in the
            exact passes. With None, all surfaces count as solid, those with alpha mode MASK included.

        Raises
        ------
        RenderClientError
            The server refused the request or failed to render it.
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

    def _frame(self, frame: str, digest: str, read: Callable[[], bytes]) -> RenderAnswer:
        """Request a frame by the digest of its scene, and upload the scene if the server does not have it."""
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

    def _ask(self, method: str, path: str, **options: Any) -> RenderAnswer:
        with self._plainly():
            response = self._session.request(
                method, f"{self._base_url}{path}", timeout=self._timeout_s, stream=True, **options
            )
            return _read_answer(response)

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        # lets a load balancer send this client always to the server that keeps its scene
        session.headers["X-Render-Client"] = uuid4().hex
        return session

    def _scene(self, scene: SceneLike) -> tuple[str, Callable[[], bytes]]:
        """Return the digest of a scene and a function that reads it. A file is digested only once."""
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
        """Return (height, width) uint16 labels. A pixel without a label is `DONT_CARE`."""
        return decode_labels(self.post(scene, form_fields(ImageType.LABEL, camera)).pixels())

    def post(self, scene: bytes, fields: Mapping[str, str]) -> RenderAnswer:
        """Send a request in Drake's form as it is.

        Parameters
        ----------
        scene : bytes
            A glTF 2.0 file.
        fields : mapping of str to str
            The form fields; see `form_fields`.

        Raises
        ------
        RenderClientError
            The server refused the request or failed to render it.
        """
        return self.send(self.prepare(scene, fields))

    def prepare(self, scene: bytes, fields: Mapping[str, str]) -> requests.PreparedRequest:
        """Prepare the request that `post` sends, with its digest and form, to be sent with `send` later."""
        files = {"scene": ("scene.gltf", scene, "model/gltf+json")}
        fields = {"scene_sha256": hashlib.sha256(scene).hexdigest(), **fields}
        request = requests.Request("POST", f"{self._base_url}/render", data=fields, files=files)
        with requests.Session() as session, self._plainly():
            return session.prepare_request(request)

    def send(self, request: requests.PreparedRequest) -> RenderAnswer:
        """Send a prepared request over a new connection, as Drake's client does.

        Raises
        ------
        RenderClientError
            The server refused the request or failed to render it.
        requests.RequestException
            No server responded. The message gives the address and the reason.
        """
        with requests.Session() as session, self._plainly():
            options = session.merge_environment_settings(request.url, {}, True, None, None)
            return _read_answer(session.send(request, timeout=self._timeout_s, **options))

    def health(self) -> dict[str, Any]:
        """Return the content of ``/healthz``, whether or not the server is ready."""
        with self._plainly():
            response = requests.get(f"{self._base_url}/healthz", timeout=self._timeout_s)
        is_own = response.headers.get("Content-Type", "").startswith("application/json")
        if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or not is_own:
            _raise_for_error(response)
        return self._decoded(response.content, "/healthz")

    def describe(self) -> dict[str, Any]:
        """Return the content of ``/v1/server``: what the server supports, as soon as it has started."""
        return self._decoded(self._ask("GET", "/v1/server").body, "/v1/server")

    def _decoded(self, body: bytes, path: str) -> dict[str, Any]:
        """Decode the JSON object that a glTF Render Server has at a path."""
        try:
            if isinstance(value := json.loads(body), dict):
                return value
        except ValueError:
            pass
        raise InvalidJSONError(f"{self.shown_url}{path} is not that of a glTF Render Server")

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Replace the HTTP library's connection errors, which show the token, with a one-line message."""
        try:
            yield
        # without a limit of the client, it is the system that gives up
        except (requests.Timeout, requests.ConnectionError) as error:
            if isinstance(error, requests.Timeout) and self._timeout_s is not None:
                message = f"the server at {self.shown_url} did not answer within {self._timeout_s:g} s"
                raise type(error)(message) from error
            message = f"no server answers at {self.shown_url}: {innermost_reason(error)}"
            raise type(error)(message) from error
        except ChunkedEncodingError as error:
            message = f"the server at {self.shown_url} broke off its answer: {innermost_reason(error)}"
            raise requests.ConnectionError(message) from error
        # the text of the original error contains the token
        except (InvalidSchema, InvalidURL, MissingSchema) as error:
            message = f"{self.shown_url!r} is no address such as http://127.0.0.1:8000"
            raise type(error)(f"{message} ({type(error).__name__})") from None


def _views(views: View | Mapping[str, Any] | Sequence[View | Mapping[str, Any]]) -> list[dict[str, Any]]:
    several = [views] if isinstance(views, View | Mapping) else [*views]
    written = [_view(view) for view in several]
    if len(written) > 1 and {view.get("name", View.name) for view in written} == {View.name}:
        for view in written:  # unnamed views, which the server numbers
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
    """Convert a numpy scalar or array to plain Python values."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent: {value!r}")


def _read_answer(response: requests.Response) -> RenderAnswer:
    """Read the rest of a response's body."""
    _raise_for_error(response)
    body = b"".join(response.iter_content(_PIECE_BYTES))
    timing = _server_timing(response.headers.get("Server-Timing", ""))
    return RenderAnswer(body, response.headers.get("Content-Type", ""), timing)


def _read_frame(answer: RenderAnswer) -> FrameAnswer:
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
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
    return FrameAnswer(views, frame, answer.stages_ms)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _raise_for_error(response: requests.Response) -> None:
    if response.ok:
        return
    try:
        body = response.json()
        message, reason = str(body["message"]), body.get("reason")
    except (ValueError, KeyError, TypeError):
        is_page = "html" in response.headers.get("Content-Type", "")  # a proxy's, for people
        message, reason = response.reason if is_page else response.text[:500], None
    header = response.headers.get("Retry-After", "")
    retry_after_s = float(header) if header.isdecimal() else None
    raise RenderClientError(response.status_code, message, reason, retry_after_s)


def innermost_reason(error: BaseException) -> str:
    """Return the reason of the error that caused another, without the layers of the libraries."""
    if error.__context__ is not None:
        return innermost_reason(error.__context__)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _server_timing(header: str) -> dict[str, float]:
    entries = (entry.strip().partition(";dur=") for entry in header.split(",") if entry.strip())
    return {name: float(duration) for name, _, duration in entries if duration}
