"""The form of a render request, and how a client posts it."""

import requests

FIELDS = {
    "image_type": "color",
    "width": "64",
    "height": "48",
    "near": "0.050000",
    "far": "10.000000",
    "focal_x": "60.000000",
    "focal_y": "60.000000",
    "fov_x": "0.979915",
    "fov_y": "0.761013",
    "center_x": "31.500000",
    "center_y": "23.500000",
    "submit": "Render",
}


def multipart(fields, scene_bytes):
    """A form as a client writes it: the fields, None left out, and the scene as a file at the end."""
    upload = {"scene": ("scene.gltf", scene_bytes, "model/gltf+json")}
    return requests.Request("POST", "http://server/render", data=fields, files=upload).prepare()


def send(client, fields, scene_bytes):
    """Post a form to Flask's test client."""
    prepared = multipart(fields, scene_bytes)
    return client.post("/render", data=prepared.body, content_type=prepared.headers["Content-Type"])
