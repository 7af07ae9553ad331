"""Values of a specification that are fixed or drawn: a number, a list of numbers, or a range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

__all__ = ["Choice", "Patterns", "Range", "check_within", "draw", "draw_whole", "ends", "matches"]

Patterns = str | Annotated[list[str], Meta(min_length=1)]
"""One or several glob patterns."""


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """A number is drawn between two."""

    min: Annotated[float, Meta(description="Smallest number that is drawn.")]
    max: Annotated[float, Meta(description="Greatest number that is drawn.")]
    log: Annotated[
        bool, Meta(description="Whether the number is drawn log-uniformly instead of uniformly.")
    ] = False

    def __post_init__(self) -> None:
        if not -math.inf < self.min <= self.max < math.inf:
            raise ValueError(
                f"min, max: min ({self.min}) must not be greater than max ({self.max}), and both must "
                "be finite"
            )
        if self.log and self.min <= 0:
            raise ValueError(f"min: must be greater than 0 where log is true, not {self.min}")

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a number."""
        share = rng.random()
        if self.log:
            return float(self.min * (self.max / self.min) ** share)
        return float(self.min + (self.max - self.min) * share)


Choice = float | Annotated[list[float], Meta(min_length=1, max_length=1000)] | Range


def draw(choice: Choice, rng: np.random.Generator) -> float:
    """Draw a number of a choice; a fixed number does not use the stream."""
    if isinstance(choice, Range):
        return choice.draw(rng)
    if isinstance(choice, list):
        return choice[int(rng.random() * len(choice))]
    return choice


def draw_whole(choice: Choice, rng: np.random.Generator) -> int:
    """Draw a whole number of a choice; each one between the ends of a range is equally likely.

    Other numbers are rounded, and so are those of a range that is logarithmic or holds no whole number.
    """
    if isinstance(choice, Range) and not choice.log:
        low, high = math.ceil(choice.min), math.floor(choice.max)
        if low <= high:
            return low + int(rng.random() * (high - low + 1))
    return round(draw(choice, rng))


def ends(choice: Choice) -> tuple[float, float]:
    """Return the smallest and the greatest number that can be drawn."""
    if isinstance(choice, Range):
        return choice.min, choice.max
    return (min(choice), max(choice)) if isinstance(choice, list) else (choice, choice)


def check_within(name: str, choice: Choice | None, low: float, high: float) -> None:
    """Check that all numbers that a choice can draw are within limits; None is valid.

    Raises
    ------
    ValueError
        A number is below or above the limits; the message begins with ``name``.
    """
    for end in () if choice is None else ends(choice):
        if not low <= end <= high:
            raise ValueError(f"{name}: must be from {low:g} to {high:g}, not {end:g}")


def matches(name: str, patterns: str | Sequence[str]) -> bool:
    """Return whether a name matches one of some glob patterns."""
    every = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatchcase(name, pattern) for pattern in every)
