"""Reads glTF: the bytes of a document become a checked `Asset`, and that becomes a `Scene`.

Everything that reaches a back end has been checked here, and the back end gets only those parts of the
document that it needs.
"""

from .asset import Asset, parse_scene, read_asset
from .cameras import find_camera
from .content import Content, content_of
from .geometry import read_attribute, read_corners, read_normals, read_texcoords, read_triangles
from .lights import Light, read_light
from .recent_documents import OpenedDocument, RecentDocuments
from .resources import read_image, texture_image
from .writer import Detail, import_document

__all__ = [
    "Asset",
    "Content",
    "Detail",
    "Light",
    "OpenedDocument",
    "RecentDocuments",
    "content_of",
    "find_camera",
    "import_document",
    "parse_scene",
    "read_asset",
    "read_attribute",
    "read_corners",
    "read_image",
    "read_light",
    "read_normals",
    "read_texcoords",
    "read_triangles",
    "texture_image",
]
