"""What can be asked of a view: a table of passes, and what they are computed from."""

from .hits import NOTHING, Exact, Hits, Others
from .meshes import Meshes
from .table import PASSES, Pass, Render, find_pass, passes_of, prepare, register, remarks
from .views import Backend, FrameRender, ViewRender

from . import rows, motion  # isort: skip  # noqa: F401  fill the table, in this order

__all__ = [
    "NOTHING",
    "PASSES",
    "Backend",
    "Exact",
    "FrameRender",
    "Hits",
    "Meshes",
    "Others",
    "Pass",
    "Render",
    "ViewRender",
    "find_pass",
    "passes_of",
    "prepare",
    "register",
    "remarks",
]
