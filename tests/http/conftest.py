from contextlib import ExitStack

import pytest
from drake_like import DrakeScene, box, look_at, translation
from fake_server import FakeRenderer, answering

from gltf_render_server.settings import ServerSettings


@pytest.fixture
def renderer():
    return FakeRenderer()


@pytest.fixture
def settings():
    return ServerSettings(max_pixels=1_000_000, max_scene_mb=1.0, max_queue=2)


@pytest.fixture
def app(settings, renderer):
    with answering(settings, renderer) as app:
        yield app


@pytest.fixture
def clients(renderer):
    """Makes clients of applications with other options."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            answering(ServerSettings(**options), renderer)
        ).test_client()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture(scope="session")
def scene():
    return DrakeScene([box((1, 1, 1), translation(0, 0, 0), 3)], look_at((3, 2, 2), (0, 0, 0)))
