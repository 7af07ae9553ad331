"""The JSON API: scenes that are kept, and frames of them in every form of answer."""

import hashlib
import json
import logging
import re

import numpy as np
import OpenEXR
import pytest
from api import VIEW, ask, digest_of, frame_json, pixels, unpacked, upload, view
from api import send as send_form
from drake_like import DrakeScene, add_accessor, box, look_at, translation
from forms import FIELDS, send
from prometheus_client.parser import text_string_to_metric_families

from gltf_render_server.compose import make_app
from gltf_render_server.errors import RenderTimeoutError
from gltf_render_server.settings import ServerSettings


@pytest.fixture
def data(scene):
    return scene.to_bytes()


@pytest.fixture
def kept(client, data):
    assert upload(client, data).status_code == 201
    return data


def test_a_scene_is_kept_once(client, data):
    digest = digest_of(data)
    assert client.head(f"/v1/scenes/{digest}").status_code == 404
    first, second = upload(client, data), upload(client, data)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json == second.json
    assert client.head(f"/v1/scenes/{digest.upper()}").status_code == 200
    assert client.delete(f"/v1/scenes/{digest}").status_code == 204
    assert client.delete(f"/v1/scenes/{digest}").status_code == 404
    assert client.head(f"/v1/scenes/{digest}").status_code == 404


def test_what_a_scene_holds(client, data):
    told = upload(client, data).json
    assert told["scene"] == digest_of(data)
    assert told["bytes"] == len(data)
    assert told["memory_bytes"] > 500
    assert (told["instances"], told["triangles"]) == (1, 12)
    np.testing.assert_allclose(told["bounds"], [[-0.5] * 3, [0.5] * 3], atol=1e-6)
    assert [camera["index"] for camera in told["cameras"]] == [0]
    assert told["warnings"] == []


@pytest.mark.parametrize(
    "content_type", ["model/gltf-binary", "application/octet-stream", "text/plain", None]
)
def test_whatever_the_upload_calls_itself(client, data, content_type):
    response = client.put(f"/v1/scenes/{digest_of(data)}", data=data, content_type=content_type)
    assert response.status_code == 201


def test_a_rig(client, renderer, kept):
    left, right = view(name="left"), view(name="right", near=1e-7, far=30, focal_x=50, fov_y_deg=None)
    response = ask(client, kept, views=[left, right], passes=["color", "depth", "label", "instance"])
    assert response.status_code == 200
    assert response.content_type == "application/zip"
    files, told = unpacked(response)
    names = ("color.png", "depth.tiff", "label.tiff", "instance.png")
    assert list(files) == [f"{side}/{name}" for side in ("left", "right") for name in names]
    assert pixels(files["left/color.png"]).shape == (48, 64, 3)
    depth = pixels(files["right/depth.tiff"])
    assert (depth.dtype, depth[0, 1], depth[1, 1]) == (np.float32, np.inf, 1.5)
    assert (pixels(files["left/instance.png"]) == 1).all()
    assert [described["name"] for described in told["views"]] == ["left", "right"]
    assert told["views"][1]["near"] == 1e-7
    assert (told["views"][1]["focal_x"], told["views"][1]["focal_y"]) == (50, 50)
    assert told["views"][0]["focal_y"] == pytest.approx(24 / np.tan(np.pi / 8))
    assert (told["views"][0]["center_x"], told["views"][0]["center_y"]) == (32, 24)
    assert told["views"][0]["camera_to_world"] == VIEW["camera_to_world"]
    assert [row["file"] for row in told["passes"]] == list(names)
    assert told["passes"][1]["unit"] == "m"
    assert told["scene"] == digest_of(kept)
    assert told["renderer"]["name"] == "Fake"
    [instance] = told["instances"]
    assert instance["number"] == 1
    assert len(instance["matrix"]) == 16
    [frame] = renderer.requests
    assert frame.views[1].lens.near == 1e-7


def test_the_same_frame_has_the_same_bytes(client, kept):
    assert ask(client, kept).data == ask(client, kept).data


@pytest.mark.parametrize(
    ("given", "expected"), [({}, 0.5), ({"alpha_threshold": 0.25}, 0.25), ({"alpha_threshold": None}, None)]
)
def test_what_counts_as_a_hole(client, renderer, kept, given, expected):
    response = client.post("/v1/frames", json={**frame_json(kept), **given})
    assert response.status_code == 200
    assert renderer.requests[-1].alpha_threshold == expected
    assert unpacked(response)[1]["alpha_threshold"] == expected


