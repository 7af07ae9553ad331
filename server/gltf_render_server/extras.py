"""Hints for error messages when a package of one of this distribution's extras is missing."""

from __future__ import annotations

from typing import Literal

__all__ = ["brought_by"]


def brought_by(extra: Literal["dataset", "physics", "ray", "vtk"]) -> str:
    """Return the command that installs an extra, phrased as the end of an error message."""
    return f'pip install "gltf-render-server[{extra}]" brings it'
