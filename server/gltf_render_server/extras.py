"""What is told where a package is missing that only an extra of this package brings."""

from __future__ import annotations

from typing import Literal

__all__ = ["brought_by"]


def brought_by(extra: Literal["dataset", "physics", "ray", "vtk"]) -> str:
    """Return the command that installs an extra, as the end of a sentence on what is missing."""
    return f'pip install "gltf-render-server[{extra}]" brings it'
