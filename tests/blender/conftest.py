import pytest
from defaults import CAMERA, FAST, ask
from drake_like import DrakeScene, box, look_at, sphere, translation

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


@pytest.fixture
def table():
    """A floor, a box and a ball, seen from above."""
    return DrakeScene(
        [
            box((4, 4, 0.1), translation(0, 0, -0.05), 1, rgba=(0.6, 0.6, 0.6, 1)),
            box((0.5, 0.4, 0.6), translation(-0.5, 0.1, 0.3), 2),
            sphere(0.35, translation(0.5, -0.2, 0.35), 300, rgba=(0.1, 0.5, 0.9, 1)),
        ],
        look_at((1.6, -1.9, 1.5), (0, 0, 0.2)),
    )
