"""Pictures of a glTF file of the user's own: the program ``gltf-render``, and `render_file` for Python.

Knows of the file's path, of who looks at it and of what is written where; what a picture is made of, and by
whom it is rendered, is for the rooms below.
"""

from .looks import Lighting
from .making import Wanted, render_file

__all__ = ["Lighting", "Wanted", "render_file"]
