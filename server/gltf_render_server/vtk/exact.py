"""Depth and labels: which triangle each pixel's ray meets first, by VTK, and where it meets it, by float64.

OpenGL draws the number of each triangle, without light, blending or anti-aliasing. It rounds vertices to some
fraction of a pixel, which on a floor seen at a grazing angle are tenths of a millimetre: so depth is not read
from its buffers, but is where the ray through the pixel's centre meets the plane of the triangle drawn there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

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
from ..scene import Digest, Scene, Triangles
from ..stages import Stages
from .canvas import LARGEST_TILE_PX, Canvas, aim, make_polydata, make_renderer, read_texture
from .pinhole import tiles
from .placing import Merged, merge

__all__ = ["ExactRender"]

_NO_TRIANGLE = -1
_MOST_SHAPE_BYTES = 512 * 2**20

_SHADER = """
  float metres = -vertexVC.z;
  if (metres < nearest || metres > farthest) discard;
  gl_FragDepth = metres / farthest;
  gl_FragData[0] = vec4(float(gl_PrimitiveID & 0xffff), float(gl_PrimitiveID >> 16), 1.0, 1.0);
"""
"""Clips by metres, gives the depth buffer the same relative precision everywhere, and writes a number in
halves that float32 holds exactly."""


class ExactRender:
    """Draws the numbers of triangles.

    Parameters
    ----------
    canvas : Canvas
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._shapes: Recent[Triangles] = Recent(_MOST_SHAPE_BYTES)
        self._framebuffer = _make_framebuffer()
        self._renderer = make_renderer()
        self._renderer.SetPass(self._framebuffer)
        self._drawing: _Drawing | None = None

    def views(self, frame: Frame, shown: NDArray[np.bool_], stages: Stages) -> Callable[[View], Exact]:
        """Return what loads some of a frame's placements, (n,) bool, and renders a view of them.

        Raises
        ------
        SceneError
            There are too many triangles.
        RenderError
            OpenGL fails.
        """
        placements = frame.scene.placements
        placed = np.flatnonzero(shown)

        def render(view: View) -> Exact:
            is_new = self._load(frame.scene, placements.primitive[placed])
            stages.lap("import" if is_new else "update")
            if self._drawing is None:
                return _nothing(view.lens)
            matrices = np.linalg.inv(view.camera_to_world) @ placements.matrix[placed]
            points = self._drawing.place(matrices)
            stages.lap("update")
            triangle = self._triangles(view.lens)
            stages.lap("render")
            exact = _met(triangle, points, self._drawing.merged, placed, view.lens)
            stages.lap("read")
            return exact

        return render

    def alone(self, frame: Frame, stages: Stages) -> RenderPart:
        """Return what renders some placements of a frame's scene without the others; as `views`.

        Where vertices are in the picture is rounded as in the whole of it, so nothing but tiles is left out.
        """
        placements = frame.scene.placements

        def render(view: View, shown: NDArray[np.bool_], window: Window) -> NDArray[np.int32]:
            placed = np.flatnonzero(shown)
            self._load(frame.scene, placements.primitive[placed])
            if self._drawing is None:
                return np.full((window.height, window.width), NOTHING, np.int32)
            self._drawing.place(np.linalg.inv(view.camera_to_world) @ placements.matrix[placed])
            stages.lap("update")
            triangle = self._triangles(view.lens, window)[window.slices()]
            stages.lap("render")
            whose = placed[self._drawing.merged.placement].astype(np.int32)
            found = np.where(triangle == _NO_TRIANGLE, NOTHING, whose[triangle])
            stages.lap("read")
            return found

        return render

    def forget(self) -> None:
        """Forget the scene, with what OpenGL holds of it; the window must still be there."""
        self._renderer.RemoveAllViewProps()
        self._canvas.release(self._framebuffer)
        self._drawing = None

    def _load(self, scene: Scene, primitives: NDArray[np.intp]) -> bool:
        """Make the drawing of the placed primitives, unless it is the last one; return whether."""
        key = tuple(scene.shapes[index] for index in primitives.tolist())
        if self._drawing is not None and self._drawing.key == key:
            return False
        self._renderer.RemoveAllViewProps()
        self._drawing = None  # until it is all there
        shapes = {
            index: self._shapes.get(
                scene.shapes[index], lambda index=index: _read(scene, index), _triangle_bytes
            )
            for index in dict.fromkeys(primitives.tolist())
        }
        if sum(len(shape.corners) for shape in shapes.values()):
            self._drawing = _Drawing(key, primitives, shapes)
            self._renderer.AddActor(self._drawing.actor)
        return True

    def _triangles(self, lens: Lens, window: Window | None = None) -> NDArray[np.int32]:
        """Return which triangle each pixel shows, (height, width), at least in a window; -1 = none."""
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
        """Let the shader clip, for OpenGL's own planes are less exact; they stand a little apart."""
        aim(self._renderer, lens, lens.near / 2, lens.far * 2)
        if self._drawing is not None:
            uniforms = self._drawing.actor.GetShaderProperty().GetFragmentCustomUniforms()
            uniforms.SetUniformf("nearest", lens.near)
            uniforms.SetUniformf("farthest", lens.far)


