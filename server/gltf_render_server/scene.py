"""The scene: surfaces and their placements, lights and cameras, without HTTP, glTF syntax or Blender."""

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

_ROUNDING = 1e-14  # how far the rounded product of a few rotations may be from a rigid matrix
_SMALLEST_SINGULAR_VALUE = 1e-9

Matrix = NDArray[np.float64]
_Item = TypeVar("_Item")

Digest = bytes
"""A BLAKE3 digest, 32 bytes. It is collision resistant, so equal digests mean equal content."""

Colour = tuple[int, int, int]
"""A colour as red, green and blue, 0 to 255."""


@dataclass(frozen=True)
class Triangles:
    """The triangles of a surface, without a material.

    Attributes
    ----------
    vertices : (n, 3) float32
        The positions in the primitive's own frame, metres.
    corners : (m, 3) int32
        The three vertex indices of each triangle.
    """

    vertices: NDArray[np.float32]
    corners: NDArray[np.int32]


class Surface(NamedTuple):
    """The digests that identify the appearance of a surface.

    Attributes
    ----------
    mesh : Digest
        The digest of the geometry, with all vertex attributes that a material may use.
    material : Digest
    """

    mesh: Digest
    material: Digest


Wrap = Literal["repeat", "mirror", "clamp"]
"""How a texture continues beyond its edges."""


@dataclass(frozen=True)
class AlphaTexture:
    """The alpha channel of an image, and how it is sampled.

    Attributes
    ----------
    alpha : (height, width) uint8
        The alpha values, the topmost row first; 255 means 1.
    wraps : tuple of Wrap
        The wrap modes along u and v. If both are equal, texels beyond the edges are sampled with that mode.
        If they differ, the coordinates are wrapped first, and then the nearest texels of the image are
        sampled; the colour image does the same.
    is_smooth : bool
        Whether the values of the four nearest texels are interpolated. If not, the nearest texel is used.
    """

    alpha: NDArray[np.uint8]
    wraps: tuple[Wrap, Wrap]
    is_smooth: bool


class Cutout(Protocol):
    """The holes of a surface: all points where its alpha is below a threshold.

    The alpha of a point is the interpolated alpha of the triangle's corners times the alpha of the texture.
    """

    @property
    def threshold(self) -> float:
        """The alpha below which the surface has a hole."""
        ...

    @property
    def shape(self) -> Digest:
        """The digest of the triangles and of the holes in them."""
        ...

    @property
    def material(self) -> Digest:
        """The digest of the texture, the threshold, and all else that the material contains."""
        ...

    def corners(self) -> NDArray[np.float32]:
        """Read the alpha of the corners of each triangle, (m, 3), without that of the texture."""
        ...

    def texcoords(self) -> NDArray[np.float32]:
        """Read the corners' texture coordinates, (m, 3, 2), with v pointing down; zeros if there are none."""
        ...

    def texture(self) -> AlphaTexture | None:
        """Read the texture. None means that its alpha is 1 everywhere.

        Raises
        ------
        SceneError
            The image cannot be decoded.
        """
        ...


@dataclass(frozen=True)
class Primitive:
    """A surface with one material, identified by its numbers in the asset.

    Attributes
    ----------
    mesh, number : int
        Its location in the document, ``$.meshes[mesh].primitives[number]``.
    material : int or None
    has_normals : bool
    is_smoothed : bool
        Whether it is smooth shaded where its faces meet at less than 30 degrees, because Drake writes no
        normals. Any other primitive without normals is flat shaded, as glTF requires.
    weights : tuple of float
        The weight of each morph target.
    pose : bytes
        The matrices of the joints of its skin, (n, 4, 4) float64; empty if it has no skin.
    """

    mesh: int
    number: int
    material: int | None
    has_normals: bool
    is_smoothed: bool = False
    weights: tuple[float, ...] = ()
    pose: bytes = b""


