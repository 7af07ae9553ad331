"""Plain glTF documents with one feature each: for `compressed` to pack, and for `raycaster` to answer."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from compressed import add_view, require
from drake_like import add_accessor, column_major, empty_document, look_at, sphere, translation
from numpy.typing import NDArray

Json = dict[str, Any]

EYE = look_at((1.6, -3.1, 1.9), (0, 0, 0.3))
SIZE, FOCAL = (96, 72), 90.0


def ball(rings: int = 10, **node: Any) -> Json:
    """A ball above a floor that lies in the camera's view whatever moves above it."""
    document = empty_document()
    document["scenes"][0]["nodes"] = [0, 1, 2]
    document["nodes"] = [
        {"camera": 0, "matrix": column_major(EYE)},
        {"mesh": 0, "name": "floor", "translation": [0, 0, -0.6]},
        {"mesh": 1, "name": "ball", **node},
    ]
    floor = np.array([[x, y, 0.02 * x * y] for x in (-1.6, 1.6) for y in (-1.6, 1.6)], np.float32)
    add_mesh(document, floor, np.array([[0, 2, 1], [1, 2, 3]]))
    body = sphere(0.5, translation(0, 0, 0), 1, rings)
    wavy = body.vertices * (1 + 0.2 * np.sin(7 * body.vertices[:, :1]))
    add_mesh(document, wavy.astype(np.float32), body.triangles)
    return document


def add_mesh(document: Json, points: NDArray[np.float32], triangles: NDArray[Any]) -> Json:
    position = add_accessor(document, points.astype("<f4"), "VEC3")
    indices = add_accessor(document, triangles.reshape(-1).astype("<u4"), "SCALAR")
    primitive: Json = {"attributes": {"POSITION": position}, "indices": indices}
    document["meshes"].append({"primitives": [primitive]})
    return primitive


def _points(document: Json) -> tuple[Json, int]:
    primitive = document["meshes"][1]["primitives"][0]
    return primitive, document["accessors"][primitive["attributes"]["POSITION"]]["count"]


def add_numbers(document: Json, values: NDArray[Any], kind: str, **more: Any) -> int:
    view = add_view(document, values.tobytes())
    component = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "f4": 5126}[values.dtype.str[1:]]
    item = {"bufferView": view, "componentType": component, "count": len(values), "type": kind, **more}
    document["accessors"].append(item)
    return len(document["accessors"]) - 1


def turned() -> Json:
    """Below a node that is scaled unevenly, which shears it."""
    document = ball(rotation=[0.2, 0.3, -0.4, 0.8], scale=[1, 0.7, 1.4])
    document["nodes"].append({"children": [2], "scale": [1.3, 0.8, -1], "rotation": [0, 0.3, 0.1, 0.9]})
    document["scenes"][0]["nodes"] = [0, 1, 3]
    return document


def quantised() -> Json:
    """Positions are normalized shorts, and a node gives them their size."""
    document = ball(scale=[0.8, 0.8, 0.8])
    primitive, _ = _points(document)
    points = sphere(1.0, translation(0, 0, 0), 1, 10).vertices
    shorts = np.concatenate([np.round(points * 32767), np.zeros((len(points), 1))], 1).astype("<i2")
    view = add_view(document, shorts.tobytes(), byteStride=8)
    item = {"bufferView": view, "componentType": 5122, "normalized": True, "type": "VEC3"}
    item |= {"count": len(points), "min": [-1, -1, -1], "max": [1, 1, 1]}
    document["accessors"].append(item)
    primitive["attributes"]["POSITION"] = len(document["accessors"]) - 1
    require(document, "KHR_mesh_quantization")
    return document


def sparse() -> Json:
    """Some vertices are replaced, on top of a view and on top of nothing."""
    document = ball()
    primitive, count = _points(document)
    where = np.arange(3, count, 7)
    new = np.random.default_rng(1).normal(scale=0.6, size=(len(where), 3)).astype("<f4")
    part = {"bufferView": add_view(document, where.astype("<u2").tobytes()), "componentType": 5123}
    changed = {
        "count": len(where),
        "indices": part,
        "values": {"bufferView": add_view(document, new.tobytes())},
    }
    document["accessors"][primitive["attributes"]["POSITION"]]["sparse"] = changed
    offsets = {"componentType": 5126, "count": count, "type": "VEC3", "sparse": copy.deepcopy(changed)}
    document["accessors"].append(offsets)
    primitive["targets"] = [{"POSITION": len(document["accessors"]) - 1}]
    document["meshes"][1]["weights"] = [0.3]
    return document


def instanced() -> Json:
    document = ball(rings=6, scale=[0.5, 0.5, 0.5], rotation=[0.1, 0, 0, 1])
    rng = np.random.default_rng(2)
    turns = rng.normal(size=(9, 4)).astype("<f4")
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    attributes = {
        "TRANSLATION": add_accessor(document, rng.normal(size=(9, 3)).astype("<f4"), "VEC3"),
        "ROTATION": add_accessor(document, turns, "VEC4"),
        "SCALE": add_accessor(document, rng.uniform(0.4, 1.2, (9, 3)).astype("<f4"), "VEC3"),
    }
    document["nodes"][2]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    require(document, "EXT_mesh_gpu_instancing")
    return document


