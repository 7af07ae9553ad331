import pytest
from defaults import CAMERA, FAST, ask

bpy = pytest.importorskip("bpy", reason="the bpy package is not for this Python")


class Studio:
    """Makes one BlenderRenderer at a time and asks it for pictures."""

    def __init__(self):
        self._settings = None
        self._renderer = None

    def renderer(self, settings=FAST):
        from gltf_render_server.blender import BlenderRenderer

        if settings != self._settings or settings.bpy_settings_file or settings.blend_file:
            self.close()
            self._renderer, self._settings = BlenderRenderer(settings), settings
        return self._renderer

    def image(self, scene_bytes, image_type, settings=FAST, camera=CAMERA):
        return ask(self.renderer(settings), scene_bytes, image_type, camera)

    def close(self):
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = self._settings = None


@pytest.fixture(scope="session")
def studio():
    studio = Studio()
    yield studio
    studio.close()
