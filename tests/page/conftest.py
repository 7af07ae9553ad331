from contextlib import contextmanager
from threading import Thread

import pytest
from fake_server import FakeRenderer
from pages import CHROMIUM, WEBGL, opened
from servers import running

from gltf_render_server.compose import Server
from gltf_render_server.settings import ServerSettings


@pytest.fixture(scope="session")
def server():
    pytest.importorskip("vtkmodules", reason="the vtk package is not installed")
    with running("--backend", "vtk") as server:
        yield server


@pytest.fixture(scope="module")
def browser():
    """A browser, closed soon: while there is one, no other test of this process can start its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=WEBGL, timeout=300_000)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """Opens the page of the server that renders with VTK."""
    return lambda **options: opened(browser, f"{server.url}/", **options)


@pytest.fixture
def renderer():
    return FakeRenderer()


@pytest.fixture
def serving(renderer):
    """Runs a server in this process, whose renderer draws nothing, and waits when told to."""

    @contextmanager
    def serve(**options):
        server = Server(ServerSettings(port=0, **options), lambda: renderer)
        thread = Thread(target=server.dispatcher.run)
        thread.start()
        server.start()
        try:
            yield server
        finally:
            renderer.gate.set()
            server.shut_down(60)
            thread.join(300)

    return serve
