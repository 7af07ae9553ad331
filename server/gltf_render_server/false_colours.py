"""Converts the array of any pass into an RGB image for display.

How an array is shown depends only on the array and on the pass's row in the table (unit, dtype, channels,
span, nothing), never on the pass's name. Therefore a new row is shown without any change here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .passes import Pass, find_pass
from .srgb import srgb_of

__all__ = ["DARK", "LINEAR", "false_colours", "legend", "value_range"]

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
_Range = Floats | None

DARK = 64
"""The grey level, of 255, of pixels without a value."""

LINEAR = "linear Rec. 709"
"""The unit of linear colours, before any view transform."""

_WHITE = 255
_PERCENTILES = (1.0, 99.0)
_GOLDEN = 0.6180339887  # multiples of the golden ratio keep hues apart, however many there are
_SATURATION, _VALUE = 0.75, 0.9
_MOST_LISTED = 6
_VIRIDIS = (
    "440154 481a6c 472f7d 414487 39568c 31688e 2a788e 23888e "
    "1f988b 22a884 35b779 54c568 7ad151 a5db36 d2e21b fde725"
)
"""Matplotlib's viridis in equal steps: brightness increases with the value, also for colour-blind viewers."""

_WHEEL = (
    ((255, 0, 0), 15),
    ((255, 255, 0), 6),
    ((0, 255, 0), 4),
    ((0, 255, 255), 11),
    ((0, 0, 255), 13),
    ((255, 0, 255), 6),
)
"""The colour wheel of the Middlebury optical flow benchmark: each colour, and the number of steps to the
next.
"""


def false_colours(array: NDArray[Any], row: Pass | str, value_range: ArrayLike | None = None) -> Bytes:
    """Convert the array of a pass into an RGB image.

    Display colours are shown as they are, and linear colours are converted to sRGB. Each label, object or
    material number has a colour of its own, which is the same in all images. Scalars are mapped to the colour
    map viridis, from dark purple to yellow, over their range. The channels of a vector become red, green and
    blue, each mapped from its range to 0 to 255; for unit vectors, that is (n + 1) / 2. Texture coordinates
    become red and green, and repeat outside 0 to 1. Flow uses Middlebury's colour wheel: the hue is the
    direction, white is no motion, and vectors longer than the range are darker. Masks are white. In a stack
    of masks, each mask has its object's colour, and overlapping masks are averaged.

    Parameters
    ----------
    array : (height, width), (height, width, channels), or (k, height, width) bool
        The array, as the pass's row describes it.
    row : Pass or str
        The pass or its name.
    value_range : (low, high), or (channels, 2), optional
        The values at the two ends of the scale, in the pass's unit. The default is the result of the function
        `value_range` for this array. Flow uses only the high end.

    Returns
    -------
    (height, width, 3) uint8
        The sRGB image. Pixels that show nothing or have a NaN value are `DARK` grey. Infinitely far pixels
        are white.

    Raises
    ------
    RequestError
        No pass has that name.
    """
    row = _row(row)
    way = _way(row, array)
    if value_range is None:
        scale = way.measure(row, [array], _PERCENTILES)
    else:
        scale = np.asarray(value_range, float).reshape(-1, 2)
    return way.paint(row, array, scale)


def value_range(
    row: Pass | str, *arrays: NDArray[Any], percentiles: tuple[float, float] = _PERCENTILES
) -> Floats | None:
    """Return the values at the two ends of the scale that suits some arrays of a pass.

    Parameters
    ----------
    row : Pass or str
        The pass or its name.
    *arrays
        Arrays as for `false_colours`, all with the same number of channels.
    percentiles : (low, high)
        The percentiles, over the finite values of all arrays together, that become the ends of the scale. For
        flow, only the high percentile of the vector lengths is used. A pass whose row has a span uses that
        span instead.

    Returns
    -------
    (channels, 2) float64, (1, 2) for flow, or None
        The low and high ends, in the pass's unit. The result is None if the colours do not depend on a range,
        or if no array has a finite value.

    Raises
    ------
    RequestError
        No pass has that name.
    """
    row = _row(row)
    return _way(row, arrays[0]).measure(row, arrays, percentiles)


def legend(array: NDArray[Any], row: Pass | str, value_range: ArrayLike | None = None) -> str:
    """Describe the scale of the image that `false_colours` returns, for example ``"0.52 to 3.10 m"``.

    The parameters and errors are those of `false_colours`. The description of a colour pass is empty.
    """
    row = _row(row)
    way = _way(row, array)
    given = None if value_range is None else np.asarray(value_range, float).reshape(-1, 2)
    return way.describe(row, array, way.measure(row, [array], _PERCENTILES) if given is None else given)


def _row(row: Pass | str) -> Pass:
    return find_pass(row) if isinstance(row, str) else row


def _no_range(row: Pass, arrays: Sequence[NDArray[Any]], percentiles: tuple[float, float]) -> _Range:
    return None


def _no_words(row: Pass, array: NDArray[Any], scale: _Range) -> str:
    return ""


