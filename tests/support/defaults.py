"""The camera and the settings of tests that care for neither, and how they ask a renderer."""

from gltf_render_server.gltf import parse_scene
from gltf_render_server.http.form import Camera, DepthRange, ImageType, RenderRequest
from gltf_render_server.settings import ServerSettings

CAMERA = Camera(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0)
FAST = ServerSettings(samples=4, denoise=False)


def ask(renderer, scene_bytes, image_type, camera=CAMERA):
    """Render without a server in between."""
    scene = parse_scene(scene_bytes, extensions=renderer.extensions)
    depth_range = DepthRange(0.05, 20.0) if image_type == "depth" else None
    return renderer.render(RenderRequest(ImageType(image_type), camera, depth_range, scene)).pixels
