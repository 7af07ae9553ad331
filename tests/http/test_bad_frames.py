"""Every bad request of the JSON API gets a clear 4xx at once, never is rendered, and harms nobody."""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from api import VIEW, ask, digest_of, frame_json, upload, view
from api import send as send_form
from spent import spending
from test_bad_requests import SCENE_CASES, assert_refused

from gltf_render_server.errors import RequestError
from gltf_render_server.gltf import OpenedDocument
from gltf_render_server.http.api import read_frame_request

OTHER = "0" * 64
ROTATED = [0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 5, 0, 0, 0, 1]
SCALED = [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 5, 0, 0, 0, 1]
MIRRORED = [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 5, 0, 0, 0, 1]
COLUMNS = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 5, 1]
NO_PIXELS = {"width": 64, "height": 48}


@dataclass(frozen=True)
class Bad:
    """A change to a good request, and what the answer must say."""

    name: str
    says: str
    changes: dict[str, Any] = field(default_factory=dict)
    status: int = 400


def bad_view(title, says, status=400, /, **changes):
    return Bad(title, says, {"views": [view(), view(**changes)]}, status)


CASES = [
    Bad("no views", "views", {"views": None}),
    bad_view("an angle that no number holds", "", fov_y_deg=5e-324, focal_x=None, focal_y=None),
    bad_view("a tiny focal length", "focal_x, focal_y", fov_y_deg=None, focal_x=5e-324, focal_y=5e-324),
    bad_view("tiny and long", "focal_x, focal_y", fov_y_deg=None, focal_x=5e-324, focal_y=1e8),
    bad_view("a margin below 0", "$.views[1].amodal_margin", amodal_margin=-0.1),
    bad_view("a margin beyond BOP's", "$.views[1].amodal_margin", amodal_margin=1.01),
    Bad("empty views", "$.views", {"views": []}),
    Bad("too many views", "$.views", {"views": [VIEW] * 65}),
    Bad("views is an object", "$.views", {"views": VIEW}),
    Bad("no passes", "passes", {"passes": None}),
    Bad("empty passes", "$.passes", {"passes": []}),
    Bad("unknown pass", "there is no pass 'beauty'; there are color, ", {"passes": ["beauty"]}),
    Bad("long pass", "there is no pass", {"passes": ["x" * 10_000]}),
    Bad("pass twice", "passes: 'depth' is there 2 times", {"passes": ["depth", "depth"]}),
    Bad("unknown member", "unknown field `sceen`; did you mean `scene`?", {"sceen": OTHER}),
    Bad(
        "unknown member of a look",
        "$.look: Object contains unknown field `exposur`; did you mean `exposure`?",
        {"look": {"exposur": 1}},
    ),
    Bad("environment of the host", "$.look.environment", {"look": {"environment": "/etc/passwd"}}),
    Bad("unknown environment", "'moon'; it can be city, ", {"look": {"environment": "moon"}}),
    Bad("exposure", "$.look.exposure", {"look": {"exposure": 11}}),
    Bad("samples", "$.look.samples", {"look": {"samples": 0}}),
    Bad("absurd samples", "$.look.samples", {"look": {"samples": 10**9}}),
    Bad("quality", "it can be balanced, draft, final or preview", {"look": {"quality": "best"}}),
    Bad("up axis", "$.look.up_axis", {"look": {"up_axis": "x"}}),
    Bad("view transform", "$.look.view_transform", {"look": {"view_transform": "../x"}}),
    Bad("strength", "$.look.strength", {"look": {"strength": -1}}),
    Bad("no scene", "scene: give the digest", {"scene": None}),
    Bad("digest is short", "$.scene", {"scene": "abc"}),
    Bad("scene is not there", "PUT /v1/scenes/", {"scene": OTHER}, 404),
    Bad("time before the beginning", "$.time_s", {"time_s": -1}),
    Bad("time is a word", "$.time_s", {"time_s": "now"}),
    Bad("alpha beyond all", "$.alpha_threshold", {"alpha_threshold": 1.5}),
    Bad("alpha below nothing", "$.alpha_threshold", {"alpha_threshold": -0.1}),
    Bad("alpha is a word", "$.alpha_threshold", {"alpha_threshold": "half"}),
    Bad("pose of nobody", "poses['ghost']: no nodes", {"poses": {"ghost": SCALED}}),
    Bad("pose of no name", "poses['']", {"poses": {"": SCALED}}),
    Bad("pose of 15", "$.poses[...]", {"poses": {"box": [1.0] * 15}}),
    Bad("pose column by column", "the last row must be 0 0 0 1", {"poses": {"box": COLUMNS}}),
    bad_view("width is a word", "$.views[1].width", width="64"),
    bad_view("width has a fraction", "$.views[1].width", width=64.5),
    bad_view("height is zero", "$.views[1].height", height=0),
    bad_view("no height", "$.views[1]: Object missing required field `height`", height=None),
    bad_view("height is negative", "$.views[1].height", height=-48),
    bad_view("a side beyond Blender's", "$.views[1].width", width=70_000),
    bad_view("absurd size", "--max-pixels", 413, width=60_000, height=60_000),
    bad_view("near is zero", "$.views[1].near", near=0),
    bad_view("near beyond far", "$.views[1]: near, far: 20.0 must be less than 10.0", near=20, far=10),
    bad_view("far is not finite", "$.views[1].far", far=1e9),
    bad_view("focal_x is negative", "$.views[1].focal_x", focal_x=-1, fov_y_deg=None),
    bad_view("pixels too far from square", "focal_x, focal_y", focal_x=1, focal_y=1000, fov_y_deg=None),
    bad_view("no focal length", "$.views[1]: give focal_x and focal_y, or fov_y_deg", fov_y_deg=None),
    bad_view("two focal lengths", "give either focal lengths or fov_y_deg", focal_x=60),
    bad_view("field of view", "$.views[1].fov_y_deg", fov_y_deg=180),
    bad_view("no field of view", "focal_x: ", fov_y_deg=1e-300),
    bad_view("center_x", "$.views[1].center_x", center_x=1e10),
    bad_view("no pose", "give either camera_to_world or camera", camera_to_world=None),
    bad_view("two poses", "give either camera_to_world or camera", camera=0),
    bad_view("pose of 12", "$.views[1].camera_to_world", camera_to_world=SCALED[:12]),
    bad_view("pose with a word", "$.views[1].camera_to_world[0]", camera_to_world=["1"] * 16),
    bad_view("pose is rows of rows", "$.views[1].camera_to_world[0]", camera_to_world=[[1, 0, 0, 0]] * 4),
    bad_view("scaled", "$.views[1]: camera_to_world: must be a rotation", camera_to_world=SCALED),
    bad_view("mirrored", "camera_to_world: must be a rotation", camera_to_world=MIRRORED),
    bad_view("all zero", "camera_to_world: must be a rotation", camera_to_world=[0] * 16),
    bad_view("column by column", "written row by row", camera_to_world=COLUMNS),
    bad_view("camera that is not there", "cameras[7]", camera=7, camera_to_world=None),
    bad_view("camera without that name", "'nobody'", camera="nobody", camera_to_world=None),
    bad_view("camera is negative", "$.views[1].camera", camera=-1, camera_to_world=None),
    bad_view("name with a folder", "$.views[1].name", name="../up"),
    bad_view("name of two lines", "$.views[1].name", name="left\n"),
    bad_view("name is too long", "$.views[1].name", name="x" * 65),
    bad_view("name is there", "views: 'view0' is there 2 times", name="VIEW0"),
    bad_view("misspelt", "unknown field `focal`; did you mean `focal_y`?", focal=60),
]


