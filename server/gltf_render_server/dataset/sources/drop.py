"""The specification of scenes in which objects have fallen onto a floor or into a room, and lie at rest."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..choices import Choice, Patterns, Range, check_within
from .context import ViewsPerItem
from .floor import Floor

__all__ = ["Area", "DropSource"]

_MOST_OBJECTS = 200


class Area(Struct, frozen=True, forbid_unknown_fields=True):
    """Where objects start: above a rectangle."""

    center: Annotated[
        tuple[float, float],
        Meta(
            description="Middle of the area in metres, to the right and to the front of the origin: x "
            "and z, or x and -y where z is up."
        ),
    ] = (0.0, 0.0)
    size: Annotated[
        tuple[float, float], Meta(description="Size of the area in metres, in the same directions.")
    ] = (0.4, 0.4)
    height: Annotated[
        float,
        Meta(
            description="Height in metres from which objects fall, measured at their lower ends. Objects "
            "start higher where there is no room."
        ),
    ] = 0.1


class DropSource(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="drop"):
    """Scenes of objects that fell and lie at rest. It needs the extra `physics`."""

    objects: Annotated[
        Patterns,
        Meta(
            description="Glob patterns of GLB and glTF files, relative to the specification; each file "
            "is one object."
        ),
    ]
    scenes: Annotated[int, Meta(ge=1, le=10**8, description="Number of scenes.")] = 100
    count: Annotated[
        Choice,
        Meta(description="Number of objects in a scene; in a range, each whole number is equally likely."),
    ] = Range(5, 12)
    size: (
        Annotated[
            Choice,
            Meta(description="Longest side of each object's bounding box in metres. Default: see scale."),
        ]
        | None
    ) = None
    scale: Annotated[
        Choice, Meta(description="Factor of each object's size, if no size is given; 1 = as in its file.")
    ] = 1.0
    floor: Annotated[
        Floor | None,
        Meta(
            description="The floor that objects fall onto. Default, without a room: a floor of four metres "
            "with walls."
        ),
    ] = None
    room: (
        Annotated[str, Meta(description="A GLB or glTF file that objects fall into, instead of a floor.")]
        | None
    ) = None
    area: Annotated[
        Area | None,
        Meta(description="Where objects start. Default: above the origin; a room needs an area."),
    ] = None
    friction: Annotated[Choice, Meta(description="Friction of each object.")] = Range(0.4, 1.0)
    density: Annotated[Choice, Meta(description="Density of each object in kg / m^3.")] = 700.0
    category: Annotated[
        Literal["file", "folder"],
        Meta(description="What names an object's category: its file, or the folder that holds the file."),
    ] = "file"
    views_per_item: ViewsPerItem = 64

    def __post_init__(self) -> None:
        check_within("count", self.count, 1, _MOST_OBJECTS)
        check_within("size", self.size, 1e-3, 100)
        check_within("scale", self.scale, 1e-6, 1e6)
        check_within("friction", self.friction, 0.01, 10)
        check_within("density", self.density, 1, 1e5)
        if self.size is not None and self.scale != 1.0:
            raise ValueError("size, scale: give only one of the two, because both set the sizes of objects")
        if self.room is not None and self.floor is not None:
            raise ValueError("room, floor: give only one of the two")
        if self.room is not None and self.area is None:
            raise ValueError("area: give the area of the room in which objects start")
