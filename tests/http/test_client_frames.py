"""The client over real connections: what it uploads, what it sends, and what it gets."""

import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest
import requests
import trimesh
from drake_like import DrakeScene
from fake_server import answering
from handlers import Handler, handling

from gltf_render_server.client import RenderClient, RenderClientError
from gltf_render_server.frame import Lens, Look, View
from gltf_render_server.http import v1
from gltf_render_server.http.serving import HttpServer
from gltf_render_server.passes import PASSES, Pass, Render, register
from gltf_render_server.settings import ServerSettings

LENS = Lens(64, 48, 60, 61, 31.5, 23.5, 1e-7, 10)
POSE = np.eye(4) + np.outer([0, 0, 1, 0], [0, 0, 0, 5])
VIEW = View(LENS, POSE)


@pytest.fixture
def asked(monkeypatch):
    """What the server's routes were asked for, in order."""
    lines = []
    read_body, read_form = v1.read_body, v1.read_form

    def note(read):
        def noting(http, settings):
            lines.append(f"{http.method} {http.mimetype}")
            return read(http, settings)

        return noting

    monkeypatch.setattr(v1, "read_body", note(read_body))
    monkeypatch.setattr(v1, "read_form", note(read_form))
    return lines


@pytest.fixture
def serve(renderer):
    """Starts a server with some options."""
    stack = []

    def start(**options):
        settings = ServerSettings(port=0, **options)
        context = answering(settings, renderer)
        server = HttpServer(context.__enter__(), settings, workers=1)
        server.start()
        stack.append((context, server))
        return RenderClient(server.url, timeout_s=300)

    yield start
    for context, server in reversed(stack):
        context.__exit__(None, None, None)
        server.close(60)


JSON, UPLOAD, FORM = "POST application/json", "PUT ", "POST multipart/form-data"


def test_a_rig_is_uploaded_once(serve, renderer, scene, asked):
    client, data = serve(), scene.to_bytes()
    views = [View(LENS, POSE, "left"), View(replace(LENS, near=0.1 + 0.2), POSE, "right")]
    answer = client.render(data, views, ["color", "depth", "label", "instance"])
    assert list(answer.views) == ["left", "right"]
    assert {name: (array.dtype.name, array.shape) for name, array in answer["left"].items()} == {
        "color": ("uint8", (48, 64, 3)),
        "depth": ("float32", (48, 64)),
        "label": ("uint32", (48, 64)),
        "instance": ("uint16", (48, 64)),
    }
    assert answer["right"]["depth"][0, 1] == np.inf
    assert [*answer.instances] == [1]
    assert {"check", "render", "encode"} <= answer.stages_ms.keys()
    [frame] = renderer.requests
    assert frame.views[0].lens == LENS, "every bit of every number"
    assert frame.views[1].lens.near == 0.1 + 0.2
    for _ in range(3):
        client.render(data, views, ["depth"])
    assert asked == [JSON, UPLOAD, JSON] + [JSON] * 3


@pytest.mark.parametrize("kind", ["bytes", "path", "str", "trimesh"])
def test_scenes_of_every_kind(serve, renderer, tmp_path, asked, kind):
    client, scene = serve(), trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((1, 2, 3)), node_name="box", geom_name="box")
    data = scene.export(file_type="glb")
    path = tmp_path / "scene.glb"
    path.write_bytes(data)
    given = {"bytes": data, "path": path, "str": str(path), "trimesh": scene}[kind]
    moved = np.eye(4)
    moved[0, 3] = 0.1
    for poses in (None, {"box": moved}):
        answer = client.render(given, VIEW, "depth", poses=poses)
        assert answer["view"]["depth"].shape == (48, 64)
        assert answer.instances == {1: "box"}
    np.testing.assert_array_equal(renderer.requests[-1].scene.instances.matrix[0], moved)
    assert asked == [JSON, UPLOAD, JSON, JSON]


def test_names_that_are_the_same_are_refused(serve, scene):
    client, data = serve(), scene.to_bytes()
    with pytest.raises(RenderClientError, match="'left' is there 2 times"):
        client.render(data, [View(LENS, POSE, "left")] * 2, ["depth"])
    assert [*client.render(data, [VIEW] * 2, ["depth"]).views] == ["view0", "view1"]


