"""Draco and meshopt: what comes out of them is what was put in, and a broken or hostile stream is told."""

import copy
import json
import random
import shlex
import sys
from typing import NamedTuple

import DracoPy
import meshopt
import msgspec
import numpy as np
import pytest
from compressed import add_view, values, with_draco, with_meshopt
from drake_like import add_accessor, box, empty_document, sphere, translation

from gltf_render_server.errors import SceneError, TooLargeError, UnavailableError
from gltf_render_server.gltf import draco, draco_process, schema
from gltf_render_server.gltf.compression import read_buffers
from gltf_render_server.gltf.resources import read_accessor
from gltf_render_server.limits import Limits
from gltf_render_server.recent import Recent

DRACO = "KHR_draco_mesh_compression"
MESHOPT = "EXT_meshopt_compression"
LIMITS = Limits()


def plain():
    """Two meshes; the first has normals, joints and weights, too."""
    document = empty_document()
    document["asset"] = {"version": "2.0"}
    for body in (sphere(0.7, translation(0, 0, 0), 1), box([1, 2, 3], translation(0, 0, 0), 2)):
        position = add_accessor(document, body.vertices.astype("<f4"), "VEC3")
        indices = add_accessor(document, body.triangles.reshape(-1).astype("<u4"), "SCALAR")
        document["meshes"].append(
            {"primitives": [{"attributes": {"POSITION": position}, "indices": indices}]}
        )
    count = document["accessors"][0]["count"]
    rng = np.random.default_rng(3)
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    attributes["NORMAL"] = add_accessor(document, rng.normal(size=(count, 3)).astype("<f4"), "VEC3")
    attributes["JOINTS_0"] = add_accessor(document, rng.integers(0, 999, (count, 4)).astype("<u2"), "VEC4")
    attributes["WEIGHTS_0"] = add_accessor(document, rng.random((count, 4)).astype("<f4"), "VEC4")
    return document


def unpacked(document, limits=LIMITS, binary=None):
    """Return the typed document, and for each primitive its arrays by name."""
    typed = msgspec.convert(json.loads(json.dumps(document)), schema.Document)
    places = [(m, n, p) for m, mesh in enumerate(typed.meshes) for n, p in enumerate(mesh.primitives)]
    buffers = read_buffers(typed, places, plain_views(document), limits, binary)
    found = []
    for _, _, primitive in places:
        names = {**primitive.attributes, "indices": primitive.indices}
        found.append({name: read_accessor(typed, buffers, index) for name, index in names.items()})
    return found


def plain_views(document):
    return {item["bufferView"] for item in document["accessors"] if "bufferView" in item}


def expected(document):
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            names = {**primitive["attributes"], "indices": primitive["indices"]}
            yield {name: values(document, index) for name, index in names.items()}


def check_equal(found, wanted, tolerance=0.0):
    for primitive, plain_primitive in zip(found, wanted, strict=True):
        assert primitive.keys() == plain_primitive.keys()
        for name, array in primitive.items():
            off = np.abs(array.astype(float) - plain_primitive[name].astype(float)).max()
            assert off <= (tolerance if name == "POSITION" else 0), name
            assert array.dtype.kind == plain_primitive[name].dtype.kind


def test_draco_holds_what_was_put_in():
    check_equal(unpacked(with_draco(plain())), list(expected(plain())), 3 / 2**16)


@pytest.mark.parametrize(("name", "version"), [(MESHOPT, 0), ("KHR_meshopt_compression", 1)])
def test_meshopt_holds_what_was_put_in(name, version):
    found, wanted = unpacked(with_meshopt(plain(), name, version)), list(expected(plain()))
    for primitive in (*found, *wanted):  # the codec turns triangles, and moves none
        primitive["indices"] = turned(primitive["indices"])
    check_equal(found, wanted)


def turned(indices):
    triangles = indices.reshape(-1, 3).astype(np.int64)
    first = triangles.argmin(1)
    return np.take_along_axis(triangles, (first[:, None] + np.arange(3)) % 3, 1)


