"""Writes plain documents anew as other tools do: packed into a GLB, with Draco, with meshopt."""

from __future__ import annotations

import base64
import copy
import json
import struct
from typing import Any

import DracoPy
import meshopt
import numpy as np
from numpy.typing import NDArray

Json = dict[str, Any]

DTYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def data_uri(data: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()


def view_bytes(document: Json, index: int) -> bytes:
    view = document["bufferViews"][index]
    data = base64.b64decode(document["buffers"][view["buffer"]]["uri"].partition(",")[2])
    return data[view.get("byteOffset", 0) :][: view["byteLength"]]


def values(document: Json, index: int) -> NDArray[Any]:
    """Read a plain accessor, (n, k)."""
    item = document["accessors"][index]
    data = view_bytes(document, item["bufferView"])[item.get("byteOffset", 0) :]
    width, dtype = WIDTHS[item["type"]], np.dtype(DTYPES[item["componentType"]])
    stride = document["bufferViews"][item["bufferView"]].get("byteStride", width * dtype.itemsize)
    return np.ndarray((item["count"], width), dtype, data, 0, (stride, dtype.itemsize)).copy()


def add_buffer(document: Json, data: bytes) -> int:
    document["buffers"].append({"byteLength": len(data), "uri": data_uri(data)})
    return len(document["buffers"]) - 1


def add_view(document: Json, data: bytes, **more: Any) -> int:
    view = {"buffer": add_buffer(document, data), "byteLength": len(data), **more}
    document["bufferViews"].append(view)
    return len(document["bufferViews"]) - 1


def require(document: Json, *names: str) -> None:
    for key in ("extensionsUsed", "extensionsRequired"):
        document[key] = sorted({*document.get(key, ()), *names})


def to_glb(document: Json) -> bytes:
    """Move all buffers into the binary chunk, as exporters write it."""
    document, binary = copy.deepcopy(document), b""
    moved: list[tuple[int, int]] = []
    fallbacks: list[Json] = []
    for buffer in document["buffers"]:
        if "uri" in buffer:
            binary += bytes(-len(binary) % 4)
            moved.append((0, len(binary)))
            binary += base64.b64decode(buffer["uri"].partition(",")[2])
        else:
            fallbacks.append(buffer)
            moved.append((len(fallbacks), 0))
    for view in document["bufferViews"]:
        for place in (view, *view.get("extensions", {}).values()):
            place["buffer"], start = moved[place["buffer"]]
            place["byteOffset"] = place.get("byteOffset", 0) + start
    document["buffers"] = [{"byteLength": len(binary)}, *fallbacks]
    text = json.dumps(document).encode()
    text, binary = text + b" " * (-len(text) % 4), binary + bytes(-len(binary) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def with_draco(document: Json, bits: int = 16) -> Json:
    """Compress all primitives; what they hold then is in their streams alone."""
    document = copy.deepcopy(document)
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            _compress(document, primitive, bits)
    require(document, "KHR_draco_mesh_compression")
    return document


def _compress(document: Json, primitive: Json, bits: int) -> None:
    attributes = {name: values(document, index) for name, index in primitive["attributes"].items()}
    ids = {name: number for number, name in enumerate(attributes) if name != "POSITION"}
    generic = {ids[name]: array for name, array in attributes.items() if name != "POSITION"}
    stream = DracoPy.encode(
        attributes["POSITION"],
        values(document, primitive["indices"]).reshape(-1, 3).astype(np.uint32),
        quantization_bits=bits,
        preserve_order=True,
        generic_attributes=generic or None,
    )
    decoded = DracoPy.decode(stream)
    [position] = [item["unique_id"] for item in decoded.attributes if item["attribute_type"] == 0]
    for index in (*primitive["attributes"].values(), primitive["indices"]):
        document["accessors"][index].pop("bufferView", None)
    extension = {"bufferView": add_view(document, stream), "attributes": {"POSITION": position, **ids}}
    primitive["extensions"] = {"KHR_draco_mesh_compression": extension}


def with_meshopt(document: Json, name: str = "EXT_meshopt_compression", version: int = 0) -> Json:
    """Compress all buffer views that accessors read; the buffers that these views name are mere fallbacks."""
    document = copy.deepcopy(document)
    plain = copy.deepcopy(document)
    indices = {p["indices"] for m in document["meshes"] for p in m["primitives"] if "indices" in p}
    done = set()
    for index, accessor in enumerate(document["accessors"]):
        number = accessor.get("bufferView")
        if number is None or number in done:
            continue
        done.add(number)
        array = values(plain, index)
        is_index = index in indices
        rows = array.astype("<u4") if is_index else _padded(array)
        mode = "TRIANGLES" if is_index else "ATTRIBUTES"
        stream = meshopt.encode_gltf_buffer(rows, mode, version if mode == "ATTRIBUTES" else 0)
        _pack(document, number, stream, rows, mode, name)
        if is_index:
            accessor["componentType"] = 5125
        elif rows.nbytes != array.nbytes or rows.itemsize * rows.shape[1] % 4 == 0:
            document["bufferViews"][number]["byteStride"] = rows.nbytes // len(rows)
    require(document, name)
    return document


def _padded(array: NDArray[Any]) -> NDArray[Any]:
    """Lengthen rows to a multiple of four bytes, which the codec and the format want."""
    size = array.itemsize * array.shape[1]
    rows = np.zeros((len(array), size + -size % 4), np.uint8)
    rows[:, :size] = np.ascontiguousarray(array).view(np.uint8).reshape(len(array), size)
    return rows


def _pack(document: Json, number: int, stream: bytes, rows: NDArray[Any], mode: str, name: str) -> None:
    count, stride = (rows.size, 4) if mode == "TRIANGLES" else (len(rows), rows.nbytes // len(rows))
    document["buffers"].append({"byteLength": rows.nbytes, "extensions": {name: {"fallback": True}}})
    fallback = len(document["buffers"]) - 1
    extension = {
        "buffer": add_buffer(document, stream),
        "byteLength": len(stream),
        "byteStride": stride,
        "count": count,
        "mode": mode,
    }
    view = {"buffer": fallback, "byteLength": rows.nbytes, "extensions": {name: extension}}
    document["bufferViews"][number] = view
