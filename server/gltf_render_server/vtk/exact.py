"""Depth and labels: VTK finds the triangle that each pixel shows, and float64 arithmetic finds its depth.

OpenGL draws the number of each triangle, without lighting, blending or anti-aliasing. OpenGL rounds vertices
to a fraction of a pixel, which means an error of tenths of a millimetre on a floor at a grazing angle.
Therefore, depth is not read from its buffers, but computed by intersecting the ray through the pixel's centre
with the triangle's plane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper
from vtkmodules.vtkRenderingOpenGL2 import (
    vtkCameraPass,
    vtkFramebufferPass,
    vtkOpaquePass,
    vtkTextureObject,
)

from ..frame import Frame, Lens, View
from ..passes import NOTHING, Exact, RenderPart, Window
from ..passes.hits import distinct_below, pixel_rays
from ..recent import Recent
from ..scene import Digest
from ..stages import Stages
from .canvas import LARGEST_TILE_PX, Canvas, aim, make_polydata, make_renderer, read_texture
from .cutouts import Holes, corner_values, cut_out, holes_of
from .pinhole import tiles
from .placing import check_triangles, merge

__all__ = ["ExactRender"]

_NO_TRIANGLE = -1
_MOST_SHAPE_BYTES = 512 * 2**20
_MOST_TEXTURE_BYTES = 256 * 2**20

_SHADER = """
  float metres = -vertexVC.z;
  if (metres < nearest || metres > farthest) discard;
  gl_FragDepth = metres / farthest;
  int number = firstNumber + gl_PrimitiveID;
  gl_FragData[0] = vec4(float(number & 0xffff), float(number >> 16), 1.0, 1.0);
"""
"""Clips by distances in metres, gives the depth buffer a uniform relative precision, and splits a number into
two halves that float32 represents exactly."""


class ExactRender:
    """Draws the numbers of triangles.

    Parameters
    ----------
    canvas : Canvas
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._shapes: Recent[_Shape] = Recent(_MOST_SHAPE_BYTES)
        self._holes: Recent[Holes] = Recent(_MOST_TEXTURE_BYTES)
        self._framebuffer = _make_framebuffer()
        self._renderer = make_renderer()
        self._renderer.SetPass(self._framebuffer)
        self._drawing: _Drawing | None = None
        self._known: tuple[Digest, ...] = ()

    def views(self, frame: Frame, shown: NDArray[np.bool_], stages: Stages) -> Callable[[View], Exact]:
        """Return a function that renders a view of some of a frame's placements, (n,) bool.

        Raises
        ------
        SceneError
            There are too many triangles, or the image of a surface with holes cannot be decoded.
        RenderError
            OpenGL failed.
        """
        self._begin(frame)
        placements = frame.scene.placements
        placed = np.flatnonzero(shown)

        def render(view: View) -> Exact:
            is_new = self._load(frame, placements.primitive[placed])
            stages.lap("import" if is_new else "update")
            if self._drawing is None:
                return _nothing(view.lens)
            matrices = np.linalg.inv(view.camera_to_world) @ placements.matrix[placed]
            points = self._drawing.place(matrices)
            stages.lap("update")
            triangle = self._triangles(view.lens)
            stages.lap("render")
            exact = _met(triangle, points, self._drawing, placed, view.lens)
            stages.lap("read")
            return exact

        return render

    def alone(self, frame: Frame, stages: Stages) -> RenderPart:
        """Return a function that renders some placements of a frame alone; errors as in `views`.

        Vertices must be rounded as in the whole image, so the image is divided only into the usual tiles.
        """
        self._begin(frame)
        placements = frame.scene.placements

        def render(view: View, shown: NDArray[np.bool_], window: Window) -> NDArray[np.int32]:
            placed = np.flatnonzero(shown)
            self._load(frame, placements.primitive[placed])
            if self._drawing is None:
                return np.full((window.height, window.width), NOTHING, np.int32)
            self._drawing.place(np.linalg.inv(view.camera_to_world) @ placements.matrix[placed])
            stages.lap("update")
            triangle = self._triangles(view.lens, window)[window.slices()]
            stages.lap("render")
            whose = placed[self._drawing.placement].astype(np.int32)
            found = np.where(triangle == _NO_TRIANGLE, NOTHING, whose[triangle])
            stages.lap("read")
            return found

        return render

    def forget(self) -> None:
        """Unload the scene and its OpenGL resources. The window must still exist."""
        self._renderer.RemoveAllViewProps()
        self._canvas.release(self._framebuffer)
        self._drawing = None

    def _begin(self, frame: Frame) -> None:
        """Evict unused data when another scene begins."""
        if self._known != frame.shapes:
            self._known = frame.shapes
            self._shapes.begin_round()
            self._holes.begin_round()

    def _load(self, frame: Frame, primitives: NDArray[np.intp]) -> bool:
        """Prepare the drawing of the placed primitives, unless it is loaded.

        Return whether it was prepared.
        """
        key = tuple(frame.shapes[index] for index in primitives.tolist())
        if self._drawing is not None and self._drawing.key == key:
            return False
        self._renderer.RemoveAllViewProps()
        self._drawing = None  # stays None if this fails
        batches = self._batches(frame, primitives)
        if sum(len(batch.corners) for batch in batches):
            self._drawing = _Drawing(key, batches)
            for batch in batches:
                self._renderer.AddActor(batch.actor)
        return True

    def _batches(self, frame: Frame, primitives: NDArray[np.intp]) -> list[_Batch]:
        """Group what is drawn together: first all without holes, then the surfaces of each material."""
        by_material: dict[Digest | None, dict[int, _Shape]] = {None: {}}
        holes: dict[Digest | None, Holes] = {}
        for index in dict.fromkeys(primitives.tolist()):
            cutout = frame.cutout(index)
            material = None if cutout is None else cutout.material
            if cutout is not None and material not in holes:
                holes[material] = self._holes.get(material, lambda cutout=cutout: holes_of(cutout), _nbytes)
            by_material.setdefault(material, {})[index] = self._shapes.get(
                frame.shapes[index], lambda index=index: _read(frame, index), _nbytes
            )
        batches, first = [], 0
        for material, shapes in by_material.items():
            if shapes:
                batches.append(_Batch(primitives, shapes, first, holes.get(material)))
                first += len(batches[-1].corners)
                check_triangles(first)
        return batches

    def _triangles(self, lens: Lens, window: Window | None = None) -> NDArray[np.int32]:
        """Return the triangle that each pixel shows, (height, width), at least in a window; -1 = none."""
        triangle = np.full((lens.height, lens.width), _NO_TRIANGLE, np.int32)
        for tile in tiles(lens, LARGEST_TILE_PX):
            if window is not None and not window.common(tile.window):
                continue
            self._aim(tile.lens)
            self._canvas.draw(self._renderer, tile.lens.width, tile.lens.height)
            numbers = read_texture(self._framebuffer.GetColorTexture())
            low, high, is_drawn = (numbers[..., channel].astype(np.int32) for channel in range(3))
            triangle[tile.rows, tile.columns] = np.where(is_drawn, low + 65536 * high, _NO_TRIANGLE)
        return triangle

    def _aim(self, lens: Lens) -> None:
        """Make the shader clip, because OpenGL's planes are less precise.

        These are set a little further out.
        """
        aim(self._renderer, lens, lens.near / 2, lens.far * 2)
        if self._drawing is not None:
            self._drawing.clip(lens)


