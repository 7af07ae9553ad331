"""Drake's form: parses the fields into checked `RenderFields`, and makes a `Frame` with one view.

This implements Drake's *glTF Render Client-Server API*, independent of HTTP and Blender.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..frame import Frame, Lens, View
from ..gltf import OpenedDocument, find_camera
from ..labels import paint_labels
from ..passes import Pass, find_pass
from ..scene import Scene

__all__ = ["DepthRange", "ImageType", "RenderFields", "check_digest", "form_fields"]

FormLists = Mapping[str, Sequence[str]]
"""A form: for each field name, all values that were sent, in order."""

_INTEGER = re.compile(r"\+?[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)

_LARGEST_LENGTH = 1e9
"""The largest accepted length (m) or position (px). Larger values are useless in float32."""


class ImageType(StrEnum):
    """The passes of the protocol, by their names."""

    COLOR = "color"
    DEPTH = "depth"
    LABEL = "label"


@dataclass(frozen=True)
class DepthRange:
    """The range of a depth sensor, metres along the optical axis."""

    min_depth: float
    max_depth: float

    def clamp(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mark depths outside the sensor's range.

        Parameters
        ----------
        depth : (height, width) float32
            Metres along the optical axis; inf = no surface.

        Returns
        -------
        (height, width) float32
            The depth, with 0 below `min_depth` and inf above `max_depth`.
        """
        clamped = depth.copy()
        clamped[depth < self.min_depth] = 0.0
        clamped[depth > self.max_depth] = np.inf
        return clamped


@dataclass(frozen=True)
class RenderFields:
    """The fields of a request's form, without the scene.

    Attributes
    ----------
    image_type : ImageType
    lens : Lens
    depth_range : DepthRange or None
        The sensor's range, for depth requests only.
    scene_sha256 : str or None
        The SHA-256 digest of the scene's bytes in lower-case hex digits, if the client sent it.
    """

    image_type: ImageType
    lens: Lens
    depth_range: DepthRange | None
    scene_sha256: str | None

    @property
    def row(self) -> Pass:
        """The requested pass."""
        return find_pass(self.image_type)

    @classmethod
    def from_form(cls, form: FormLists, *, max_pixels: int) -> RenderFields:
        """Parse and check the form.

        Parameters
        ----------
        form : mapping of str to sequence of str
            All values of each field. Fields that the protocol does not define are ignored.
        max_pixels : int
            The largest number of pixels (width * height) that the server renders.

        Raises
        ------
        RequestError
            A field is missing, duplicate, not a finite number, out of range or inconsistent with another.
        TooLargeError
            The image has more pixels than the server allows.
        """
        image_type = _image_type(form)
        return cls(
            image_type=image_type,
            lens=_lens(form, max_pixels),
            depth_range=_depth_range(form) if image_type is ImageType.DEPTH else None,
            scene_sha256=_digest(form),
        )

    def frame(self, scene: Scene) -> Frame:
        """Return the requested frame of a scene, seen from its camera 0.

        Raises
        ------
        SceneError
            The scene has no such camera.
        """
        view = View(self.lens, find_camera(scene).camera_to_world)
        return Frame(scene, (view,), (self.row.name,))

    def measured(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return what Drake's sensor would measure, given a rendered array."""
        if self.image_type is ImageType.LABEL:
            return paint_labels(array)
        return array if self.depth_range is None else self.depth_range.clamp(array)


def form_fields(image_type: ImageType, camera: Lens, depth_range: DepthRange | None = None) -> dict[str, str]:
    """Make the form of a request, without its scene. Numbers are written without loss of precision.

    Drake itself writes six decimals.
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


def check_digest(document: OpenedDocument, expected: str | None) -> None:
    """Compare the scene's digest with the one that the client sent.

    Parameters
    ----------
    document : OpenedDocument
    expected : str or None
        The digest in lower-case hex digits; None if the client sent none.

    Raises
    ------
    RequestError
        The digests differ, so the upload was truncated or altered.
    """
    if expected is not None and not hmac.compare_digest(document.sha256, expected):
        raise RequestError(
            f"scene_sha256: the scene's {len(document.data)} bytes have the digest {document.sha256}, the "
            f"form says {expected}; the upload was cut short or altered on its way"
        )


def _image_type(form: FormLists) -> ImageType:
    text = _text(form, "image_type")
    try:
        return ImageType(text)
    except ValueError:
        raise RequestError(f"image_type: must be one of {', '.join(ImageType)}; got {_shown(text)}") from None


def _lens(form: FormLists, max_pixels: int) -> Lens:
    for name in ("fov_x", "fov_y"):  # redundant, given the focal lengths, but part of the protocol
        if name in form:
            _number(form, name, above=0.0, below=math.pi)
    lens = Lens(
        width=_integer(form, "width"),
        height=_integer(form, "height"),
        focal_x=_length(form, "focal_x"),
        focal_y=_length(form, "focal_y"),
        center_x=_number(form, "center_x", above=-_LARGEST_LENGTH, below=_LARGEST_LENGTH),
        center_y=_number(form, "center_y", above=-_LARGEST_LENGTH, below=_LARGEST_LENGTH),
        near=_length(form, "near"),
        far=_length(form, "far"),
    )
    lens.check(max_pixels)
    return lens


def _depth_range(form: FormLists) -> DepthRange:
    min_depth = _number(form, "min_depth", at_least=0.0, below=_LARGEST_LENGTH)
    max_depth = _length(form, "max_depth")
    _check_order("min_depth", min_depth, "max_depth", max_depth)
    return DepthRange(min_depth, max_depth)


def _digest(form: FormLists) -> str | None:
    if not any(form.get("scene_sha256", ())):
        return None
    text = _text(form, "scene_sha256")
    if not _SHA256.fullmatch(text):
        raise RequestError(f"scene_sha256: must be 64 hex digits; got {_shown(text)}")
    return text.lower()


def _check_order(low_name: str, low: float, high_name: str, high: float) -> None:
    if not low < high:
        raise RequestError(f"{low_name}, {high_name}: {low} must be less than {high}")


def _text(form: FormLists, name: str) -> str:
    values = form.get(name, ())
    if not values:
        raise RequestError(f"{name}: the field is missing")
    if len(values) > 1:
        raise RequestError(f"{name}: the field was sent {len(values)} times; send it once")
    return values[0].strip()


def _integer(form: FormLists, name: str) -> int:
    text = _text(form, name)
    if not _INTEGER.fullmatch(text) or int(text) < 1:
        raise RequestError(f"{name}: must be a positive whole number of pixels; got {_shown(text)}")
    return int(text)


def _length(form: FormLists, name: str) -> float:
    return _number(form, name, above=0.0, below=_LARGEST_LENGTH)


def _number(
    form: FormLists,
    name: str,
    *,
    below: float,
    above: float = -math.inf,
    at_least: float = -math.inf,
) -> float:
    text = _text(form, name)
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise RequestError(f"{name}: must be a finite decimal number; got {_shown(text)}")
    if not (above < value < below and value >= at_least):
        low = f"at least {at_least:g}" if at_least > above else f"more than {above:g}"
        raise RequestError(f"{name}: must be {low} and less than {below:g}; got {_shown(text)}")
    return value


def _shown(text: str) -> str:
    """Quote a value that the client sent, shortened if necessary."""
    return repr(text if len(text) <= 40 else text[:40] + "…")
