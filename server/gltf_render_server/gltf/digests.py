"""Content digests of the parts of a scene. Parts with equal digests look the same."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import astuple
from typing import Any

import msgspec
from blake3 import blake3

from ..limits import ask_time
from ..scene import Digest, Primitive, Surface
from . import schema
from .content import Content
from .extensions import BASISU, WEBP
from .lights import read_light
from .materials import alpha_mode, copy_material, is_of_drakes_primitive
from .writer import Detail

__all__ = ["Digester"]


class Digester:
    """Computes digests of the parts of a document. Each part is digested only once.

    Parameters
    ----------
    content : Content
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._source = content.source
        self._json = content.json
        self._buffers = [memoryview(buffer) for buffer in content.buffers]
        self._known: dict[Hashable, Digest] = {}

    def shape(self, primitive: Primitive) -> Digest:
        """Return the digest of the positions of a primitive's triangles, and of nothing else."""
        return self._geometry(primitive, Detail.SHAPE)

    def mesh(self, primitive: Primitive) -> Digest:
        """Return the digest of a primitive's triangles, with all vertex attributes that materials may use."""
        return self._geometry(primitive, Detail.SURFACE)

    def surface(self, primitive: Primitive) -> Surface:
        """Return the digests of a primitive's appearance."""
        return Surface(self.mesh(primitive), self._material(primitive))

    def light(self, light: int, scale: float) -> Digest:
        """Return the digest of the properties of a light that affect the image, apart from its placement."""
        return _digest(astuple(read_light(self._content, light)), scale)

    def _geometry(self, primitive: Primitive, detail: Detail) -> Digest:
        if primitive.pose or primitive.weights:  # not cached, because these may differ at every moment
            return self._geometry_content(primitive, detail)
        return self._once(("primitive", primitive, detail), lambda: self._geometry_content(primitive, detail))

    def _geometry_content(self, primitive: Primitive, detail: Detail) -> Digest:
        ask_time()
        mesh = self._source.meshes[primitive.mesh]
        source = mesh.primitives[primitive.number]
        return _digest(
            source.mode,
            self._attributes(source.attributes, detail),
            None if source.indices is None else self._accessor(source.indices),
            [self._attributes(target, detail) for target in source.targets or ()],
            primitive.weights,
            self._skin(source, primitive),
            primitive.is_smoothed and detail is not Detail.SHAPE,
        )

    def _skin(self, source: schema.Primitive, primitive: Primitive) -> list[object] | None:
        if not primitive.pose:
            return None
        names = sorted(name for name in source.attributes if name.startswith(("JOINTS_", "WEIGHTS_")))
        return [primitive.pose, [(name, self._accessor(source.attributes[name])) for name in names]]

    def _material(self, primitive: Primitive) -> Digest:
        """Return the digest of a primitive's material and of whether the mesh has vertex colours."""
        attributes = self._source.meshes[primitive.mesh].primitives[primitive.number].attributes
        has_colours = "COLOR_0" in attributes
        index = primitive.material
        return self._once(
            ("material", index, has_colours),
            lambda: _digest(has_colours, None if index is None else self._material_content(index)),
        )

    def _once(self, key: Hashable, digest: Callable[[], Digest]) -> Digest:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = digest()
        return found

    def _attributes(self, attributes: dict[str, int], detail: Detail) -> dict[str, Digest]:
        return {name: self._accessor(index) for name, index in attributes.items() if detail.includes(name)}

    def _accessor(self, index: int) -> Digest:
        return self._once(("accessor", index), lambda: self._accessor_content(self._source.accessors[index]))

    def _accessor_content(self, item: schema.Accessor) -> Digest:
        view = None if item.buffer_view is None else self._view(item.buffer_view)
        sparse = item.sparse and self._sparse(item.sparse)
        return _digest(
            item.component_type,
            item.type,
            item.count,
            item.normalized,
            item.byte_offset,
            view,
            sparse,
        )

    def _sparse(self, sparse: schema.Sparse) -> list[object]:
        indices, values = sparse.indices, sparse.values
        return [
            sparse.count,
            indices.component_type,
            indices.byte_offset,
            self._view(indices.buffer_view),
            values.byte_offset,
            self._view(values.buffer_view),
        ]

    def _view(self, index: int) -> Digest:
        return self._once(("view", index), lambda: self._view_content(self._source.buffer_views[index]))

    def _view_content(self, view: schema.BufferView) -> Digest:
        data = self._buffers[view.buffer][view.byte_offset : view.byte_offset + view.byte_length]
        return _digest(view.byte_stride, blake3(data).digest())

    def _material_content(self, index: int) -> list[Any]:
        item = self._json["materials"][index]
        content = copy_material(item, self._replace_texture)
        content.pop("name", None)
        asset = self._json["asset"]
        return [content, is_of_drakes_primitive(asset, item), alpha_mode(asset, item)]

    def _replace_texture(self, _: str, reference: dict[str, Any]) -> None:
        index = reference["index"]
        digest = self._once(("texture", index), lambda: self._texture(self._source.textures[index]))
        reference["index"] = digest.hex()

    def _texture(self, texture: schema.Texture) -> Digest:
        extensions = texture.extensions or {}
        webp = extensions.get(WEBP)
        return _digest(
            BASISU in extensions,
            None
            if texture.sampler is None
            else msgspec.structs.astuple(self._source.samplers[texture.sampler]),
            None if texture.source is None else self._image(texture.source),
            None if webp is None else self._image(webp["source"]),
        )

    def _image(self, index: int) -> Digest:
        return self._once(("image", index), lambda: self._image_content(self._source.images[index]))

    def _image_content(self, image: schema.Image) -> Digest:
        if image.buffer_view is not None:
            return _digest(image.mime_type, self._view(image.buffer_view))
        return _digest(image.mime_type, blake3((image.uri or "").encode()).digest())


def _digest(*parts: object) -> Digest:
    """Return the digest of JSON values and other digests."""
    return blake3(msgspec.json.encode(parts, order="deterministic")).digest()