def is_bad_in_any_protocol(bad):
    return bad.scene is not None and bad.name not in ("no camera", "camera in no node", "not UTF-8")


SCENES = [bad for bad in SCENE_CASES if is_bad_in_any_protocol(bad)]


@pytest.fixture
def kept(client, scene):
    document = scene.document()
    [node] = [node for node in document["nodes"] if node.get("mesh") is not None]
    node["name"] = "box"
    data = json.dumps(document).encode()
    assert upload(client, data).status_code == 201
    return data


def check(ask, bad, renderer):
    with spending() as spent:
        response = ask()
    assert spent.seconds < 2
    assert_refused(response, bad, renderer)


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_bad_frame(client, renderer, kept, bad):
    check(lambda: ask(client, kept, **bad.changes), bad, renderer)
    assert ask(client, kept, views=[view(camera_to_world=ROTATED)]).status_code == 200


@pytest.mark.parametrize("bad", SCENES, ids=lambda bad: bad.name)
def test_bad_scene(client, renderer, scene, bad):
    data = bad.scene(scene.document())
    check(lambda: upload(client, data), bad, renderer)
    assert client.head(f"/v1/scenes/{digest_of(data)}").status_code == 404
    form = json.dumps(frame_json(data))
    check(lambda: send_form(client, form, data), bad, renderer)
    assert client.head(f"/v1/scenes/{digest_of(data)}").status_code == 404


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is not JSON"),
        (b"views", "is not JSON"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b'{"views": [', "is not JSON"),
        (b'{"views": [{"width": NaN}]}', "is not JSON: invalid character (byte 21) at 'NaN}]}'"),
        (b'{"views": [{"width": 1e999}]}', "$.views[0].width"),
        (b'{"views": [{"width": 8, "height": 8, "near": 1e999}]}', ""),
        (b'{"passes": ["\xff"]}', "is not JSON"),
        (b'{"passes": ' + b"[" * 100_000, "$.passes"),
        (b'{"poses": {"a": ' + b"[" * 100_000, "$.poses"),
        (b'{"scene": "' + b"9" * 100_000 + b'"}', "$.scene"),
    ],
)
def test_what_is_no_frame(client, renderer, body, says):
    response = client.post("/v1/frames", data=body, content_type="application/json")
    assert response.status_code == 400
    assert says in response.json["message"]
    assert len(response.data) < 8192


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "model/gltf+json"]
)
def test_other_bodies(client, content_type):
    response = client.post("/v1/frames", data=b"{}", content_type=content_type)
    assert response.status_code == 415
    assert response.json["message"].startswith(
        "Content-Type: must be application/json, or multipart/form-data"
    )


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({}, "frame: must be sent once"),
        ({"frame": "{}"}, "scene: must be sent once"),
        ({"scene": (io.BytesIO(b"{}"), "scene.gltf")}, "frame: must be sent once"),
        ({"frame": "{}", "scene": "{}"}, "scene: must be sent once, as a file part"),
    ],
)
def test_parts_that_are_missing(client, parts, says):
    response = client.post(
        "/v1/frames",
        data=parts,
        content_type="multipart/form-data; boundary=x" if not parts else "multipart/form-data",
    )
    assert response.status_code == 400
    assert says in response.json["message"] or "not a complete" in response.json["message"]


