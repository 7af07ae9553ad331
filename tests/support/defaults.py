"""The camera and the settings of tests that care for neither, and how they ask a renderer."""

from frames import PLAIN, frame_of, picture_of

from gltf_render_server.frame import Lens
from gltf_render_server.gltf import parse_scene
from gltf_render_server.settings import ServerSettings

CAMERA = Lens(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0)
FAST = ServerSettings(samples=4, denoise=False)


def ask(renderer, scene_bytes, image_type, camera=CAMERA, look=PLAIN):
    """Render without a server in between."""
    scene = parse_scene(scene_bytes, extensions=renderer.extensions)
    return picture_of(renderer, frame_of(scene, camera, image_type, look=look))
