"""The types of the program's options. They convert text to values, with helpful error messages."""

from __future__ import annotations

import difflib
import re
from typing import Any

import click
from PIL import ImageColor

from ..errors import RequestError
from ..passes import PASSES
from .looks import BACKDROP, ENVIRONMENT, NOTHING
from .making import COLOUR, check_passes

__all__ = ["BackgroundType", "NumberType", "PassesType", "SizeType"]

_LARGEST_SIDE_PX = 16384
_LARGEST_VALUE = 255

_ALSO_CALLED = {
    "mask": "instance",
    "rgb": COLOUR,
    "rgba": COLOUR,
    "segmentation": "instance",
    "semantic": "label",
    "z": "depth",
}
"""The names of passes in other programs."""


class SizeType(click.ParamType):
    """A width and height in pixels."""

    name = "WIDTHxHEIGHT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """See `click.ParamType`."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]{1,6})\s*[x*,]\s*([0-9]{1,6})", value.strip(), re.IGNORECASE)
        size = tuple(map(int, found.groups())) if found else (0, 0)
        if not all(1 <= side <= _LARGEST_SIDE_PX for side in size):
            self.fail(
                f"{value}: must be as 800x600: width and height in pixels, from 1 to {_LARGEST_SIDE_PX}",
                param,
                ctx,
            )
        return size[0], size[1]


class NumberType(click.ParamType):
    """A number within bounds. click's own type accepts nan."""

    def __init__(self, low: float, high: float) -> None:
        self.name = "number"
        self._low, self._high = low, high

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not self._low <= number <= self._high:
            self.fail(f"{value}: must be a number from {self._low:g} to {self._high:g}", param, ctx)
        return number


class PassesType(click.ParamType):
    """The names of passes."""

    name = "NAMES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """See `click.ParamType`."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if not names:
            self.fail("names no pass; the usual one is color", param, ctx)
        for name in names:
            if name not in PASSES:
                self.fail(_unknown_pass(name), param, ctx)
        try:
            check_passes(names)
        except RequestError as error:
            self.fail(str(error).removeprefix("--passes: "), param, ctx)
        return names


class BackgroundType(click.ParamType):
    """A colour as red, green and blue from 0 to 255, or a background name of `looks`."""

    name = "COLOUR|environment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        if not isinstance(value, str) or value in (BACKDROP, ENVIRONMENT, NOTHING):
            return value
        try:
            colour = ImageColor.getrgb(value)[:3]
        except ValueError:
            colour = ()
        if not colour or max(colour) > _LARGEST_VALUE:  # Pillow takes rgb(300, 0, 0)
            self.fail(
                f"{value}: is no colour; colours are such as white, '#204080' and 'rgb(32, 64, 128)', and "
                f"{ENVIRONMENT} shows what the model is lit by",
                param,
                ctx,
            )
        return colour


def _unknown_pass(name: str) -> str:
    close = [_ALSO_CALLED[name.lower()]] if name.lower() in _ALSO_CALLED else []
    close = close or difflib.get_close_matches(name.lower(), PASSES, 2)
    meant = f"; did you mean {' or '.join(close)}?" if close else "."
    given = ", ".join(row.name for row in PASSES.values() if row.moment is None)
    return f"there is no pass {name[:40]!r}{meant} There are {given}"
