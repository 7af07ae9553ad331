"""The scene document: glTF bytes of any origin -> a checked `Scene`, and what an importer needs of it.

Nothing reaches a back end that was not checked here, and nothing of the document does but what it needs.
"""

from .document import LightPlacement, Placement, Primitive, Scene, parse_scene
from .labels import label_colours
from .writer import import_document

__all__ = [
    "LightPlacement",
    "Placement",
    "Primitive",
    "Scene",
    "import_document",
    "label_colours",
    "parse_scene",
]
