"""What a server records while it answers."""

import contextlib
import json
import threading
import time

import numpy as np
import pytest
from api import frame_json, upload
from forms import FIELDS, send

from gltf_render_server.dispatch.dispatcher import Dispatcher
from gltf_render_server.http.app import create_app
from gltf_render_server.http.form import RenderFields
from gltf_render_server.recording import RecordedFrames, Recorder, make_recorders

DEPTH = {
    **FIELDS,
    "image_type": "depth",
    "min_depth": "0.1",
    "max_depth": "5.0",
    "note": "of the client's own",
}


@pytest.fixture
def data(scene):
    return scene.to_bytes("color")


@pytest.fixture
def recorded(settings, renderer, tmp_path, monkeypatch):
    """A client of a server that records, and what reads the recording; the disk may be slow."""
    monkeypatch.setattr("gltf_render_server.recording.recorder._PATIENCE_S", 300.0)
    [recorder] = make_recorders(str(tmp_path / "recording"))
    queue = Dispatcher(settings, renderer)
    app = create_app(settings, queue, recorder)
    thread = threading.Thread(target=queue.run)
    thread.start()

    def frames():
        recorder.close(300)
        return RecordedFrames(tmp_path / "recording")

    with contextlib.closing(queue):
        yield app.test_client(), frames
    thread.join()


def test_a_frame_gives_the_same_again(recorded, renderer, data):
    client, frames = recorded
    answer = send(client, DEPTH, data)
    assert answer.status_code == 200
    [recorded_frame] = frames()
    request = recorded_frame.request
    assert request.document.data == data
    assert request.form == {name: [value] for name, value in DEPTH.items()}
    assert (request.protocol, request.client) == ("drake", "127.0.0.1")
    assert (recorded_frame.answer.status, recorded_frame.answer.mimetype) == (200, "image/tiff")
    frame, asked = recorded_frame.frame(renderer.extensions), renderer.requests[0]
    assert frame.views[0].lens == asked.views[0].lens
    np.testing.assert_array_equal(frame.views[0].camera_to_world, asked.views[0].camera_to_world)
    assert (frame.passes, frame.look) == (asked.passes, asked.look)
    assert frame.scene.shapes == asked.scene.shapes
    fields = RenderFields.from_form(request.form, max_pixels=10**6)
    assert (fields.depth_range.min_depth, fields.depth_range.max_depth) == (0.1, 5.0)


@pytest.mark.parametrize("alpha_threshold", [0.25, None])
def test_a_frame_of_the_json_api_gives_the_same_again(recorded, renderer, data, alpha_threshold):
    client, frames = recorded
    upload(client, data)
    frame = {**frame_json(data), "alpha_threshold": alpha_threshold}
    assert client.post("/v1/frames", json=frame).status_code == 200
    [recorded_frame] = frames()
    assert recorded_frame.frame(renderer.extensions).alpha_threshold == alpha_threshold


def test_the_same_form_again_is_the_same_request(recorded, data):
    client, frames = recorded
    first = send(client, DEPTH, data)
    request = frames()[0].request
    again = send(client, {name: values[0] for name, values in request.form.items()}, request.document.data)
    assert again.data == first.data


def test_what_is_refused_is_recorded_as_far_as_it_was_read(recorded, renderer, data):
    client, frames = recorded
    renderer.error = RuntimeError("it broke")
    for fields, document in (
        ({**FIELDS, "far": "0"}, data),
        (FIELDS, b"{}"),
        (FIELDS, data),
    ):
        send(client, fields, document)
    client.post("/render", data=FIELDS, content_type="multipart/form-data")
    client.post("/render", data=b"nothing")
    client.get("/healthz")
    client.get("/render")
    form, scene, broken, alone = frames()
    assert [it.answer.status for it in (form, scene, broken, alone)] == [400, 400, 500, 400]
    assert form.answer.message.startswith("far: ")
    assert form.request.document.data == data
    assert scene.request.document.data == b"{}"
    assert not scene.request.views
    assert len(broken.frame(renderer.extensions).views) == 1
    assert alone.request.document is None


def test_strangers_are_not_recorded(settings, renderer, tmp_path, data):
    from dataclasses import replace

    [recorder] = make_recorders(str(tmp_path))
    app = create_app(replace(settings, token="secret"), Dispatcher(settings, renderer), recorder)
    assert send(app.test_client(), FIELDS, data).status_code == 401
    recorder.close(300)
    assert not RecordedFrames(tmp_path)


def test_a_disk_that_stands_still_costs_no_answer(recorded, data, monkeypatch, caplog):
    client, frames = recorded
    gate, waits_s, answered = threading.Event(), [], Recorder.answered

    def timed(*arguments):
        started_s = time.monotonic()
        answered(*arguments)
        waits_s.append(time.monotonic() - started_s)

    monkeypatch.setattr(Recorder, "answered", timed)
    monkeypatch.setattr("gltf_render_server.recording.recorder._PATIENCE_S", 3.0)
    monkeypatch.setattr(
        "gltf_render_server.recording.recorder.Recorder._write",
        lambda *_: gate.wait(300),
    )
    statuses = [send(client, FIELDS, data).status_code for _ in range(14)]
    assert sum(wait_s >= 3.0 for wait_s in waits_s) < 5, "only one waits for the disk, or for a processor"
    gate.set()
    assert statuses == [200] * 14
    assert caplog.text.count("frames are lost from now on: the disk is too slow") == 1
    frames()


def test_the_recording_holds_no_token(recorded, data, tmp_path):
    client, frames = recorded
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer secret-of-the-client"
    send(client, FIELDS, data)
    [frame] = frames()
    assert "secret" not in json.dumps([frame.request.form, frame.request.client])
