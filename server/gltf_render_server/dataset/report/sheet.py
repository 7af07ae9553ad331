"""Lays out pictures with captions on a sheet, with a legend below them. Knows nothing of datasets."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["INK", "PAPER", "Tile", "note", "sheet"]

PAPER = (250, 249, 246)
INK = (40, 40, 40)
_FAINT = (115, 115, 112)
_NOTE_PAPER, _NOTE_INK = (240, 226, 222), (130, 40, 30)
_GAP = 8
_MARGIN = 7
_LINE = 1.45  # of the size of the letters
_LETTER_ASPECT = 0.56

Bytes = NDArray[np.uint8]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture, (height, width, 3) uint8, and the lines of its caption; all but the first are fainter."""

    picture: Bytes
    lines: Sequence[str] = ()


def sheet(tiles: Sequence[Tile], columns: int, legend: Mapping[str, tuple[int, int, int]] = {}) -> Bytes:
    """Lay pictures out row by row.

    Parameters
    ----------
    tiles : sequence of Tile
        At least one tile; each has the space of the largest picture.
    columns : int
    legend : mapping of str to (red, green, blue)
        Meanings of colours, shown below all pictures.

    Returns
    -------
    (sheet height, sheet width, 3) uint8
        Both sides are even, as videos require.
    """
    height, width = (max(tile.picture.shape[axis] for tile in tiles) for axis in (0, 1))
    letters = _letters_px(width)
    font, step = ImageFont.load_default(letters), round(_LINE * letters)
    lines = max(len(tile.lines) for tile in tiles)
    caption = _MARGIN + step * lines + (_MARGIN if lines else 0)
    rows = -(-len(tiles) // columns)
    total = columns * (width + _GAP) + _GAP
    entries = _placed(legend, total - 2 * _GAP, font, step)
    grid = _GAP + rows * (height + caption + _GAP)
    bottom = entries[-1][1] + step + _GAP if entries else 0
    image = Image.new("RGB", tuple(side + side % 2 for side in (total, grid + bottom)), PAPER)
    draw = ImageDraw.Draw(image)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        left, top = _GAP + column * (width + _GAP), _GAP + row * (height + caption + _GAP)
        inside = (width - tile.picture.shape[1]) // 2, (height - tile.picture.shape[0]) // 2
        image.paste(Image.fromarray(tile.picture), (left + inside[0], top + inside[1]))
        for place, line in enumerate(tile.lines):
            at = left + 2, top + height + _MARGIN + place * step
            draw.text(at, _shortened(line, width - 4, font), fill=_FAINT if place else INK, font=font)
    for name, y, x in entries:
        y += grid
        draw.rectangle((_GAP + x, y + 2, _GAP + x + step - 6, y + step - 4), fill=legend[name])
        draw.text((_GAP + x + step, y), name, fill=INK, font=font)
    return np.asarray(image)


def note(text: str, width: int, height: int) -> Bytes:
    """Return a picture with a text, in place of a picture that is missing."""
    image = Image.new("RGB", (width, height), _NOTE_PAPER)
    letters = _letters_px(width)
    font, step = ImageFont.load_default(letters), _LINE * letters
    in_a_line = max(8, int((width - 4 * _GAP) / (_LETTER_ASPECT * letters)))
    lines = textwrap.wrap(" ".join(text.split()), in_a_line, break_on_hyphens=False)
    most = max(1, int((height - 4 * _GAP) / step))
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1][: in_a_line - 3]}..."]
    draw = ImageDraw.Draw(image)
    for place, line in enumerate(lines):
        draw.text((2 * _GAP, 2 * _GAP + place * step), line, fill=_NOTE_INK, font=font)
    return np.asarray(image)


def _letters_px(width: int) -> float:
    """Return the size of letters for pictures of a width."""
    return float(np.clip(width / 20, 8, 18))


def _placed(names: Iterable[str], width: int, font: _Font, step: int) -> list[tuple[str, int, int]]:
    """Return the position of each entry of a legend, y and x, in lines that fit into a width."""
    places, x, y = [], 0, 0
    for name in names:
        needed = step + round(font.getlength(name)) + 2 * _GAP
        if x and x + needed > width:
            x, y = 0, y + step
        places.append((name, y, x))
        x += needed
    return places


def _shortened(text: str, width: float, font: _Font) -> str:
    """Return a text that fits into a width; the middle of a longer text is replaced by three dots."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = f"{text[: kept // 2]}...{text[-(kept - kept // 2) :]}"
        if font.getlength(shorter) <= width:
            return shorter
    return text[:1]
