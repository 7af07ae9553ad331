"""Holes in the exact render: fragments with too low an alpha are discarded.

The shader samples the texture texel by texel in float32. So the holes depend neither on the rounding of
OpenGL's filters, nor on the wrap modes that VTK supports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkImageData, vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkTexture

from ..scene import AlphaTexture, Cutout, Wrap

__all__ = ["Holes", "corner_values", "cut_out", "holes_of"]

_HOLES_BYTES = 4096  # without the texture
_VALUES, _TEXTURE = "cutoutMC", "cutoutTexture"
_WRAPS: dict[Wrap, int] = {"clamp": 0, "repeat": 1, "mirror": 2}

_VERTEX_DECLARATIONS = f"""
  in vec3 {_VALUES};
  out vec3 cutoutVSOutput;
  //VTK::PositionVC::Dec
"""
_VERTEX = f"""
  cutoutVSOutput = {_VALUES};
  //VTK::PositionVC::Impl
"""
_DECLARATIONS = """
  in vec3 cutoutVSOutput;

  float wrappedPlace(float place, int wrap)
  {
    if (wrap == 1) return place - floor(place);
    if (wrap == 2) return abs(fract((place - 1.0) / 2.0) * 2.0 - 1.0);
    return place;
  }

  int wrappedTexel(int texel, int size, int wrap)
  {
    if (wrap == 0) return clamp(texel, 0, size - 1);
    int period = wrap == 1 ? size : 2 * size;
    int inside = texel - period * int(floor(float(texel) / float(period)));
    inside += inside < 0 ? period : inside >= period ? -period : 0;  // the quotient may be rounded
    return inside < size ? inside : period - 1 - inside;
  }

  float alphaAt(sampler2D image, vec2 place)
  {
    ivec2 size = textureSize(image, 0);
    vec2 texels = place * vec2(size) - 0.5 * float(isSmooth);
    ivec2 first = ivec2(floor(texels));
    vec2 part = float(isSmooth) * (texels - floor(texels));
    vec4 found;
    for (int corner = 0; corner < 4; ++corner)
    {
      ivec2 texel = first + ivec2(corner & 1, corner >> 1);
      texel.x = wrappedTexel(texel.x, size.x, texelWrapAcross);
      texel.y = wrappedTexel(texel.y, size.y, texelWrapDown);
      found[corner] = texelFetch(image, texel, 0).r;
    }
    vec2 mixed = mix(found.xz, found.yw, part.x);
    return mix(mixed.x, mixed.y, part.y);
  }
  //VTK::Normal::Dec
"""
_PLAIN = """
  float alpha = cutoutVSOutput.z;
"""
_TEXTURED = f"""
  vec2 place = vec2(
    wrappedPlace(cutoutVSOutput.x, placeWrapAcross), wrappedPlace(cutoutVSOutput.y, placeWrapDown));
  float alpha = cutoutVSOutput.z * alphaAt({_TEXTURE}, place);
"""
_CUT = """
  if (alpha < threshold) discard;
  //VTK::Normal::Impl
"""


@dataclass(frozen=True)
class Holes:
    """The alpha test of a material.

    Attributes
    ----------
    threshold : float
    texture : vtkTexture or None
    wraps : tuple of Wrap
    is_smooth : bool
        See `AlphaTexture`.
    """

    threshold: float
    texture: vtkTexture | None
    wraps: tuple[Wrap, Wrap]
    is_smooth: bool

    @property
    def nbytes(self) -> int:
        """The approximate memory that it takes."""
        image = None if self.texture is None else self.texture.GetInput()
        return _HOLES_BYTES + (0 if image is None else 1024 * image.GetActualMemorySize())


def holes_of(cutout: Cutout) -> Holes:
    """Return the alpha test for all surfaces of a material.

    Raises
    ------
    SceneError
        The image cannot be decoded.
    """
    texture = cutout.texture()
    if texture is None:
        return Holes(cutout.threshold, None, ("clamp", "clamp"), is_smooth=False)
    return Holes(cutout.threshold, _make_texture(texture), texture.wraps, texture.is_smooth)


def corner_values(cutout: Cutout) -> NDArray[np.float32]:
    """Return the texture coordinates and the alpha at the corners of each triangle, (3 m, 3)."""
    return np.concatenate([cutout.texcoords(), cutout.corners()[..., None]], -1).reshape(-1, 3)


def cut_out(actor: vtkActor, polydata: vtkPolyData, values: NDArray[np.float32], holes: Holes) -> None:
    """Make an actor discard holes; values, (n, 3), come from `corner_values`, for all its vertices."""
    array = numpy_to_vtk(values, deep=True)
    array.SetName(_VALUES)
    polydata.GetPointData().AddArray(array)
    points = vtkDataObject.FIELD_ASSOCIATION_POINTS
    mapper: Any = actor.GetMapper()
    mapper.MapDataArrayToVertexAttribute(_VALUES, _VALUES, points, -1)
    shader = actor.GetShaderProperty()
    shader.AddVertexShaderReplacement("//VTK::PositionVC::Dec", True, _VERTEX_DECLARATIONS, False)
    shader.AddVertexShaderReplacement("//VTK::PositionVC::Impl", True, _VERTEX, False)
    shader.AddFragmentShaderReplacement("//VTK::Normal::Dec", True, _DECLARATIONS, False)
    read = _PLAIN if holes.texture is None else _TEXTURED
    shader.AddFragmentShaderReplacement("//VTK::Normal::Impl", True, read + _CUT, False)
    if holes.texture is not None:
        actor.GetProperty().SetTexture(_TEXTURE, holes.texture)
    uniforms = shader.GetFragmentCustomUniforms()
    uniforms.SetUniformf("threshold", holes.threshold)
    uniforms.SetUniformi("isSmooth", holes.is_smooth)
    are_alike = holes.wraps[0] == holes.wraps[1]
    for name, wrap in zip(("Across", "Down"), holes.wraps, strict=True):
        uniforms.SetUniformi(f"texelWrap{name}", _WRAPS[wrap] if are_alike else _WRAPS["clamp"])
        uniforms.SetUniformi(f"placeWrap{name}", _WRAPS["clamp"] if are_alike else _WRAPS[wrap])


def _make_texture(texture: AlphaTexture) -> vtkTexture:
    """Make a texture. Its rows are upside down, because v points down here."""
    height, width = texture.alpha.shape
    image = vtkImageData()
    image.SetDimensions(width, height, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(texture.alpha.reshape(-1), deep=True))
    made = vtkTexture()
    made.SetInputDataObject(image)
    made.SetMipmap(False)
    made.SetInterpolate(False)
    return made
