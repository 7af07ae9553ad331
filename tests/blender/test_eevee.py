"""EEVEE without a screen."""

import numpy as np
import pytest
from defaults import FAST

from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy")

EEVEE = ServerSettings(engine="eevee", samples=4)


def test_colour_and_the_same_depth_and_labels(studio, table):
    exact = {kind: studio.image(table.to_bytes(kind), kind, FAST).tobytes() for kind in ("depth", "label")}
    cycles = studio.image(table.to_bytes(), "color", FAST).astype(float)
    image = studio.image(table.to_bytes(), "color", EEVEE)
    assert studio.renderer(EEVEE).info.engine == "eevee"
    assert image.shape == (72, 96, 3)
    for channel in range(3):
        alike = np.corrcoef(image[..., channel].ravel(), cycles[..., channel].ravel())[0, 1]
        assert alike > 0.9, "the same scene in much the same light"
    assert abs(image.mean() - cycles.mean()) < 25
    for kind, expected in exact.items():
        assert studio.image(table.to_bytes(kind), kind, EEVEE).tobytes() == expected
    again = studio.image(table.to_bytes(), "color", EEVEE)
    assert (again == image).all()
