"""Decides, for every back end alike, which surfaces have holes in the exact passes, and where."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from PIL import Image

from ..errors import SceneError
from ..scene import AlphaTexture, Digest, Primitive, Wrap
from . import schema
from .content import Content
from .digests import Digester
from .geometry import has_attribute, read_attribute, read_corners, read_texcoords
from .materials import alpha_mode, given, texcoord_matrix, texcoord_set
from .resources import read_image, texture_image

__all__ = ["Cutout", "find_cutout"]

_ROUNDING = 1e-6
"""The rounding error of an alpha that is interpolated in float32.

An alpha that is meant to equal the threshold must not count as below it.
"""

_CUTOFF = 0.5
_SPECULAR, _UNLIT = "KHR_materials_pbrSpecularGlossiness", "KHR_materials_unlit"
_WRAPS: dict[int, Wrap] = {10497: "repeat", 33071: "clamp", 33648: "mirror"}
_NEAREST = (9728, 9984, 9986)  # NEAREST, and its two variants with mipmaps, which are not used here

Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Cutout:
    """The holes of a primitive; see `scene.Cutout`."""

    threshold: float
    _content: Content
    _digester: Digester
    _primitive: Primitive
    _factor: float
    _reference: Json | None

    @property
    def shape(self) -> Digest:
        """See `scene.Cutout.shape`."""
        surface = self._digester.surface(self._primitive)
        return self._with_threshold(surface.mesh + surface.material)

    @property
    def material(self) -> Digest:
        """See `scene.Cutout.material`."""
        return self._with_threshold(self._digester.surface(self._primitive).material)

    def _with_threshold(self, digests: bytes) -> Digest:
        return blake3(digests + struct.pack("<d", self.threshold)).digest()

    def corners(self) -> NDArray[np.float32]:
        """See `scene.Cutout.corners`."""
        corners = read_corners(self._content, self._primitive)
        if not has_attribute(self._content, self._primitive, "COLOR_0"):
            return np.full(corners.shape, self._factor, np.float32)
        colours = read_attribute(self._content, self._primitive, "COLOR_0")
        alpha = colours[:, 3] if colours.shape[1] == 4 else np.ones(len(colours), np.float32)
        return (np.float32(self._factor) * alpha)[corners]

    def texcoords(self) -> NDArray[np.float32]:
        """See `scene.Cutout.texcoords`."""
        reference = self._reference or {}
        found = read_texcoords(self._content, self._primitive, texcoord_set(reference))
        if found is None:
            return np.zeros((*read_corners(self._content, self._primitive).shape, 2), np.float32)
        matrix = texcoord_matrix(reference)
        return (found @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

    def texture(self) -> AlphaTexture | None:
        """See `scene.Cutout.texture`."""
        if self._reference is None:
            return None
        source = self._content.source
        texture = source.textures[self._reference["index"]]
        alpha = _read_alpha(self._content, texture_image(source, self._reference["index"]))
        if alpha is None:
            return None
        sampler = schema.Sampler() if texture.sampler is None else source.samplers[texture.sampler]
        return AlphaTexture(alpha, _wraps(sampler), _is_smooth(sampler))


def find_cutout(
    content: Content, digester: Digester, primitive: Primitive, alpha_threshold: float
) -> Cutout | None:
    """Return the holes of a primitive; see `scene.Asset.cutout`."""
    if primitive.material is None:
        return None
    material = content.json["materials"][primitive.material]
    mode = alpha_mode(content.json["asset"], material)
    if mode == "OPAQUE":
        return None
    wanted = given(material, "alphaCutoff", _CUTOFF) if mode == "MASK" else alpha_threshold
    factor, reference = _base_colour(material)
    is_plain = reference is None and not has_attribute(content, primitive, "COLOR_0")
    threshold = wanted - _ROUNDING
    if threshold <= 0 or (is_plain and factor >= threshold):
        return None
    return Cutout(threshold, content, digester, primitive, factor, reference)


def _base_colour(material: Json) -> tuple[float, Json | None]:
    """Return the alpha of a material's base colour, and the reference to its texture."""
    extensions = material.get("extensions") or {}
    specular = extensions.get(_SPECULAR)
    if specular is not None and _UNLIT not in extensions:
        factor, texture = specular.get("diffuseFactor"), specular.get("diffuseTexture")
    else:
        pbr = material.get("pbrMetallicRoughness") or {}
        factor, texture = pbr.get("baseColorFactor"), pbr.get("baseColorTexture")
    return 1.0 if factor is None else factor[3], texture


def _read_alpha(content: Content, index: int) -> NDArray[np.uint8] | None:
    """Decode the alpha channel of an image, (height, width); None if it has none."""
    try:
        with Image.open(io.BytesIO(read_image(content.source, content.buffers, index))) as image:
            if not image.has_transparency_data:
                return None
            return np.array(image.convert("RGBA").getchannel("A"))
    except (OSError, ValueError, SyntaxError) as error:
        raise SceneError(f"cannot be decoded: {error}", f"$.images[{index}]") from None


def _wraps(sampler: schema.Sampler) -> tuple[Wrap, Wrap]:
    return _WRAPS.get(sampler.wrap_s or 0, "repeat"), _WRAPS.get(sampler.wrap_t or 0, "repeat")


def _is_smooth(sampler: schema.Sampler) -> bool:
    """Return whether texels are interpolated.

    As in Blender's importer, they are unless all filters are NEAREST.
    """
    filters = {sampler.min_filter, sampler.mag_filter} - {None}
    return not filters or any(each not in _NEAREST for each in filters)
