"""Typed definitions of the parts of glTF 2.0 that are used. Members that are not named here are ignored.

Values that matter only where they are used, such as an accessor's type, are checked there.

Source: the glTF 2.0 specification, section 5 (properties reference).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

__all__ = [
    "Accessor",
    "Buffer",
    "BufferView",
    "Document",
    "Image",
    "Light",
    "Material",
    "Mesh",
    "Node",
    "Primitive",
    "Skin",
    "Texture",
    "TextureInfo",
]

Index = Annotated[int, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
Offset = Annotated[int, Meta(ge=0)]
Vector3 = Annotated[list[float], Meta(min_length=3, max_length=3)]
Vector4 = Annotated[list[float], Meta(min_length=4, max_length=4)]
Matrix = Annotated[list[float], Meta(min_length=16, max_length=16)]
Extensions = dict[str, Any]


class _Part(Struct, rename="camel"):
    """The base class: members have the names of glTF, converted to snake case."""


class Asset(_Part):
    version: str
    min_version: str | None = None
    generator: str | None = None


class SceneNodes(_Part):
    nodes: list[Index] | None = None


class Node(_Part):
    name: Any = None  # an invalid name is not an error
    children: list[Index] | None = None
    mesh: Index | None = None
    camera: Index | None = None
    skin: Index | None = None
    matrix: Matrix | None = None
    translation: Vector3 | None = None
    rotation: Vector4 | None = None
    scale: Vector3 | None = None
    weights: list[float] | None = None
    extensions: Extensions | None = None
    extras: Any = None


class Primitive(_Part):
    attributes: dict[str, Index]
    indices: Index | None = None
    material: Index | None = None
    mode: int = 4
    targets: list[dict[str, Index]] | None = None
    extensions: Extensions | None = None


class Mesh(_Part):
    primitives: Annotated[list[Primitive], Meta(min_length=1)]
    weights: list[float] | None = None


class SparseIndices(_Part):
    buffer_view: Index
    component_type: Literal[5121, 5123, 5125]
    byte_offset: Offset = 0


class SparseValues(_Part):
    buffer_view: Index
    byte_offset: Offset = 0


class Sparse(_Part):
    count: Count
    indices: SparseIndices
    values: SparseValues


class Accessor(_Part):
    component_type: int
    count: Count
    type: str
    buffer_view: Index | None = None
    byte_offset: Offset = 0
    normalized: bool = False
    sparse: Sparse | None = None


class BufferView(_Part):
    buffer: Index
    byte_length: Count
    byte_offset: Offset = 0
    byte_stride: Annotated[int, Meta(ge=4, le=252)] | None = None
    target: int | None = None
    extensions: Extensions | None = None


class Buffer(_Part):
    byte_length: Count
    uri: str | None = None
    extensions: Extensions | None = None


class TextureInfo(_Part):
    index: Index
    tex_coord: Index = 0
    scale: float | None = None
    strength: float | None = None
    extensions: Extensions | None = None


class MetallicRoughness(_Part):
    base_color_factor: Annotated[list[float], Meta(min_length=4, max_length=4)] | None = None
    base_color_texture: TextureInfo | None = None
    metallic_roughness_texture: TextureInfo | None = None
    metallic_factor: float | None = None
    roughness_factor: float | None = None


class Material(_Part):
    name: str | None = None
    pbr_metallic_roughness: MetallicRoughness | None = None
    normal_texture: TextureInfo | None = None
    occlusion_texture: TextureInfo | None = None
    emissive_texture: TextureInfo | None = None
    emissive_factor: Annotated[list[float], Meta(min_length=3, max_length=3)] | None = None
    alpha_mode: str | None = None
    alpha_cutoff: float | None = None
    extensions: Extensions | None = None


class Texture(_Part):
    sampler: Index | None = None
    source: Index | None = None
    extensions: Extensions | None = None


class Image(_Part):
    name: str | None = None
    uri: str | None = None
    mime_type: str | None = None
    buffer_view: Index | None = None


class Skin(_Part):
    joints: Annotated[list[Index], Meta(min_length=1)]
    inverse_bind_matrices: Index | None = None


class Spot(_Part):
    inner_cone_angle: Annotated[float, Meta(ge=0, lt=1.5708)] = 0.0
    outer_cone_angle: Annotated[float, Meta(gt=0, le=1.5708)] = 0.7853981633974483


class Light(_Part):
    """An entry of KHR_lights_punctual."""

    type: Literal["directional", "point", "spot"]
    color: Vector3 | None = None
    intensity: Annotated[float, Meta(ge=0)] | None = None
    range: Annotated[float, Meta(gt=0)] | None = None
    spot: Spot | None = None
    name: str | None = None


class Sampler(_Part):
    mag_filter: int | None = None
    min_filter: int | None = None
    wrap_s: int | None = None
    wrap_t: int | None = None


class Document(_Part):
    """The root object. Missing arrays are empty."""

    asset: Asset
    scene: Index | None = None
    scenes: list[SceneNodes] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    cameras: list[dict[str, Any]] = field(default_factory=list)
    meshes: list[Mesh] = field(default_factory=list)
    accessors: list[Accessor] = field(default_factory=list)
    buffer_views: list[BufferView] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)
    textures: list[Texture] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    samplers: list[Sampler] = field(default_factory=list)
    skins: list[dict[str, Any]] = field(default_factory=list)
    animations: list[dict[str, Any]] = field(default_factory=list)
    extensions: Extensions | None = None
    extensions_required: list[str] = field(default_factory=list)
