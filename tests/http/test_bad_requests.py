"""Every bad request gets a clear 4xx at once, never reaches the renderer, and harms nobody after it."""

import base64
import gzip
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from forms import FIELDS, send
from spent import spending

from gltf_render_server.http.responses import error_body

DEPTH = {"image_type": "depth", "min_depth": "0.1", "max_depth": "5"}


@dataclass(frozen=True)
class Bad:
    """A change to a good request, and what the answer must say."""

    name: str
    says: str
    fields: dict[str, Any] = field(default_factory=dict)
    scene: Any = None
    status: int = 400


def edited(path, value):
    """A scene with the member at a path such as "nodes/0/mesh" replaced."""

    def edit(document):
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        target = document
        for key in parents:
            target = target[key]
        target[last] = value
        return json.dumps(document).encode()

    return edit


def without_camera(document):
    del document["cameras"], document["nodes"][1]["camera"]
    return json.dumps(document).encode()


def buffer_uri(uri):
    return edited("buffers/0/uri", uri)


def raw(data):
    return lambda _: data


CUT_SHORT = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(8)).decode()

OPTIONAL = {"submit", "fov_x", "fov_y"}
FIELD_CASES = [
    *[
        Bad(f"no {name}", f"{name}: the field is missing", {name: None})
        for name in FIELDS
        if name not in OPTIONAL
    ],
    Bad("unknown type", "image_type: must be one of color, depth, label", {"image_type": "normal"}),
    Bad("no max_depth", "max_depth: the field is missing", {**DEPTH, "max_depth": None}),
    Bad("no min_depth", "min_depth: the field is missing", {**DEPTH, "min_depth": None}),
    Bad("range reversed", "min_depth, max_depth", {**DEPTH, "min_depth": "6"}),
    Bad("negative min_depth", "min_depth: must be", {**DEPTH, "min_depth": "-1"}),
    Bad("width is a word", "width: must be a positive whole number", {"width": "wide"}),
    Bad("width has a fraction", "width: must be", {"width": "64.5"}),
    Bad("height is zero", "height: must be", {"height": "0"}),
    Bad("height is negative", "height: must be", {"height": "-48"}),
    Bad("absurd size", "--max-pixels", {"width": "100000", "height": "100000"}, status=413),
    Bad("near is not a number", "near: must be a finite", {"near": "nan"}),
    Bad("near is zero", "near: must be", {"near": "0"}),
    Bad("near beyond far", "near, far: 20.0 must be less than 10.0", {"near": "20"}),
    Bad("far is infinite", "far: must be a finite", {"far": "inf"}),
    Bad("far overflows", "far: must be", {"far": "1e999"}),
    Bad("focal_x is negative", "focal_x: must be", {"focal_x": "-600"}),
    Bad("focal_y is a comma number", "focal_y: must be", {"focal_y": "60,0"}),
    Bad("pixels too far from square", "focal_x, focal_y", {"focal_x": "1", "focal_y": "1000"}),
    Bad("tiny focal lengths", "focal_x, focal_y", {"focal_x": "5e-324", "focal_y": "5e-324"}),
    Bad("tiny and long", "focal_x, focal_y", {"focal_x": "5e-324", "focal_y": "1e8"}),
    Bad("center_x is nan", "center_x: must be", {"center_x": "nan"}),
    Bad("center_y is empty", "center_y: must be", {"center_y": ""}),
    Bad("fov is beyond pi", "fov_x: must be", {"fov_x": "4"}),
    Bad("digest is short", "scene_sha256: must be 64 hex digits", {"scene_sha256": "abc"}),
    Bad("digest is another's", "scene_sha256: the scene's", {"scene_sha256": "0" * 64}),
    Bad("field sent twice", "width: the field was sent 2 times", {"width": ["64", "64"]}),
    Bad("long field", "limit", {"submit": "x" * 200_000}, status=413),
]