class _Drawing:
    """What is drawn, wherever it is: that of the last request is kept, with what VTK has made of it.

    Attributes
    ----------
    key : tuple of Digest
        The shape of each placement.
    merged : Merged
    actor : vtkActor
    """

    def __init__(
        self, key: tuple[Digest, ...], primitives: NDArray[np.intp], shapes: Mapping[int, Triangles]
    ) -> None:
        self.key = key
        self.merged = merge(
            primitives, {index: (shape.vertices, shape.corners) for index, shape in shapes.items()}
        )
        self._points = np.zeros((self.merged.vertex_count, 3), np.float32)
        self._polydata = make_polydata(self._points, self.merged.corners)
        self.actor = _make_actor(self._polydata)

    def place(self, matrices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move each placement, (n, 4, 4), and return all vertices, (k, 3), in the camera's axes."""
        points = self.merged.place_points(matrices)
        self._points[:] = points
        self._polydata.GetPoints().GetData().Modified()
        self._polydata.GetPoints().Modified()
        self._polydata.Modified()
        return points


def _read(scene: Scene, index: int) -> Triangles:
    return scene.asset.triangles(scene.primitives[index])


def _triangle_bytes(shape: Triangles) -> int:
    return shape.vertices.nbytes + shape.corners.nbytes


def _make_framebuffer() -> vtkFramebufferPass:
    view = vtkCameraPass()
    view.SetDelegatePass(vtkOpaquePass())
    framebuffer = vtkFramebufferPass()
    framebuffer.SetDelegatePass(view)
    framebuffer.SetColorFormat(vtkTextureObject.Float32)
    framebuffer.SetDepthFormat(vtkTextureObject.Float32)
    return framebuffer


def _make_actor(polydata: vtkPolyData) -> vtkActor:
    mapper = vtkPolyDataMapper()
    mapper.SetInputDataObject(polydata)
    mapper.SetScalarVisibility(False)
    mapper.SetVBOShiftScaleMethod(0)  # VTK_DISABLE; the camera is at the origin already
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetShaderProperty().AddFragmentShaderReplacement("//VTK::Light::Impl", True, _SHADER, False)
    return actor


def _nothing(lens: Lens) -> Exact:
    size = (lens.height, lens.width)
    return Exact(
        np.full(size, np.inf, np.float32), np.full(size, NOTHING, np.int32), np.zeros(size, np.int32)
    )


def _met(
    triangle: NDArray[np.int32],
    points: NDArray[np.float64],
    merged: Merged,
    placed: NDArray[np.intp],
    lens: Lens,
) -> Exact:
    """Tell what was met from the triangles that are seen."""
    result = _nothing(lens)
    numbers = np.zeros(triangle.shape, np.int32)
    pixels = np.flatnonzero(triangle != _NO_TRIANGLE)
    seen = triangle.reshape(-1)[pixels]
    result.placement.flat[pixels] = placed[merged.placement[seen]]
    numbers.flat[pixels] = merged.triangle[seen]
    result.depth.flat[pixels] = _depth(points, merged.corners, seen, pixel_rays(lens, pixels), lens)
    return replace(result, triangle=numbers)


def _depth(
    points: NDArray[np.float64],
    corners: NDArray[np.int32],
    triangle: NDArray[np.int32],
    rays: NDArray[np.float64],
    lens: Lens,
) -> NDArray[np.float64]:
    """Return the depth at which each ray, (3, n), meets the plane of its triangle, (n,).

    No triangle is met before or beyond its own corners, however steeply it is seen.
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
