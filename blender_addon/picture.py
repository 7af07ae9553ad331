"""The array of a pass, made visible: distances as greys, numbers in colours. Knows no Blender.

How it is shown follows from the pass's row in the table and from the array, never from the pass's name.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .gltf_render_server.labels import DONT_CARE, decode_labels
from .gltf_render_server.passes import Pass, Render, find_pass

__all__ = ["decoded", "describe", "displayed"]

_TOO_FAR_MM = 65535
_GOLDEN = (
    0.6180339887  # steps of the golden ratio around the circle of hues stay apart, however many they are
)
_SATURATION, _VALUE = 0.75, 0.9
_NOTHING = (0, DONT_CARE)
"""The numbers of pixels that show nothing: that of most passes, and that of labels."""


def decoded(name: str, data: bytes) -> NDArray[Any]:
    """Decode a PNG or TIFF to the array of its pass; depths in millimetres become metres.

    Returns
    -------
    (height, width) or (height, width, 3 or 4) array
        Of the dtype that the pass has. In depths, inf = too far, 0 = too close.
    """
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    if pixels.dtype == np.int32:
        return pixels.view(np.uint32)  # a TIFF of the server's holds no others
    if pixels.dtype != np.uint16 or np.dtype(find_pass(name).dtype).kind != "f":
        return pixels
    metres = pixels.astype(np.float32) / np.float32(1000)
    return np.where(pixels == _TOO_FAR_MM, np.float32(np.inf), metres)


def displayed(name: str, *arrays: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Make arrays of one pass visible, on one scale.

    Parameters
    ----------
    name : str
        Of the pass.
    *arrays : (height, width) or (height, width, channels)
        As the pass's row describes them.

    Returns
    -------
    list of (height, width, 4) float32
        Display-referred, 0 to 1. Colour is as it is. The nearest distance is white, the farthest nearly
        black, none black. Each number and each label has a colour of its own; nothing is white. Vectors, and
        what else has a sign, become red, green and blue: half is zero, 1 the largest number of all, 0 its
        opposite.

    Raises
    ------
    RequestError
        There is no such pass.
    """
    row = find_pass(name)
    return [_as_rgba(shown) for shown in _way(row, arrays[0]).show(arrays)]


def describe(name: str, array: NDArray[Any]) -> str:
    """Say in a few words what `displayed` shows of one array."""
    row = find_pass(name)
    told = _way(row, array).tell(row, array)
    return ", ".join(filter(None, (f"{name} {array.shape[1]} x {array.shape[0]}", told)))


@dataclass(frozen=True)
class _Way:
    """How arrays of one kind are shown, all on one scale, and what is told of one."""

    show: Callable[[Sequence[NDArray[Any]]], Sequence[NDArray[np.float32]]]
    tell: Callable[[Pass, NDArray[Any]], str]


def _way(row: Pass, array: NDArray[Any]) -> _Way:
    if row.render is Render.COLOUR:
        return _AS_IT_IS
    if array.dtype.kind in "iu":
        return _NUMBERS
    return _DISTANCES if array.ndim == 2 and row.unit == "m" else _VECTORS


def _as_it_is(pictures: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    return [picture.astype(np.float32) / np.float32(255) for picture in pictures]


def _in_colours(images: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    shown = []
    for image in images:
        numbers, nothing = _numbers(image)
        found, where = np.unique(numbers, return_inverse=True)
        colours = _rgb(found * _GOLDEN % 1)
        colours[np.isin(found, nothing)] = 1
        shown.append(colours[where.reshape(numbers.shape)])
    return shown


def _tell_numbers(row: Pass, image: NDArray[Any]) -> str:
    numbers, nothing = _numbers(image)
    found = np.setdiff1d(numbers, nothing)
    if not len(found):
        return f"no {row.name}"
    some = f"{row.name}s {', '.join(map(str, found))}" if len(found) <= 6 else f"{len(found)} {row.name}s"
    return f"{some}, shown in colours of their own"


def _greys(depths: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    metres = [np.where(np.isfinite(depth), depth, 0) for depth in depths]
    known = np.concatenate([depth[depth > 0] for depth in metres])
    near, far = (known.min(), known.max()) if known.size else (0.0, 1.0)
    scale = max(far - near, np.float32(1e-6))
    found = [np.where(depth > 0, 1 - 0.9 * (depth - near) / scale, 0) for depth in metres]
    return [np.repeat(grey[..., None], 3, axis=2).astype(np.float32) for grey in found]


def _tell_distances(row: Pass, depth: NDArray[np.float32]) -> str:
    known = depth[np.isfinite(depth) & (depth > 0)]
    return f"{known.min():.2f} m (white) to {known.max():.2f} m" if known.size else "empty"


def _as_vectors(arrays: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    largest = max(_largest(array) for array in arrays) or 1.0
    shown = []
    for array in arrays:
        vectors = array.reshape(*array.shape[:2], -1)[..., :3]
        if vectors.shape[2] == 1:
            vectors = np.repeat(vectors, 3, axis=2)
        rgb = np.full((*vectors.shape[:2], 3), 0.5, np.float32)
        rgb[..., : vectors.shape[2]] += np.where(np.isfinite(vectors), vectors, -largest) * (0.5 / largest)
        shown.append(rgb)
    return shown


def _tell_vectors(row: Pass, array: NDArray[Any]) -> str:
    return f"up to {_largest(array):.3g} {row.unit} either way"


_AS_IT_IS = _Way(_as_it_is, lambda *_: "")
_NUMBERS = _Way(_in_colours, _tell_numbers)
_DISTANCES = _Way(_greys, _tell_distances)
_VECTORS = _Way(_as_vectors, _tell_vectors)


def _numbers(image: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, ...]]:
    """Return (height, width) numbers, and those that stand for nothing; Drake's colours stand for labels."""
    return (image, _NOTHING) if image.ndim == 2 else (decode_labels(image), (DONT_CARE,))


def _largest(array: NDArray[Any]) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0))


def _rgb(hue: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return (n, 3) colours of hues from 0 to 1; the formula is that of HSV."""
    steps = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6
    dark = np.clip(np.minimum(steps, 4 - steps), 0, 1)
    return (_VALUE * (1 - _SATURATION * dark)).astype(np.float32)


def _as_rgba(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make colours opaque that have no alpha."""
    if rgb.shape[2] == 4:
        return rgb
    return np.concatenate([rgb, np.ones((*rgb.shape[:2], 1), np.float32)], axis=2)
