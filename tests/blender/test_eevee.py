"""EEVEE without a screen; in processes of their own, since Blender 4.5 cannot end a process that used it."""

import numpy as np
import pytest
from defaults import CAMERA
from servers import running

from gltf_render_server.client import form_fields
from gltf_render_server.http.form import DepthRange, ImageType

pytest.importorskip("bpy", reason="the bpy package is not for this Python")


def answers(server, scene):
    """Colour, depth and label, as they come over the wire."""
    return [
        server.client.post(scene.to_bytes(str(kind)), form_fields(kind, CAMERA, DepthRange(0.05, 20.0)))
        for kind in (ImageType.COLOR, ImageType.DEPTH, ImageType.LABEL)
    ]


def test_colour_and_the_same_depth_and_labels(table):
    with running("--samples", "16") as server:
        cycles = answers(server, table)
    with running("--engine", "eevee", "--samples", "4") as server:
        assert server.client.health()["engine"] == "eevee"
        eevee = answers(server, table)
        again = answers(server, table)
    image, reference = eevee[0].pixels().astype(float), cycles[0].pixels().astype(float)
    assert image.shape == (72, 96, 3)
    for channel in range(3):
        alike = np.corrcoef(image[..., channel].ravel(), reference[..., channel].ravel())[0, 1]
        assert alike > 0.9, "the same scene in much the same light"
    assert abs(image.mean() - reference.mean()) < 25
    assert [answer.body for answer in eevee[1:]] == [answer.body for answer in cycles[1:]]
    assert [answer.body for answer in again] == [answer.body for answer in eevee]
