"""GLB and JSON files: what is found in them, and what is said of broken ones."""

import base64
import json
import pickle
import struct

import pytest
from compressed import to_glb, with_draco, with_meshopt
from test_gltf_document import EXTENSIONS, one_box, rich_document

from gltf_render_server.errors import SceneError, TooLargeError
from gltf_render_server.gltf import parse_scene
from gltf_render_server.gltf.container import open_container, write_container


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


@pytest.mark.parametrize("padding", [b"\0", b"\0\0\0", b" \0", b"   "])
def test_json_may_be_padded_with_nuls_or_spaces(padding):
    padded = (b"JSON", JSON[1] + padding)
    assert open_container(glb(padded)) == (JSON[1], None)
    assert open_container(glb(padded, BIN)) == (JSON[1], BIN[1])


@pytest.mark.parametrize(
    "tail", [b"\0", b"\0" * 4, b"\0" * 40, b"tail", b"a longer tail of any text"], ids=str
)
def test_bytes_after_the_json_that_are_no_chunk_are_ignored(tail):
    alone = glb(JSON)
    assert open_container(alone + tail) == (JSON[1], None)
    told = glb(JSON, length=len(alone) + len(tail)) + tail
    assert open_container(told) == (JSON[1], None)


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
        (glb(JSON, BIN, length=len(glb(JSON)) + 9), "beyond the end"),
        (glb(BIN, JSON), "must be its JSON"),
        (struct.pack("<4sIII4s", b"glTF", 2, 20, 2**32 - 1, b"JSON"), "beyond the end"),
    ],
)
def test_a_broken_glb_is_told_what_is_wrong(data, message):
    with pytest.raises(SceneError, match=message):
        open_container(data)


def parsed(data):
    return parse_scene(data, extensions=EXTENSIONS)


@pytest.mark.parametrize("make", [one_box, rich_document])
def test_a_scene_is_the_same_in_both(make):
    document = make()
    plain, binary = parsed(json.dumps(document).encode()), parsed(to_glb(document))
    assert binary.shapes == plain.shapes
    assert [surface.mesh for surface in binary.surfaces] == [surface.mesh for surface in plain.surfaces]


@pytest.mark.parametrize("pack", [lambda document: document, with_draco, with_meshopt])
def test_a_scene_travels_with_its_own_bytes_only(pack):
    data = to_glb(pack(one_box()))
    scene = parsed(data)
    sent = pickle.dumps(scene)
    assert len(sent) < len(data) + 20_000
    assert pickle.loads(sent).shapes == scene.shapes


def one_buffer(**more):
    """A GLB whose only buffer is its binary chunk, as a test says."""
    document = json.loads(open_container(to_glb(one_box())).json)
    document["buffers"][0] |= more
    return document, bytes(open_container(to_glb(one_box())).binary)


def test_the_chunk_may_be_longer_than_its_buffer():
    document, binary = one_buffer()
    padded = glb((b"JSON", json.dumps(document).encode()), (b"BIN\0", binary + bytes(3)))
    assert parsed(padded).shapes == parsed(to_glb(one_box())).shapes


def test_a_buffer_with_an_uri_is_not_the_chunk():
    document, binary = one_buffer()
    document["buffers"][0]["uri"] = "data:;base64," + base64.b64encode(binary).decode()
    wrong = glb((b"JSON", json.dumps(document).encode()), (b"BIN\0", bytes(len(binary))))
    assert parsed(wrong).shapes == parsed(to_glb(one_box())).shapes


def test_a_chunk_that_is_too_short_or_missing_is_told():
    document, binary = one_buffer()
    text = (b"JSON", json.dumps(document).encode())
    with pytest.raises(SceneError, match=r"buffers\[0\].*fewer than its byteLength"):
        parsed(glb(text, (b"BIN\0", binary[:-4])))
    for data in (glb(text), text[1]):
        with pytest.raises(SceneError, match=r"buffers\[0\].uri: is missing"):
            parsed(data)
    document["buffers"].insert(0, {"byteLength": 4})
    for view in document["bufferViews"]:
        view["buffer"] = 1
    with pytest.raises(SceneError, match=r"buffers\[1\].uri: is missing"):
        parsed(glb((b"JSON", json.dumps(document).encode()), (b"BIN\0", binary)))


@pytest.mark.parametrize("pieces", [[], [b"1"], [b"12345", b"", memoryview(b"678")]])
def test_what_is_written_is_read_again(pieces):
    data = write_container(JSON[1], pieces)
    assert len(data) % 4 == 0
    assert int.from_bytes(data[8:12], "little") == len(data)
    container = open_container(data)
    assert container.json == JSON[1]
    if pieces:
        whole = b"".join(pieces)
        assert container.binary == whole + bytes(-len(whole) % 4)
    else:
        assert container.binary is None


def test_what_no_glb_can_hold_is_refused():
    mebibyte = bytes(2**20)
    with pytest.raises(TooLargeError, match="4294967295 at most"):
        write_container(JSON[1], [mebibyte] * 4096)
