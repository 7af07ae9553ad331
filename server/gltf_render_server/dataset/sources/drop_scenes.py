"""The scenes of a drop: objects are drawn at random, fall until they rest, and become one document.

This module needs the extra ``physics``, and is imported only if a specification needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import SceneError
from ...gltf.placing import ONE_OBJECT
from ...recent import Recent
from ...scene import Scene
from ..cameras.bounds import placed_corners
from ..choices import draw, draw_whole
from ..composition import Composition
from ..item import CATEGORY
from ..physics.checking import check_rest
from ..physics.pieces import convex_pieces
from ..physics.settling import Body, Place, UnsettledError, settle
from ..physics.surroundings import Surroundings, surroundings_of_room
from ..randomness import generator, unit_quaternion
from ..shot import Document
from .context import Context, digest_of_names
from .drop import Area, DropSource
from .floor import Floor, add_square, squares
from .subject import Read, Stance, Subject

__all__ = ["Drop"]

_ATTEMPTS = 8
_REMEMBERED = 2

Corners = NDArray[np.float64]
Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

_X, _Y, _Z = np.eye(3)
_AXES = {"y": np.stack([_X, _Z, _Y]), "z": np.stack([_X, -_Y, _Z])}
"""The directions right, front and up, a row each, by the axis that points up."""


@dataclass(frozen=True, eq=False)
class _Object:
    """An object that was drawn: its file, its size, its material, and where it starts."""

    path: Path
    document: Document
    middle: Vector  # of its box, in the units of its file
    corners: Corners  # of its triangles about the middle, likewise
    scale: float
    density: float
    friction: float
    place: Place


@dataclass(frozen=True, eq=False)
class _Settled:
    """A scene at rest; see `Subject`."""

    document: Document
    assets: Mapping[str, str]
    asset_of: Mapping[str, str]
    drawn: Mapping[str, Any]


class _Assembly:
    """A scene that is being composed, and the files that it is composed of."""

    def __init__(self, context: Context) -> None:
        self.composition = Composition()
        self._context = context
        self._assets: dict[str, str] = {}
        self._asset_of: dict[str, str] = {}

    def add(self, document: Document, name: str, matrix: ArrayLike | None, extras: Mapping[str, Any]) -> str:
        """Add a document, and return the name of its node."""
        root = self.composition.add(document, name, matrix, extras).root
        self._assets |= self._context.assets(document)
        self._asset_of[root] = document.sha256
        return root

    def settled(self, drawn: Mapping[str, Any]) -> _Settled:
        """Return the scene as it is now."""
        return _Settled(self.composition.document(), self._assets, self._asset_of, drawn)


class Drop:
    """See `subject.Source`."""

    def __init__(self, source: DropSource, context: Context) -> None:
        self._source = source
        self._context = context
        self._paths = context.files(source.objects, "source.objects")
        self._room = None if source.room is None else context.file(source.room, "source.room")
        self._floor = source.floor or Floor()
        textures = None if self._room else self._floor.textures
        self._textures = context.files(textures, "source.floor.textures") if textures else []
        self._parts = context.parts(source.views_per_item)
        self._axes = _AXES[context.up_axis]
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
        """Compose a scene of what does not move, and of objects that have come to rest on it."""
        made = _Assembly(self._context)
        if self._room is None:
            around = self._add_floor(made, generator(self._context.seed, "drop", "floor", scene))
        else:
            around = self._add_room(made, self._room, read)
        attempt, objects, poses = self._rest(scene, around, read)
        described = [self._add_object(made, each, pose) for each, pose in zip(objects, poses, strict=True)]
        return made.settled({"attempt": attempt, "objects": described})

    def _add_floor(self, made: _Assembly, rng: np.random.Generator) -> Surroundings:
        """Add the floor and its walls; without walls, too, objects must come to rest above the floor."""
        floor, up = self._floor, self._axes[2]
        found = squares(floor, self._axes)
        for square in found:
            add_square(made.composition, square, floor, self._textures, self._context, rng)
        planes = tuple((square.foot, square.normal) for square in found)
        reach = np.where(up > 0, np.inf, floor.size / 2)
        return Surroundings(up, planes, low=-reach, high=reach)

    def _add_room(self, made: _Assembly, path: Path, read: Read) -> Surroundings:
        room = self._context.document(path)
        made.add(room, "room", None, {CATEGORY: "", ONE_OBJECT: True})
        return surroundings_of_room(read(room).scene(), self._axes[2])

    def _add_object(self, made: _Assembly, each: _Object, pose: Matrix) -> dict[str, Any]:
        """Add an object where it lies, and return what the record of the item tells of it."""
        matrix = pose.copy()
        matrix[:3, :3] *= each.scale
        matrix[:3, 3] -= matrix[:3, :3] @ each.middle
        category = each.path.parent.name if self._source.category == "folder" else each.path.stem
        extras = {ONE_OBJECT: True, CATEGORY: category}
        return {
            "name": made.add(each.document, each.path.stem, matrix, extras),
            "file": self._context.shown(each.path),
            "scale": each.scale,
            "friction": each.friction,
            "density": each.density,
        }

    def _rest(self, scene: int, around: Surroundings, read: Read) -> tuple[int, list[_Object], list[Matrix]]:
        """Return the number of the attempt in which all objects come to rest, these, and their poses."""
        reason = ""
        for attempt in range(_ATTEMPTS):
            rng = generator(self._context.seed, "drop", scene, attempt)
            objects = [self._draw(rng, read) for _ in range(draw_whole(self._source.count, rng))]
            bodies = [self._body(each) for each in objects]
            try:
                poses = settle(bodies, [each.place for each in objects], around)
                check_rest(bodies, poses, around)
            except UnsettledError as error:
                reason = str(error)
            else:
                return attempt, objects, poses
        raise SceneError(
            f"the objects do not come to rest in {_ATTEMPTS} attempts (the last failed because {reason}); "
            "use fewer objects, or give them more room"
        )

    def _draw(self, rng: np.random.Generator, read: Read) -> _Object:
        """Draw an object and the place where it starts."""
        source, area = self._source, self._source.area or Area()
        path = self._paths[int(rng.random() * len(self._paths))]
        size = None if source.size is None else draw(source.size, rng)
        scale = draw(source.scale, rng)
        friction, density = draw(source.friction, rng), draw(source.density, rng)
        shares = np.array([rng.random() - 0.5, rng.random() - 0.5])
        across = np.array(area.center) + shares * area.size
        place = Place(np.array([*across, area.height]) @ self._axes, unit_quaternion(rng))
        document = self._context.document(path)
        with self._naming(path):
            corners = _corners(read(document).scene())
        low, high = corners.min((0, 1)), corners.max((0, 1))
        middle = (low + high) / 2
        if size is not None:
            scale = size / max(float((high - low).max()), 1e-300)
        return _Object(path, document, middle, corners - middle, scale, density, friction, place)

    def _body(self, each: _Object) -> Body:
        """Return an object for the simulation, in metres."""
        with self._naming(each.path):
            pieces = convex_pieces(each.corners)
        scaled = tuple(each.scale * piece for piece in pieces)
        return Body(scaled, each.scale * each.corners, each.density, each.friction)

    @contextmanager
    def _naming(self, path: Path) -> Iterator[None]:
        """Name the file of an object in the errors of what it shows."""
        try:
            yield
        except SceneError as error:
            shown = self._context.shown(path)
            raise SceneError(f"the object {shown}: {error.message}", error.where) from None


def _corners(scene: Scene) -> Corners:
    """Return the triangles that a scene shows, (n, 3, 3), in its own axes."""
    found = [placed_corners(scene, placement) for placement in range(len(scene.placements))]
    found = [corners for corners in found if len(corners)]
    if not found:
        raise SceneError("the file shows nothing: it has no triangles")
    return np.concatenate(found)
