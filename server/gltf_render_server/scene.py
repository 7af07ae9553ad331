"""What is there: surfaces, where they stand, lights and cameras. Knows no HTTP, glTF syntax or Blender."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AlphaTexture",
    "Asset",
    "Colour",
    "Cutout",
    "Digest",
    "Instances",
    "Keypoint",
    "LightPlacement",
    "Placements",
    "Primitive",
    "Scene",
    "SceneCamera",
    "Stock",
    "Surface",
    "Table",
    "Triangles",
    "Wrap",
    "nearest_rigid",
]

_ROUNDING = 1e-14  # what a product of a few rotations is away from one
_SMALLEST_SINGULAR_VALUE = 1e-9

Matrix = NDArray[np.float64]
_Item = TypeVar("_Item")

Digest = bytes
"""BLAKE3, 32 bytes: nobody can make two contents that have the same."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


@dataclass(frozen=True)
class Triangles:
    """A surface without a material.

    Attributes
    ----------
    vertices : (n, 3) float32
        In the primitive's own frame, metres.
    corners : (m, 3) int32
        Indices into `vertices`.
    """

    vertices: NDArray[np.float32]
    corners: NDArray[np.int32]


class Surface(NamedTuple):
    """What a surface looks like.

    Attributes
    ----------
    mesh : Digest
        Its geometry, with all that materials may look up on it.
    material : Digest
    """

    mesh: Digest
    material: Digest


Wrap = Literal["repeat", "mirror", "clamp"]
"""How a texture goes on beyond its edges."""


@dataclass(frozen=True)
class AlphaTexture:
    """The alpha of an image, and how it is looked up.

    Attributes
    ----------
    alpha : (height, width) uint8
        The uppermost row first; 255 = 1.
    wraps : tuple of Wrap
        Along u and along v. Where both are equal, texels are taken from beyond the edges. Where they differ,
        the coordinates are wrapped, and then the nearest texels of the image are taken, as colour does.
    is_smooth : bool
        Whether the values of the four nearest texels are mixed; else the nearest one counts.
    """

    alpha: NDArray[np.uint8]
    wraps: tuple[Wrap, Wrap]
    is_smooth: bool


class Cutout(Protocol):
    """Where a surface has holes: wherever its alpha is less than a threshold.

    The alpha at a point is that of the triangle's corners, interpolated, times that of the texture.
    """

    @property
    def threshold(self) -> float:
        """The alpha below which there is a hole."""
        ...

    @property
    def shape(self) -> Digest:
        """Digest where the triangles and the holes in them are."""
        ...

    @property
    def material(self) -> Digest:
        """Digest the texture and the threshold, with whatever else the material has."""
        ...

    def corners(self) -> NDArray[np.float32]:
        """Read what the texture does not tell: the alpha of the triangles' corners, (m, 3)."""
        ...

    def texcoords(self) -> NDArray[np.float32]:
        """Read where the corners are in the texture, (m, 3, 2), v pointing down; zeros where nothing says."""
        ...

    def texture(self) -> AlphaTexture | None:
        """Read the texture; None = its alpha is 1 everywhere.

        Raises
        ------
        SceneError
            The image cannot be decoded.
        """
        ...


@dataclass(frozen=True)
class Primitive:
    """A surface with one material, as its asset numbers it.

    Attributes
    ----------
    mesh, number : int
        Its place in the document, ``$.meshes[mesh].primitives[number]``.
    material : int or None
    has_normals : bool
    is_smoothed : bool
        Whether it is shaded round where its faces meet at less than 30 degrees: Drake writes no normals.
        Anything else that has none is shaded flat, as glTF asks.
    weights : tuple of float
        How much of each morph target is added to it.
    pose : bytes
        The matrices of its skin's joints, (n, 4, 4) float64; empty = it has none.
    """

    mesh: int
    number: int
    material: int | None
    has_normals: bool
    is_smoothed: bool = False
    weights: tuple[float, ...] = ()
    pose: bytes = b""


class Table(tuple[_Item, ...]):
    """What is known of each of some primitives.

    Attributes
    ----------
    key : bytes
        Equal keys, equal tables; empty = it is known of no other.
    """

    key: Digest = b""

    @classmethod
    def named(cls, items: Iterable[_Item], key: Digest) -> Table[_Item]:
        """Make a table with a key."""
        table = cls(items)
        table.key = key
        return table


