"""Types of the scripts' options, for argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gltf_render_server.http.form import ImageType

__all__ = ["image_types", "size", "sizes", "whole_number"]


def whole_number(at_least: int) -> Callable[[str], int]:
    """Return a parser for whole numbers with a minimum."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < at_least:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {at_least}; got {text!r}")
        return int(text)

    return parse


def size(text: str) -> tuple[int, int]:
    """Parse the width and height of an image, px, such as 320x240."""
    width, _, height = text.lower().partition("x")
    try:
        return whole_number(1)(width), whole_number(1)(height)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"must be a size, like 640x480; got {text!r}") from None


def sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Parse several sizes, separated by commas."""
    return tuple(map(size, text.split(",")))


def image_types(text: str) -> tuple[ImageType, ...]:
    """Parse the names of image types, separated by commas, and drop duplicates."""
    known = {kind.value: kind for kind in ImageType}
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names or not known.keys() >= set(names):
        raise argparse.ArgumentTypeError(f"must be some of {', '.join(known)}; got {text!r}")
    return tuple(known[name] for name in names)
