"""What the scripts' options take, for argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gltf_render_server.http.form import ImageType

__all__ = ["image_types", "size", "sizes", "whole_number"]


def whole_number(at_least: int) -> Callable[[str], int]:
    """Take a whole number that is not too small."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < at_least:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {at_least}; got {text!r}")
        return int(text)

    return parse


def size(text: str) -> tuple[int, int]:
    """Take a picture's width and height, px, such as 320x240."""
    width, _, height = text.lower().partition("x")
    try:
        return whole_number(1)(width), whole_number(1)(height)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"must be a size, like 640x480; got {text!r}") from None


def sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Take some sizes, with commas between them."""
    return tuple(map(size, text.split(",")))


def image_types(text: str) -> tuple[ImageType, ...]:
    """Take the names of some kinds of image, with commas between them; each counts once."""
    known = {kind.value: kind for kind in ImageType}
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names or not known.keys() >= set(names):
        raise argparse.ArgumentTypeError(f"must be some of {', '.join(known)}; got {text!r}")
    return tuple(known[name] for name in names)
