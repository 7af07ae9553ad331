"""What VTK keeps of scenes does not grow with their number."""

import gc
import tracemalloc

import pytest
import trimesh
from object_files import glb_of
from stores import looking_at

from gltf_render_server.frame import Frame, Lens, Look, View
from gltf_render_server.gltf import read_asset
from gltf_render_server.settings import ServerSettings
from gltf_render_server.vtk import VtkRenderer

LENS = Lens(32, 32, 35.0, 35.0, 16.0, 16.0, 0.01, 100.0)
SCENES = 60


def ball(radius):
    """A file of its own, as large as all others."""
    return glb_of(trimesh.creation.icosphere(subdivisions=3, radius=radius))


@pytest.mark.parametrize("name", ["color", "depth", "normal", "mask_amodal"])
def test_scenes_that_come_once_are_let_go(name):
    renderer = VtkRenderer(ServerSettings(backend="vtk", up_axis="y"))
    view = View(LENS, looking_at((3, 3, 3), (0, 0, 0), (0, 1, 0)), "eye")
    kept = []
    tracemalloc.start()
    try:
        for index in range(2 * SCENES):
            asset = read_asset(ball(1 + index / 1000), extensions=renderer.extensions)
            renderer.render(Frame(asset.scene(), (view,), (name,), Look(up_axis="y")))
            if index % SCENES == SCENES - 1:
                del asset
                gc.collect()
                kept.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
        renderer.close()
    assert kept[1] - kept[0] < 0.5e6
