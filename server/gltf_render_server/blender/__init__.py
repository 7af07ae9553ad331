"""The Blender back end: the only part of the package that imports bpy."""

from .renderer import BlenderRenderer

__all__ = ["BlenderRenderer"]
