"""Scenes at rest, as a Drake client would send them: recorded ones, and ones that are made to measure.

Knows nothing of motion, servers or time.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gltf_render_server.client import form_fields
from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange, ImageType
from tabletop import tabletop
from tabletop.shapes import Floats, Surface, box, grid, pose, revolve, unit

from .errors import BenchmarkError

__all__ = ["StillScene", "heavy_scene", "many_objects", "recorded", "small_scene", "table"]

Fields = dict[str, str]

_WIDTH, _HEIGHT, _FOCAL = 640, 480, 600.0
_SPACING_M = 0.16
_FLOAT, _UINT = 5126, 5125
_HEAVY_THINGS = 10
_MESH_BYTES_PER_RING2 = 117  # base64 of 2 vertices (position, uv) and 4 triangles of three uint32
_TEXTURE_BYTES_PER_PIXEL = 3.55  # base64 of a PNG with seven bits of noise in each channel


@dataclass(frozen=True)
class StillScene:
    """One frame's requests, before anything moves.

    Attributes
    ----------
    name : str
    documents : dict of ImageType to bytes
        The glTF file of each image type; all have the same nodes.
    fields : dict of ImageType to dict of str to str
        The form of each, without the digest.
    """

    name: str
    documents: Mapping[ImageType, bytes]
    fields: Mapping[ImageType, Fields]


def recorded(folder: Path, image_types: Sequence[ImageType]) -> StillScene:
    """Read a folder of recorded requests: ``color.gltf``, ``color.json`` (the form's fields), and so on.

    Raises
    ------
    BenchmarkError
        Something is missing or cannot be read.
    """
    documents, fields = {}, {}
    for image_type in image_types:
        _check_is_recorded(folder, image_type)
        documents[image_type] = (folder / f"{image_type}.gltf").read_bytes()
        fields[image_type] = _read_fields(folder / f"{image_type}.json")
    return StillScene(folder.resolve().name, documents, fields)


def table(width: int = _WIDTH, height: int = _HEIGHT) -> StillScene:
    """Make a furnished table: some twenty textured objects."""
    scene = tabletop(seed=0)
    return StillScene(
        "table",
        {image_type: scene.document(image_type.value) for image_type in ImageType},
        {
            image_type: _without_digest(scene.fields(image_type.value, width, height))
            for image_type in ImageType
        },
    )


def many_objects(count: int) -> StillScene:
    """Make boxes and balls on a floor; each brings a small mesh and a material of its own, as in Drake."""
    rng = np.random.default_rng(count)
    shapes = (box((1, 1, 1)), _ball(6))
    surfaces = [_sized(shapes[n % 2], rng.uniform(0.05, 0.12, 3)) for n in range(max(count - 1, 1))]
    return _on_a_floor(f"{count} objects", [_Object(surface, _colour(rng)) for surface in surfaces])


def heavy_scene(megabytes: float) -> StillScene:
    """Make ten textured balls that take `megabytes` of JSON, half for meshes, half for textures."""
    rng = np.random.default_rng(0)
    share = max(megabytes * 1e6 - 20_000, 0) / 2 / _HEAVY_THINGS
    ball = _sized(_ball(max(round((share / _MESH_BYTES_PER_RING2) ** 0.5), 4)), [0.14] * 3)
    side = max(round((share / _TEXTURE_BYTES_PER_PIXEL) ** 0.5), 4)
    things = [_Object(ball, (1.0, 1.0, 1.0), _noisy_png(rng, side)) for _ in range(_HEAVY_THINGS)]
    return _on_a_floor(f"{megabytes:g} MB", things)


def small_scene(seed: int) -> StillScene:
    """Make a dozen objects, some textured, that no other seed makes."""
    rng = np.random.default_rng(seed)
    shapes = (box((1, 1, 1)), _ball(8))
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
        raise BenchmarkError(f"--scenes {folder}: there is no such folder")
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
        raise BenchmarkError(f"--scenes {folder}: it holds no {name}; {advice}")


def _read_fields(path: Path) -> Fields:
    try:
        return _without_digest(
            {str(name): str(value) for name, value in json.loads(path.read_text()).items()}
        )
    except (ValueError, AttributeError) as error:
        raise BenchmarkError(f"{path}: must be a JSON object of the form's fields: {error}") from error


def _without_digest(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name != "scene_sha256"}


@dataclass(frozen=True)
class _Object:
    surface: Surface
    colour: tuple[float, float, float]
    texture: bytes | None = None


def _on_a_floor(name: str, things: Sequence[_Object]) -> StillScene:
    """Put things onto a floor, in rows, with a camera that sees them all."""
    columns = int(np.ceil(len(things) ** 0.5))
    side_m = columns * _SPACING_M
    writer = _Writer()
    writer.add(_Object(box((side_m + 0.4, side_m + 0.4, 0.02)), (0.6, 0.6, 0.58)), pose(0, 0, -0.01))
    for number, thing in enumerate(things):
        row, column = divmod(number, columns)
        x, y = (_SPACING_M * (place + 0.5) - side_m / 2 for place in (column, row))
        writer.add(thing, pose(x, y, float(-thing.surface.positions[:, 2].min())))
    reach_m = 1.1 * side_m + 0.5
    document = writer.document(_looking_at_origin(reach_m * np.array([0.45, -0.9, 0.75])))
    labelled = document | {"materials": [_label_material(n + 1) for n in range(len(things) + 1)]}
    color, label = msgspec.json.encode(document), msgspec.json.encode(labelled)
    documents = {ImageType.COLOR: color, ImageType.DEPTH: color, ImageType.LABEL: label}
    return StillScene(name, documents, _fields(far=4 * reach_m))


def _fields(far: float) -> dict[ImageType, Fields]:
    center_x, center_y = (_WIDTH - 1) / 2, (_HEIGHT - 1) / 2
    camera = Lens(_WIDTH, _HEIGHT, _FOCAL, _FOCAL, center_x, center_y, 0.05, far)
    depth_range = {ImageType.DEPTH: DepthRange(0.1, far)}
    return {kind: form_fields(kind, camera, depth_range.get(kind)) for kind in ImageType}


@dataclass
class _Writer:
    """Writes what VTK's exporter writes for Drake: a buffer, a view and an accessor for each array."""

    gltf: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, thing: _Object, place: Floats) -> None:
        surface = thing.surface
        attributes = {
            "POSITION": self._accessor(surface.positions, "VEC3"),
            "TEXCOORD_0": self._accessor(np.asarray(surface.uvs), "VEC2"),
        }
        primitive = {
            "attributes": attributes,
            "indices": self._accessor(surface.triangles.reshape(-1, 1), "SCALAR"),
            "material": self._material(thing),
            "mode": 4,
        }
        name = f"g{len(self.gltf.get('meshes', ()))}"
        mesh = self._add("meshes", {"name": name, "primitives": [primitive]})
        self._add("nodes", {"mesh": mesh, "name": name, "matrix": place.T.ravel().tolist()})

    def document(self, camera_to_world: Floats) -> dict[str, Any]:
        nodes = self.gltf["nodes"]
        camera = {"camera": 0, "name": "Camera Node", "matrix": camera_to_world.T.ravel().tolist()}
        root = {"name": "Renderer Node", "children": list(range(len(nodes) + 1))}
        perspective = {"yfov": 2 * np.arctan(_HEIGHT / 2 / _FOCAL).item(), "znear": 0.05}
        return self.gltf | {
            "asset": {"generator": "VTK", "version": "2.0"},
            "scene": 0,
            "scenes": [{"name": "Layer 0", "nodes": [len(nodes) + 1]}],
            "nodes": [*nodes, camera, root],
            "cameras": [{"type": "perspective", "perspective": perspective}],
        }

    def _accessor(self, array: NDArray[Any], kind: str) -> int:
        is_index = kind == "SCALAR"
        values = array.astype("<u4" if is_index else "<f4")
        data = values.tobytes()
        buffer = {"byteLength": len(data), "uri": _data_uri("application/octet-stream", data)}
        view = {"buffer": self._add("buffers", buffer), "byteOffset": 0, "byteLength": len(data)}
        accessor = {
            "bufferView": self._add("bufferViews", view),
            "componentType": _UINT if is_index else _FLOAT,
            "count": len(values),
            "type": kind,
            "min": values.min(0).tolist(),
            "max": values.max(0).tolist(),
        }
        return self._add("accessors", accessor)

    def _material(self, thing: _Object) -> int:
        pbr = _drake_pbr(thing.colour)
        if thing.texture is not None:
            uri = _data_uri("image/png", thing.texture)
            image = self._add("images", {"mimeType": "image/png", "uri": uri})
            pbr["baseColorTexture"] = {"index": self._add("textures", {"source": image})}
        return self._add("materials", {"pbrMetallicRoughness": pbr})

    def _add(self, kind: str, item: dict[str, Any]) -> int:
        self.gltf.setdefault(kind, []).append(item)
        return len(self.gltf[kind]) - 1


