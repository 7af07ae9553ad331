"""The only place that knows how Blender's versions differ.

Written against 4.5 LTS and 5.2 LTS.
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
"""Identifier of the EEVEE engine."""

OBJECT_INDEX_PASS = "Object Index" if _IS_5 else "IndexOB"
"""Name of the object-index pass in a multilayer EXR."""

COUNTS_OWN_TANGENTS = _IS_5
"""Whether Cycles takes tangents that a mesh brings, and would itself compute other last bits each time."""

_CHATTER = re.compile(rb"\b(CUEW|HIPEW) initialization failed")
"""What Blender says of optional libraries, which are no fault where they lack."""


def importer_extensions() -> frozenset[str]:
    """Name the glTF extensions that a scene may require of Blender's importer."""
    # an add-on: there only once Blender has started
    from io_scene_gltf2.io.imp.gltf2_io_gltf import glTFImporter

    settings = {"import_user_extensions": [], "loglevel": 0}
    return frozenset(glTFImporter("", settings).extensions_managed)


def set_image_format(settings: bpy.types.ImageFormatSettings, file_format: str) -> None:
    """Set the format of a render's file; since 5.0 its kind must be set first."""
    if _IS_5:
        is_multilayer = file_format == "OPEN_EXR_MULTILAYER"
        settings.media_type = "MULTI_LAYER_IMAGE" if is_multilayer else "IMAGE"
    settings.file_format = file_format


def has_nodes(material: bpy.types.Material) -> bool:
    """Whether a material is made of shader nodes; since 5.0 each is."""
    return _IS_5 or material.use_nodes


def node_tree(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    """Return the shader nodes of a new material or world; since 5.0 it always has some."""
    if not _IS_5:
        owner.use_nodes = True
    if owner.node_tree is None:
        raise TypeError(f"{owner!r} has no shader nodes")
    return owner.node_tree


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Blender itself prints, a line for each step of a render, off the standard output."""
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
    """Leave out what Blender prints of optional libraries that are not there; the rest comes at the end."""
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