def test_a_file_that_changes_is_read_again(serve, scene, tmp_path, asked):
    client, path = serve(), tmp_path / "scene.gltf"
    path.write_bytes(scene.to_bytes())
    first = client.render(path, VIEW, ["depth"]).frame["scene"]
    path.write_bytes(scene.to_bytes() + b" ")
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 10**9))
    assert client.render(path, VIEW, ["depth"]).frame["scene"] != first
    assert asked == [JSON, UPLOAD, JSON] * 2


def test_a_scene_that_the_server_let_go_is_sent_again(serve, scene, asked):
    client, data = serve(), scene.to_bytes()
    digest = client.render(data, VIEW, ["depth"]).frame["scene"]
    requests.delete(f"{client.shown_url}/v1/scenes/{digest}").raise_for_status()
    client.render(data, VIEW, ["depth"])
    assert asked == [JSON, UPLOAD, JSON] * 2


def test_a_server_that_keeps_nothing(serve, scene, asked):
    client, data = serve(scene_cache_mb=0), scene.to_bytes()
    for _ in range(2):
        assert client.render(data, VIEW, ["depth"]).views["view"]["depth"].any()
    assert asked == [JSON, UPLOAD, FORM, FORM]


def test_masks_and_tables(serve, renderer, scene):
    client, wide = serve(), replace(VIEW, name="wide", amodal_margin=1.0)
    answer = client.render(scene.to_bytes(), [VIEW, wide], ["mask_amodal", "instances"])
    assert answer["view"]["mask_amodal"].dtype == bool
    assert answer["view"]["mask_amodal"].shape == (1, 48, 64)
    assert answer["wide"]["mask_amodal"].shape == (1, 144, 192)
    assert answer["wide"]["instances"][0]["box_3d"]["low"] == [-0.5] * 3
    assert renderer.requests[0].views[1].amodal_margin == 1
    nothing = DrakeScene([], POSE).to_bytes()
    answer = client.render(nothing, wide, ["mask_amodal", "instances"])
    assert answer["wide"]["mask_amodal"].shape == (0, 144, 192)
    assert answer["wide"]["instances"] == []


def test_mappings_looks_poses(serve, renderer, scene, table_json):
    client = serve()
    views = [{"width": np.int64(8), "height": 6, "fov_y_deg": np.float32(30), "camera_to_world": POSE}] * 2
    moved = np.eye(4)
    moved[:3, 3] = (1 / 3, 1e-9, np.float32(0.1))
    answer = client.render(
        table_json,
        views,
        ["depth"],
        look=Look(exposure=0.1, quality="preview"),
        poses={"box": moved},
        time_s=0.0,
    )
    assert list(answer.views) == ["view0", "view1"]
    [frame] = renderer.requests
    np.testing.assert_array_equal(frame.scene.instances.matrix[0], moved)
    assert frame.look == Look(exposure=0.1, quality="preview")
    assert answer.instances == {1: "box"}
    client.render(table_json, [VIEW, VIEW], ["depth"], look={"environment": "none"})
    assert renderer.requests[-1].look.environment == "none"


def test_what_counts_as_a_hole(serve, renderer, scene):
    client, data = serve(), scene.to_bytes()
    for given, expected in (({}, 0.5), ({"alpha_threshold": 0.25}, 0.25), ({"alpha_threshold": None}, None)):
        assert client.render(data, VIEW, ["depth"], **given).frame["alpha_threshold"] == expected
        assert renderer.requests[-1].alpha_threshold == expected


@pytest.fixture
def table_json(scene):
    document = scene.document()
    [node] = [node for node in document["nodes"] if node.get("mesh") is not None]
    node["name"] = "box"
    return json.dumps(document).encode()


def test_what_is_wrong_is_told(serve, scene):
    client = serve()
    with pytest.raises(RenderClientError, match="there is no pass 'beauty'") as caught:
        client.render(scene.to_bytes(), VIEW, ["beauty"])
    assert caught.value.status == 400
    with pytest.raises(RenderClientError, match="scene: "):
        client.render(b"{}", VIEW, ["depth"])
    with pytest.raises(ValueError, match="JSON"):
        client.render(scene.to_bytes(), View(replace(LENS, near=np.nan), POSE), ["depth"])


def test_a_token_in_the_address(serve, scene):
    client = serve(token="secret")
    with pytest.raises(RenderClientError, match="401"):
        client.render(scene.to_bytes(), VIEW, ["depth"])
    known = RenderClient(client.shown_url.replace("http://", "http://:secret@"), timeout_s=300)
    assert known.render(scene.to_bytes(), VIEW, ["depth"]).views["view"]["depth"].any()