def morphed() -> Json:
    document = ball(weights=[0.7, -0.4, 12.0])
    primitive, count = _points(document)
    rng = np.random.default_rng(3)
    primitive["targets"] = [
        {"POSITION": add_accessor(document, rng.normal(scale=size, size=(count, 3)).astype("<f4"), "VEC3")}
        for size in (0.1, 0.2, 0.003)
    ]
    document["meshes"][1]["weights"] = [9.0, 9.0, 9.0]  # the node's say is the last
    return document


def skinned() -> Json:
    """Two joints bend the ball; its own node stands elsewhere, and has no say."""
    document = ball(skin=0, translation=[50, 0, 0])
    primitive, count = _points(document)
    points = sphere(0.5, translation(0, 0, 0), 1, 10).vertices
    share = np.clip(points[:, 2] + 0.5, 0, 1)
    weights = np.stack([1 - share, share, 0 * share, 0 * share], 1).astype("<f4")
    joints = np.tile(np.array([0, 1, 0, 0], "<u1"), (count, 1))
    primitive["attributes"]["JOINTS_0"] = add_numbers(document, joints, "VEC4")
    primitive["attributes"]["WEIGHTS_0"] = add_numbers(document, weights, "VEC4")
    binds = np.stack([translation(0, 0, 0.5), translation(0, 0, -0.5)])
    matrices = binds.transpose(0, 2, 1).reshape(2, 16).astype("<f4")
    document["skins"] = [{"joints": [3, 4], "inverseBindMatrices": add_numbers(document, matrices, "MAT4")}]
    document["nodes"] += [
        {"children": [4], "translation": [0.2, 0.1, -0.4], "rotation": [0, 0.1, 0, 1]},
        {"translation": [0, 0, 0.9], "rotation": [0.3, 0, 0.1, 0.9], "scale": [1, 1.3, 0.8]},
    ]
    document["scenes"][0]["nodes"].append(3)
    return document


def strips() -> Json:
    """A strip and a fan, without indices."""
    document = ball()
    angles = np.linspace(0, 2 * np.pi, 12)
    fan = np.stack([np.cos(angles), np.sin(angles), 0.3 * np.sin(3 * angles)], 1) * 0.6
    zigzag = np.stack([np.linspace(-1, 1, 14), np.tile([-0.2, 0.2], 7), np.sin(np.arange(14))], 1)
    document["meshes"][1]["primitives"] = [
        {"attributes": {"POSITION": add_accessor(document, fan.astype("<f4"), "VEC3")}, "mode": 6},
        {"attributes": {"POSITION": add_accessor(document, zigzag.astype("<f4"), "VEC3")}, "mode": 5},
    ]
    return document


def animated() -> Json:
    """The skin's joints, the ball's weights, the floor and the camera move, each in a way of its own."""
    document = skinned()
    primitive, count = _points(document)
    rng = np.random.default_rng(4)
    target = rng.normal(scale=0.15, size=(count, 3)).astype("<f4")
    primitive["targets"] = [{"POSITION": add_accessor(document, target, "VEC3")}]
    turns = rng.normal(size=(3, 4))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    spline = np.zeros((9, 3))
    spline[1::3] = [[0, 0, -0.9], [0.2, 0, -0.7], [0.2, 0.3, -1.1]]
    spline[0::3] = spline[2::3] = 0.2
    shorts = np.round(turns * 32767).astype("<i2")
    _animate(
        document,
        (3, "rotation", "LINEAR", [0.5, 1.0, 2.0], add_numbers(document, shorts, "VEC4", normalized=True)),
        (
            4,
            "translation",
            "STEP",
            [0.0, 1.0, 2.0],
            _floats(document, [[0, 0, 1], [0.1, 0, 0.9], [0, 0.2, 0.8]]),
        ),
        (1, "translation", "CUBICSPLINE", [0.0, 1.0, 3.0], _floats(document, spline)),
        (2, "weights", "LINEAR", [0.0, 2.0], _floats(document, [[0.0], [1.0]])),
    )
    return document


def _floats(document: Json, values: Any) -> int:
    array = np.array(values, "<f4")
    return add_numbers(document, array, "SCALAR" if array.shape[1] == 1 else "VEC3")


def _animate(document: Json, *channels: tuple[int, str, str, list[float], int]) -> None:
    animation: Json = {"samplers": [], "channels": []}
    for number, (node, path, kind, times, output) in enumerate(channels):
        at = _floats(document, np.array(times)[:, None])
        animation["samplers"].append({"input": at, "output": output, "interpolation": kind})
        animation["channels"].append({"sampler": number, "target": {"node": node, "path": path}})
    document["animations"] = [animation]


DOCUMENTS = {
    make.__name__: make for make in (turned, quantised, sparse, instanced, morphed, skinned, strips, animated)
}
