import threading

import numpy as np
import pytest
from drake_like import DrakeScene, box, look_at, translation

from gltf_render_server.compose import make_app
from gltf_render_server.passes import Exact
from gltf_render_server.renderer import RenderedFrame, RendererInfo, render_views
from gltf_render_server.settings import ServerSettings


class FakeRenderer:
    """Answers every request with a plain picture of the asked size; waits or fails when told to."""

    def __init__(self):
        self.info = RendererInfo("Fake", "1.2.3", "cycles", "CPU")
        self.extensions = frozenset({"KHR_lights_punctual"})
        self.requests = []
        self.error = None
        self.gate = threading.Event()
        self.gate.set()

    def render(self, request):
        self.requests.append(request)
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        views = render_views(request, lambda: self._picture, lambda _: self._exact)
        return RenderedFrame(views, {"import": 1.0, "render": 2.0})

    def _picture(self, view):
        return np.full((view.lens.height, view.lens.width, 3), 7, np.uint8)

    def _exact(self, view):
        depth = np.full((view.lens.height, view.lens.width), 1.5, np.float32)
        depth[0, 0], depth[0, 1] = 0.01, np.inf
        return Exact(depth, np.zeros(depth.shape, np.int32))

    def close(self):
        pass


@pytest.fixture
def renderer():
    return FakeRenderer()


@pytest.fixture
def settings():
    return ServerSettings(max_pixels=1_000_000, max_scene_mb=1.0, max_queue=2)


@pytest.fixture
def app(settings, renderer):
    app, dispatcher = make_app(settings, renderer)
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    yield app
    renderer.gate.set()
    dispatcher.close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="session")
def scene():
    return DrakeScene([box((1, 1, 1), translation(0, 0, 0), 3)], look_at((3, 2, 2), (0, 0, 0)))
