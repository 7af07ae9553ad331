"""A source of scenes in which objects have fallen onto a floor or into a room, and lie at rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from ...errors import DatasetError, SceneError
from ...extras import brought_by
from ...gltf.placing import ONE_OBJECT
from ...recent import Recent
from ..cameras import bounds
from ..cameras.bounds import placed_corners
from ..choices import Choice, Patterns, Range, check_within, draw, draw_whole
from ..colours import drawn_colour
from ..composition import Composition, Paint
from ..item import CATEGORY
from ..randomness import generator, unit_quaternion
from ..shot import Document
from ..site import read_image
from .context import Context, ViewsPerItem, digest_of_names
from .subject import Read, Stance, Subject

__all__ = ["Drop", "DropSource"]

_MOST_OBJECTS = 200
_ATTEMPTS = 8
_MOST_DEPTH_M = 2e-3
_MOST_BELOW_M = 1e-3
_MOST_ROOM_TRIANGLES = 5000  # of open surfaces, each of which becomes a slab
_SLAB_M = 0.02
_REMEMBERED = 2

Corners = NDArray[np.float64]
Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


class Floor(Struct, frozen=True, forbid_unknown_fields=True):
    """A square floor around the origin, with or without walls; each has a colour or a texture of its own."""

    size: Annotated[float, Meta(gt=0, le=1000, description="Length of the floor's sides in metres.")] = 4.0
    walls: bool = True
    wall_height: Annotated[float, Meta(gt=0, le=1000, description="Height of the walls in metres.")] = 2.0
    textures: (
        Annotated[
            Patterns,
            Meta(description="Patterns of PNG and JPEG files, relative to the specification."),
        ]
        | None
    ) = None
    tiles: Annotated[Choice, Meta(description="Number of repetitions of a texture along a side.")] = 1.0
    hue: Annotated[Choice, Meta(description="Hue of surfaces without a texture, 0 to 1.")] = Range(0.0, 1.0)
    saturation: Annotated[Choice, Meta(description="Saturation of surfaces without a texture, 0 to 1.")] = (
        Range(0.0, 0.6)
    )
    value: Annotated[Choice, Meta(description="Value of surfaces without a texture, 0 to 1.")] = Range(
        0.3, 0.9
    )
    roughness: Annotated[Choice, Meta(description="Roughness of the surfaces, 0 to 1.")] = Range(0.4, 1.0)

    def __post_init__(self) -> None:
        check_within("tiles", self.tiles, 0.01, 1000)
        for name in ("hue", "saturation", "value", "roughness"):
            check_within(name, getattr(self, name), 0, 1)


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
    scenes: Annotated[int, Meta(ge=1, le=10**8)] = 100
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
    floor: Floor | None = None
    """The default, without a room, is a floor of four metres with walls."""
    room: (
        Annotated[str, Meta(description="A GLB or glTF file that objects fall into, instead of a floor.")]
        | None
    ) = None
    area: Area | None = None
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


@dataclass(frozen=True, eq=False)
class _Object:
    """An object that was drawn: its file, its size, where it starts, and its material."""

    path: Path
    document: Document
    scale: float
    middle: Vector
    own: Corners  # about the middle of its box, in the units of its file
    corners: Corners  # likewise, metres
    friction: float
    density: float
    point: Vector
    quaternion: Vector


@dataclass(frozen=True, eq=False)
class _Settled:
    """A scene at rest."""

    document: Document
    assets: Mapping[str, str]
    asset_of: Mapping[str, str]
    drawn: Mapping[str, Any]


class Drop:
    """See `subject.Source`."""

    def __init__(self, source: DropSource, context: Context) -> None:
        for module in ("settling", "pieces", "overlap"):
            _physics(module)
        self._source = source
        self._context = context
        self._paths = context.files(source.objects, "source.objects")
        self._room = None if source.room is None else context.file(source.room, "source.room")
        self._floor = source.floor or Floor()
        textures = None if self._room else self._floor.textures
        self._textures = context.files(textures, "source.floor.textures") if textures else []
        self._parts = context.parts(source.views_per_item)
        right, front = np.eye(3)[0], np.eye(3)[2]
        self._axes = np.stack([right, front, np.eye(3)[1]])
        if context.up_axis == "z":
            self._axes = np.stack([right, -np.eye(3)[1], np.eye(3)[2]])
        self._settled: Recent[_Settled] = Recent(2**30, _REMEMBERED)
        self._lock = Lock()

    def __len__(self) -> int:
        return self._source.scenes * len(self._parts)

    def name(self, index: int) -> str:
        """See `subject.Source`."""
        return f"{index // len(self._parts):06d}"

    def digest(self) -> str:
        """See `subject.Source`."""
        named = [*self._paths, *self._textures, *([self._room] if self._room else [])]
        return digest_of_names(map(self._context.name_and_size, named))

    def subject(self, index: int, read: Read) -> Subject:
        """See `subject.Source`."""
        scene, part = divmod(index, len(self._parts))
        with self._lock:
            settled = self._settled.get(
                scene, lambda: self._settle(scene, read), lambda made: len(made.document.data)
            )
        stance = Stance(self._parts[part])
        return Subject(
            name=self.name(index),
            sequence=self.name(index),
            document=settled.document,
            stance=stance,
            first=stance,
            assets=settled.assets,
            asset_of=settled.asset_of,
            drawn={"drop": settled.drawn},
        )

    def _settle(self, scene: int, read: Read) -> _Settled:
        """Draw scenes until one comes to rest as it should."""
        composition, around, assets = Composition(), _Around(self._axes[2]), {}
        asset_of: dict[str, str] = {}
        if self._room is None:
            self._add_floor(composition, around, generator(self._context.seed, "drop", "floor", scene))
        else:
            room = self._context.document(self._room)
            name = composition.add(room, "room", None, {CATEGORY: "", ONE_OBJECT: True}).root
            around.add_room(read(room).scene())
            assets |= self._context.assets(room)
            asset_of[name] = room.sha256
        attempt, objects, poses = self._rest(scene, around, read)
        described = []
        for each, pose in zip(objects, poses, strict=True):
            matrix = pose.copy()
            matrix[:3, :3] *= each.scale
            matrix[:3, 3] -= matrix[:3, :3] @ each.middle
            category = each.path.parent.name if self._source.category == "folder" else each.path.stem
            extras = {ONE_OBJECT: True, CATEGORY: category}
            name = composition.add(each.document, each.path.stem, matrix, extras).root
            assets |= self._context.assets(each.document)
            asset_of[name] = each.document.sha256
            described.append(
                {
                    "name": name,
                    "file": self._context.shown(each.path),
                    "scale": each.scale,
                    "friction": each.friction,
                    "density": each.density,
                }
            )
        drawn = {"attempt": attempt, "objects": described}
        return _Settled(composition.document(), assets, asset_of, drawn)

    def _rest(self, scene: int, around: _Around, read: Read) -> tuple[int, list[_Object], list[Matrix]]:
        """Return the number of the attempt in which all objects come to rest, these, and their poses."""
        physics = _physics("settling")
        surroundings = physics.Surroundings(
            tuple(around.planes), tuple(around.pieces), self._axes[2], _MIDDLE_FRICTION
        )
        reason = ""
        for attempt in range(_ATTEMPTS):
            objects = self._draw(generator(self._context.seed, "drop", scene, attempt), read)
            bodies = [_body(each, self._context.shown(each.path)) for each in objects]
            places = [physics.Place(each.point, each.quaternion) for each in objects]
            try:
                poses = physics.settle(bodies, places, surroundings)
                around.check(objects, poses)
                return attempt, objects, poses
            except physics.UnsettledError as error:
                reason = str(error)
        raise SceneError(
            f"the objects do not come to rest in {_ATTEMPTS} attempts (the last failed because {reason}); "
            "use fewer objects, or give them more room"
        )

    def _draw(self, rng: np.random.Generator, read: Read) -> list[_Object]:
        """Draw the objects of a scene and the places where they start."""
        source, area = self._source, self._source.area or Area()
        objects = []
        for _ in range(draw_whole(source.count, rng)):
            path = self._paths[int(rng.random() * len(self._paths))]
            size = None if source.size is None else draw(source.size, rng)
            scale = draw(source.scale, rng)
            friction, density = draw(source.friction, rng), draw(source.density, rng)
            shares = np.array([rng.random() - 0.5, rng.random() - 0.5])
            across = np.array(area.center) + shares * area.size
            quaternion = unit_quaternion(rng)
            document = self._context.document(path)
            try:
                corners = _corners(read(document).scene())
            except SceneError as error:
                shown = self._context.shown(path)
                raise SceneError(f"the object {shown}: {error.message}", error.where) from None
            low, high = corners.min((0, 1)), corners.max((0, 1))
            middle = (low + high) / 2
            if size is not None:
                scale = size / max(float((high - low).max()), 1e-300)
            point = np.array([*across, area.height]) @ self._axes
            objects.append(
                _Object(
                    path,
                    document,
                    scale,
                    middle,
                    corners - middle,
                    scale * (corners - middle),
                    friction,
                    density,
                    point,
                    quaternion,
                )
            )
        return objects

    def _add_floor(self, composition: Composition, around: _Around, rng: np.random.Generator) -> None:
        """Add the floor and its walls to the composition and to the simulation."""
        floor, half = self._floor, self._floor.size / 2
        right, front, up = self._axes
        height = floor.wall_height / 2
        squares = [("floor", np.zeros(3), half * right, half * -front, up)]
        for side in (-right, front * -1, right, front) if floor.walls else ():
            across = np.cross(up, -side)
            squares.append(("wall", half * side + height * up, half * across, height * up, -side))
        for name, middle, across, along, normal in squares:
            self._add_square(composition, rng, name, middle, across, along)
            around.planes.append((middle - (middle @ up) * up if name == "wall" else middle, normal))
        around.low = np.array([-half, -half, -math.inf])
        around.high = np.array([half, half, math.inf])
        around.axes = self._axes

    def _add_square(
        self,
        composition: Composition,
        rng: np.random.Generator,
        name: str,
        middle: Vector,
        across: Vector,
        along: Vector,
    ) -> None:
        """Add a rectangle; two vectors lead from its middle to its right side and to its upper side."""
        floor = self._floor
        sides = np.array([[-1.0, -1.0], [1, -1], [1, 1], [-1, 1]])
        colour = drawn_colour((1.0, 1.0, 1.0), floor.hue, floor.saturation, floor.value, rng)
        roughness, tiles = draw(floor.roughness, rng), draw(floor.tiles, rng)
        image = None
        if self._textures:
            path = self._textures[int(rng.random() * len(self._textures))]
            image, colour = read_image(path, self._context.shown(path)), [1.0, 1.0, 1.0]
        composition.add_mesh(
            middle + sides @ np.stack([across, along]),
            np.array([[0, 1, 2], [0, 2, 3]]),
            Paint((colour[0], colour[1], colour[2]), image, roughness),
            name,
            texcoords=tiles * (sides * (1, -1) + 1) / 2,
            extras={CATEGORY: ""},
        )


_MIDDLE_FRICTION = 0.1  # of what does not move; the greater of two frictions counts


class _Around:
    """Everything that does not move, for the simulation and for the check."""

    def __init__(self, up: Vector) -> None:
        self.planes: list[tuple[Vector, Vector]] = []
        self.pieces: list[Corners] = []
        self.solids: list[Corners] = []
        self.axes = np.eye(3)
        self.low = np.full(3, -math.inf)
        self.high = np.full(3, math.inf)
        self._up = up

    def add_room(self, scene: Any) -> None:
        """Add the surfaces of a room: closed ones as solids, others as thin slabs behind their triangles.

        Raises
        ------
        SceneError
            The open surfaces of the room have too many triangles.
        """
        pieces = _physics("pieces")
        open_triangles = 0
        for placement in range(len(scene.placements)):
            corners = placed_corners(scene, placement)
            if not len(corners):
                continue
            points, triangles = pieces.weld(corners)
            corners = points[triangles]
            if pieces.is_closed(triangles) and _volume(corners) > 0:
                self.pieces += pieces.convex_pieces(corners)
                self.solids.append(corners)
                continue
            open_triangles += len(corners)
            if open_triangles > _MOST_ROOM_TRIANGLES:
                raise SceneError(
                    f"the room: its open surfaces have more than {_MOST_ROOM_TRIANGLES} triangles; close or "
                    "simplify them"
                )
            self.pieces += _slabs(corners)
        box = bounds(scene)
        self.low, self.high = box.low, box.high

    def check(self, objects: list[_Object], poses: list[Matrix]) -> None:
        """Check with the triangles of the objects where they lie.

        Raises
        ------
        UnsettledError
            An object left the floor or the room, or overlaps something.
        """
        overlap, unsettled = _physics("overlap"), _physics("settling").UnsettledError
        placed = [
            each.corners @ pose[:3, :3].T + pose[:3, 3] for each, pose in zip(objects, poses, strict=True)
        ]
        for corners in placed:
            points = corners.reshape(-1, 3)
            middle = self.axes @ ((points.min(0) + points.max(0)) / 2)
            if (middle < self.low).any() or (middle > self.high).any():
                raise unsettled("an object left the floor")
            for point, normal in self.planes:
                if ((points - point) @ normal).min() < -_MOST_BELOW_M:
                    raise unsettled("an object is below the floor")
        sampled = [overlap.samples(corners) for corners in placed]
        for number, points in enumerate(sampled):
            # in the axes of the other object, in which its box is tighter
            depths = [
                overlap.depth_inside((points - pose[:3, 3]) @ pose[:3, :3], each.corners)
                for other, (each, pose) in enumerate(zip(objects, poses, strict=True))
                if other != number
            ]
            depths += [overlap.depth_inside(points, solid) for solid in self.solids]
            if max(depths, default=0.0) > _MOST_DEPTH_M:
                raise unsettled("an object is in another")


def _slabs(corners: Corners) -> list[Corners]:
    """Return a prism behind each triangle."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    is_good = lengths > 1e-9
    behind = _SLAB_M * normals[is_good] / lengths[is_good, None]
    return [*np.concatenate([corners[is_good], corners[is_good] - behind[:, None]], axis=1)]


def _volume(corners: Corners) -> float:
    corners = corners - corners.mean((0, 1))
    return float(np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))) / 6


def _corners(scene: Any) -> Corners:
    """Return the triangles that a scene shows, (n, 3, 3), in its own axes."""
    found = [placed_corners(scene, placement) for placement in range(len(scene.placements))]
    found = [corners for corners in found if len(corners)]
    if not found:
        raise SceneError("the file shows nothing: it has no triangles")
    return np.concatenate(found)


def _body(each: _Object, shown: str) -> Any:
    try:
        pieces = _physics("pieces").convex_pieces(each.own)
    except SceneError as error:
        raise SceneError(f"the object {shown}: {error.message}", error.where) from None
    radius = float(np.linalg.norm(each.corners, axis=2).max())
    return _physics("settling").Body(
        tuple(each.scale * piece for piece in pieces), each.density, each.friction, radius
    )


def _physics(module: str) -> Any:
    """Return a module that needs the packages of the extra `physics`."""
    try:
        return import_module(f"..physics.{module}", __package__)
    except ModuleNotFoundError as error:
        raise DatasetError(f"source: drop needs the package {error.name}; {brought_by('physics')}") from error
