"""The passes that can be requested of a view: a table, and the code that computes them."""

from .alone import RenderPart, canvas_of
from .hits import NOTHING, Exact, Hits, Others
from .meshes import Meshes
from .table import PASSES, Pass, Render, check_renders, find_pass, passes_of, prepare, register, remarks
from .views import (
    Backend,
    Colour,
    FrameRender,
    LinearBackend,
    MaterialBackend,
    MaterialValues,
    ViewRender,
)
from .windows import Window

from . import rows, amodal, motion, materials  # isort: skip  # noqa: F401  fill the table, in this order
from .instances import Box3dRow, InstanceRow, PointRow  # isort: skip

__all__ = [
    "NOTHING",
    "PASSES",
    "Backend",
    "Box3dRow",
    "Colour",
    "Exact",
    "FrameRender",
    "Hits",
    "InstanceRow",
    "LinearBackend",
    "MaterialBackend",
    "MaterialValues",
    "Meshes",
    "Others",
    "Pass",
    "PointRow",
    "Render",
    "RenderPart",
    "ViewRender",
    "Window",
    "canvas_of",
    "check_renders",
    "find_pass",
    "passes_of",
    "prepare",
    "register",
    "remarks",
]
