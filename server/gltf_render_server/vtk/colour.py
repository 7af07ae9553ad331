"""The colour image: VTK's physically based shading, with the scene's own lights or a default light."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

from ..errors import RequestError
from ..frame import Frame, Lens, Look, View
from ..gltf import content_of
from ..recent import Recent
from ..scene import Scene, Surface
from ..settings import UpAxis
from ..stages import Stages
from .canvas import LARGEST_TILE_PX, Canvas, aim, make_polydata, make_renderer
from .lighting import UP, Lighting, light_scene
from .materials import Shading, read_shading
from .meshes import SurfaceMesh, read_surface
from .pinhole import tiles
from .placing import Merged, merge

__all__ = ["OF_BLENDER", "ColourRender"]

OF_BLENDER = ("environment", "rotation_deg", "strength", "view_transform", "quality", "samples")
"""The fields of a look that only Blender supports."""

_BACKGROUND = (0.85, 0.85, 0.85)  # sRGB
_NOTHING = (0.0, 0.0, 0.0)
_SAMPLES = 4
_MOST_MESH_BYTES = 512 * 2**20
_MOST_TEXTURE_BYTES = 512 * 2**20

_FACE_THE_VIEWER = """
  vec3 towardsViewer = cross(dFdx(vertexVC.xyz), dFdy(vertexVC.xyz));
  towardsViewer *= dot(towardsViewer, vertexVC.xyz) > 0.0 ? -1.0 : 1.0;
  if (!(dot(normalVCVSOutput, normalVCVSOutput) > 0.0)) normalVCVSOutput = normalize(towardsViewer);
  if (dot(normalVCVSOutput, towardsViewer) < 0.0) normalVCVSOutput = -normalVCVSOutput;
  //VTK::Normal::Impl
"""
"""Shades both sides of triangles, whatever their winding order, because a placement may mirror them.

Where the normals of the vertices cancel out, it is the triangle's own normal, as in the exact passes.
"""

_LIGHT = "//VTK::Light::Impl"
_FINISH = """
  vec3 aside = mix(groundLight, skyLight, 0.5 + 0.5 * dot(N, upward));
  vec3 mirrored = mix(groundLight, skyLight, 0.5 + 0.5 * dot(reflect(-V, N), upward));
  vec3 glow = aside * albedo * (1.0 - metallic) + mirrored * F0;
  vec3 seen = isUnlit > 0.5 ? albedo : color + ao * glow + emission;
  if (opacity < cutoff) discard;
  vec3 shown = clamp(seen * brightness, 0.0, 1.0);
  vec3 bright = 1.055 * pow(shown, vec3(1.0 / 2.4)) - 0.055;
  vec3 encoded = mix(12.92 * shown, bright, step(vec3(0.0031308), shown));
  gl_FragData[0] = vec4(encoded, cutoff > 0.0 ? 1.0 : opacity);
"""
"""Adds ambient light, bright from above and darker from below; discards cut-out fragments; and replaces VTK's
gamma of 2.2 with the sRGB encoding (IEC 61966-2-1)."""

_BY_VERTEX_ALPHA = """
  opacity *= vertexColorVSOutput.a;
