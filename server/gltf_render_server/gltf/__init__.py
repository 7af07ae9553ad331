"""The scene document: glTF bytes of any origin -> a checked `Scene`, and what an importer needs of it.

Nothing reaches a back end that was not checked here, and nothing of the document does but what it needs.
"""

from .digests import Digest, Surface
from .document import Placements, Primitive, Scene, parse_scene
from .geometry import Triangles, read_attribute, read_corners, read_triangles
from .labels import label_colours, warn_of_unlabelled
from .lights import Light, LightPlacement, read_light
from .resources import read_image
from .writer import Detail, import_document

__all__ = [
    "Detail",
    "Digest",
    "Light",
    "LightPlacement",
    "Placements",
    "Primitive",
    "Scene",
    "Surface",
    "Triangles",
    "import_document",
    "label_colours",
    "parse_scene",
    "read_attribute",
    "read_corners",
    "read_image",
    "read_light",
    "read_triangles",
    "warn_of_unlabelled",
]