def _drake_pbr(colour: Sequence[float]) -> dict[str, Any]:
    return {"baseColorFactor": [*colour, 1.0], "metallicFactor": 0.0, "roughnessFactor": 1.0}


def _label_material(label: int) -> dict[str, Any]:
    return {"pbrMetallicRoughness": _drake_pbr((label % 256 / 255, label // 256 / 255, 0.0))}


def _data_uri(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _ball(rings: int) -> Surface:
    """Return a ball of diameter 1 m about the origin."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    profile = 0.5 * np.stack([np.cos(latitude), np.sin(latitude)], axis=-1)
    return grid(revolve(profile, 2 * rings), wrap=True)


def _sized(surface: Surface, size_m: Sequence[float] | Floats) -> Surface:
    return replace(surface, positions=surface.positions * np.asarray(size_m))


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = rng.uniform(0.1, 0.9, 3).tolist()
    return red, green, blue


def _noisy_png(rng: np.random.Generator, side_px: int) -> bytes:
    """Return a picture that no compression makes smaller, so that its size is known before."""
    tint = rng.integers(0, 128, 3)
    pixels = (rng.integers(0, 128, (side_px, side_px, 3)) + tint).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _looking_at_origin(eye: Floats) -> Floats:
    """Return the pose of a camera at `eye` (3,): +x right, +y up, looking along its -z at the origin."""
    back = unit(eye)
    right = unit(np.cross((0, 0, 1), back))
    result = np.eye(4)
    result[:3] = np.column_stack([right, np.cross(back, right), back, eye])
    return result