def test_a_frame_that_is_a_file_has_a_limit(clients):
    head = b'--b\r\nContent-Disposition: form-data; name="frame"; filename="f"\r\n\r\n'
    body = head + b" " * (16 * 10**6 + 1) + b"\r\n--b--\r\n"
    client = clients(max_scene_mb=20)
    response = client.post("/v1/frames", data=body, content_type="multipart/form-data; boundary=b")
    assert response.status_code == 413
    assert "frame: larger than 16 MB" in response.json["message"]


def test_a_frame_that_is_a_field_is_told_its_own_limit(clients):
    head = b'--b\r\nContent-Disposition: form-data; name="frame"\r\n\r\n'
    body = head + b" " * (16 * 10**6 + 1) + b"\r\n--b--\r\n"
    client = clients(max_scene_mb=20)
    response = client.post("/v1/frames", data=body, content_type="multipart/form-data; boundary=b")
    assert response.status_code == 413
    assert "16 MB with a frame" in response.json["message"]
    assert "65536" not in response.json["message"]


def test_too_many_poses():
    frame = frame_json(b"", poses={str(number): [0] * 16 for number in range(25_001)})
    with pytest.raises(RequestError, match=r"^\$\.poses: Expected `object` of length <= 25000"):
        read_frame_request(json.dumps(frame).encode())


def test_a_digest_of_something_else(client, scene):
    data = scene.to_bytes()
    response = client.put(f"/v1/scenes/{OTHER}", data=data)
    assert response.status_code == 400
    assert digest_of(data) in response.json["message"]
    form = json.dumps(frame_json(data, scene=OTHER))
    assert send_form(client, form, data).status_code == 400
    for method in ("put", "head", "delete"):
        assert getattr(client, method)("/v1/scenes/abc").status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", f"/v1/scenes/{OTHER}", b" " * 1_100_000, 413),
        ("POST", "/v1/frames", b" " * 1_100_000, 413),
        ("DELETE", f"/v1/scenes/{OTHER}", b" " * 100_000, 413),
        ("GET", "/v1/openapi.json", b" " * 100_000, 413),
        ("GET", "/v1/frames", b"", 405),
        ("POST", f"/v1/scenes/{OTHER}", b"", 405),
        ("GET", f"/v1/scenes/{OTHER}", b"", 405),
        ("GET", "/v1", b"", 404),
        ("PUT", "/v1/scenes/", b"", 404),
    ],
)
def test_wrong_doors_and_large_bodies(client, method, path, body, status):
    response = client.open(path, method=method, data=body, content_type="application/json")
    assert response.status_code == status
    assert response.json["code"] == status


def test_scenes_of_the_limit_only(client, scene):
    data = scene.to_bytes()
    padded = data + b" " * (1_000_001 - len(data))
    assert upload(client, padded).status_code == 413
    assert upload(client, padded[:-1]).status_code == 201


def test_nothing_is_read_of_what_is_not_kept(client, scene, monkeypatch):
    """A scene that is kept is not checked again."""
    data, checks, read = scene.to_bytes(), [], OpenedDocument.read

    def counting(*arguments, **options):
        checks.append(1)
        return read(*arguments, **options)

    monkeypatch.setattr(OpenedDocument, "read", counting)
    upload(client, data)
    upload(client, data)
    ask(client, data)
    assert len(checks) == 1