@dataclass(frozen=True, eq=False)
class Stock:
    """The surfaces that scenes show, once each; as long as nothing but poses changes, they share it.

    Attributes
    ----------
    primitives : Table of Primitive
    """

    primitives: Table[Primitive]
    _tables: dict[str, tuple[float | None, Table[Any]]] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, object]:
        return {"primitives": self.primitives, "_tables": dict(self._tables)}  # at once; see `Scene`

    def keyed(self, key: Digest) -> Stock:
        """Return the same under a key."""
        tables = {
            name: (setting, Table.named(table, _table_key(key, name, setting)))
            for name, (setting, table) in dict(self._tables).items()
        }
        return Stock(Table.named(self.primitives, key), tables)

    def table(
        self, name: str, tell: Callable[[Primitive], _Item], setting: float | None = None
    ) -> Table[_Item]:
        """Return what is told of each primitive under a name; it is asked for once.

        Parameters
        ----------
        name : str
        tell : callable
        setting : float, optional
            What it depends on; only what is told with the last one is kept.
        """
        kept, found = self._tables.get(name, (None, None))
        if found is None or kept != setting:
            key = _table_key(self.primitives.key, name, setting)
            found = Table.named(map(tell, self.primitives), key)
            self._tables[name] = setting, found
        return found


def _table_key(key: Digest, name: str, setting: float | None) -> Digest:
    return key and key + f"{name} {setting!r}".encode()


@dataclass(frozen=True)
class Placements:
    """Primitives in the world, in the document's order.

    Attributes
    ----------
    primitive : (n,) int
        Indices into ``Scene.primitives``.
    matrix : (n, 4, 4) float64
        Column vectors, primitive to world; may shear.
    instance : (n,) int
        Indices into ``Scene.instances``.
    """

    primitive: NDArray[np.intp]
    matrix: Matrix
    instance: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.primitive)


@dataclass(frozen=True)
class Instances:
    """The objects of a scene: the mesh of a node, or one of a node's several copies of it.

    Attributes
    ----------
    node : (k,) int
        The document's number of the node.
    matrix : (k, 4, 4) float64
        Column vectors, object to world.
    """

    node: NDArray[np.intp]
    matrix: Matrix

    def __len__(self) -> int:
        return len(self.node)


@dataclass(frozen=True)
class Keypoint:
    """A point of an object that its author has given a name.

    Attributes
    ----------
    name : str
    instance : int
        Index into ``Scene.instances``.
    position : (3,) float64
        In the world, metres.
    """

    name: str
    instance: int
    position: NDArray[np.float64]


@dataclass(frozen=True)
class LightPlacement:
    """A light in the world.

    Attributes
    ----------
    light : int
        Index into the document's lights.
    matrix : (4, 4) float64
        Column vectors, light to world, rigid; it shines along -z.
    """

    light: int
    matrix: Matrix


@dataclass(frozen=True)
class SceneCamera:
    """A camera that the document holds.

    Attributes
    ----------
    camera, node : int
        Indices into the document's cameras and nodes.
    name : str
        Of the node, or else of the camera; may be empty.
    camera_to_world : (4, 4) float64
        Column vectors, rigid; it looks along -z, with y up.
    y_fov_rad : float or None
        Of a perspective camera.
    near, far : float or None
        Clipping planes, metres along the optical axis.
    """

    camera: int
    node: int
    name: str
    camera_to_world: Matrix
    y_fov_rad: float | None = None
    near: float | None = None
    far: float | None = None


def nearest_rigid(matrix: Matrix) -> Matrix | None:
    """Return the rotation and translation next to a matrix, (4, 4); None if it is singular or mirrored.

    One that is rigid to the last digits stays as it is, so that sending it on changes nothing.
    """
    if _is_rigid(matrix):
        return matrix
    left, singular_values, right = np.linalg.svd(matrix[:3, :3])
    rotation = left @ right
    if singular_values[-1] < _SMALLEST_SINGULAR_VALUE or np.linalg.det(rotation) < 0:
        return None
    rigid = np.eye(4)
    rigid[:3, :3] = rotation
    rigid[:3, 3] = matrix[:3, 3]
    return rigid


