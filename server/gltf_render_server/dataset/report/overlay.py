"""Draws the masks, boxes, names, axes and keypoints of objects over the picture of a view."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...false_colours import false_colours
from ..store import StoredItem, StoredView
from .objects import BOX_EDGES, Colour, ShownObject, colours_of_numbers, shown_objects, shown_pixels

__all__ = ["LAYERS", "Layer", "draw_objects", "mask_picture", "picture_of", "tinted"]

Layer = Literal["masks", "boxes", "names", "axes", "boxes_3d", "keypoints"]
LAYERS: tuple[Layer, ...] = get_args(Layer)

Bytes = NDArray[np.uint8]
_TINT = 0.45
_TINT_ALPHA, _OUTLINE_ALPHA = 115, 255
_MOST_IN_PALETTE = 127  # objects whose tint and outline have their own entries
_AXES: tuple[Colour, ...] = ((230, 60, 60), (70, 190, 70), (70, 120, 250))
_INK, _HALO = (255, 255, 255), (0, 0, 0)


def picture_of(
    item: StoredItem,
    view: StoredView,
    colours: Mapping[str, Colour],
    name: str = "color",
    layers: Collection[Layer] = LAYERS,
) -> Bytes:
    """Draw a pass of a stored view, with its objects, for people.

    Parameters
    ----------
    item : StoredItem
    view : StoredView
        A view of the item.
    colours : mapping of str to (red, green, blue)
        Colours of the categories.
    name : str
        The pass to show: colour as it is, any other pass as `false_colours` paints it.
    layers : collection of str
        The layers to draw over it; a layer is left out if the view lacks the passes that it needs.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DatasetError
        The view has no such pass, or a file is damaged.
    """
    picture = false_colours(view.array(name), name)
    objects, files = item.record.objects, view.record.files
    numbers = view.array("instance") if "instance" in files else None
    if "instances" in files:
        shown = shown_objects(objects, view.instances, view.lens)
    else:
        shown = [] if numbers is None else shown_pixels(objects, numbers)
    if "masks" in layers and numbers is not None:
        picture = tinted(picture, numbers, colours_of_numbers(shown, colours))
    return draw_objects(picture, shown, colours, layers)


def tinted(picture: Bytes, numbers: NDArray[np.integer], colours: Mapping[int, Colour]) -> Bytes:
    """Tint the objects in a picture with their colours, and outline each.

    Parameters
    ----------
    picture : (height, width, 3) uint8
    numbers : (height, width) unsigned integers
        The pass `instance`, of the same size.
    colours : mapping of int to (red, green, blue)
        Colours by the numbers of the objects; objects without a colour stay unchanged.

    Returns
    -------
    (height, width, 3) uint8
    """
    mask = np.isin(numbers, list(colours))
    ink = np.zeros_like(picture)
    for number, colour in colours.items():
        ink[numbers == number] = colour
    share = np.where(_outline(numbers) & mask, 1.0, _TINT * mask)[..., None]
    return np.rint(picture * (1 - share) + ink * share).astype(np.uint8)


def mask_picture(numbers: NDArray[np.integer], colours: Mapping[int, Colour]) -> Image.Image:
    """Return the tints and outlines of objects as a palette image, transparent everywhere else.

    The parameters are those of `tinted`. The palette has room for 127 objects; the next
    objects share the entries of the first.
    """
    palette, alpha = np.zeros((256, 3), np.uint8), np.zeros(256, np.uint8)
    alpha[1::2], alpha[2::2] = _TINT_ALPHA, _OUTLINE_ALPHA
    entries = np.zeros(int(numbers.max(initial=0)) + 1, np.uint8)
    for place, (number, colour) in enumerate(colours.items()):
        entry = 1 + 2 * (place % _MOST_IN_PALETTE)
        palette[entry : entry + 2] = colour
        if number < len(entries):
            entries[number] = entry
    pixels = entries[numbers]
    pixels[_outline(numbers) & (pixels > 0)] += 1
    image = Image.fromarray(pixels, "P")
    image.putpalette(palette.tobytes())
    image.info["transparency"] = alpha.tobytes()
    return image


def draw_objects(
    picture: Bytes,
    objects: Iterable[ShownObject],
    colours: Mapping[str, Colour],
    layers: Collection[Layer] = LAYERS,
) -> Bytes:
    """Draw all layers except masks over a picture; see `picture_of` for the parameters."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    shown = sorted(objects, key=lambda each: -each.pixels)
    for each in shown:
        colour = colours[each.category]
        left, top, width, height = each.box
        if "boxes_3d" in layers and each.corners:
            for one, other in BOX_EDGES:
                _line(draw, each.corners[one], each.corners[other], colour, 1)
        if "boxes" in layers:
            draw.rectangle((left, top, left + width - 1, top + height - 1), outline=colour, width=2)
        if "axes" in layers and each.axes:
            for end, axis in zip(each.axes[1:], _AXES, strict=True):
                _line(draw, each.axes[0], end, axis, 2)
        if "keypoints" in layers:
            for x, y in each.points:
                draw.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=colour, outline=_INK)
    if "names" in layers:
        _draw_names(draw, shown)
    return np.asarray(image)


def _draw_names(draw: ImageDraw.ImageDraw, objects: Iterable[ShownObject]) -> None:
    """Write the categories of objects, the largest first; texts that would overlap are left out."""
    letters = float(np.clip(draw.im.size[0] / 32, 9, 16))
    font = ImageFont.load_default(letters)
    taken: list[tuple[float, float, float, float]] = []
    for each in objects:
        place = each.box[0] + 2, max(0.0, each.box[1] - 1.3 * letters)
        box = draw.textbbox(place, each.category, font=font, stroke_width=1)
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
            continue
        taken.append(box)
        draw.text(place, each.category, fill=_INK, font=font, stroke_width=1, stroke_fill=_HALO)


def _line(
    draw: ImageDraw.ImageDraw,
    start: tuple[float, float] | None,
    end: tuple[float, float] | None,
    colour: Colour,
    width: int,
) -> None:
    if start is not None and end is not None:
        draw.line([*start, *end], fill=colour, width=width)


def _outline(numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which pixels have a neighbour with another number."""
    found = np.zeros(numbers.shape, bool)
    for one, other in (((slice(1, None), ...), (slice(-1), ...)), ((..., slice(1, None)), (..., slice(-1)))):
        differs = numbers[one] != numbers[other]
        found[one] |= differs
        found[other] |= differs
    return found
