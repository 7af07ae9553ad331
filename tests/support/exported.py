"""What tests of formats share: stores that differ in what their records say, and all bytes of a folder."""

import io

import msgspec
import numpy as np
from PIL import Image

from gltf_render_server.dataset.store import Store


def files_of(folder):
    """The bytes of all files, by their paths."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rewritten(store, path, change):
    """A store with other records and files: `change` gets those of each item, and returns them."""
    copy = Store.begin(path, store.manifest)
    for item in store:
        files = files_of(item.folder)
        files.pop("item.json")
        copy.write(*change(item.record, files))
    return copy


def changed(record, **fields):
    return msgspec.structs.replace(record, **fields)


def tiff(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "TIFF")
    return buffer.getvalue()


def read_ply(path):
    """Positions and colours of a binary PLY of x, y, z, red, green, blue; read by its header alone."""
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    [count] = [int(line.split()[2]) for line in lines if line.startswith("element vertex")]
    kinds = {"float": "<f4", "uchar": "u1"}
    dtype = [(line.split()[2], kinds[line.split()[1]]) for line in lines if line.startswith("property")]
    rows = np.frombuffer(body, dtype)
    assert len(rows) == count
    return (
        np.stack([rows[axis] for axis in "xyz"], -1).astype(float),
        np.stack([rows[name] for name in ("red", "green", "blue")], -1),
    )
