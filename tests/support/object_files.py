"""A folder of small GLB files as collections of objects have them, some of them broken in one of ten ways."""

import json
import struct

import numpy as np
import trimesh

BROKEN = (
    "truncated",
    "empty",
    "not a GLB",
    "not JSON",
    "a buffer that is not there",
    "an index of no vertex",
    "a position that is no number",
    "an extension that nobody knows",
    "nothing to see",
    "nodes in a circle",
)


def write_objects(folder, count, broken, seed=0):
    """Write so many files, of which so many are broken at random places; return the kinds of these."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    places = rng.choice(count, broken, replace=False)
    kinds = {int(place): BROKEN[number % len(BROKEN)] for number, place in enumerate(sorted(places))}
    found = {}
    for index in range(count):
        data = glb_of(some_mesh(rng))
        suffix = "glb"
        if index in kinds:
            data, suffix = broken_file(data, kinds[index])
            found[f"{index:05d}.{suffix}"] = kinds[index]
        (folder / f"{index:05d}.{suffix}").write_bytes(data)
    return found


def some_mesh(rng):
    makes = (
        lambda: trimesh.creation.icosphere(subdivisions=int(rng.integers(1, 4)), radius=rng.uniform(0.1, 2)),
        lambda: trimesh.creation.box(rng.uniform(0.05, 3, 3)),
        lambda: trimesh.creation.cylinder(
            rng.uniform(0.1, 1), rng.uniform(0.2, 3), sections=int(rng.integers(6, 64))
        ),
        lambda: trimesh.creation.torus(rng.uniform(0.6, 1), rng.uniform(0.1, 0.4)),
    )
    mesh = makes[rng.integers(len(makes))]()
    colour = [*rng.integers(30, 255, 3), 255]
    mesh.visual = trimesh.visual.TextureVisuals(
        material=trimesh.visual.material.PBRMaterial(baseColorFactor=colour)
    )
    mesh.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
    return mesh


def glb_of(mesh):
    return trimesh.Scene(mesh).export(file_type="glb")


def broken_file(data, kind):
    """Break a GLB; return its bytes and the suffix of its name."""
    size = struct.unpack_from("<I", data, 12)[0]
    document, binary = json.loads(data[20 : 20 + size]), data[20 + size + 8 :]
    match kind:
        case "truncated":
            return data[: len(data) // 2], "glb"
        case "empty":
            return b"", "glb"
        case "not a GLB":
            return b"<html>404</html>", "glb"
        case "not JSON":
            return data[:20] + b"{" * size + data[20 + size :], "glb"
        case "a buffer that is not there":
            document["buffers"][0]["uri"] = "missing.bin"
            return json.dumps(document).encode(), "gltf"
        case "an index of no vertex":
            view = document["bufferViews"][document["accessors"][indices(document)]["bufferView"]]
            start = view.get("byteOffset", 0)
            binary = binary[:start] + b"\xff\xff\xff\x7f" + binary[start + 4 :]
        case "a position that is no number":
            accessor = document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
            view = document["bufferViews"][document["accessors"][accessor]["bufferView"]]
            start = view.get("byteOffset", 0)
            binary = binary[:start] + struct.pack("<f", float("nan")) + binary[start + 4 :]
        case "an extension that nobody knows":
            document["extensionsRequired"] = document["extensionsUsed"] = ["ACME_teapots"]
        case "nothing to see":
            document["scenes"] = [{"nodes": []}]
        case "nodes in a circle":
            document["nodes"].append({"children": [len(document["nodes"]) + 1]})
            document["nodes"].append({"children": [len(document["nodes"]) - 1]})
            document["scenes"] = [{"nodes": [len(document["nodes"]) - 1]}]
        case _:
            raise ValueError(kind)
    return packed(document, binary), "glb"


def indices(document):
    return document["meshes"][0]["primitives"][0]["indices"]


def packed(document, binary):
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body