def test_meshopt_filters():
    rng = np.random.default_rng(1)
    unit = rng.normal(size=(40, 4)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    directions = np.concatenate([unit[:, :3], np.ones((40, 1), np.float32)], 1)
    directions[:, :3] /= np.linalg.norm(directions[:, :3], axis=1, keepdims=True)
    points = rng.normal(size=(40, 3)).astype(np.float32)
    for kind, rows, component, width, reference in (
        ("OCTAHEDRAL", meshopt.encode_filter_oct(directions, 8, 16), 5122, "VEC4", directions),
        ("QUATERNION", meshopt.encode_filter_quat(unit, 8, 16), 5122, "VEC4", unit),
        ("EXPONENTIAL", meshopt.encode_filter_exp(points, 20), 5126, "VEC3", points),
        ("COLOR", meshopt.encode_filter_color(np.abs(unit), 8, 16), 5123, "VEC4", np.abs(unit)),
    ):
        document, count = packed_view(rows, filter=kind), len(rows)
        accessor = {"bufferView": 0, "componentType": component, "count": count, "type": width}
        document["accessors"] = [accessor]
        typed = msgspec.convert(document, schema.Document)
        buffers = read_buffers(typed, [], {0}, Limits())
        array = read_accessor(typed, buffers, 0).astype(float)
        if component != 5126:
            array /= np.iinfo("<i2" if component == 5122 else "<u2").max
        if kind == "QUATERNION":  # and its negative are the same
            array *= np.sign((array * reference).sum(1, keepdims=True))
        assert np.abs(array - reference)[:, :3].max() < 1e-3, kind


def packed_view(rows, **more):
    stream = meshopt.encode_gltf_buffer(rows, "ATTRIBUTES")
    document = {"asset": {"version": "2.0"}, "buffers": [], "bufferViews": []}
    add_view(document, stream)
    extension = {"buffer": 0, "byteLength": len(stream), "byteStride": rows.shape[1], "count": len(rows)}
    extension |= {"mode": "ATTRIBUTES", **more}
    document["buffers"].append({"byteLength": rows.nbytes})
    view = {"buffer": 1, "byteLength": rows.nbytes, "extensions": {MESHOPT: extension}}
    document["bufferViews"] = [view]
    return document


def test_a_stream_that_primitives_share_is_decoded_once(monkeypatch):
    asked = []
    run = draco.decode_streams
    monkeypatch.setattr(draco, "decode_streams", lambda streams: asked.append(len(streams)) or run(streams))
    monkeypatch.setattr(draco, "_kept", Recent(draco._MOST_KEPT_BYTES))
    document = with_draco(plain())
    document["meshes"].append(copy.deepcopy(document["meshes"][0]))
    first = unpacked(document)
    assert asked == [2]
    check_equal(first[2:], first[:1])
    check_equal(unpacked(document), first)
    assert asked == [2]


def test_a_strip_is_triangles_in_its_stream():
    document = with_draco(plain())
    primitive = document["meshes"][1]["primitives"][0]
    primitive["mode"] = 5
    document["accessors"][primitive["indices"]]["count"] = 14
    check_equal(unpacked(document), list(expected(plain())), 3 / 2**16)


def test_optional_draco_is_not_looked_at():
    document = plain()
    document["meshes"][0]["primitives"][0]["extensions"] = {DRACO: {"bufferView": 0, "attributes": "none"}}
    check_equal(unpacked(document), list(expected(plain())))


def edit_draco(edit):
    document = with_draco(plain())
    primitive = document["meshes"][0]["primitives"][0]
    edit(document, primitive, primitive["extensions"][DRACO])
    return document


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d, p, x: x.pop("bufferView"), "bufferView"),
        (lambda d, p, x: x.update(bufferView=99), "no buffer view 99"),
        (lambda d, p, x: x.update(bufferView=1.5), "Expected `int`"),
        (lambda d, p, x: x.update(attributes={}), "must name positions"),
        (lambda d, p, x: x["attributes"].update(COLOR_0=7), "only attributes of the primitive"),
        (lambda d, p, x: x["attributes"].update(POSITION=77), "POSITION: is not in the Draco stream"),
        (lambda d, p, x: x["attributes"].update(POSITION=2), "of 4 in the Draco stream"),
        (lambda d, p, x: p.pop("indices"), "with indices"),
        (lambda d, p, x: p.update(mode=5) or d["accessors"][p["indices"]].update(count=9), "its accessor 9"),
        (lambda d, p, x: p.update(mode=6), "for triangles or a strip"),
        (lambda d, p, x: d["accessors"][p["indices"]].update(count=3), "indices, its accessor 3"),
        (lambda d, p, x: d["accessors"][p["attributes"]["NORMAL"]].update(count=3), "3 of 3 in its accessor"),
        (lambda d, p, x: d["bufferViews"][x["bufferView"]].update(byteLength=10**6), "beyond the end"),
        (lambda d, p, x: d["bufferViews"][x["bufferView"]].update(byteLength=30), "cannot be decoded"),
    ],
)
def test_broken_draco_is_told(edit, message):
    with pytest.raises(SceneError, match=message):
        unpacked(edit_draco(edit))


