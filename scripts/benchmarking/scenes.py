"""Static scenes in the form that a Drake client would send: recorded ones, and generated ones.

Independent of motion, servers and time.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import trimesh
from numpy.typing import ArrayLike
from PIL import Image
from trimesh.scene import Camera
from trimesh.visual import TextureVisuals

import still_life
from gltf_render_server.http.form import ImageType
from reporting import ScriptError
from trimesh_document import document_of
from viewpoint import form_of, look_at

__all__ = ["ImageType", "StillScene", "heavy_scene", "many_objects", "recorded", "small_scene", "table"]

Fields = dict[str, str]

_SIZE = (640, 480)
_FOV_Y_RAD = 2 * float(np.arctan(240 / 600))
_SPACING_M = 0.16
_HEAVY_THINGS = 10
_MESH_BYTES_PER_RING2 = 117  # base64 of 2 vertices (position, uv) and 4 triangles of three uint32
_TEXTURE_BYTES_PER_PIXEL = 3.55  # base64 of a PNG with seven bits of noise in each channel


@dataclass(frozen=True)
class StillScene:
    """The requests for one frame of a static scene.

    Attributes
    ----------
    name : str
    documents : dict of ImageType to bytes
        The glTF file for each image type. All have the same nodes.
    fields : dict of ImageType to dict of str to str
        The form fields for each image type, without the digest.
    """

    name: str
    documents: Mapping[ImageType, bytes]
    fields: Mapping[ImageType, Fields]


def recorded(folder: Path, image_types: Sequence[ImageType]) -> StillScene:
    """Read a folder of recorded requests: ``color.gltf``, ``color.json`` (the form fields), and so on.

    Raises
    ------
    ScriptError
        A file is missing or malformed.
    """
    documents, fields = {}, {}
    for image_type in image_types:
        _check_is_recorded(folder, image_type)
        documents[image_type] = (folder / f"{image_type}.gltf").read_bytes()
        fields[image_type] = _read_fields(folder / f"{image_type}.json")
    return StillScene(folder.resolve().name, documents, fields)


def table() -> StillScene:
    """Return a furnished table: some twenty textured objects."""
    return StillScene(
        "table",
        {kind: still_life.scene(kind.value) for kind in ImageType},
        {kind: still_life.request_fields(kind.value, *_SIZE) for kind in ImageType},
    )


def many_objects(count: int) -> StillScene:
    """Make boxes and balls on a floor. Each has its own small mesh and material, as in Drake."""
    rng = np.random.default_rng(count)
    shapes = (_box((1, 1, 1)), _ball(6))
    meshes = [_sized(shapes[n % 2], rng.uniform(0.05, 0.12, 3)) for n in range(max(count - 1, 1))]
    return _on_a_floor(f"{count} objects", [_Object(mesh, _colour(rng)) for mesh in meshes])


def heavy_scene(megabytes: float) -> StillScene:
    """Make ten textured balls with a total of `megabytes` of JSON, half for meshes, half for textures."""
    rng = np.random.default_rng(0)
    share = max(megabytes * 1e6 - 20_000, 0) / 2 / _HEAVY_THINGS
    ball = _sized(_ball(max(round((share / _MESH_BYTES_PER_RING2) ** 0.5), 4)), [0.14] * 3)
    side = max(round((share / _TEXTURE_BYTES_PER_PIXEL) ** 0.5), 4)
    things = [_Object(ball, (1.0, 1.0, 1.0), _noisy_png(rng, side)) for _ in range(_HEAVY_THINGS)]
    return _on_a_floor(f"{megabytes:g} MB", things)


def small_scene(seed: int) -> StillScene:
    """Make a dozen objects, some textured, which differ for each seed."""
    rng = np.random.default_rng(seed)
    shapes = (_box((1, 1, 1)), _ball(8))
    things = [
        _Object(
            _sized(shapes[n % 2], rng.uniform(0.05, 0.14, 3)),
            _colour(rng),
            _noisy_png(rng, 64) if n % 3 == 0 else None,
        )
        for n in range(12)
    ]
    return _on_a_floor(f"small scene {seed}", things)


def _check_is_recorded(folder: Path, image_type: ImageType) -> None:
    if not folder.is_dir():
        raise ScriptError(f"--scenes {folder}: there is no such folder")
    for name in (f"{image_type}.gltf", f"{image_type}.json"):
        if (folder / name).is_file():
            continue
        inside = sorted(path.parent.name for path in folder.glob(f"*/{name}"))
        advice = (
            f"name one of those in it: {', '.join(inside)}"
            if inside
            else f"record it, or leave this image type out (--types); a folder holds {image_type}.gltf, the "
            f"file that was sent, and {image_type}.json, the form's other fields"
        )
        raise ScriptError(f"--scenes {folder}: it holds no {name}; {advice}")


def _read_fields(path: Path) -> Fields:
    try:
        return _without_digest(
            {str(name): str(value) for name, value in json.loads(path.read_text()).items()}
        )
    except (ValueError, AttributeError) as error:
        raise ScriptError(f"{path}: must be a JSON object of the form's fields: {error}") from error


def _without_digest(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name != "scene_sha256"}


@dataclass(frozen=True)
class _Object:
    mesh: trimesh.Trimesh
    colour: tuple[float, float, float]
    texture: bytes | None = None


def _on_a_floor(name: str, things: Sequence[_Object]) -> StillScene:
    """Put objects on a floor, in rows, with a camera that sees them all."""
    columns = int(np.ceil(len(things) ** 0.5))
    side_m = columns * _SPACING_M
    floor = _Object(_box((side_m + 0.4, side_m + 0.4, 0.02)), (0.6, 0.6, 0.58))
    scene = trimesh.Scene()
    scene.add_geometry(floor.mesh, transform=trimesh.transformations.translation_matrix((0, 0, -0.01)))
    for number, thing in enumerate(things):
        row, column = divmod(number, columns)
        x, y = (_SPACING_M * (place + 0.5) - side_m / 2 for place in (column, row))
        place = (x, y, -thing.mesh.bounds[0, 2])
        scene.add_geometry(thing.mesh, transform=trimesh.transformations.translation_matrix(place))
    reach_m = 1.1 * side_m + 0.5
    scene.camera = Camera("camera", fov=np.degrees([_FOV_Y_RAD * 4 / 3, _FOV_Y_RAD]), z_near=0.05)
    scene.camera_transform = look_at(reach_m * np.array([0.45, -0.9, 0.75]))
    document = _with_materials(document_of(scene), [floor, *things])
    labelled = document | {"materials": [_label_material(n + 1) for n in range(len(things) + 1)]}
    color, label = msgspec.json.encode(document), msgspec.json.encode(labelled)
    far_m = 4 * reach_m
    return StillScene(
        name,
        {ImageType.COLOR: color, ImageType.DEPTH: color, ImageType.LABEL: label},
        {kind: form_of(kind.value, _SIZE, _FOV_Y_RAD, (0.05, far_m), (0.1, far_m)) for kind in ImageType},
    )


def _with_materials(document: dict[str, Any], things: Sequence[_Object]) -> dict[str, Any]:
    """Give each mesh its own material and texture, as Drake does."""
    materials, textures, images = [], [], []
    for mesh, thing in zip(document["meshes"], things, strict=True):
        pbr = _drake_pbr(thing.colour)
        if thing.texture is not None:
            pbr["baseColorTexture"] = {"index": len(textures)}
            textures.append({"source": len(images)})
            uri = f"data:image/png;base64,{base64.b64encode(thing.texture).decode('ascii')}"
            images.append({"mimeType": "image/png", "uri": uri})
        mesh["primitives"][0]["material"] = len(materials)
        materials.append({"pbrMetallicRoughness": pbr})
    pictures = {"textures": textures, "images": images} if textures else {}
    return document | {"materials": materials, **pictures}


def _drake_pbr(colour: Sequence[float]) -> dict[str, Any]:
    return {"baseColorFactor": [*colour, 1.0], "metallicFactor": 0.0, "roughnessFactor": 1.0}


def _label_material(label: int) -> dict[str, Any]:
    return {"pbrMetallicRoughness": _drake_pbr((label % 256 / 255, label // 256 / 255, 0.0))}


def _box(size_m: Sequence[float]) -> trimesh.Trimesh:
    return _unwrapped(trimesh.creation.box(size_m))


def _ball(rings: int) -> trimesh.Trimesh:
    """Return a ball of diameter 1 m around the origin."""
    return _unwrapped(trimesh.creation.uv_sphere(radius=0.5, count=[rings, rings]))


def _unwrapped(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Add texture coordinates like those of a world map."""
    x, y, z = mesh.vertices.T / np.linalg.norm(mesh.vertices, axis=1)
    uv = np.stack([np.arctan2(y, x) / (2 * np.pi) + 0.5, np.arcsin(z) / np.pi + 0.5], axis=-1)
    mesh.visual = TextureVisuals(uv=uv)
    return mesh


def _sized(mesh: trimesh.Trimesh, size_m: ArrayLike) -> trimesh.Trimesh:
    return mesh.copy().apply_scale(size_m)


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = rng.uniform(0.1, 0.9, 3).tolist()
    return red, green, blue


def _noisy_png(rng: np.random.Generator, side_px: int) -> bytes:
    """Return an incompressible image, whose size is known in advance."""
    tint = rng.integers(0, 128, 3)
    pixels = (rng.integers(0, 128, (side_px, side_px, 3)) + tint).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
