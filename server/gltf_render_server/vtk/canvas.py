"""VTK's window that nobody sees, and what is drawn in it read back."""

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
"""What is larger is drawn in parts: software renderers end at 8192 or 16384, and memory is finite."""

_ADVICE = "no OpenGL 3.2 without a display; on Debian or Ubuntu: sudo apt install libegl1 libgl1-mesa-dri"


class Canvas:
    """The one window, which the renderers take turns in.

    Attributes
    ----------
    device : str
        What OpenGL draws with.

    Raises
    ------
    SettingsError
        There is no OpenGL to draw with.
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
        """Draw what a renderer shows, with so many samples a pixel; 0 = without anti-aliasing.

        Raises
        ------
        RenderError
            OpenGL fails, such as for want of memory.
        """
        self._complaints.clear()
        self._window.SetMultiSamples(samples)
        self._window.SetSize(width, height)
        self._window.AddRenderer(renderer)
        try:
            self._window.Render()
        finally:
            self._window.GetRenderers().RemoveItem(renderer)  # its textures stay, unlike with RemoveRenderer
        self._complaints.check(f"VTK could not draw {width} x {height} pixels")

    def pixels(self) -> NDArray[np.uint8]:
        """Return what was drawn, (height, width, 4) uint8, the uppermost row first."""
        width, height = self._window.GetActualSize()
        found = vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, found)  # pyright: ignore
        return vtk_to_numpy(found).reshape(height, width, 4)[::-1]

    def release(self, render_pass: vtkOpenGLRenderPass) -> None:
        """Give back what OpenGL holds of a pass."""
        render_pass.ReleaseGraphicsResources(self._window)

    def close(self) -> None:
        """Give back the window and what OpenGL holds."""
        self._window.Finalize()
        self._complaints.close()


class _Complaints:
    """What VTK reports as errors, on the standard error and nowhere else, unless one listens."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._output = vtkOutputWindow.GetInstance()
        self._observer = self._output.AddObserver(vtkCommand.ErrorEvent, self._note)

    def clear(self) -> None:
        self._texts.clear()

    def check(self, failure: str) -> None:
        """Raise RenderError if anything was reported."""
        if self._texts:
            raise RenderError(f"{failure}: {' '.join(self._texts[0].split())[-300:]}")

    def close(self) -> None:
        self._output.RemoveObserver(self._observer)

    @calldata_type(VTK_STRING)
    def _note(self, _: object, __: str, text: str) -> None:
        self._texts.append(text)


def make_renderer() -> vtkRenderer:
    """Make a renderer with nothing in it, on black."""
    renderer = vtkRenderer()
    renderer.GetCullers().RemoveAllItems()  # they would take the camera for one of VTK's own kind
    renderer.SetBackground(0.0, 0.0, 0.0)
    return renderer


def aim(renderer: vtkRenderer, lens: Lens, near: float, far: float) -> None:
    """Give a renderer a camera at the origin that looks along -z with y up; OpenGL clips at near and far."""
    matrix = vtkMatrix4x4()
    matrix.DeepCopy(projection_matrix(lens, near, far).reshape(-1).tolist())
    view = renderer.GetActiveCamera()
    view.SetPosition(0.0, 0.0, 0.0)
    view.SetFocalPoint(0.0, 0.0, -1.0)
    view.SetViewUp(0.0, 1.0, 0.0)
    view.SetUseExplicitProjectionTransformMatrix(True)
    view.SetExplicitProjectionTransformMatrix(matrix)


def make_polydata(points: NDArray[np.float32], corners: NDArray[np.int32]) -> vtkPolyData:
    """Make triangles that share the memory of both arrays; points is (n, 3), corners (m, 3)."""
    vertices = vtkPoints()
    vertices.SetData(numpy_to_vtk(points))
    triangles = vtkCellArray()
    triangles.SetData(3, numpy_to_vtk(corners.reshape(-1)))
    polydata = vtkPolyData()
    polydata.SetPoints(vertices)
    polydata.SetPolys(triangles)
    return polydata


def read_texture(texture: vtkTextureObject) -> NDArray[np.float32]:
    """Read a texture of four float32 a pixel.

    Returns
    -------
    (height, width, 4) float32
        The uppermost row first.
    """
    size = [texture.GetWidth(), texture.GetHeight()]
    pixels = np.empty((size[1], size[0], 4), np.float32)
    buffer = texture.Download()
    try:
        is_read = buffer.Download2D(VTK_FLOAT, pixels, size, 4, [0, 0])
    finally:
        while buffer.GetReferenceCount() > 1:  # VTK leaves its caller one, and Python knows of its own only
            buffer.UnRegister(texture)
    if not is_read:
        raise RenderError("VTK cannot read back what it has drawn")
    return pixels[::-1]


def _make_window() -> vtkRenderWindow:
    """Make a window that needs no display; on Linux, VTK would first look for one, and complain."""
    if sys.platform == "linux":
        from vtkmodules.vtkRenderingOpenGL2 import vtkEGLRenderWindow

        return vtkEGLRenderWindow()
    return vtkRenderWindow()


def _device(capabilities: str) -> str:
    lines = (line.partition(":") for line in capabilities.splitlines())
    return next((value.strip() for name, _, value in lines if name == "OpenGL renderer string"), "OpenGL")
