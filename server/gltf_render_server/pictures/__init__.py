"""Images of a local glTF file: the program ``gltf-render``, and `render_file` for Python.

This package handles files, users and output. Lower layers determine the content of an image and render it.
"""

from .looks import Lighting
from .making import Wanted, render_file

__all__ = ["Lighting", "Wanted", "render_file"]