def test_in_drake_s_protocol_all_is_solid(client, renderer, data):
    assert send(client, FIELDS, data).status_code == 200
    assert renderer.requests[-1].alpha_threshold is None


def test_a_form_with_the_scene(client, renderer, data):
    frame = frame_json(data, scene=None)
    form = json.dumps(frame)
    response = send_form(client, form, data)
    assert response.status_code == 200
    assert unpacked(response)[1]["scene"] == digest_of(data)
    assert client.head(f"/v1/scenes/{digest_of(data)}").status_code == 200, "it is kept, too"
    form = json.dumps({**frame, "scene": digest_of(data)})
    assert send_form(client, form, data, is_file=True).status_code == 200


def test_every_length_of_a_scene_in_a_form(client, data):
    """Wherever the closing boundary falls in werkzeug's reads of 64 KiB, the digest is the scene's."""
    frame = frame_json(data)
    for length in range(65536 - 860, 65536 - 560):
        padded = data + b" " * (length - len(data))
        response = send_form(client, json.dumps({**frame, "scene": digest_of(padded)}), padded)
        assert response.status_code == 200, (length, response.json)


@pytest.mark.parametrize("name", ["depth", "instance", "color", "label"])
def test_one_picture(client, kept, name):
    stored = "image/tiff" if name in ("depth", "label") else "image/png"
    other = "image/png" if stored == "image/tiff" else "image/tiff"
    response = ask(client, kept, accept=stored, passes=[name])
    assert response.content_type == stored
    assert pixels(response.data).shape[:2] == (48, 64)
    assert ask(client, kept, accept=other, passes=[name]).status_code == 406
    assert ask(client, kept, accept="image/*", passes=[name]).content_type == stored
    assert ask(client, kept, accept="*/*", passes=[name]).content_type == "application/zip"
    refused = ask(client, kept, accept=stored, passes=[name], views=[view(name="a"), view(name="b")])
    assert refused.status_code == 406
    assert "one view" in refused.json["message"]


def test_masks_and_tables(client, renderer, kept):
    names = ["instances", "mask_amodal", "depth"]
    views = [view(name="plain"), view(name="wide", amodal_margin=0.25)]
    files, told = unpacked(ask(client, kept, passes=names, views=views))
    stored = ("instances.json", "mask_amodal.tiff", "depth.tiff")
    assert list(files) == [f"{name}/{file}" for name in ("plain", "wide") for file in stored]
    assert [row["dtype"] for row in told["passes"]] == ["json", "bool", "float32"]
    assert [row["count"] for row in told["passes"]] == [None, 1, None]
    assert [described["amodal_canvas"] for described in told["views"]] == [
        [0, 0, 64, 48],
        [-16, -12, 96, 72],
    ]
    [frame] = renderer.requests
    assert [asked.amodal_margin for asked in frame.views] == [0, 0.25]
    assert pixels(files["plain/mask_amodal.tiff"]).dtype == bool
    assert pixels(files["wide/mask_amodal.tiff"]).shape == (72, 96)
    [row] = json.loads(files["plain/instances.json"])
    assert (row["number"], row["pixels"], row["box"]) == (1, 64 * 48, [0, 0, 64, 48])
    assert row["matrix"] == told["instances"][0]["matrix"]
    assert row["center"]["visibility"] == "visible"


def test_forms_of_masks_and_tables(client, kept):
    masks = ask(client, kept, accept="image/tiff", passes=["mask_amodal"])
    assert masks.content_type == "image/tiff"
    table = ask(client, kept, accept="application/json", passes=["instances"])
    assert table.content_type == "application/json"
    assert table.json[0]["name"] == "g0"
    for accept in ("image/x-exr", "image/png"):
        for names in (["mask_amodal"], ["instances"], ["depth", "instances"], ["depth", "mask_amodal"]):
            refused = ask(client, kept, accept=accept, passes=names)
            assert refused.status_code == 406
            assert "neither stacks of them nor tables" in refused.json["message"]


def test_no_object_at_all(client):
    data = DrakeScene([], look_at((1, 1, 1), (0, 0, 0))).to_bytes()
    upload(client, data)
    files, told = unpacked(ask(client, data, passes=["mask_amodal", "instances"]))
    assert not pixels(files["view0/mask_amodal.tiff"]).any()
    assert json.loads(files["view0/instances.json"]) == told["instances"] == []
    assert told["passes"][0]["count"] == 0