class Table(tuple[_Item, ...]):
    """A tuple with one item for each primitive of a stock.

    Attributes
    ----------
    key : bytes
        Tables with equal keys are equal. An empty key means that the table is not equal to any other.
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
    """The distinct surfaces that scenes show. Scenes that differ only in their poses share one stock.

    Attributes
    ----------
    primitives : Table of Primitive
    """

    primitives: Table[Primitive]
    _tables: dict[str, tuple[float | None, Table[Any]]] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, object]:
        # a copy, because another thread may change the dictionary; see `Scene`
        return {"primitives": self.primitives, "_tables": dict(self._tables)}

    def keyed(self, key: Digest) -> Stock:
        """Return the same stock with a key."""
        tables = {
            name: (setting, Table.named(table, _table_key(key, name, setting)))
            for name, (setting, table) in dict(self._tables).items()
        }
        return Stock(Table.named(self.primitives, key), tables)

    def table(
        self, name: str, compute: Callable[[Primitive], _Item], setting: float | None = None
    ) -> Table[_Item]:
        """Return a table by its name. Its values are computed on the first call and cached.

        Parameters
        ----------
        name : str
        compute : callable
        setting : float, optional
            A number on which the values depend. Only the table of the last setting is cached.
        """
        kept, found = self._tables.get(name, (None, None))
        if found is None or kept != setting:
            key = _table_key(self.primitives.key, name, setting)
            found = Table.named(map(compute, self.primitives), key)
            self._tables[name] = setting, found
        return found


def _table_key(key: Digest, name: str, setting: float | None) -> Digest:
    return key and key + f"{name} {setting!r}".encode()


@dataclass(frozen=True)
class Placements:
    """The placements of primitives in the world, in the order of the document.

    Attributes
    ----------
    primitive : (n,) int
        Indices into ``Scene.primitives``.
    matrix : (n, 4, 4) float64
        Primitive-to-world matrices for column vectors. They may contain shear.
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
    """The objects of a scene.

    An object is the mesh of a node, or one of several copies that a node has of it.

    Attributes
    ----------
    node : (k,) int
        The index of the node in the document.
    matrix : (k, 4, 4) float64
        Object-to-world matrices for column vectors.
    """

    node: NDArray[np.intp]
    matrix: Matrix

    def __len__(self) -> int:
        return len(self.node)


@dataclass(frozen=True)
class Keypoint:
    """A named point of an object, defined by the author of the scene.

    Attributes
    ----------
    name : str
    instance : int
        An index into ``Scene.instances``.
    position : (3,) float64
        The position in the world, metres.
    """

    name: str
    instance: int
    position: NDArray[np.float64]


@dataclass(frozen=True)
class LightPlacement:
    """The placement of a light in the world.

    Attributes
    ----------
    light : int
        An index into the document's lights.
    matrix : (4, 4) float64
        The rigid light-to-world matrix for column vectors. The light shines along -z.
    """

    light: int
    matrix: Matrix


@dataclass(frozen=True)
class SceneCamera:
    """A camera that the document contains.

    Attributes
    ----------
    camera, node : int
        Indices into the document's cameras and nodes.
    name : str
        The name of the node, or of the camera if the node has none. It may be empty.
    camera_to_world : (4, 4) float64
        The rigid matrix for column vectors. The camera looks along -z, with y up.
    y_fov_rad : float or None
        The vertical field of view; None if the camera is not perspective.
    near, far : float or None
        The clipping planes, metres along the optical axis.
    """

    camera: int
    node: int
    name: str
    camera_to_world: Matrix
    y_fov_rad: float | None = None
    near: float | None = None
    far: float | None = None


