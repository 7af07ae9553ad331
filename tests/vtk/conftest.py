import pytest
from defaults import CAMERA, ask

pytest.importorskip("vtkmodules", reason="the vtk package is not installed")

from gltf_render_server.settings import ServerSettings


@pytest.fixture(scope="session")
def renderer():
    from gltf_render_server.vtk import VtkRenderer

    renderer = VtkRenderer(ServerSettings())
    yield renderer
    renderer.close()


@pytest.fixture
def picture(renderer):
    """Renders (scene bytes, image type, camera)."""
    return lambda scene_bytes, image_type, camera=CAMERA: ask(renderer, scene_bytes, image_type, camera)
