"""A pool of processes that render; the process that speaks HTTP has no Blender in it."""

from .pool import RenderPool

__all__ = ["RenderPool"]