def nearest_rigid(matrix: Matrix) -> Matrix | None:
    """Return the rigid matrix nearest to a (4, 4) matrix; None if that is singular or contains a reflection.

    A matrix that is rigid up to rounding is returned unchanged, so a matrix that is passed on stays
    identical.
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
    """The source from which the surfaces and lights of a scene are read; see ``gltf.Asset``."""

    @property
    def key(self) -> Digest:
        """The key of the asset. Assets with equal keys are equal."""
        ...

    def node_name(self, node: int) -> str:
        """Return the name of a node, or an empty string if it has no name."""
        ...

    def node_extras(self, node: int) -> Mapping[str, str | int | float | bool]:
        """Return the label and category in a node's extras, as set by its author; empty if there are none."""
        ...

    def shape(self, primitive: Primitive) -> Digest:
        """Return the digest of the positions of a primitive's triangles, and of nothing else."""
        ...

    def mesh(self, primitive: Primitive) -> Digest:
        """Return the digest of a primitive's triangles, with all vertex attributes that materials may use."""
        ...

    def surface(self, primitive: Primitive) -> Surface:
        """Return the digests of a primitive's appearance."""
        ...

    def triangles(self, primitive: Primitive) -> Triangles:
        """Read the triangles of a primitive, with its morph targets and skin applied."""
        ...

    def normals(self, primitive: Primitive) -> NDArray[np.float32]:
        """Return the shading normals at the corners of its triangles, (m, 3, 3), in the primitive's frame."""
        ...

    def texcoords(self, primitive: Primitive) -> NDArray[np.float32] | None:
        """Read the first set of texture coordinates, (m, 3, 2), v pointing down; None if there is none."""
        ...

    def cutout(self, primitive: Primitive, alpha_threshold: float) -> Cutout | None:
        """Return the holes of a primitive; None if it has none.

        Parameters
        ----------
        primitive : Primitive
        alpha_threshold : float
            The alpha at or above which a surface with alpha mode BLEND counts as solid.
        """
        ...

    def light_source(self, light: int, scale: float) -> Digest:
        """Return the digest of the properties of a light that affect the image, apart from its placement."""
        ...

    def label(self, primitive: Primitive) -> Colour | None:
        """Return the label colour of a primitive; None if the primitive is not to be rendered."""
        ...

    def light_scale(self, scene: Scene) -> float:
        """Return the factor for the intensities of a scene's lights."""
        ...


@dataclass(frozen=True)
class Scene:
    """The state of a scene at one moment. A `Scene` object has passed every check.

    Attributes
    ----------
    asset : Asset
    stock : Stock
        The distinct surfaces that the scene shows.
    placements : Placements
        Where the scene shows these surfaces.
    instances : Instances
    cameras : tuple of SceneCamera
        The cameras, in the order of the document's nodes.
    lights : tuple of LightPlacement
    warnings : tuple of str
        Messages for the log about what was dropped or is not drawn.
    keypoints : tuple of Keypoint
        The keypoints, in the order of the document's nodes.
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
        return dict(self.__dict__)  # a copy, because another thread may add to the dictionary

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        """The distinct surfaces that the scene shows."""
        return self.stock.primitives

    @property
    def shapes(self) -> tuple[Digest, ...]:
        """The digest of the geometry of each of `primitives`, which depth and labels depend on."""
        return self.stock.table("shapes", self.asset.shape)

    @property
    def meshes(self) -> tuple[Digest, ...]:
        """The digest of each of `primitives` with all vertex attributes that materials may use."""
        return self.stock.table("meshes", self.asset.mesh)

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """The digests of the appearance of each of `primitives`, which the colour image depends on."""
        return self.stock.table("surfaces", self.asset.surface)

    @cached_property
    def light_scale(self) -> float:
        """The factor for the intensities of `lights`."""
        return self.asset.light_scale(self)

    @cached_property
    def light_sources(self) -> tuple[Digest, ...]:
        """The digest of each of `lights`, apart from its placement."""
        return tuple(self.asset.light_source(light.light, self.light_scale) for light in self.lights)

    @property
    def labels(self) -> tuple[Colour | None, ...]:
        """The label colour of each of `primitives`; None if it is not to be rendered."""
        return self.stock.table("labels", self.asset.label)
