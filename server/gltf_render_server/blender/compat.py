"""The differences between Blender's versions; only this module knows them.

It supports 4.5 LTS and 5.2 LTS.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

__all__ = [
    "COUNTS_OWN_TANGENTS",
    "EEVEE",
    "OBJECT_INDEX_PASS",
    "has_nodes",
    "importer_extensions",
    "node_tree",
    "quiet",
    "set_image_format",
    "without_chatter",
]

_IS_5 = bpy.app.version >= (5, 0)

EEVEE = "BLENDER_EEVEE" if _IS_5 else "BLENDER_EEVEE_NEXT"
"""The identifier of the EEVEE engine."""

OBJECT_INDEX_PASS = "Object Index" if _IS_5 else "IndexOB"
"""The name of the object index pass in a multilayer EXR."""

COUNTS_OWN_TANGENTS = _IS_5
"""Whether Cycles uses tangents that a mesh provides. Its own tangents differ in the last bits each time."""

_CHATTER = re.compile(rb"\b(CUEW|HIPEW) initialization failed")
"""Messages of Blender about missing optional libraries, which are harmless."""


def importer_extensions() -> frozenset[str]:
    """Return the glTF extensions that Blender's importer supports, so that a scene may require them."""
    # an add-on, which exists only once Blender has started
    from io_scene_gltf2.io.imp.gltf2_io_gltf import glTFImporter

    settings = {"import_user_extensions": [], "loglevel": 0}
    return frozenset(glTFImporter("", settings).extensions_managed)


def set_image_format(settings: bpy.types.ImageFormatSettings, file_format: str) -> None:
    """Set the file format of a render. Since Blender 5.0, the media type must be set first."""
    if _IS_5:
        is_multilayer = file_format == "OPEN_EXR_MULTILAYER"
        settings.media_type = "MULTI_LAYER_IMAGE" if is_multilayer else "IMAGE"
    settings.file_format = file_format


def has_nodes(material: bpy.types.Material) -> bool:
    """Return whether a material uses shader nodes. Since Blender 5.0, all do."""
    return _IS_5 or material.use_nodes


def node_tree(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """Return the shader nodes of a new material or world. Since Blender 5.0, they always exist."""
    if not _IS_5:
        owner.use_nodes = True
    if owner.node_tree is None:
        raise TypeError(f"{owner!r} has no shader nodes")
    return owner.node_tree


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress what Blender prints to the standard output, such as a line for each step of a render."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Remove Blender's messages about missing optional libraries. All other output appears at the end."""
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            printed.seek(0)
            for line in printed:
                if not _CHATTER.search(line):
                    os.write(kept, line)
            os.close(kept)