def test_a_point_cloud_is_told():
    with pytest.raises(SceneError, match="point cloud"):
        unpacked(replaced(DracoPy.encode(np.eye(3, dtype=np.float32))))


def swelling():
    """A document in which some thousand bytes become a hundred million."""
    n = 150
    x, y = np.meshgrid(np.arange(n), np.arange(n))
    points = np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(np.float32)
    corner = (y[:-1, :-1] * n + x[:-1, :-1]).ravel()
    corners = [[corner, corner + 1, corner + n], [corner + 1, corner + n + 1, corner + n]]
    triangles = np.concatenate([np.stack(some, 1) for some in corners]).astype(np.uint32)
    waste = {7: np.zeros((len(points), 255), np.uint32)}
    stream = DracoPy.encode(points, triangles, compression_level=10, generic_attributes=waste)
    assert len(stream) < 20_000
    return replaced(stream)


def replaced(stream):
    """A document whose second mesh is another stream than it says."""
    document = with_draco(plain())
    extension = document["meshes"][1]["primitives"][0]["extensions"][DRACO]
    extension["bufferView"] = add_view(document, stream)
    return document


def test_a_stream_cannot_take_any_memory(monkeypatch):
    monkeypatch.setattr(draco_process, "_SPARE_BYTES", 16 * 2**20)
    with pytest.raises(SceneError, match=r"takes more than \d+ MB of memory|crashes"):
        unpacked(swelling())


def test_accessors_that_claim_much_do_not_grant_its_stream_any_memory(monkeypatch, recorded_start):
    document = with_draco(plain())
    claimed = document["accessors"][document["meshes"][1]["primitives"][0]["attributes"]["POSITION"]]
    claimed["count"] = 90_000_000
    with pytest.raises(SceneError, match="90000000 of 3 in its accessor"):
        unpacked(document)
    granted_bytes = int(recorded_start().arguments[-1])
    assert granted_bytes == 4 * 2**30
    monkeypatch.setattr(draco_process, "_MOST_MEMORY_BYTES", 16 * 2**20)
    with pytest.raises(SceneError, match=r"takes more than 16 MB of memory|crashes"):
        unpacked(swelling())


def test_no_more_is_read_than_accessors_say():
    document = swelling()
    primitive = document["meshes"][1]["primitives"][0]
    primitive["attributes"]["COLOR_0"] = document["meshes"][0]["primitives"][0]["attributes"]["WEIGHTS_0"]
    primitive["extensions"][DRACO]["attributes"]["COLOR_0"] = 7
    with pytest.raises(SceneError, match=r"meshes\[1\].*holds more than its accessors say"):
        unpacked(document)


class Start(NamedTuple):
    arguments: list[str]
    environment: dict[str, str]


@pytest.fixture
def interpreter(monkeypatch, tmp_path):
    """Put a shell script in the place of Python's own program, for the decoder."""

    def put(script):
        path = tmp_path / "python-of-a-test"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))
        monkeypatch.setattr(draco, "_kept", Recent(draco._MOST_KEPT_BYTES))

    return put


@pytest.fixture
def recorded_start(interpreter, tmp_path):
    """Run decoders as ever, and return how the last one was started."""
    told = tmp_path / "told"
    code = (
        f"import json, os, sys; open({str(told)!r}, 'w').write(json.dumps([sys.argv[1:], dict(os.environ)]))"
    )
    interpreter(f'{sys.executable} -c {shlex.quote(code)} "$@"\nexec {sys.executable} "$@"')
    return lambda: Start(*json.loads(told.read_text()))


def test_the_decoder_does_not_get_the_servers_secrets(monkeypatch, recorded_start):
    monkeypatch.setenv("GLTF_RENDER_SERVER_TOKEN", "secret")
    monkeypatch.setenv("OTHER_OPTION", "kept")
    unpacked(with_draco(plain()))
    environment = recorded_start().environment
    assert not [name for name in environment if name.startswith("GLTF_RENDER_SERVER_")]
    assert "secret" not in environment.values()
    assert environment["OTHER_OPTION"] == "kept"


