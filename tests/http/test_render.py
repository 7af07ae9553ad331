import hashlib
import io
import json
import logging
import os
import re
import threading

import numpy as np
import pytest
from compressed import to_glb
from forms import FIELDS, multipart, send
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from servers import wait_for

from gltf_render_server.compose import make_app
from gltf_render_server.errors import RenderError
from gltf_render_server.settings import ServerSettings


def post(client, scene_bytes, **changes):
    return send(client, {**FIELDS, **changes}, scene_bytes)


def pixels(response):
    with Image.open(io.BytesIO(response.data)) as image:
        return np.asarray(image)


def test_colour(client, renderer, scene):
    data = scene.to_bytes()
    response = post(client, data, scene_sha256=hashlib.sha256(data).hexdigest())
    assert response.status_code == 200
    assert response.content_type == "image/png"
    assert pixels(response).shape == (48, 64, 3)
    [view] = renderer.requests[0].views
    np.testing.assert_allclose(view.camera_to_world, scene.camera_to_world, atol=1e-12)
    assert view.lens.focal_x == 60.0


def test_a_glb_is_the_same_scene(client, renderer, scene):
    for data in (scene.to_bytes(), to_glb(scene.document()), b"\xef\xbb\xbf" + scene.to_bytes()):
        assert post(client, data).status_code == 200
    first, *others = [frame.scene for frame in renderer.requests]
    for other in others:
        assert other.surfaces == first.surfaces
        np.testing.assert_array_equal(other.placements.matrix, first.placements.matrix)


def test_depth(client, scene):
    response = post(client, scene.to_bytes(), image_type="depth", min_depth="0.1", max_depth="5")
    assert response.content_type == "image/tiff"
    depth = pixels(response)
    assert depth.dtype == np.float32
    assert (depth[0, 0], depth[0, 1], depth[1, 1]) == (0.0, np.inf, 1.5)


def test_label(client, scene):
    response = post(client, scene.to_bytes("label"), image_type="label")
    assert response.content_type == "image/png"
    assert (pixels(response) == (3, 0, 0)).all()


def test_what_has_no_label_is_logged(client, scene, caplog):
    document = scene.document("label")
    del document["meshes"][0]["primitives"][0]["material"]
    with caplog.at_level(logging.WARNING):
        assert post(client, json.dumps(document).encode(), image_type="label").status_code == 200
    assert "$.meshes[0].primitives[0]: has no material" in caplog.text


def test_scenes_of_many_lines(client, scene):
    """A line end near the edge of a read is no long field."""
    document = json.dumps(scene.document(), indent=2).encode()
    for lines in range(100_000, 100_400, 7):
        padded = document + b"\n " * lines
        assert post(client, padded, scene_sha256=hashlib.sha256(padded).hexdigest()).status_code == 200


def test_every_length_of_a_scene(client, scene):
    """Wherever the closing boundary falls in werkzeug's reads of 64 KiB, the digest is the scene's."""
    data = scene.to_bytes()
    empty = len(multipart({**FIELDS, "scene_sha256": "0" * 64}, b"").body)
    for length in range(65536 - 40, 65536 + 40):
        padded = data + b" " * (length - empty - len(data))
        response = post(client, padded, scene_sha256=hashlib.sha256(padded).hexdigest())
        assert response.status_code == 200, (length, response.json)


def test_timing_goes_out_and_into_the_log(client, scene, caplog):
    with caplog.at_level(logging.INFO, "gltf_render_server.http.answering"):
        response = post(client, scene.to_bytes())
    names = re.findall(r"(\w+);dur=[\d.]+", response.headers["Server-Timing"])
    assert names == ["check", "queue", "import", "render", "encode"]
    [line] = [record.getMessage() for record in caplog.records]
    assert re.match(r"color 64x48 of \d+ B: 200, \d+ B in \d+ ms \(check \d+ queue \d+ import 1 ", line)


def test_health_answers_during_a_render(client, app, renderer, scene):
    renderer.gate.clear()
    thread = threading.Thread(target=post, args=(app.test_client(), scene.to_bytes()))
    thread.start()
    wait_for(lambda: renderer.requests)
    health = client.get("/healthz")
    renderer.gate.set()
    thread.join(300)
    assert health.status_code == 200
    [worker] = health.json["workers"]
    assert worker["rss_bytes"] > 1e6
    assert health.json == {
        "status": "ok",
        "live": True,
        "ready": True,
        "workers": [
            {
                "number": 0,
                "pid": os.getpid(),
                "state": "rendering",
                "rendered": 0,
                "restarts": 0,
                "rss_bytes": worker["rss_bytes"],
            }
        ],
        "version": health.json["version"],
        "fake_version": "1.2.3",
        "engine": "cycles",
        "device": "CPU",
        "rendering": True,
        "queue_length": 0,
    }


def test_full_queue(client, app, renderer, scene):
    renderer.gate.clear()
    threads = [threading.Thread(target=post, args=(app.test_client(), scene.to_bytes())) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: renderer.requests and client.get("/healthz").json["queue_length"] == 2)
    response = post(client, scene.to_bytes())
    renderer.gate.set()
    for thread in threads:
        thread.join(300)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert response.json["code"] == 503
    assert "--max-queue" in response.json["message"]
    assert post(client, scene.to_bytes()).status_code == 200


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RenderError("Blender could not render: out of memory"),
            "Blender could not render: out of memory",
        ),
        (ZeroDivisionError("secret detail"), "the server failed; its log has the reason"),
    ],
)
def test_a_fault_of_the_server_is_500_and_logged(client, renderer, scene, caplog, error, message):
    renderer.error = error
    response = post(client, scene.to_bytes())
    assert response.status_code == 500
    assert response.json == {"error": True, "message": message, "code": 500}
    assert any(record.exc_info for record in caplog.records), "the traceback is in the log"
    renderer.error = None
    assert post(client, scene.to_bytes()).status_code == 200


def test_foreign_pages_and_hosts_are_refused(client, scene):
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        response = client.get("/healthz", headers=headers)
        assert response.status_code == 403
        assert response.json["error"]


def test_a_token_guards_all_but_health_and_the_page(renderer, scene):
    settings = ServerSettings(token="secret")
    client = make_app(settings, (), renderer)[0].test_client()
    for path in ("/metrics", "/render", "/healthz", "/nothing", "/v1/server"):
        response = client.get(path)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic")
        assert response.json["code"] == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer secret"}).status_code == 200
    assert client.get("/metrics?token=secret").status_code == 200
    assert client.get("/healthz/live").json == {"live": True}
    assert client.get("/healthz/ready").json == {"status": "ok", "live": True, "ready": True}


def test_metrics(client, scene):
    post(client, scene.to_bytes())
    post(client, b"{}")
    text = client.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    requests = {
        (sample.labels["type"], sample.labels["status"]): sample.value
        for sample in families["gltf_render_server_requests"].samples
        if sample.name.endswith("_total")
    }
    assert requests == {("color", "200"): 1, ("color", "400"): 1}
    stages = {sample.labels["stage"] for sample in families["gltf_render_server_stage_seconds"].samples}
    assert stages == {"check", "queue", "import", "render", "encode"}
    [memory] = families["gltf_render_server_worker_resident_bytes"].samples
    assert memory.value > 1e6
    states = {s.labels["state"]: s.value for s in families["gltf_render_server_workers"].samples}
    assert states == {"starting": 0, "idle": 1, "rendering": 0, "stopped": 0}
