"""Values that a specification fixes, or leaves to chance: a number, a list to choose from, or a range."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

__all__ = ["Choice", "Range", "check_within", "draw", "ends"]


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """A number is drawn between two."""

    min: float
    max: float
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
    """Draw a number of a choice; a fixed one takes nothing from the stream."""
    if isinstance(choice, Range):
        return choice.draw(rng)
    if isinstance(choice, list):
        return choice[int(rng.random() * len(choice))]
    return choice


def ends(choice: Choice) -> tuple[float, float]:
    """Return the smallest and the greatest number that can be drawn."""
    if isinstance(choice, Range):
        return choice.min, choice.max
    return (min(choice), max(choice)) if isinstance(choice, list) else (choice, choice)


def check_within(name: str, choice: Choice | None, low: float, high: float) -> None:
    """Check all that can be drawn of a choice; None is fine.

    Raises
    ------
    ValueError
        Something is below or above what it may be; ``name`` says of what.
    """
    for end in () if choice is None else ends(choice):
        if not low <= end <= high:
            raise ValueError(f"{name}: must be from {low:g} to {high:g}, not {end:g}")
