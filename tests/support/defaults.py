"""The camera and the settings of tests that care for neither, and how they ask a renderer."""

from dataclasses import replace

from frames import PLAIN, frame_of, picture_of

from gltf_render_server.dispatch.transfer import Packed, RecentAssets, unpacked
from gltf_render_server.frame import Lens
from gltf_render_server.gltf import RecentDocuments, parse_scene
from gltf_render_server.limits import Limits
from gltf_render_server.passes import prepare
from gltf_render_server.settings import ServerSettings

CAMERA = Lens(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0)
FAST = ServerSettings(samples=4, denoise=False)


class Warm:
    """Asks a renderer as a server with one worker does, and keeps between requests what these keep."""

    def __init__(self, renderer):
        self._renderer = renderer
        self._documents = RecentDocuments(10**8)
        self._sent, self._there = RecentAssets(), RecentAssets()

    def ask(self, scene_bytes, image_type, camera=CAMERA, look=PLAIN, alpha_threshold=None):
        """See `ask`."""
        known = {"extensions": self._renderer.extensions, "limits": Limits()}
        scene = self._documents.open(scene_bytes).read(**known).scene()
        frame = replace(frame_of(scene, camera, image_type, look=look), alpha_threshold=alpha_threshold)
        prepare(frame)
        return picture_of(self._renderer, unpacked(Packed(frame).message(self._sent), self._there))


def ask(renderer, scene_bytes, image_type, camera=CAMERA, look=PLAIN, alpha_threshold=None):
    """Render without a server in between."""
    scene = parse_scene(scene_bytes, extensions=renderer.extensions)
    frame = frame_of(scene, camera, image_type, look=look)
    return picture_of(renderer, replace(frame, alpha_threshold=alpha_threshold))