@dataclass(frozen=True)
class _Way:
    """How arrays of one kind are displayed: how they are painted, scaled and described."""

    paint: Callable[[Pass, NDArray[Any], _Range], Bytes]
    measure: Callable[[Pass, Sequence[NDArray[Any]], tuple[float, float]], _Range] = _no_range
    describe: Callable[[Pass, NDArray[Any], _Range], str] = _no_words


def _way(row: Pass, array: NDArray[Any]) -> _Way:
    is_image = array.ndim == 2
    if array.dtype.kind == "b":
        return _MASK if is_image else _MASKS
    if array.dtype.kind in "iu":
        return (_MASK if row.dtype == "uint8" else _NUMBERS) if is_image else _PICTURE
    if row.unit == LINEAR:
        return _LIGHT
    if array.shape[2:] == (2,):
        return _FLOW if row.unit == "px" else _TEXCOORDS
    return _VALUES if is_image else _VECTORS


def _paint_picture(row: Pass, picture: Bytes, scale: _Range) -> Bytes:
    """Blend the colour over the background grey, according to its alpha."""
    if picture.shape[2] == 3:
        return picture.copy()
    share = picture[..., 3:] / np.float32(255)
    return _bytes(picture[..., :3] * share + DARK * (1 - share))


def _paint_light(row: Pass, light: NDArray[Any], scale: _Range) -> Bytes:
    linear = light[..., :3].astype(np.float32)
    known = np.nan_to_num(linear, nan=0.0).clip(0, 1)
    return _where_known(_bytes(255 * srgb_of(known)), ~np.isnan(linear).any(-1))


def _paint_numbers(row: Pass, numbers: NDArray[Any], scale: _Range) -> Bytes:
    found, where = np.unique(numbers, return_inverse=True)
    colours = _of_number(found)
    colours[found == row.nothing] = DARK
    return colours[where.reshape(numbers.shape)]


def _describe_numbers(row: Pass, numbers: NDArray[Any], scale: _Range) -> str:
    found = np.unique(numbers)
    found = found[found != row.nothing]
    if not len(found):
        return f"no {row.name}"
    are_few = len(found) <= _MOST_LISTED
    some = f"{row.name}s {', '.join(map(str, found))}" if are_few else f"{len(found)} {row.name}s"
    return f"{some}, in colours of their own"


def _paint_mask(row: Pass, mask: NDArray[Any], scale: _Range) -> Bytes:
    return np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)


def _describe_mask(row: Pass, mask: NDArray[Any], scale: _Range) -> str:
    return f"white at {np.count_nonzero(mask)} of {mask.size} pixels"


def _paint_masks(row: Pass, masks: NDArray[np.bool_], scale: _Range) -> Bytes:
    count = np.zeros(masks.shape[1:], np.int32)
    total = np.zeros((*masks.shape[1:], 3), np.float32)
    for mask, colour in zip(masks, _of_number(np.arange(1, len(masks) + 1)), strict=True):
        count += mask
        total[mask] += colour
    return _where_known(_bytes(total / count.clip(1)[..., None]), count > 0)


def _describe_masks(row: Pass, masks: NDArray[np.bool_], scale: _Range) -> str:
    return f"{len(masks)} masks, in colours of their own"


def _paint_values(row: Pass, values: NDArray[Any], scale: _Range) -> Bytes:
    shown = _MAP[_bytes(255 * _shares(values, scale, 0))]
    shown = _where_known(shown, np.isfinite(values) & (values != row.nothing))
    shown[np.isposinf(values)] = _WHITE
    return shown


def _paint_vectors(row: Pass, vectors: NDArray[Any], scale: _Range) -> Bytes:
    shown = np.zeros((*vectors.shape[:2], 3), np.uint8)
    for channel in range(min(3, vectors.shape[2])):
        shown[..., channel] = _bytes(255 * _shares(vectors[..., channel], scale, channel))
    return _where_known(shown, np.isfinite(vectors).all(-1))


def _paint_texcoords(row: Pass, texcoords: NDArray[Any], scale: _Range) -> Bytes:
    inside = (texcoords >= 0) & (texcoords <= 1)
    return _paint_vectors(row, np.where(inside, texcoords, texcoords - np.floor(texcoords)), scale)


def _measure_channels(row: Pass, arrays: Sequence[NDArray[Any]], percentiles: tuple[float, float]) -> _Range:
    channels = math.prod(arrays[0].shape[2:])
    if row.span is not None:
        return np.tile(np.array(row.span, float), (channels, 1))
    values = np.concatenate([array.reshape(-1, channels) for array in arrays])
    return _percentiles(values[(np.isfinite(values) & (values != row.nothing)).all(1)], percentiles)


def _describe_channels(row: Pass, array: NDArray[Any], scale: _Range) -> str:
    if scale is None or not np.isfinite(array).any():
        return "empty"
    letters = ("",) if (scale == scale[0]).all() else ("x ", "y ", "z ")
    parts = (f"{letter}{_numbers(*ends)}" for letter, ends in zip(letters, scale, strict=False))
    return ", ".join(parts) + _unit(row)


