"""The back end that docs/backends.md shows, run as the document says."""

import os
import re

import numpy as np
import pytest
from defaults import CAMERA
from servers import ROOT, running

from gltf_render_server.http.form import DepthRange

DOCUMENT = (ROOT / "docs" / "backends.md").read_text()


def block(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)[0]


def install(folder):
    """Lay the document's module and its entry point down as an installer does."""
    entry = block("toml").replace("project.entry-points.", "").replace('"', "")
    (folder / "wall_renderer.py").write_text(block("python"))
    metadata = folder / "wall_renderer-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: wall-renderer\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry)


@pytest.fixture
def server(tmp_path):
    install(tmp_path)
    paths = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    with running("--backend", "wall", env={"PYTHONPATH": paths}) as server:
        yield server


def test_the_document_s_back_end_renders(server, table):
    client = server.client
    color = client.color(table.to_bytes(), CAMERA)
    assert color.shape == (CAMERA.height, CAMERA.width, 3)
    assert (color == 200).all()
    depth = client.depth(table.to_bytes("depth"), CAMERA, DepthRange(0.1, 7.5))
    np.testing.assert_array_equal(depth, np.full((CAMERA.height, CAMERA.width), 2.0, np.float32))
    assert (client.label(table.to_bytes("label"), CAMERA) == 1).all()
    assert client.health()["wall_version"] == "1.0"


def test_the_example_is_short():
    assert len(block("python").splitlines()) <= 41