def test_a_decoder_goes_on_at_a_ctrl_c_which_the_terminal_sends_to_it_too(interpreter):
    interpreter(f'kill -INT $$; exec {sys.executable} "$@"')
    check_equal(unpacked(with_draco(plain())), list(expected(plain())), 3 / 2**16)


READY = "cat > /dev/null; head -c 8 /dev/zero; "


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo no such library >&2; exit 127", r"status 127, and wrote 'no such library\n'"),
        ("kill -ABRT $$", "status -6"),
        ("echo welcome, whoever you are; exit 3", "status 3"),
        (f"{READY} kill -KILL $$", "status -9"),
        (f"{READY} echo it has a bug >&2; exit 1", r"status 1, and wrote 'it has a bug\n'"),
    ],
)
def test_a_decoder_that_fails_by_itself_is_the_servers_fault(interpreter, caplog, script, told):
    interpreter(script)
    with pytest.raises(UnavailableError, match="for any stream"):
        unpacked(with_draco(plain()))
    assert told in caplog.text.replace("\\n", r"\n")


@pytest.mark.parametrize("program", ["python-that-is-not-there", "", "blender"])
def test_a_decoder_that_cannot_be_started_is_the_servers_fault(monkeypatch, caplog, tmp_path, program):
    monkeypatch.setattr(sys, "executable", program and str(tmp_path / program))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(draco, "_kept", Recent(draco._MOST_KEPT_BYTES))
    with pytest.raises(UnavailableError, match="for any stream"):
        unpacked(with_draco(plain()))
    assert "does not start: " in caplog.text


def test_where_python_is_part_of_another_program_its_own_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "blender"))
    monkeypatch.setattr(draco, "_kept", Recent(draco._MOST_KEPT_BYTES))
    unpacked(with_draco(plain()))


@pytest.mark.parametrize(
    ("script", "longest_s", "message"),
    [
        (f"{READY} kill -SEGV $$", 60, "crashes its decoder"),
        (f"{READY} printf '\\004\\0\\0\\0\\0\\0\\0\\0junk'", 60, "crashes its decoder"),
        (f"{READY} yes", 60, "holds more than its accessors say"),
        (f"{READY} exec sleep 600", 10, "is not decoded within 10 s"),
    ],
)
def test_a_decoder_that_a_stream_breaks_is_the_streams_fault(
    monkeypatch, interpreter, script, longest_s, message
):
    monkeypatch.setattr(draco_process, "_LONGEST_S", longest_s)
    interpreter(script)
    with pytest.raises(SceneError, match=rf"meshes\[0\].*{message}"):
        unpacked(with_draco(plain()))


def test_the_cost_is_known_before_anything_is_decoded():
    with pytest.raises(TooLargeError, match="max-vertices"):
        unpacked(with_draco(plain()), Limits(max_vertices=100))
    with pytest.raises(TooLargeError, match="max-vertices"):
        unpacked(with_meshopt(plain()), Limits(max_vertices=100))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"mode": "POINTS"}, "POINTS"),
        ({"filter": "BLUR"}, "BLUR"),
        ({"filter": "QUATERNION"}, "quaternion rows"),
        ({"mode": "INDICES", "filter": "EXPONENTIAL"}, "take no filter"),
        ({"count": 41}, "its buffer view is 640 bytes"),
        ({"count": -1}, "Expected `int` >= 1"),
        ({"buffer": 9}, "no buffer 9"),
        ({"byteLength": 10**6}, "beyond the end"),
        ({"byteLength": 20}, "cannot be decoded"),
        ({"mode": "TRIANGLES"}, "size must be 2 or 4"),
    ],
)
def test_broken_meshopt_is_told(more, message):
    rows = np.random.default_rng(0).integers(0, 255, (40, 16)).astype(np.uint8)
    typed = msgspec.convert(packed_view(rows, **more), schema.Document)
    with pytest.raises(SceneError, match=message):
        read_buffers(typed, [], {0}, Limits())


def test_mutated_streams_never_harm():
    """Whatever happens to the bytes of a stream, it is decoded or told."""
    rng = random.Random(5)
    for kind in (with_draco, with_meshopt):
        whole = kind(plain())
        for _ in range(12):
            document = copy.deepcopy(whole)
            buffer = rng.choice([b for b in document["buffers"] if "uri" in b])
            head, _, text = buffer["uri"].partition(",")
            at = rng.randrange(len(text) - 4) // 4 * 4
            buffer["uri"] = f"{head},{text[:at]}////{text[at + 4 :]}"
            try:
                unpacked(document)
            except SceneError:
                continue