@dataclass(frozen=True)
class _Shape:
    """The triangles of a primitive.

    Attributes
    ----------
    vertices : (n, 3) float32
    corners : (m, 3) int32
        Indices into `vertices`.
    values : (n, 3) float32 or None
        The values of `cutouts.corner_values` for a surface with holes.
    """

    vertices: NDArray[np.float32]
    corners: NDArray[np.int32]
    values: NDArray[np.float32] | None = None

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        values = 0 if self.values is None else self.values.nbytes
        return self.vertices.nbytes + self.corners.nbytes + values


class _Batch:
    """Placements that are drawn together.

    Parameters
    ----------
    primitives : (number of placements,) int
        The primitive of each placement.
    shapes : mapping of int to _Shape
        The shapes of the primitives that are drawn.
    first : int
        The number of its first triangle.
    holes : Holes or None
        The alpha test of all of them.

    Attributes
    ----------
    corners : (m, 3) int32
        Indices of the vertices.
    placement, triangle : (m,) int
        The placement of each triangle, and its number in the primitive.
    vertex_count : int
    actor : vtkActor
    """

    def __init__(
        self,
        primitives: NDArray[np.intp],
        shapes: Mapping[int, _Shape],
        first: int,
        holes: Holes | None,
    ) -> None:
        self._members = np.flatnonzero(np.isin(primitives, list(shapes)))
        self._merged = merge(
            primitives[self._members],
            {index: (shape.vertices, shape.corners) for index, shape in shapes.items()},
        )
        self.corners = self._merged.corners
        self.triangle = self._merged.triangle
        self.placement = self._members[self._merged.placement]
        self.vertex_count = self._merged.vertex_count
        self._points = np.zeros((self.vertex_count, 3), np.float32)
        self._polydata = make_polydata(self._points, self.corners)
        self.actor = _make_actor(self._polydata, first)
        values = {index: shape.values for index, shape in shapes.items() if shape.values is not None}
        if holes is not None:
            cut_out(self.actor, self._polydata, self._merged.spread(values), holes)

    def place(self, matrices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move the placements to matrices, (n, 4, 4), and return the vertices, (k, 3)."""
        points = self._merged.place_points(matrices[self._members])
        self._points[:] = points
        self._polydata.GetPoints().GetData().Modified()
        self._polydata.GetPoints().Modified()
        self._polydata.Modified()
        return points


class _Drawing:
    """Everything that is drawn, without positions. The drawing of the last request is kept, with VTK's data.

    Attributes
    ----------
    key : tuple of Digest
        The shape of each placement.
    corners : (m, 3) int32
        The triangles of all batches, as indices of all vertices.
    placement, triangle : (m,) int
    """

    def __init__(self, key: tuple[Digest, ...], batches: Sequence[_Batch]) -> None:
        self.key = key
        self._batches = batches
        corners, vertices = [], 0
        for batch in batches:
            corners.append(batch.corners + np.int32(vertices) if vertices else batch.corners)
            vertices += batch.vertex_count
        self.corners = _joined(corners)
        self.placement = _joined([batch.placement for batch in batches])
        self.triangle = _joined([batch.triangle for batch in batches])

    def place(self, matrices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move the placements to matrices, (n, 4, 4). Return all vertices, (k, 3), in the camera's axes."""
        return _joined([batch.place(matrices) for batch in self._batches])

    def clip(self, lens: Lens) -> None:
        """Set the clipping planes of the shaders."""
        for batch in self._batches:
            uniforms = batch.actor.GetShaderProperty().GetFragmentCustomUniforms()
            uniforms.SetUniformf("nearest", lens.near)
            uniforms.SetUniformf("farthest", lens.far)


def _read(frame: Frame, index: int) -> _Shape:
    triangles = frame.scene.asset.triangles(frame.scene.primitives[index])
    cutout = frame.cutout(index)
    if cutout is None:
        return _Shape(triangles.vertices, triangles.corners)
    vertices = triangles.vertices[triangles.corners].reshape(-1, 3)
    corners = np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)
    return _Shape(vertices, corners, corner_values(cutout))


