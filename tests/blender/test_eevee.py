"""EEVEE without a screen; in processes of their own, since Blender 4.5 cannot end a process that used it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from defaults import CAMERA
from servers import running

from gltf_render_server.client import form_fields
from gltf_render_server.http.form import DepthRange, ImageType

SUPPORT = Path(__file__).parents[1] / "support"

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


LOOKS_IN_TURN = """
import os, sys
from defaults import ask
from drake_like import DrakeScene, box, look_at, translation
from gltf_render_server.blender import BlenderRenderer
from gltf_render_server.frame import Lens, Look
from gltf_render_server.settings import ServerSettings

scene = DrakeScene([box((1, 1, 1), translation(0, 0, 0), 1)], look_at((1.6, -1.9, 1.5), (0, 0, 0.2)))
renderer = BlenderRenderer(ServerSettings(engine="eevee", samples=4))
night = Look(environment="night", rotation_deg=40.0, strength=3.0, samples=2)
looks = [Look(), night, Look(transparent=True)]
lens = Lens(48, 36, 45.0, 45.0, 24.0, 18.0, 0.05, 20.0)
seen = [ask(renderer, scene.to_bytes(), "color", lens, look).tobytes() for look in looks + looks[::-1]]
assert seen[:3] == seen[:2:-1], "a look showed in the next frame"
assert len(set(seen)) == 3, "a look did nothing"
sys.stderr.write("all is well")
sys.stderr.flush()
os._exit(0)
"""


def test_looks_in_turn():
    done = subprocess.run(
        [sys.executable, "-c", LOOKS_IN_TURN],
        env=os.environ | {"PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.endswith(b"all is well")
