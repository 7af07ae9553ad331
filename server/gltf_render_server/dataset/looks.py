"""The look of each item: values that are fixed or drawn at random."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from ..environments import ENVIRONMENTS, NO_ENVIRONMENT
from ..frame import Look
from ..settings import DEFAULT_QUALITY, Quality, UpAxis
from .choices import Choice, check_within, draw
from .lights import PointLights, Sun

__all__ = ["LookChoices"]

_KNOWN = (*ENVIRONMENTS, NO_ENVIRONMENT)
_BOUNDS = {"rotation_deg": (-3600, 3600), "strength": (0, 1000), "exposure": (-10, 10)}


class LookChoices(Struct, frozen=True, forbid_unknown_fields=True):
    """How scenes are lit and shown. Each value is fixed, one of a list, or a number between min and max."""

    environment: (
        Annotated[
            str | list[str],
            Meta(description=f"Name of an environment that Blender ships: {', '.join(_KNOWN)}."),
        ]
        | None
    ) = None
    rotation_deg: (
        Annotated[Choice, Meta(description="Rotation of the environment about the vertical axis.")] | None
    ) = None
    strength: Annotated[Choice, Meta(description="Factor of the environment's light.")] | None = None
    exposure: (
        Annotated[Choice, Meta(description="Exposure in stops. Default: metered for each picture.")] | None
    ) = None
    view_transform: (
        Annotated[
            str | list[str],
            Meta(description="Name of one of Blender's view transforms, such as AgX or Standard."),
        ]
        | None
    ) = None
    quality: Annotated[Quality, Meta(description=f"Quality preset. Default: {DEFAULT_QUALITY}.")] | None = (
        None
    )
    samples: (
        Annotated[
            int, Meta(ge=1, le=65536, description="Most samples for each pixel, instead of the preset's.")
        ]
        | None
    ) = None
    transparent: Annotated[bool, Meta(description="Whether the background of colour is transparent.")] = False
    sun: Sun | None = None
    point_lights: PointLights | None = None

    def __post_init__(self) -> None:
        for name in _words(self.environment):
            if name not in _KNOWN:
                raise ValueError(f"environment: there is no {name[:40]!r}; there are {', '.join(_KNOWN)}")
        for name, (low, high) in _BOUNDS.items():
            check_within(name, getattr(self, name), low, high)

    def draw(self, rng: np.random.Generator, up_axis: UpAxis) -> Look:
        """Draw a look; lights are drawn elsewhere, see `lights`."""
        return Look(
            environment=_drawn_word(self.environment, rng),
            rotation_deg=_drawn(self.rotation_deg, rng),
            strength=_drawn(self.strength, rng),
            exposure=_drawn(self.exposure, rng),
            view_transform=_drawn_word(self.view_transform, rng),
            quality=self.quality,
            samples=self.samples,
            transparent=self.transparent,
            up_axis=up_axis,
        )


def _words(choice: str | list[str] | None) -> list[str]:
    return [] if choice is None else [choice] if isinstance(choice, str) else choice


def _drawn(choice: Choice | None, rng: np.random.Generator) -> float | None:
    return None if choice is None else draw(choice, rng)


def _drawn_word(choice: str | list[str] | None, rng: np.random.Generator) -> str | None:
    words = _words(choice)
    return words[int(rng.random() * len(words))] if words else None
