"""A small client: sends what Drake's client sends, and returns arrays. Needs neither Drake nor Blender."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray
from PIL import Image

from .frame import Lens
from .http.form import DepthRange, ImageType
from .labels import DONT_CARE, decode_labels

__all__ = ["DONT_CARE", "RenderAnswer", "RenderClient", "RenderClientError", "form_fields"]


class RenderClientError(Exception):
    """The server answered with an error.

    Attributes
    ----------
    status : int
        HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


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


class RenderClient:
    """Talks to one server.

    Parameters
    ----------
    base_url : str
        As in ``Running on http://127.0.0.1:8000``.
    timeout_s : float, optional
        How long to wait for an answer; None = for ever, as Drake's client does.
    """

    def __init__(self, base_url: str, timeout_s: float | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s

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
        with requests.Session() as session:
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
        """Say in a line that nobody answers, where the HTTP library tells of its pools and retries."""
        try:
            yield
        except requests.Timeout as error:
            message = f"the server at {self._base_url} did not answer within {self._timeout_s:g} s"
            raise type(error)(message) from error
        except requests.ConnectionError as error:
            message = f"no server answers at {self._base_url}: {_innermost_reason(error)}"
            raise type(error)(message) from error


def form_fields(image_type: ImageType, camera: Lens, depth_range: DepthRange | None = None) -> dict[str, str]:
    """Make the form of a request, its scene excepted; every number arrives as it is.

    Drake itself sends six decimals.
    """
    numbers = {
        "near": camera.near,
        "far": camera.far,
        "focal_x": camera.focal_x,
        "focal_y": camera.focal_y,
        "fov_x": 2 * math.atan(camera.width / (2 * camera.focal_x)),
        "fov_y": 2 * math.atan(camera.height / (2 * camera.focal_y)),
        "center_x": camera.center_x,
        "center_y": camera.center_y,
    }
    if depth_range is not None:
        numbers |= {"min_depth": depth_range.min_depth, "max_depth": depth_range.max_depth}
    sizes = {"width": str(camera.width), "height": str(camera.height)}
    numeric = {name: repr(float(value)) for name, value in numbers.items()}
    return {"image_type": str(image_type), **sizes, **numeric, "submit": "Render"}


def _raise_for_error(response: requests.Response) -> None:
    if response.ok:
        return
    try:
        message = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = response.text[:500]
    raise RenderClientError(response.status_code, message)


def _innermost_reason(error: BaseException) -> str:
    if error.__context__ is not None:
        return _innermost_reason(error.__context__)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _server_timing(header: str) -> dict[str, float]:
    entries = (entry.strip().partition(";dur=") for entry in header.split(",") if entry.strip())
    return {name: float(duration) for name, _, duration in entries if duration}
