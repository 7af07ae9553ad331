"""What the scripts' options take, for argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["size", "whole_number"]


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
