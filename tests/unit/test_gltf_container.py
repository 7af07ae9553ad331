"""GLB and JSON files: what is found in them, and what is said of broken ones."""

import struct

import pytest

from gltf_render_server.errors import SceneError
from gltf_render_server.gltf.container import open_container


def glb(*chunks, version=2, length=None):
    body = b"".join(struct.pack("<I4s", len(data), kind) + data for kind, data in chunks)
    return struct.pack("<4sII", b"glTF", version, 12 + len(body) if length is None else length) + body


JSON, BIN = (b"JSON", b'{"asset":{}}'), (b"BIN\0", bytes(range(8)))


def test_json_is_its_own_container():
    assert open_container(b'{"a":1}') == (b'{"a":1}', None)
    assert open_container(b"") == (b"", None)


def test_a_glb_holds_json_and_may_hold_bytes():
    assert open_container(glb(JSON)) == (JSON[1], None)
    assert open_container(glb(JSON, BIN)) == (JSON[1], BIN[1])


def test_unknown_chunks_and_what_follows_the_file_are_ignored():
    assert open_container(glb(JSON, BIN, (b"MORE", b"1234"))).binary == BIN[1]
    assert open_container(glb(JSON, (b"MORE", b"1234"), BIN)).binary is None  # it must be the second
    assert open_container(glb(JSON, BIN) + b"tail").binary == BIN[1]


def test_what_is_large_is_not_copied():
    data = glb(JSON, (b"BIN\0", bytes(1000)))
    assert open_container(data).binary.obj is data
    assert open_container(JSON[1]).json is JSON[1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"glTF", "too short"),
        (glb(JSON)[:19], "too short"),
        (glb(JSON, version=1), "version 1"),
        (glb(JSON, version=2**32 - 1), "version 4294967295"),
        (glb(JSON, BIN)[:-1], "send the whole file"),
        (glb(JSON, BIN, length=2**32 - 1), "send the whole file"),
        (glb(JSON, length=0), "ends within the header of a chunk, at byte 12"),
        (glb(JSON, BIN, length=len(glb(JSON)) + 4), "ends within the header"),
        (glb(JSON, BIN, length=len(glb(JSON)) + 9), "beyond the end"),
        (glb(BIN, JSON), "must be its JSON"),
        (struct.pack("<4sIII4s", b"glTF", 2, 20, 2**32 - 1, b"JSON"), "beyond the end"),
    ],
)
def test_a_broken_glb_is_told_what_is_wrong(data, message):
    with pytest.raises(SceneError, match=message):
        open_container(data)
