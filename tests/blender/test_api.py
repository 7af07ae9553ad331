"""The JSON API before the real renderer: what a simulator does, from the upload to the second frame."""

from dataclasses import replace

import numpy as np
import pytest
import requests
from drake_like import DrakeScene, look_at, oracle, translation
from exactness import assert_depth_exact, assert_labels_exact
from servers import running

from gltf_render_server.frame import Lens, View
from gltf_render_server.http.form import DepthRange

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

LENS = Lens(160, 120, 150.0, 152.0, 79.0, 61.0, 0.05, 20.0)
EYES = {"left": look_at((1.6, -1.9, 1.5), (0, 0, 0.2)), "right": look_at((-1.2, -2.1, 1.4), (0, 0, 0.2))}
VIEWS = [View(LENS, pose, name) for name, pose in EYES.items()]


@pytest.fixture(scope="module", params=["0", "1"], ids=["alone", "worker"])
def client(request):
    with running("--workers", request.param, "--samples", "2", "--no-denoise", "--device", "cpu") as server:
        yield server.client


def moved(table: DrakeScene, poses) -> DrakeScene:
    bodies = [
        replace(body, matrix=poses.get(f"g{index}", body.matrix), label=index + 1)
        for index, body in enumerate(table.bodies)
    ]
    return replace(table, bodies=bodies)


def check(answer, table: DrakeScene, poses):
    """Compare with rays cast at the bodies in their poses; instances are numbered as bodies are."""
    scene = moved(table, poses)
    assert answer.instances == {index + 1: f"g{index}" for index in range(len(table.bodies))}
    for name, pose in EYES.items():
        truth = oracle(replace(scene, camera_to_world=pose), LENS)
        arrays = answer[name]
        assert_depth_exact(arrays["depth"][truth.is_sharp], truth.depth[truth.is_sharp])
        assert_labels_exact(arrays["instance"][truth.is_sharp], truth.label[truth.is_sharp])
        assert arrays["color"].shape == (120, 160, 3)
        assert np.ptp(arrays["color"]) > 50


def test_a_rig_while_things_move(client, table):
    data, passes = table.to_bytes(), ["color", "depth", "instance"]
    check(client.render(data, VIEWS, passes), table, {})
    for step in (1, 2):
        poses = {"g1": translation(-0.5, 0.1 * step, 0.5), "g2": translation(0.5 - 0.2 * step, -0.4, 0.35)}
        check(client.render(data, VIEWS, passes, poses=poses), table, poses)
    check(client.render(data, VIEWS, passes), table, {})


def test_both_protocols_give_the_same_pictures(client, table):
    data = table.to_bytes("label")
    answer = client.render(data, View(LENS, table.camera_to_world), ["color", "depth", "label"])["view"]
    np.testing.assert_array_equal(answer["color"], client.color(data, LENS))
    np.testing.assert_array_equal(answer["depth"], client.depth(data, LENS, DepthRange(0.0, 1e6)))
    np.testing.assert_array_equal(answer["label"], client.label(data, LENS))


def test_the_same_frame_has_the_same_bytes(client, table):
    digest = client.render(table.to_bytes(), VIEWS, ["depth"]).frame["scene"]
    frame = {
        "scene": digest,
        "views": [{"width": 40, "height": 30, "fov_y_deg": 50, "camera": 0}],
        "passes": ["color", "depth", "instance"],
    }
    url = f"{client.shown_url}/v1/frames"
    answers = {requests.post(url, json=frame, headers={"Accept": "image/x-exr"}).content for _ in range(2)}
    assert len(answers) == 1
