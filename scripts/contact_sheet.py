"""One picture that shows colour, depth and labels side by side, for people."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gltf_render_server.labels import DONT_CARE, decode_labels

__all__ = ["captioned", "colorize_depth", "colorize_labels", "contact_sheet", "depth_span", "paint_labels"]

_GAP = 16
_CAPTION = 44
_SMALL_GAP, _SMALL_CAPTION = 8, 34
_PAPER = (250, 249, 246)
_INK = (40, 40, 40)
_UNKNOWN = (58, 60, 66)

# near to far, light to dark; equal steps look equally far apart
_DEPTH_STOPS = np.array(
    [[253, 231, 37], [122, 209, 81], [34, 168, 132], [42, 120, 142], [65, 68, 135], [68, 1, 84]],
    float,
)


def contact_sheet(
    *,
    color: NDArray[np.uint8],
    depth: NDArray[np.float32],
    label: NDArray[np.uint8],
    names: Mapping[int, str],
) -> NDArray[np.uint8]:
    """Lay out the three images of one frame.

    Parameters
    ----------
    color : (height, width, 3) uint8
    depth : (height, width) float32, metres; 0 = too close, inf = too far
    label : (height, width, 3) uint8, label = red + 256 green; white = none
    names : mapping of label to name

    Returns
    -------
    (sheet height, sheet width, 3) uint8
    """
    height, width = depth.shape
    half = (width // 2, height // 2)
    sheet = Image.new("RGB", (width + half[0] + 3 * _GAP, height + 2 * _GAP + 2 * _CAPTION + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    right = width + 2 * _GAP
    lower = _GAP + half[1] + _CAPTION
    finite = depth[np.isfinite(depth) & (depth > 0)]
    span = f"{finite.min():.2f} m to {finite.max():.2f} m" if finite.size else "nothing in range"
    count = sum(int(number) in names for number in np.unique(decode_labels(label)))
    sheet.paste(Image.fromarray(color[..., :3]), (_GAP, _GAP))
    _caption(draw, (_GAP, _GAP + height), "colour, as a client receives it")
    sheet.paste(Image.fromarray(colorize_depth(depth)).resize(half), (right, _GAP))
    _caption(draw, (right, _GAP + half[1]), f"depth: {span}")
    flat = Image.fromarray(colorize_labels(label)).resize(half, Image.Resampling.NEAREST)
    sheet.paste(flat, (right, lower))
    _caption(draw, (right, lower + half[1]), f"labels: {count} objects")
    return np.asarray(sheet)


def captioned(pictures: Mapping[str, NDArray[np.uint8]], columns: int | None = None) -> NDArray[np.uint8]:
    """Lay pictures of one size out row by row, each above its caption.

    Parameters
    ----------
    pictures : mapping of caption to (height, width, 3) uint8
    columns : by default all in one row

    Returns
    -------
    (sheet height, sheet width, 3) uint8; both even, as a video's colours need it
    """
    height, width = next(iter(pictures.values())).shape[:2]
    columns = columns or len(pictures)
    step_x, step_y = width + _SMALL_GAP, height + _SMALL_GAP + _SMALL_CAPTION
    size = _SMALL_GAP + columns * step_x, -(-len(pictures) // columns) * step_y
    sheet = Image.new("RGB", tuple(side + side % 2 for side in size), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(int(np.clip(width / 16, 8, 18)))
    for number, (caption, pixels) in enumerate(pictures.items()):
        row, column = divmod(number, columns)
        left, top = _SMALL_GAP + column * step_x, _SMALL_GAP + row * step_y
        sheet.paste(Image.fromarray(pixels), (left, top))
        draw.text((left + 2, top + height + 7), caption, fill=_INK, font=font)
    return np.asarray(sheet)


def colorize_depth(depth: NDArray[np.float32], span: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Paint depth, near light and far dark.

    Parameters
    ----------
    depth : (height, width) float32, metres; 0 = too close, inf = too far
    span : the depths, metres, of the lightest and of the darkest colour; by default the picture's own

    Returns
    -------
    (height, width, 3) uint8
    """
    known = np.isfinite(depth) & (depth > 0)
    near, far = span or depth_span(depth)
    position = np.clip((np.where(known, depth, far) - near) / max(far - near, 1e-9), 0, 1)
    stops = np.linspace(0, 1, len(_DEPTH_STOPS))
    channels = [np.interp(position, stops, channel) for channel in _DEPTH_STOPS.T]
    painted = np.stack(channels, -1).round().astype(np.uint8)
    painted[~known] = _UNKNOWN
    return painted


def depth_span(depth: NDArray[np.float32]) -> tuple[float, float]:
    """Return the nearest and the farthest depth of a picture, metres; 0 and 1 where nothing is in range."""
    known = depth[np.isfinite(depth) & (depth > 0)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def colorize_labels(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Paint each label of a (height, width, 3) label image in a colour of its own."""
    return paint_labels(decode_labels(label))


def paint_labels(labels: NDArray[np.uint16], known: Iterable[int] = ()) -> NDArray[np.uint8]:
    """Paint each label in a colour of its own.

    Parameters
    ----------
    labels : (height, width) uint16; `DONT_CARE` = none
    known : labels that may be seen in other pictures of the same film, whose colours shall not change

    Returns
    -------
    (height, width, 3) uint8
    """
    values = np.union1d(np.fromiter(known, np.uint16), labels)
    palette = np.array([_label_colour(index) for index in range(len(values))], np.uint8)
    painted = palette[np.searchsorted(values, labels)]
    painted[labels == DONT_CARE] = _UNKNOWN
    return painted


def _label_colour(index: int) -> tuple[int, int, int]:
    """Return the colour that is a golden angle further round the wheel than the last."""
    hue = (0.08 + index * 0.6180339887) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.55 if index % 2 else 0.7, 0.95 if index % 3 else 0.75)
    return round(255 * red), round(255 * green), round(255 * blue)


def _caption(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str) -> None:
    draw.text((corner[0], corner[1] + 8), text, fill=_INK, font=ImageFont.load_default(20))
