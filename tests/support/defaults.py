"""The camera and the settings of tests that care for neither, and how they ask a renderer."""

from dataclasses import replace

from frames import PLAIN, frame_of, picture_of

from gltf_render_server.frame import Lens
from gltf_render_server.gltf import parse_scene
from gltf_render_server.settings import ServerSettings

CAMERA = Lens(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0)
FAST = ServerSettings(samples=4, denoise=False)


def ask(renderer, scene_bytes, image_type, camera=CAMERA, look=PLAIN, alpha_threshold=None):
    """Render without a server in between."""
    scene = parse_scene(scene_bytes, extensions=renderer.extensions)
    frame = frame_of(scene, camera, image_type, look=look)
    return picture_of(renderer, replace(frame, alpha_threshold=alpha_threshold))
