"""The camera and the settings of tests that care for neither."""

from gltf_render_server.protocol import Camera
from gltf_render_server.settings import ServerSettings

CAMERA = Camera(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0)
FAST = ServerSettings(samples=4, denoise=False)
