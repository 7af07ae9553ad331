"""The JSON API as a client speaks it to Flask's test client."""

import hashlib
import io
import json
import zipfile

import numpy as np
import requests
from PIL import Image

VIEW = {
    "width": 64,
    "height": 48,
    "fov_y_deg": 45,
    "camera_to_world": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 5, 0, 0, 0, 1],
}


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


def upload(client, data, **options):
    return client.put(f"/v1/scenes/{digest_of(data)}", data=data, content_type="model/gltf+json", **options)


def frame_json(data, **changes):
    """A good request for the depth of a scene's bytes; None takes a member away."""
    body = {"scene": digest_of(data), "views": [VIEW], "passes": ["depth"], **changes}
    return {name: value for name, value in body.items() if value is not None}


def ask(client, data, accept=None, **changes):
    headers = {} if accept is None else {"Accept": accept}
    return client.post("/v1/frames", json=frame_json(data, **changes), headers=headers)


def send(client, frame, data, *, is_file=False):
    """Post a frame and its scene as a form; the frame is a plain field, or a file."""
    files = {"scene": ("scene.gltf", data, "model/gltf+json")}
    if is_file:
        files["frame"] = ("frame.json", frame, "application/json")
    fields = {} if is_file else {"frame": frame}
    prepared = requests.Request("POST", "http://server/", data=fields, files=files).prepare()
    return client.post("/v1/frames", data=prepared.body, content_type=prepared.headers["Content-Type"])


def view(**changes):
    return {name: value for name, value in {**VIEW, **changes}.items() if value is not None}


def unpacked(response):
    """The files of a zip by their names, and frame.json as what it holds."""
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    return {name: data for name, data in files.items() if name != "frame.json"}, json.loads(
        files["frame.json"]
    )


def pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)