def _nbytes(kept: _Shape | Holes) -> int:
    return kept.nbytes


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _make_framebuffer() -> vtkFramebufferPass:
    view = vtkCameraPass()
    view.SetDelegatePass(vtkOpaquePass())
    framebuffer = vtkFramebufferPass()
    framebuffer.SetDelegatePass(view)
    framebuffer.SetColorFormat(vtkTextureObject.Float32)
    framebuffer.SetDepthFormat(vtkTextureObject.Float32)
    return framebuffer


def _make_actor(polydata: vtkPolyData, first: int) -> vtkActor:
    mapper = vtkPolyDataMapper()
    mapper.SetInputDataObject(polydata)
    mapper.SetScalarVisibility(False)
    mapper.SetVBOShiftScaleMethod(0)  # VTK_DISABLE; coordinates are relative to the camera already
    actor = vtkActor()
    actor.SetMapper(mapper)
    shader = actor.GetShaderProperty()
    shader.AddFragmentShaderReplacement("//VTK::Light::Impl", True, _SHADER, False)
    shader.GetFragmentCustomUniforms().SetUniformi("firstNumber", first)
    return actor


def _nothing(lens: Lens) -> Exact:
    size = (lens.height, lens.width)
    return Exact(
        np.full(size, np.inf, np.float32), np.full(size, NOTHING, np.int32), np.zeros(size, np.int32)
    )


def _met(
    triangle: NDArray[np.int32],
    points: NDArray[np.float64],
    drawing: _Drawing,
    placed: NDArray[np.intp],
    lens: Lens,
) -> Exact:
    """Return the exact result for the triangles that the pixels show."""
    result = _nothing(lens)
    numbers = np.zeros(triangle.shape, np.int32)
    pixels = np.flatnonzero(triangle != _NO_TRIANGLE)
    seen = triangle.reshape(-1)[pixels]
    result.placement.flat[pixels] = placed[drawing.placement[seen]]
    numbers.flat[pixels] = drawing.triangle[seen]
    result.depth.flat[pixels] = _depth(points, drawing.corners, seen, pixel_rays(lens, pixels), lens)
    return replace(result, triangle=numbers)


def _depth(
    points: NDArray[np.float64],
    corners: NDArray[np.int32],
    triangle: NDArray[np.int32],
    rays: NDArray[np.float64],
    lens: Lens,
) -> NDArray[np.float64]:
    """Return the depth at which each ray, (3, n), meets the plane of its triangle, (n,).

    The depth is limited to the range of the triangle's corners, which matters at grazing angles.
    """
    distinct, which = distinct_below(triangle, len(corners))
    a, b, c = (points[corners[distinct, corner]] for corner in range(3))
    normal = np.cross(b - a, c - a)
    offset = (normal * a).sum(1)
    slope = sum(np.take(normal[:, axis], which) * rays[axis] for axis in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = offset[which] / slope
    depths = -np.stack([a[:, 2], b[:, 2], c[:, 2]])
    nearest, farthest = (limit.clip(lens.near, lens.far) for limit in (depths.min(0), depths.max(0)))
    depth = np.where(np.isnan(depth), nearest[which], depth)
    return depth.clip(nearest[which], farthest[which])
