"""Cameras and scenes of every kind, and how exact their depth and labels must be; for every back end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from defaults import CAMERA
from drake_like import DrakeScene, column_major, oracle
from numpy.typing import NDArray

from gltf_render_server.frame import Lens

CAMERAS = {
    "centred": CAMERA,
    "off centre": Lens(96, 72, 90.0, 90.0, 70.0, 10.0, 0.05, 20.0),
    "not square": Lens(96, 72, 80.0, 120.0, 40.0, 30.0, 0.05, 20.0),
    "not square the other way": Lens(96, 72, 130.0, 70.0, 50.0, 40.0, 0.05, 20.0),
    "portrait": Lens(60, 100, 80.0, 95.0, 25.0, 60.0, 0.05, 20.0),
    "wide": Lens(96, 72, 2.0, 2.0, 48.0, 36.0, 0.05, 20.0),
    "narrow": Lens(96, 72, 4000.0, 4000.0, 48.0, 36.0, 0.05, 20.0),
    "principal point outside": Lens(96, 72, 90.0, 90.0, -30.0, 90.0, 0.05, 20.0),
    "clipped near": Lens(96, 72, 90.0, 90.0, 48.0, 36.0, 2.4, 20.0),
    "clipped far": Lens(96, 72, 90.0, 90.0, 48.0, 36.0, 0.05, 2.5),
    "one pixel": Lens(1, 1, 90.0, 90.0, 0.5, 0.5, 0.05, 20.0),
    "three by two": Lens(3, 2, 3.0, 3.0, 1.5, 1.0, 0.05, 20.0),
}

Picture = Callable[[bytes, str, Lens], NDArray[Any]]
"""Renders (scene bytes, image type, camera)."""


def assert_exact(
    picture: Picture, scene: DrakeScene, camera: Lens, documents: dict[str, bytes] | None = None
) -> None:
    """documents: how the scene is sent as depth and as label, where that is not as it writes itself."""
    truth = oracle(scene, camera)
    documents = documents or {kind: scene.to_bytes(kind) for kind in ("depth", "label")}
    depth = picture(documents["depth"], "depth", camera)
    label = picture(documents["label"], "label", camera).astype(int)
    assert depth.shape == label.shape[:2] == truth.depth.shape
    assert depth.dtype == np.float32
    sharp = truth.is_sharp
    assert sharp.mean() > 0.9
    is_hit = np.isfinite(truth.depth)
    np.testing.assert_array_equal(np.isfinite(depth)[sharp], is_hit[sharp])
    np.testing.assert_allclose(depth[sharp & is_hit], truth.depth[sharp & is_hit], atol=5e-5)
    decoded = np.where((label == 255).all(-1), 0, label[..., 0] + 256 * label[..., 1])
    np.testing.assert_array_equal(decoded[sharp], truth.label[sharp])


def rotation_z(angle: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix


def wrapped(
    scene: DrakeScene, index: int, wrapper: NDArray[np.float64], inner: NDArray[np.float64], image_type: str
) -> bytes:
    """Put body `index` under a wrapper node, as a merged file's root stands under one."""
    document = scene.document(image_type)
    document["nodes"][index]["matrix"] = column_major(inner)
    document["nodes"][-1]["children"].remove(index)
    document["nodes"].append({"name": "wrapper", "children": [index], "matrix": column_major(wrapper)})
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    return json.dumps(document).encode()