def test_more_masks_than_are_answered_at_once(clients, renderer):
    client, balls = clients(max_pixels=10**9), [box((1, 1, 1), translation(0, 0, 0), 1)] * 30
    data = DrakeScene(balls, look_at((1, 1, 1), (0, 0, 0))).to_bytes()
    upload(client, data)
    refused = ask(client, data, passes=["mask_amodal"], views=[view(width=5000, height=4000)])
    assert refused.status_code == 413
    assert "the masks of 30 objects have 600000000 pixels" in refused.json["message"]
    assert not renderer.requests


def test_exr(client, kept, tmp_path):
    response = ask(client, kept, accept="image/x-exr", passes=["color", "depth", "instance", "label"])
    assert response.content_type == "image/x-exr"
    path = tmp_path / "frame.exr"
    path.write_bytes(response.data)
    with OpenEXR.File(str(path), separate_channels=True) as exr:
        channels = {name: channel.pixels for name, channel in exr.channels().items()}
        told = json.loads(exr.header()["frame"])
    assert sorted(channels) == ["color.B", "color.G", "color.R", "depth.X", "instance.X", "label.X"]
    assert channels["depth.X"].dtype == np.float32
    assert channels["depth.X"][0, 1] == np.inf
    assert channels["instance.X"].dtype == np.uint32
    assert (channels["instance.X"] == 1).all()
    np.testing.assert_allclose(channels["color.R"], 7 / 255)
    alone = pixels(ask(client, kept, "image/tiff", passes=["label"]).data)
    np.testing.assert_array_equal(channels["label.X"], alone.view(np.uint32))
    assert told["views"][0]["name"] == "view0"


def test_the_document_has_cameras(client, renderer, scene):
    document = scene.document()
    [node] = [node for node in document["nodes"] if node.get("camera") is not None]
    node["name"] = "eye"
    document["cameras"][0] = {"type": "perspective", "perspective": {"yfov": 0.5, "znear": 0.25}}
    data = json.dumps(document).encode()
    assert upload(client, data).json["cameras"] == [{"index": 0, "name": "eye"}]
    for camera in ("eye", 0):
        looked = view(camera=camera, camera_to_world=None, fov_y_deg=None)
        assert ask(client, data, views=[looked]).status_code == 200
        lens, pose = renderer.requests[-1].views[0].lens, renderer.requests[-1].views[0].camera_to_world
        assert lens.focal_y == pytest.approx(24 / np.tan(0.25))
        assert (lens.near, lens.far) == (0.25, 250_000.0)
        np.testing.assert_allclose(pose, scene.camera_to_world, atol=1e-12)
    refused = ask(client, data, views=[view(camera="ear", camera_to_world=None)])
    assert refused.status_code == 400
    assert "'eye'" in refused.json["message"]


@pytest.mark.parametrize(
    ("near", "far"), [(1e-4, 1000), (0.25, 250_000), (2000, 500_001_000), (5e8, 7.5e8), (9e8, 9.5e8)]
)
def test_a_view_that_names_no_far_is_never_refused_for_it(client, renderer, kept, near, far):
    response = ask(client, kept, views=[view(near=near)])
    assert response.status_code == 200, response.json
    assert renderer.requests[-1].views[0].lens.far == far
    [member] = client.get("/v1/openapi.json").json["components"]["schemas"]["ViewRequest"]["properties"][
        "far"
    ]["anyOf"][:1]
    assert "halfway from near to 1e9" in member["description"]


def test_poses_and_look(client, renderer, scene):
    document = scene.document()
    [node] = [node for node in document["nodes"] if node.get("mesh") is not None]
    node["name"] = "box"
    data = json.dumps(document).encode()
    upload(client, data)
    moved = [1, 0, 0, 0.1, 0, 1, 0, 1e-9, 0, 0, 1, 3, 0, 0, 0, 1]
    look = {"environment": "studio", "exposure": -1.5, "samples": 4, "transparent": True, "up_axis": "y"}
    response = ask(client, data, poses={"box": moved}, look=look)
    assert response.status_code == 200
    assert unpacked(response)[1]["instances"] == [{"number": 1, "node": "box", "matrix": moved}]
    [frame] = renderer.requests
    assert frame.scene.instances.matrix[0, 0, 3] == 0.1
    assert type(frame.look.environment) is str, "it travels to other processes"
    assert (frame.look.environment, frame.look.exposure, frame.look.quality) == ("studio", -1.5, None)
    assert frame.scene.asset.key == hashlib.sha256(data).digest()
    assert unpacked(ask(client, data))[1]["instances"][0]["matrix"] != moved, "a pose is of its frame only"