def _is_rigid(matrix: Matrix) -> bool:
    axes = matrix[:3, :3]
    is_rotation = np.abs(axes.T @ axes - np.eye(3)).max() <= _ROUNDING and np.linalg.det(axes) > 0
    return bool(is_rotation and np.array_equal(matrix[3], (0, 0, 0, 1)))


class Asset(Protocol):
    """What the surfaces and lights of a scene are read from; see ``gltf.Asset``."""

    @property
    def key(self) -> Digest:
        """Equal keys, equal assets."""
        ...

    def node_name(self, node: int) -> str:
        """Return the name of a node; empty where it has none."""
        ...

    def node_extras(self, node: int) -> Mapping[str, str | int | float | bool]:
        """Return what a node's author tells of its label and its category; nothing where that is none."""
        ...

    def shape(self, primitive: Primitive) -> Digest:
        """Digest where the triangles of a primitive are, and nothing else."""
        ...

    def mesh(self, primitive: Primitive) -> Digest:
        """Digest the triangles of a primitive with all that materials may look up on them."""
        ...

    def surface(self, primitive: Primitive) -> Surface:
        """Digest what a primitive looks like."""
        ...

    def triangles(self, primitive: Primitive) -> Triangles:
        """Read where the triangles of a primitive are, with its morph targets added and its skin posed."""
        ...

    def normals(self, primitive: Primitive) -> NDArray[np.float32]:
        """Return the shading normals at the corners of its triangles, (m, 3, 3), in the same frame."""
        ...

    def texcoords(self, primitive: Primitive) -> NDArray[np.float32] | None:
        """Read the first texture coordinates of the corners, (m, 3, 2), v pointing down; None = none."""
        ...

    def cutout(self, primitive: Primitive, alpha_threshold: float) -> Cutout | None:
        """Tell where a primitive has holes; None = nowhere.

        Parameters
        ----------
        primitive : Primitive
        alpha_threshold : float
            The alpha from which on a surface that is meant to be seen through counts as solid.
        """
        ...

    def light_source(self, light: int, scale: float) -> Digest:
        """Digest what is shown of a light, wherever it stands."""
        ...

    def label(self, primitive: Primitive) -> Colour | None:
        """Read the label of a primitive; None = it is not to be rendered."""
        ...

    def light_scale(self, scene: Scene) -> float:
        """Return what the intensities of a scene's lights are multiplied by."""
        ...


@dataclass(frozen=True)
class Scene:
    """What is there at one moment; it passed every check.

    Attributes
    ----------
    asset : Asset
    stock : Stock
        All surfaces that are shown, once each.
    placements : Placements
        Where they are.
    instances : Instances
    cameras : tuple of SceneCamera
        In the order of the document's nodes.
    lights : tuple of LightPlacement
    warnings : tuple of str
        What was dropped or is not drawn, for the log.
    keypoints : tuple of Keypoint
        In the order of the document's nodes.
    """

    asset: Asset
    stock: Stock
    placements: Placements
    instances: Instances
    cameras: tuple[SceneCamera, ...]
    lights: tuple[LightPlacement, ...]
    warnings: tuple[str, ...]
    keypoints: tuple[Keypoint, ...] = ()

    def __getstate__(self) -> dict[str, object]:
        return dict(self.__dict__)  # at once: another thread may be adding to it

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        """All surfaces that are shown, once each."""
        return self.stock.primitives

    @property
    def shapes(self) -> tuple[Digest, ...]:
        """For each of `primitives`, what depth and labels see of it."""
        return self.stock.table("shapes", self.asset.shape)

    @property
    def meshes(self) -> tuple[Digest, ...]:
        """For each of `primitives`, its triangles with all that materials may look up on them."""
        return self.stock.table("meshes", self.asset.mesh)

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """For each of `primitives`, what a colour picture sees of it."""
        return self.stock.table("surfaces", self.asset.surface)

    @cached_property
    def light_scale(self) -> float:
        """What the intensities of `lights` are multiplied by."""
        return self.asset.light_scale(self)

    @cached_property
    def light_sources(self) -> tuple[Digest, ...]:
        """For each of `lights`, what it sheds."""
        return tuple(self.asset.light_source(light.light, self.light_scale) for light in self.lights)

    @property
    def labels(self) -> tuple[Colour | None, ...]:
        """For each of `primitives`, the colour of its label; None = it is not to be rendered."""
        return self.stock.table("labels", self.asset.label)
