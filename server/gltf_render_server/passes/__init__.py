"""What can be asked of a view: a table of passes, and what they are computed from."""

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

from . import rows, motion, materials  # isort: skip  # noqa: F401  fill the table, in this order

__all__ = [
    "NOTHING",
    "PASSES",
    "Backend",
    "Colour",
    "Exact",
    "FrameRender",
    "Hits",
    "LinearBackend",
    "MaterialBackend",
    "MaterialValues",
    "Meshes",
    "Others",
    "Pass",
    "Render",
    "ViewRender",
    "check_renders",
    "find_pass",
    "passes_of",
    "prepare",
    "register",
    "remarks",
]
