"""Converts glTF's materials to VTK's physically based ones."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkRenderingCore import vtkTexture

from ..errors import SceneError
from ..gltf import Content, read_image, texture_image
from ..gltf.materials import alpha_mode, given, is_of_drakes_primitive, linear, texcoord_matrix, texcoord_set

__all__ = ["Shading", "read_shading"]

_UNLIT = "KHR_materials_unlit"
_WRAPS = {33071: vtkTexture.ClampToEdge, 33648: vtkTexture.MirroredRepeat, 10497: vtkTexture.Repeat}
_NEAREST = 9728
_SHADING_BYTES = 4096  # without its textures

Json = dict[str, Any]


@dataclass(frozen=True)
class Shading:
    """The properties of a material.

    Attributes
    ----------
    base_colour : tuple of float
        Linear red, green, blue, and alpha.
    metallic, roughness : float
    emission : tuple of float
        Linear red, green and blue.
    alpha_mode : str
        OPAQUE, MASK or BLEND.
    alpha_cutoff : float
    is_unlit : bool
    textures : dict of str to vtkTexture
        The textures by their names in glTF, such as ``baseColorTexture``.
    texcoord : int
        The set of texture coordinates that all textures use: that of the first one.
    texcoord_matrix : (2, 3) float64
        The transform of these coordinates.
    """

    base_colour: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    metallic: float = 1.0
    roughness: float = 1.0
    emission: tuple[float, ...] = (0.0, 0.0, 0.0)
    alpha_mode: str = "OPAQUE"
    alpha_cutoff: float = 0.5
    is_unlit: bool = False
    textures: dict[str, vtkTexture] = field(default_factory=dict)
    texcoord: int = 0
    texcoord_matrix: NDArray[np.float64] = field(default_factory=lambda: np.eye(2, 3))

    @property
    def nbytes(self) -> int:
        """The approximate memory that it takes."""
        images = (texture.GetInput() for texture in self.textures.values())
        return _SHADING_BYTES + sum(1024 * image.GetActualMemorySize() for image in images)


def read_shading(content: Content, material: int | None) -> Shading:
    """Read a material with its textures. None means glTF's default material.

    Raises
    ------
    SceneError
        An image cannot be decoded.
    """
    if material is None:
        return Shading()
    source = content.json["materials"][material]
    pbr = source.get("pbrMetallicRoughness") or {}
    names = ("baseColorTexture", "metallicRoughnessTexture", "emissiveTexture")
    found = {name: pbr.get(name) or source.get(name) for name in names}
    references = {name: reference for name, reference in found.items() if reference}
    mode, cutoff = alpha_mode(content.json["asset"], source), given(source, "alphaCutoff", 0.5)
    if mode == "MASK" and cutoff <= 0:
        mode = "OPAQUE"  # no alpha is below
    first = next(iter(references.values()), {})
    return Shading(
        base_colour=_base_colour(content, source, pbr),
        metallic=given(pbr, "metallicFactor", 1.0),
        roughness=given(pbr, "roughnessFactor", 1.0),
        emission=tuple(given(source, "emissiveFactor", (0.0, 0.0, 0.0))),
        alpha_mode=mode,
        alpha_cutoff=cutoff,
        is_unlit=_UNLIT in (source.get("extensions") or {}),
        textures={
            name: _texture(content, reference["index"], name, has_alpha=mode != "OPAQUE")
            for name, reference in references.items()
        },
        texcoord=texcoord_set(first),
        texcoord_matrix=texcoord_matrix(first),
    )


def _base_colour(content: Content, source: Json, pbr: Json) -> tuple[float, ...]:
    factor = given(pbr, "baseColorFactor", (1.0, 1.0, 1.0, 1.0))
    return tuple(linear(factor) if is_of_drakes_primitive(content.json["asset"], source) else factor)


def _texture(content: Content, index: int, name: str, *, has_alpha: bool) -> vtkTexture:
    source = content.source.textures[index]
    image = texture_image(content.source, index)
    is_colour = name != "metallicRoughnessTexture"
    texture = vtkTexture()
    texture.SetInputDataObject(_decoded(content, image, "RGBA" if is_colour and has_alpha else "RGB"))
    texture.SetUseSRGBColorSpace(is_colour)
    texture.SetMipmap(True)
    texture.SetMaximumAnisotropicFiltering(1.0)  # higher values can take Mesa's software renderer a minute
    sampler = None if source.sampler is None else content.source.samplers[source.sampler]
    texture.SetInterpolate(sampler is None or sampler.mag_filter != _NEAREST)
    # VTK has one wrap mode for both directions
    texture.SetWrap(_WRAPS[(sampler and sampler.wrap_s) or 10497])
    return texture


def _decoded(content: Content, index: int, mode: str) -> vtkImageData:
    """Decode an image. VTK's first row is the bottom row."""
    try:
        with Image.open(io.BytesIO(read_image(content.source, content.buffers, index))) as image:
            pixels = np.array(image.convert(mode))[::-1]
    except (OSError, ValueError, SyntaxError) as error:
        raise SceneError(f"cannot be decoded: {error}", f"$.images[{index}]") from None
    height, width, channels = pixels.shape
    data = vtkImageData()
    data.SetDimensions(width, height, 1)
    array = numpy_to_vtk(pixels.reshape(-1, channels), deep=True)
    data.GetPointData().SetScalars(array)
    return data