def ray_distance(depth, lens):
    """Distance along the ray, metres."""
    v, u = np.indices(depth.shape) + 0.5
    x, y = (u - lens.center_x) / lens.focal_x, (v - lens.center_y) / lens.focal_y
    return depth * np.sqrt(1 + x**2 + y**2).astype(np.float32)


@pytest.fixture
def along_the_ray():
    def compute(render):
        return ray_distance(render.exact.depth, render.view.lens)

    row = Pass("along_the_ray", "Along the ray.", "float32", (1,), "m", Render.EXACT, compute)
    register(row)
    yield row
    del PASSES[row.name]


def test_a_pass_is_a_row(serve, scene, along_the_ray):
    answer = serve().render(scene.to_bytes(), VIEW, ["depth", "along_the_ray"])["view"]
    assert answer["along_the_ray"].dtype == np.float32
    assert answer["along_the_ray"][0, 1] == np.inf
    np.testing.assert_allclose(answer["along_the_ray"], ray_distance(answer["depth"], VIEW.lens))
    assert answer["along_the_ray"][47, 63] > answer["depth"][47, 63]


def test_other_moments(serve, renderer, scene):
    client, data = serve(), scene.to_bytes()
    moved = POSE @ np.diag([1.0, 1, 1, 1])
    moved[0, 3] = 0.1 + 0.2
    passes = ["flow_forward", "visible_forward", "flow_backward", "visible_backward"]
    views = [View(LENS, POSE, "left"), View(LENS, POSE, "right")]
    answer = client.render(
        data,
        views,
        passes,
        before={"time_s": 0.5},
        after={"poses": {"g0": moved}, "cameras": {"right": moved}},
    )
    assert {name: (array.dtype.name, array.shape) for name, array in answer["left"].items()} == {
        "flow_forward": ("float32", (48, 64, 2)),
        "visible_forward": ("uint8", (48, 64)),
        "flow_backward": ("float32", (48, 64, 2)),
        "visible_backward": ("uint8", (48, 64)),
    }
    assert answer.frame["before"]["time_s"] == 0.5
    [frame] = renderer.requests
    np.testing.assert_array_equal(frame.after.scene.placements.matrix[0], moved)
    np.testing.assert_array_equal(frame.after.cameras, [POSE, moved])
    np.testing.assert_array_equal(frame.before.cameras, [POSE, POSE])


def test_channels_come_in_their_order(serve, scene, renderer):
    """Of colours, an EXR has them by the alphabet: alpha, blue, green, red."""
    passes = ["color_linear", "albedo", "roughness", "metallic", "emission"]
    answer = serve().render(scene.to_bytes(), VIEW, passes)["view"]
    for name, channels in zip(passes, (4, 3, 1, 1, 3), strict=True):
        expected = renderer._floats(VIEW, channels)
        np.testing.assert_array_equal(answer[name], expected[..., 0] if channels == 1 else expected)


def test_a_pass_that_the_back_end_does_not_make(serve, scene, renderer):
    renderer.renders = frozenset({Render.COLOUR, Render.EXACT})
    client = serve()
    with pytest.raises(RenderClientError) as caught:
        client.render(scene.to_bytes(), VIEW, ["depth", "albedo", "color_linear"])
    assert caught.value.status == 400
    assert "passes: Fake cannot render 'albedo'; it renders color, depth, distance," in str(caught.value)
    assert "color_linear" not in str(caught.value)
    assert renderer.requests == []
    assert client.render(scene.to_bytes(), VIEW, ["depth"]).views


def test_what_the_server_supports(serve, renderer):
    renderer.looks = frozenset({"exposure"})
    described = serve().describe()
    assert described["looks"] == ["exposure"]
    assert described["renderer"]["name"] == "Fake"


@pytest.mark.parametrize("ask", [RenderClient.describe, RenderClient.health])
@pytest.mark.parametrize("body", [b"[]", b"<html>", b"\xff", b""])
def test_a_server_of_something_else(ask, body):
    class Stranger(Handler):
        def serve(self, _body):
            self.answer(200, {}, body)

    with (
        handling(Stranger) as url,
        pytest.raises(requests.exceptions.InvalidJSONError, match="is not that of"),
    ):
        ask(RenderClient(url, timeout_s=300))