def test_other_moments(client, renderer, scene):
    document = scene.document()
    [node] = [node for node in document["nodes"] if node.get("mesh") is not None]
    node["name"] = "box"
    data = json.dumps(document).encode()
    upload(client, data)
    now, then = place(0.1), place(0.3)
    camera = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 6, 0, 0, 0, 1]
    moments = {
        "before": {},
        "after": {"poses": {"box": then}, "time_s": 2, "cameras": {"right": camera}},
    }
    passes = ["flow_forward", "visible_forward", "flow_backward"]
    views = [view(name="left"), view(name="right")]
    response = ask(client, data, poses={"box": now}, time_s=0.5, views=views, passes=passes, **moments)
    assert response.status_code == 200, response.json
    files, told = unpacked(response)
    assert [row["file"] for row in told["passes"]] == [
        "flow_forward.exr",
        "visible_forward.png",
        "flow_backward.exr",
    ]
    assert pixels(files["left/visible_forward.png"]).dtype == np.uint8
    assert told["before"] == {
        "time_s": 0.5,
        "cameras": {"left": VIEW["camera_to_world"], "right": VIEW["camera_to_world"]},
        "instances": [now],
    }
    assert told["after"] == {
        "time_s": 2.0,
        "cameras": {"left": VIEW["camera_to_world"], "right": camera},
        "instances": [then],
    }
    [frame] = renderer.requests
    assert frame.before.scene.placements.matrix[0, 0, 3] == 0.1, "what is left out is as in the frame"
    assert frame.after.scene.placements.matrix[0, 0, 3] == 0.3
    assert "shapes" in frame.after.scene.stock._tables, "digested by the thread that asks"
    told = unpacked(ask(client, data))[1]
    assert (told["before"], told["after"]) == (None, None)


def test_a_camera_of_the_document_moves_as_the_document_says(client, renderer, scene):
    document = scene.document()
    [node] = [node for node in document["nodes"] if node.get("camera") is not None]
    node["name"] = "eye"
    data = json.dumps(document).encode()
    upload(client, data)
    seen = view(camera="eye", camera_to_world=None)
    for named, z in (({}, 7), ({"view0": place(0, 9)}, 9)):
        after = {"poses": {"eye": place(0, 7)}, "cameras": named}
        assert ask(client, data, views=[seen], after=after, passes=["flow_forward"]).status_code == 200
        frame = renderer.requests[-1]
        np.testing.assert_allclose(frame.views[0].camera_to_world, scene.camera_to_world, atol=1e-12)
        assert frame.after.cameras[0][2, 3] == z


def place(x, z=0.0):
    return [1, 0, 0, x, 0, 1, 0, 0, 0, 0, 1, z, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"passes": ["flow_forward"]}, "after: is missing; .* send the other's poses, time_s or cameras"),
        ({"passes": ["visible_backward"], "after": {}}, "before: is missing"),
        ({"after": {"poses": {"nobody": place(0)}}}, r"\$\.after\.poses\['nobody'\]: no nodes"),
        ({"after": {"cameras": {"view1": place(0)}}}, r"\$\.after\.cameras: no view has the name 'view1'"),
        (
            {"before": {"cameras": {"view0": [2.0, *place(0)[1:]]}}},
            r"\$\.before\.cameras\['view0'\]: must be",
        ),
        ({"before": {"cameras": {"view0": [1]}}}, r"\$\.before\.cameras\[...\]: Expected `array` of length"),
        ({"after": {"time": 1}}, r"\$\.after: Object contains unknown field `time`"),
        ({"after": {"time_s": -1}}, r"\$\.after\.time_s: "),
        ({"after": []}, r"\$\.after: "),
    ],
    ids=str,
)
def test_other_moments_that_are_refused(client, renderer, kept, changes, message):
    response = ask(client, kept, **changes)
    assert response.status_code == 400
    assert re.search(message, response.json["message"]), response.json["message"]
    assert not renderer.requests


def test_animations_at_a_time(client, renderer, scene):
    document = scene.document()
    times = add_accessor(document, np.array([0, 2], "<f4"), "SCALAR")
    places = add_accessor(document, np.array([[0, 0, 0], [4, 0, 0]], "<f4"), "VEC3")
    [node] = [index for index, node in enumerate(document["nodes"]) if node.get("mesh") is not None]
    del document["nodes"][node]["matrix"]
    document["animations"] = [
        {
            "name": "slide",
            "samplers": [{"input": times, "output": places}],
            "channels": [{"sampler": 0, "target": {"node": node, "path": "translation"}}],
        }
    ]
    data = json.dumps(document).encode()
    assert upload(client, data).json["animations"] == ["slide"]
    moved = []
    for time_s in (None, 0, 0.5, 1.5, 9):
        assert ask(client, data, time_s=time_s).status_code == 200
        moved.append(renderer.requests[-1].scene.instances.matrix[0, 0, 3])
    np.testing.assert_allclose(moved, [0, 0, 1, 3, 4], atol=1e-6)