"""
"""Multiplies the alpha of a texture by that of the vertices. VTK does so only for the colours."""


class ColourRender:
    """Draws surfaces, with one actor for each material.

    Parameters
    ----------
    canvas : Canvas
    up_axis : {"z", "y"}
        The up axis of the client's files.
    """

    def __init__(self, canvas: Canvas, up_axis: UpAxis) -> None:
        self._canvas = canvas
        self._up_axis = up_axis
        self._meshes: Recent[SurfaceMesh] = Recent(_MOST_MESH_BYTES)
        self._shadings: Recent[Shading] = Recent(_MOST_TEXTURE_BYTES)
        self._renderer = make_renderer()
        self._renderer.AutomaticLightCreationOff()
        self._batches: list[_Batch] = []
        self._shown: tuple[Surface, ...] = ()

    def views(self, frame: Frame, stages: Stages) -> Callable[[View], NDArray[np.uint8]]:
        """Load a frame's scene, and return a function that renders a view, (height, width, 3 or 4) uint8.

        Raises
        ------
        RequestError
            The look sets something that VTK does not support.
        SceneError
            An image cannot be decoded, or there are too many triangles.
        RenderError
            OpenGL failed.
        """
        scene, look = frame.scene, frame.look
        _check(look)
        is_new = self._load(scene)
        up = UP[look.up_axis or self._up_axis]
        stages.lap("import" if is_new else "update")

        def render(view: View) -> NDArray[np.uint8]:
            world_to_camera = np.linalg.inv(view.camera_to_world)
            matrices = world_to_camera @ scene.placements.matrix
            lighting = light_scene(self._renderer, scene, world_to_camera, up)
            for batch in self._batches:
                batch.place(matrices)
                batch.light(lighting, 2 ** (look.exposure or 0.0))
            stages.lap("update")
            picture = self._picture(view.lens, is_transparent=bool(look.transparent))
            stages.lap("render")
            return picture

        return render

    def _picture(self, lens: Lens, *, is_transparent: bool) -> NDArray[np.uint8]:
        picture = np.empty((lens.height, lens.width, 4), np.uint8)
        self._renderer.SetBackground(*(_NOTHING if is_transparent else _BACKGROUND))
        for tile in tiles(lens, LARGEST_TILE_PX):
            self._draw(tile.lens)
            picture[tile.rows, tile.columns] = self._canvas.pixels()
        return _straight(picture) if is_transparent else picture[..., :3]

    def forget(self) -> None:
        """Unload the scene and its OpenGL resources. The window must still exist."""
        self._renderer.RemoveAllViewProps()
        self._batches.clear()
        self._shown = ()

    def _draw(self, lens: Lens) -> None:
        aim(self._renderer, lens, lens.near, lens.far)
        self._canvas.draw(self._renderer, lens.width, lens.height, samples=_SAMPLES)

    def _load(self, scene: Scene) -> bool:
        """Create the actors of a scene, unless they are loaded already. Return whether they were created."""
        primitives = scene.placements.primitive
        shown = tuple(scene.surfaces[index] for index in primitives.tolist())
        if shown == self._shown:
            return False
        self.forget()  # so that nothing is loaded if this fails
        self._meshes.begin_round()
        self._shadings.begin_round()
        by_material: dict[bytes, list[int]] = {}
        for index in dict.fromkeys(primitives.tolist()):
            by_material.setdefault(scene.surfaces[index].material, []).append(index)
        for key, members in by_material.items():
            material = scene.primitives[members[0]].material
            shading = self._shadings.get(
                key, lambda material=material: read_shading(content_of(scene), material), _nbytes
            )
            meshes = {index: self._mesh(scene, index, shading.texcoord) for index in members}
            self._batches.append(_Batch(primitives, meshes, shading))
        for batch in self._batches:
            self._renderer.AddActor(batch.actor)
        self._shown = shown
        return True

    def _mesh(self, scene: Scene, index: int, texcoord: int) -> SurfaceMesh:
        key = (scene.surfaces[index].mesh, texcoord)
        return self._meshes.get(
            key, lambda: read_surface(content_of(scene), scene.primitives[index], texcoord), _nbytes
        )


def _nbytes(part: Shading | SurfaceMesh) -> int:
    return part.nbytes


def _check(look: Look) -> None:
    for name in OF_BLENDER:
        if getattr(look, name) is not None:
            raise RequestError(
                f"look.{name}: this server's back end, VTK, cannot do that; of a look it knows exposure, "
                "transparent and up_axis"
            )


def _straight(drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert an image on black, (height, width, 4) uint8, from premultiplied to straight alpha."""
    wide = drawn.astype(np.uint16)
    alpha = wide[..., 3:]
    colours = (wide[..., :3] * 255 + alpha // 2) // alpha.clip(1)
    return np.concatenate([colours.clip(0, 255).astype(np.uint8), drawn[..., 3:]], -1)


class _Batch:
    """All placements with one material, merged into one mesh.

    Attributes
    ----------
    actor : vtkActor
    """

    def __init__(
        self, primitives: NDArray[np.intp], meshes: Mapping[int, SurfaceMesh], shading: Shading
    ) -> None:
        self._members = np.flatnonzero(np.isin(primitives, list(meshes)))
        self._merged = merge(
            primitives[self._members], {index: (mesh.points, mesh.corners) for index, mesh in meshes.items()}
        )
        self._own_normals = {index: mesh.normals for index, mesh in meshes.items()}
        self._points = np.zeros((self._merged.vertex_count, 3), np.float32)
        self._normals = np.zeros_like(self._points)
        self._polydata = make_polydata(self._points, self._merged.corners)
        _attach(self._polydata, self._normals, self._merged, meshes, shading)
        self.actor = _make_actor(self._polydata, shading)

    def place(self, matrices: NDArray[np.float64]) -> None:
        """Move the placements; matrices, (n, 4, 4), map all placements to the camera's axes."""
        places = matrices[self._members]
        self._points[:] = self._merged.place_points(places)
        self._normals[:] = self._merged.place_normals(places, self._own_normals)
        self._polydata.GetPoints().GetData().Modified()
        self._polydata.GetPoints().Modified()
        self._polydata.GetPointData().GetNormals().Modified()
        self._polydata.Modified()

    def light(self, lighting: Lighting, brightness: float) -> None:
        """Set the ambient light, and the factor for the brightness."""
        uniforms = self.actor.GetShaderProperty().GetFragmentCustomUniforms()
        uniforms.SetUniform3f("upward", lighting.upward)
        uniforms.SetUniform3f("skyLight", lighting.sky)
        uniforms.SetUniform3f("groundLight", lighting.ground)
        uniforms.SetUniformf("brightness", brightness)


def _attach(
    polydata: vtkPolyData,
    normals: NDArray[np.float32],
    merged: Merged,
    meshes: Mapping[int, SurfaceMesh],
    shading: Shading,
) -> None:
    """Attach the vertex attributes that the material needs."""
    data = polydata.GetPointData()
    data.SetNormals(numpy_to_vtk(normals))
    if shading.textures:
        texcoords = merged.spread({index: mesh.texcoords for index, mesh in meshes.items()})
        moved = texcoords @ shading.texcoord_matrix[:, :2].T + shading.texcoord_matrix[:, 2]
        moved[:, 1] = 1 - moved[:, 1]  # in VTK, v points up
        data.SetTCoords(numpy_to_vtk(moved.astype(np.float32), deep=True))
    colours = merged.spread({index: mesh.colours for index, mesh in meshes.items()})
    if (colours != 1).any():
        data.SetScalars(numpy_to_vtk(_vertex_colours(colours, shading), deep=True))


def _vertex_colours(colours: NDArray[np.float32], shading: Shading) -> NDArray[np.uint8]:
    """Encode (n, 4) linear colours and alpha with a gamma of 2.2, which VTK's vertex colours expect.

    They replace the material's base colour, so they are multiplied by it here. VTK multiplies alpha itself.
    """
    encoded = colours * np.array([*shading.base_colour[:3], 1.0], np.float32)
    encoded = encoded.clip(0, 1)
    encoded[:, :3] **= 1 / 2.2
    if shading.alpha_mode == "OPAQUE":
        encoded[:, 3] = 1.0
    return np.rint(255 * encoded).astype(np.uint8)


def _make_actor(polydata: vtkPolyData, shading: Shading) -> vtkActor:
    mapper = vtkPolyDataMapper()
    mapper.SetInputDataObject(polydata)
    mapper.SetColorModeToDirectScalars()
    mapper.SetVBOShiftScaleMethod(0)  # VTK_DISABLE; coordinates are relative to the camera already
    actor = vtkActor()
    actor.SetMapper(mapper)
    _dress(actor, shading)
    shader = actor.GetShaderProperty()
    shader.AddFragmentShaderReplacement("//VTK::Normal::Impl", False, _FACE_THE_VIEWER, False)
    is_textured = "baseColorTexture" in shading.textures
    has_colours = polydata.GetPointData().GetScalars() is not None
    finish = (_BY_VERTEX_ALPHA if is_textured and has_colours else "") + _FINISH
    shader.AddFragmentShaderReplacement(_LIGHT, False, f"{_LIGHT}\n{finish}", False)
    uniforms = shader.GetFragmentCustomUniforms()
    # VTK supports emission only as a texture
    emission = (0.0, 0.0, 0.0) if "emissiveTexture" in shading.textures else shading.emission
    uniforms.SetUniform3f("emission", emission)
    uniforms.SetUniformf("isUnlit", float(shading.is_unlit))
    uniforms.SetUniformf("cutoff", shading.alpha_cutoff if shading.alpha_mode == "MASK" else 0.0)
    return actor


def _dress(actor: vtkActor, shading: Shading) -> None:
    """Set those properties of a material that VTK's own shading supports."""
    has_depth = shading.alpha_mode != "BLEND"
    actor.SetForceOpaque(has_depth)
    actor.SetForceTranslucent(not has_depth)
    surface = actor.GetProperty()
    surface.SetInterpolationToPBR()
    surface.SetColor(*shading.base_colour[:3])
    surface.SetOpacity(1.0 if shading.alpha_mode == "OPAQUE" else shading.base_colour[3])
    surface.SetMetallic(shading.metallic)
    surface.SetRoughness(shading.roughness)
    surface.SetEmissiveFactor(*shading.emission)
    surface.SetOcclusionStrength(0.0)  # the texture's red channel may contain something else
    textures = shading.textures
    if "baseColorTexture" in textures:
        surface.SetBaseColorTexture(textures["baseColorTexture"])
    if "metallicRoughnessTexture" in textures:
        surface.SetORMTexture(textures["metallicRoughnessTexture"])
    if "emissiveTexture" in textures:
        surface.SetEmissiveTexture(textures["emissiveTexture"])
