"""A real server with this back end."""

import numpy as np
import pytest
from defaults import CAMERA, ask
from servers import running

from gltf_render_server.client import RenderClientError
from gltf_render_server.frame import View
from gltf_render_server.http.form import DepthRange
from gltf_render_server.labels import decode_labels


@pytest.fixture(scope="module")
def server():
    with running("--backend", "vtk") as server:
        yield server


def test_every_image(server, renderer, table):
    client = server.client
    color = client.color(table.to_bytes(), CAMERA)
    np.testing.assert_array_equal(color, ask(renderer, table.to_bytes(), "color"))
    depth = client.depth(table.to_bytes("depth"), CAMERA, DepthRange(0.05, 20.0))
    np.testing.assert_array_equal(depth, ask(renderer, table.to_bytes("depth"), "depth"))
    label = client.label(table.to_bytes("label"), CAMERA)
    np.testing.assert_array_equal(label, decode_labels(ask(renderer, table.to_bytes("label"), "label")))


def test_it_says_nothing_of_displays(server, table):
    server.client.color(table.to_bytes(), CAMERA)
    assert "WARN" not in server.log_text()
    assert "display" not in server.log_text().lower()


def test_passes_that_it_cannot_render_are_refused_by_name(server, table):
    view = View(CAMERA, table.camera_to_world)
    for name in ("color_linear", "albedo", "roughness", "metallic", "emission"):
        with pytest.raises(
            RenderClientError, match=f"passes: VTK cannot render '{name}'; it renders color, dep"
        ):
            server.client.render(table.to_bytes(), view, ["depth", name])
