"""What the scripts' options take, for argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["whole_number"]


def whole_number(at_least: int) -> Callable[[str], int]:
    """Take a whole number that is not too small."""

    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < at_least:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {at_least}; got {text!r}")
        return int(text)

    return parse
