"""The VTK back end: the only part of the package that imports vtkmodules."""

from .renderer import VtkRenderer

__all__ = ["VtkRenderer"]