def _paint_flow(row: Pass, flow: NDArray[Any], scale: _Range) -> Bytes:
    is_known = np.isfinite(flow).all(-1)
    right, down = np.moveaxis(np.where(is_known[..., None], flow, 0).astype(np.float32), -1, 0)
    largest = max(1e-9, 1.0 if scale is None else float(scale[0, 1]))
    length = (np.hypot(right, down) / np.float32(largest))[..., None]
    turn = (np.arctan2(-down, -right) / np.float32(np.pi) + 1) / 2 * (len(_HUES) - 1)
    before = turn.astype(int)
    share = (turn - before)[..., None]
    hue = (1 - share) * _HUES[before] + share * _HUES[(before + 1) % len(_HUES)]
    shown = np.where(length <= 1, 255 - length * (255 - hue), 0.75 * hue)
    return _where_known(_bytes(shown), is_known)


def _measure_flow(row: Pass, arrays: Sequence[NDArray[Any]], percentiles: tuple[float, float]) -> _Range:
    lengths = np.concatenate([np.hypot(*np.moveaxis(array, -1, 0)).ravel() for array in arrays])
    found = _percentiles(lengths[np.isfinite(lengths)][:, None], percentiles)
    return None if found is None else found * [0, 1]


def _describe_flow(row: Pass, flow: NDArray[Any], scale: _Range) -> str:
    return "empty" if scale is None else f"up to {_numbers(scale[0, 1])}{_unit(row)}"


_PICTURE = _Way(_paint_picture)
_LIGHT = _Way(_paint_light)
_NUMBERS = _Way(_paint_numbers, describe=_describe_numbers)
_MASK = _Way(_paint_mask, describe=_describe_mask)
_MASKS = _Way(_paint_masks, describe=_describe_masks)
_VALUES = _Way(_paint_values, _measure_channels, _describe_channels)
_VECTORS = _Way(_paint_vectors, _measure_channels, _describe_channels)
_TEXCOORDS = _Way(_paint_texcoords, _measure_channels, _describe_channels)
_FLOW = _Way(_paint_flow, _measure_flow, _describe_flow)


def _percentiles(values: NDArray[Any], percentiles: tuple[float, float]) -> _Range:
    """Return percentiles, (channels, 2), of (n, channels) values; None if no value is finite."""
    if not len(values):
        return None
    return np.percentile(values, percentiles, axis=0, method="nearest").T.astype(float)


def _shares(values: NDArray[Any], scale: _Range, channel: int) -> NDArray[np.float32]:
    """Map values to 0 to 1 between the ends of the scale. Values that are not finite become 0."""
    if scale is None:
        return np.zeros(values.shape, np.float32)
    low, high = scale[channel % len(scale)]
    finite = np.where(np.isfinite(values), values, low)
    return ((finite - low) / max(high - low, 1e-30)).clip(0, 1).astype(np.float32)


def _where_known(shown: Bytes, is_known: NDArray[np.bool_]) -> Bytes:
    shown[~is_known] = DARK
    return shown


def _of_number(numbers: NDArray[Any]) -> Bytes:
    """Return (n, 3) colours. A number always has the same colour, computed by the HSV formula."""
    hue = numbers.astype(float) * _GOLDEN % 1
    steps = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6
    dark = np.clip(np.minimum(steps, 4 - steps), 0, 1)
    return _bytes(255 * _VALUE * (1 - _SATURATION * dark))


def _bytes(values: NDArray[Any]) -> Bytes:
    return np.rint(values).astype(np.uint8)


def _numbers(*ends: float) -> str:
    """Format numbers with enough digits to tell them apart."""
    width = max(ends) - min(ends) or abs(ends[0])
    digits = min(max(math.ceil(1.9 - math.log10(width)), 0), 9) if width > 0 else 2
    # adding 0.0 avoids a negative zero
    return " to ".join(f"{round(end, digits) + 0.0:.{digits}f}" for end in ends)


def _unit(row: Pass) -> str:
    return "" if row.unit == "1" else f" {row.unit}"


def _colour_map() -> Bytes:
    stops = np.array([tuple(bytes.fromhex(colour)) for colour in _VIRIDIS.split()], float)
    at = np.linspace(0, 255, len(stops))
    return np.stack([_bytes(np.interp(np.arange(256), at, stops[:, channel])) for channel in range(3)], -1)


def _colour_wheel() -> NDArray[np.float32]:
    """Return the (55, 3) colours of the wheel, 0 to 255."""
    ends = [*(colour for colour, _ in _WHEEL[1:]), _WHEEL[0][0]]
    parts = [
        np.floor(np.linspace(colour, end, steps, endpoint=False))
        for (colour, steps), end in zip(_WHEEL, ends, strict=True)
    ]
    return np.concatenate(parts).astype(np.float32)


_MAP = _colour_map()
_HUES = _colour_wheel()
