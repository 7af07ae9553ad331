"""VTK's off-screen window, and reading back what was drawn in it."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.misc import calldata_type
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import (
    VTK_FLOAT,
    VTK_STRING,
    vtkCommand,
    vtkOutputWindow,
    vtkPoints,
    vtkUnsignedCharArray,
)
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
from vtkmodules.vtkRenderingOpenGL2 import vtkOpenGLRenderPass, vtkTextureObject

from ..errors import RenderError, SettingsError
from ..frame import Lens
from .pinhole import projection_matrix

__all__ = ["LARGEST_TILE_PX", "Canvas", "aim", "make_polydata", "make_renderer", "read_texture"]

LARGEST_TILE_PX = 4096
"""Larger images are drawn in tiles, because software renderers support at most 8192 or 16384 pixels, and to
limit memory.
"""

_ADVICE = "no OpenGL 3.2 without a display; on Debian or Ubuntu: sudo apt install libegl1 libgl1-mesa-dri"


class Canvas:
    """The off-screen window. The renderers take turns to use it.

    Attributes
    ----------
    device : str
        The name of the device that OpenGL uses.

    Raises
    ------
    SettingsError
        There is no usable OpenGL.
    """

    def __init__(self) -> None:
        self._complaints = _Complaints()
        self._window = _make_window()
        self._window.SetOffScreenRendering(True)
        self._window.SetMultiSamples(0)
        self._window.SetSize(8, 8)
        if not self._window.SupportsOpenGL():
            raise SettingsError(f"VTK cannot start: {_ADVICE}")
        self._window.Render()
        self.device = _device(self._window.ReportCapabilities())

    def draw(self, renderer: vtkRenderer, width: int, height: int, *, samples: int = 0) -> None:
        """Draw a renderer's scene with this number of samples per pixel; 0 = without anti-aliasing.

        Raises
        ------
        RenderError
            OpenGL failed, for example because it ran out of memory.
        """
        self._complaints.clear()
        self._window.SetMultiSamples(samples)
        self._window.SetSize(width, height)
        self._window.AddRenderer(renderer)
        try:
            self._window.Render()
        finally:
            # keeps the renderer's textures, unlike RemoveRenderer
            self._window.GetRenderers().RemoveItem(renderer)
        self._complaints.check(f"VTK could not draw {width} x {height} pixels")

    def pixels(self) -> NDArray[np.uint8]:
        """Return the drawn image, (height, width, 4) uint8, the topmost row first."""
        width, height = self._window.GetActualSize()
        found = vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, found)  # pyright: ignore
        return vtk_to_numpy(found).reshape(height, width, 4)[::-1]

    def release(self, render_pass: vtkOpenGLRenderPass) -> None:
        """Release the OpenGL resources of a render pass."""
        render_pass.ReleaseGraphicsResources(self._window)

    def close(self) -> None:
        """Release the window and its OpenGL resources."""
        self._window.Finalize()
        self._complaints.close()


class _Complaints:
    """Collects VTK's error messages, which otherwise go only to standard error."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._output = vtkOutputWindow.GetInstance()
        self._observer = self._output.AddObserver(vtkCommand.ErrorEvent, self._note)

    def clear(self) -> None:
        self._texts.clear()

    def check(self, failure: str) -> None:
        """Raise RenderError if any error was reported."""
        if self._texts:
            raise RenderError(f"{failure}: {' '.join(self._texts[0].split())[-300:]}")

    def close(self) -> None:
        self._output.RemoveObserver(self._observer)

    @calldata_type(VTK_STRING)
    def _note(self, _: object, __: str, text: str) -> None:
        self._texts.append(text)


def make_renderer() -> vtkRenderer:
    """Make an empty renderer with a black background."""
    renderer = vtkRenderer()
    renderer.GetCullers().RemoveAllItems()  # they would use the camera's own projection, which is not set
    renderer.SetBackground(0.0, 0.0, 0.0)
    return renderer


def aim(renderer: vtkRenderer, lens: Lens, near: float, far: float) -> None:
    """Set a camera at the origin that looks along -z with y up. OpenGL clips at near and far."""
    matrix = vtkMatrix4x4()
    matrix.DeepCopy(projection_matrix(lens, near, far).reshape(-1).tolist())
    view = renderer.GetActiveCamera()
    view.SetPosition(0.0, 0.0, 0.0)
    view.SetFocalPoint(0.0, 0.0, -1.0)
    view.SetViewUp(0.0, 1.0, 0.0)
    view.SetUseExplicitProjectionTransformMatrix(True)
    view.SetExplicitProjectionTransformMatrix(matrix)


def make_polydata(points: NDArray[np.float32], corners: NDArray[np.int32]) -> vtkPolyData:
    """Make a mesh that shares the memory of both arrays; points is (n, 3), corners (m, 3)."""
    vertices = vtkPoints()
    vertices.SetData(numpy_to_vtk(points))
    triangles = vtkCellArray()
    triangles.SetData(3, numpy_to_vtk(corners.reshape(-1)))
    polydata = vtkPolyData()
    polydata.SetPoints(vertices)
    polydata.SetPolys(triangles)
    return polydata


def read_texture(texture: vtkTextureObject) -> NDArray[np.float32]:
    """Read a texture with four float32 values per pixel.

    Returns
    -------
    (height, width, 4) float32
        The pixels, the topmost row first.
    """
    size = [texture.GetWidth(), texture.GetHeight()]
    pixels = np.empty((size[1], size[0], 4), np.float32)
    buffer = texture.Download()
    try:
        is_read = buffer.Download2D(VTK_FLOAT, pixels, size, 4, [0, 0])
    finally:
        # VTK leaves one reference to the caller, but Python counts only its own
        while buffer.GetReferenceCount() > 1:
            buffer.UnRegister(texture)
    if not is_read:
        raise RenderError("VTK cannot read back what it has drawn")
    return pixels[::-1]


def _make_window() -> vtkRenderWindow:
    """Make an off-screen window. On Linux, VTK would first look for a display, and print a warning."""
    if sys.platform == "linux":
        from vtkmodules.vtkRenderingOpenGL2 import vtkEGLRenderWindow

        return vtkEGLRenderWindow()
    return vtkRenderWindow()


def _device(capabilities: str) -> str:
    lines = (line.partition(":") for line in capabilities.splitlines())
    return next((value.strip() for name, _, value in lines if name == "OpenGL renderer string"), "OpenGL")