SCENE_CASES = [
    Bad("empty", "scene", scene=raw(b"")),
    Bad("not JSON", "scene", scene=raw(b"solid ascii stl")),
    Bad("JSON cut short", "scene", scene=lambda d: json.dumps(d).encode()[:-20]),
    Bad("not UTF-8", "scene", scene=raw(b'{"asset": {"version": "2.0", "x": "\xff\xfe"}}')),
    Bad("a list", "scene", scene=raw(b"[]")),
    Bad("a GLB", "scene", scene=raw(b"glTF\x02\0\0\0" + bytes(40))),
    Bad("deeply nested", "scene", scene=raw(b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}")),
    Bad(
        "no asset",
        "asset",
        scene=lambda d: json.dumps({k: v for k, v in d.items() if k != "asset"}).encode(),
    ),
    Bad("glTF 1.0", "version", scene=edited("asset/version", "1.0")),
    Bad("no camera", "tiny primitive", scene=without_camera),
    Bad("camera in no node", "camera", scene=edited("nodes/1/camera", None)),
    Bad("camera that is not there", "$.nodes[1].camera", scene=edited("nodes/1/camera", 7)),
    Bad("mesh that is not there", "$.nodes[0].mesh", scene=edited("nodes/0/mesh", 7)),
    Bad("negative mesh", "$.nodes[0].mesh", scene=edited("nodes/0/mesh", -1)),
    Bad("mesh is a string", "$.nodes[0].mesh", scene=edited("nodes/0/mesh", "0")),
    Bad(
        "child that is not there",
        "$.nodes[2].children",
        scene=edited("nodes/2/children", [0, 1, 99]),
    ),
    Bad("node cycle", "$.nodes", scene=edited("nodes/0/children", [2])),
    Bad("node is its own child", "$.nodes", scene=edited("nodes/0/children", [0])),
    Bad("scene that is not there", "$.scene", scene=edited("scene", 3)),
    Bad("matrix of 15", "$.nodes[0].matrix", scene=edited("nodes/0/matrix", [1.0] * 15)),
    Bad("matrix with a word", "$.nodes[0].matrix", scene=edited("nodes/0/matrix", ["x"] * 16)),
    Bad("material that is not there", "material", scene=edited("meshes/0/primitives/0/material", 5)),
    Bad(
        "accessor that is not there",
        "POSITION",
        scene=edited("meshes/0/primitives/0/attributes/POSITION", 9),
    ),
    Bad(
        "view that is not there",
        "$.accessors[0].bufferView",
        scene=edited("accessors/0/bufferView", 9),
    ),
    Bad(
        "buffer that is not there",
        "$.bufferViews[0].buffer",
        scene=edited("bufferViews/0/buffer", 9),
    ),
    Bad("accessor longer than its view", "$.accessors[0]", scene=edited("accessors/0/count", 10**6)),
    Bad(
        "accessor of absurd count",
        "--max-vertices",
        scene=edited("accessors/0/count", 10**15),
        status=413,
    ),
    Bad(
        "view longer than its buffer",
        "$.bufferViews[0]",
        scene=edited("bufferViews/0/byteLength", 10**6),
    ),
    Bad("buffer longer than its data", "$.buffers[0]", scene=edited("buffers/0/byteLength", 10**6)),
    Bad(
        "unknown component type",
        "positions must be VEC3 of floats",
        scene=edited("accessors/0/componentType", 1),
    ),
    Bad(
        "not base64",
        "$.buffers[0].uri",
        scene=buffer_uri("data:application/octet-stream;base64,!!!!"),
    ),
    Bad("a file next to it", "data:", scene=buffer_uri("scene.bin")),
    Bad("a file of the host", "data:", scene=buffer_uri("/etc/passwd")),
    Bad("a file URL", "data:", scene=buffer_uri("file:///etc/passwd")),
    Bad("a path upwards", "data:", scene=buffer_uri("../../../../etc/passwd")),
    Bad("a path that looks like data", "data:", scene=buffer_uri("DATA:/../../etc/passwd;base64,AAAA")),
    Bad("data that is not base64", "holds 11 bytes", scene=buffer_uri("data:text/plain,/etc/passwd")),
    Bad("a web address", "data:", scene=buffer_uri("http://127.0.0.1:1/x.bin")),
    Bad("an image of the host", "data:", scene=lambda d: with_image(d, {"uri": "/etc/hostname"})),
    Bad("an image cut short", "$.images[0]", scene=lambda d: with_image(d, {"uri": CUT_SHORT})),
    Bad(
        "an image of two sources",
        "$.images[0]",
        scene=lambda d: with_image(d, {"uri": CUT_SHORT, "bufferView": 0}),
    ),
    Bad(
        "texture coordinates in space",
        "TEXCOORD_0: must be VEC2",
        scene=edited("meshes/0/primitives/0/attributes/TEXCOORD_0", 0),
    ),
    Bad("NaN in JSON", "scene", scene=lambda d: json.dumps(d).replace("0.8", "NaN").encode()),
    Bad("required extension", "EXT_made_up", scene=edited("extensionsRequired", ["EXT_made_up"])),
    Bad(
        "vertex that is not there",
        "$.meshes[0].primitives[0].indices",
        scene=lambda d: with_bad_index(d),
    ),
    Bad(
        "a line of its own for the log",
        "EXT_\N{REPLACEMENT CHARACTER}200 OK",
        scene=edited("extensionsRequired", ["EXT_\n200 OK"]),
    ),
    Bad("a side that Blender would cut", "65536", {"width": "70000", "height": "2"}, status=413),
    Bad("position that is not a number", "POSITION", scene=lambda d: with_nan(d)),
    Bad(
        "too large",
        "--max-scene-mb",
        scene=lambda d: json.dumps(d).encode() + b" " * 1_000_001,
        status=413,
    ),
]


def with_bad_index(document):
    return _with_data(document, 1, b"\xff\xff\xff\x7f")


def with_image(document, image):
    document["images"], document["textures"] = [image], [{"source": 0}]
    document["materials"][0] = {"normalTexture": {"index": 0}}
    return json.dumps(document).encode()


def with_nan(document):
    return _with_data(document, 0, b"\x00\x00\xc0\x7f")


def _with_data(document, buffer, first_four):
    head, _, data = document["buffers"][buffer]["uri"].partition(",")
    changed = first_four + base64.b64decode(data)[4:]
    document["buffers"][buffer]["uri"] = head + "," + base64.b64encode(changed).decode()
    return json.dumps(document).encode()


def ask(client, scene, bad):
    document = scene.document()
    data = bad.scene(document) if bad.scene else json.dumps(document).encode()
    return send(client, {**FIELDS, **bad.fields}, data)


def assert_refused(response, bad, renderer):
    """The answer says what is wrong, tells nothing of the server, and nothing was rendered for it."""
    assert response.status_code == bad.status, response.data
    assert response.is_json
    assert response.json["error"] is True
    assert response.json["code"] == bad.status
    assert bad.says in response.json["message"]
    assert "Traceback" not in response.text
    assert "root:" not in response.text
    assert len(response.data) < 8192
    assert not renderer.requests


@pytest.mark.parametrize("bad", FIELD_CASES + SCENE_CASES, ids=lambda bad: bad.name)
def test_bad_request(client, renderer, scene, bad):
    with spending() as spent:
        response = ask(client, scene, bad)
    assert spent.seconds < 1
    assert_refused(response, bad, renderer)
    assert ask(client, scene, Bad("good", "")).status_code == 200


def test_there_are_at_least_forty_kinds():
    assert len(FIELD_CASES) + len(SCENE_CASES) > 60


@pytest.mark.parametrize(
    ("data", "content_type", "says"),
    [
        (b"{}", "application/json", "Content-Type: must be multipart/form-data"),
        (b"", None, "Content-Type: must be multipart/form-data"),
        (b"image_type=color", "application/x-www-form-urlencoded", "Content-Type"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", "it ends before its last boundary"),
        (
            b"--x\r\nnonsense",
            "multipart/form-data; boundary=y",
            "the boundary that its Content-Type names is",
        ),
        (b"--x", "multipart/form-data", ""),
    ],
)
def test_bad_form(client, data, content_type, says):
    response = client.post("/render", data=data, content_type=content_type)
    assert response.status_code == 400
    assert says in response.json["message"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/render"), ("POST", "/v1/frames"), ("PUT", f"/v1/scenes/{'0' * 64}")]
)
def test_a_compressed_body(client, method, path):
    data = gzip.compress(bytes(10**6))
    response = client.open(path, method=method, data=data, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415
    assert response.json["message"] == "Content-Encoding: must not be used; got 'gzip'"


def test_scene_as_a_plain_field(client, scene):
    fields = {**FIELDS, "scene": scene.to_bytes().decode()}
    response = client.post("/render", data=fields, content_type="multipart/form-data")
    assert response.status_code == 400
    assert "scene: must be sent once, as a file part" in response.json["message"]


def test_no_scene(client):
    response = client.post("/render", data=FIELDS, content_type="multipart/form-data")
    assert response.status_code == 400
    assert "scene: must be sent once" in response.json["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/render", 405),
        ("POST", "/healthz", 405),
        ("GET", "/nothing", 404),
        ("PUT", "/render", 405),
    ],
)
def test_wrong_door(client, method, path, status):
    response = client.open(path, method=method)
    assert response.status_code == status
    assert response.json["code"] == status
    if status == 405:
        assert response.headers["Allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/tmp/blender_a1/scene.gltf",
        "/usr/lib/python3/libdraco.so",
        "C:\\Users\\me\\x.blend",
        "C:/Users/me/x.blend",
        "\\\\host\\share\\x.blend",
        "file:///dev/shm/x",
    ],
)
@pytest.mark.parametrize("text", ["OSError: {}: cannot open", "'{}'", "({})", "[{}]", "path={}", "{}"])
def test_no_path_is_told_to_a_client(text, path):
    told = json.loads(error_body(500, text.format(path)))["message"]
    name = path.replace("\\", "/").rpartition("/")[2]
    assert told == text.format(f"…/{name}")


@pytest.mark.parametrize(
    "text",
    [
        "scene: $.meshes[0].primitives[0]: is no PNG/JPEG and/or WebP image",
        "Content-Type: must be multipart/form-data; got 'text/plain/x'",
        "send it to http://127.0.0.1:8000/render/x or POST /render",
        "scene: 1/2 of 3 / 4",
    ],
)
def test_what_is_no_path_is_told(text):
    assert json.loads(error_body(400, text))["message"] == text