def test_the_cache_lets_the_oldest_go(clients):
    scenes = [
        DrakeScene([box((1, 1, size), translation(0, 0, 0), 3)], look_at((3, 2, 2), (0, 0, 0)))
        for size in (1, 2, 3)
    ]
    files = [scene.to_bytes() for scene in scenes]
    size = upload(clients(), files[0]).json["memory_bytes"]
    client = clients(scene_cache_mb=2.5 * size / 1e6)
    assert [upload(client, file).status_code for file in files[:2]] == [201, 201]
    assert upload(client, files[0]).status_code == 200, "now it is the one that was used last"
    assert upload(client, files[2]).status_code == 201
    heads = [client.head(f"/v1/scenes/{digest_of(file)}").status_code for file in files]
    assert heads == [200, 404, 200]


def test_what_is_larger_than_the_cache_is_sent_with_each_frame(clients, data):
    client = clients(scene_cache_mb=0)
    response = upload(client, data)
    assert response.status_code == 413
    assert response.json["reason"] == "scene_not_kept"
    assert "--scene-cache-mb" in response.json["message"]
    form = json.dumps(frame_json(data))
    assert send_form(client, form, data).status_code == 200
    assert client.head(f"/v1/scenes/{digest_of(data)}").status_code == 404


def test_a_scene_that_is_not_there(client, renderer, data):
    response = ask(client, data)
    assert response.status_code == 404
    assert response.json["reason"] == "scene_not_found"
    assert response.json["code"] == 404
    assert "PUT /v1/scenes/" in response.json["message"]
    assert not renderer.requests


def test_timing_and_the_log(client, kept, caplog):
    with caplog.at_level(logging.INFO, "gltf_render_server.http.answering"):
        response = ask(client, kept, views=[view(name="a"), view(name="b")], passes=["depth", "label"])
    names = re.findall(r"(\w+);dur=[\d.]+", response.headers["Server-Timing"])
    assert names == ["parse", "check", "queue", "import", "render", "encode"]
    [line] = [record.getMessage() for record in caplog.records]
    assert re.match(r"depth\+label 64x48 and 1 more views of \d+ B: 200, \d+ B in \d+ ms \(parse ", line)


def test_metrics(client, kept):
    ask(client, kept)
    ask(client, kept, passes=["depth", "label"])
    ask(client, kept, passes=["nothing"])
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    requests = {
        (sample.labels["type"], sample.labels["status"]): sample.value
        for sample in families["gltf_render_server_requests"].samples
        if sample.name.endswith("_total")
    }
    assert requests == {
        ("upload", "201"): 1,
        ("depth", "200"): 1,
        ("several", "200"): 1,
        ("unread", "400"): 1,
    }


def test_a_render_that_takes_too_long(client, renderer, kept):
    renderer.error = RenderTimeoutError("the render took longer than 1 s")
    response = ask(client, kept)
    assert (response.status_code, response.json["code"]) == (504, 504)


def test_the_token_and_foreign_pages(renderer, data):
    client = make_app(ServerSettings(token="secret"), (), renderer)[0].test_client()
    for response in (upload(client, data), ask(client, data), client.get("/v1/openapi.json")):
        assert response.status_code == 401
    assert upload(client, data, headers={"Authorization": "Bearer secret"}).status_code == 201
    document = client.get("/v1/openapi.json?token=secret").json
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    foreign = {"Authorization": "Bearer secret", "Origin": "http://evil.example"}
    assert upload(client, data, headers=foreign).status_code == 403


def test_both_protocols_look_through_the_same_lens(client, renderer, kept, scene):
    """A view with Drake's numbers is the frame that Drake's form makes."""
    send(client, FIELDS, kept)
    numbers = {
        name: float(FIELDS[name]) for name in ("near", "far", "focal_x", "focal_y", "center_x", "center_y")
    }
    pose = scene.camera_to_world.ravel().tolist()
    ask(client, kept, views=[view(**numbers, fov_y_deg=None, camera_to_world=pose)], passes=["color"])
    drakes, ours = renderer.requests
    assert drakes.views[0].lens == ours.views[0].lens
    np.testing.assert_allclose(drakes.views[0].camera_to_world, ours.views[0].camera_to_world, atol=1e-15)
