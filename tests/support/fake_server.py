"""A renderer that draws nothing, and the application before it."""

import threading
from contextlib import contextmanager

import numpy as np

from gltf_render_server.compose import make_app
from gltf_render_server.frame import LOOKS
from gltf_render_server.passes import Backend, Colour, Exact, MaterialValues, Meshes, Render
from gltf_render_server.renderer import RenderedFrame, RendererInfo, render_views


class FakeRenderer(Backend):
    """Answers every request with a plain picture of the asked size; waits or fails when told to."""

    def __init__(self):
        self.info = RendererInfo("Fake", "1.2.3", "cycles", "CPU")
        self.extensions = frozenset({"KHR_lights_punctual"})
        self.renders = frozenset(Render)
        self.looks = LOOKS
        self.requests = []
        self.error = None
        self.gate = threading.Event()
        self.gate.set()

    def render(self, request):
        self.requests.append(request)
        assert self.gate.wait(300)
        if self.error is not None:
            raise self.error
        views = render_views(request, self, Meshes())
        return RenderedFrame(views, {"import": 1.0, "render": 2.0})

    def colour(self, _):
        return self._picture

    def exact(self, *_, with_triangles):
        del with_triangles
        return self._exact

    def linear(self, _):
        return lambda view: Colour(self._picture(view), self._floats(view, 4))

    def material(self, _):
        return lambda view: MaterialValues(
            self._floats(view, 3),
            self._floats(view)[..., 0],
            self._floats(view)[..., 0],
            self._floats(view, 3),
        )

    def _floats(self, view, channels=1):
        shape = (view.lens.height, view.lens.width, channels)
        return np.linspace(0, 1, np.prod(shape), dtype=np.float32).reshape(shape)

    def _picture(self, view):
        return np.full((view.lens.height, view.lens.width, 3), 7, np.uint8)

    def _exact(self, view):
        depth = np.full((view.lens.height, view.lens.width), 1.5, np.float32)
        depth[0, 0], depth[0, 1] = 0.01, np.inf
        return Exact(depth, np.zeros(depth.shape, np.int32), np.zeros(depth.shape, np.int32))

    def close(self):
        pass


@contextmanager
def answering(settings, renderer):
    """An application, and the thread that renders for it."""
    app, dispatcher = make_app(settings, (), renderer)
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    try:
        yield app
    finally:
        renderer.gate.set()
        dispatcher.close()
        thread.join(300)
    assert not thread.is_alive()
