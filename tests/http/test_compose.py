"""The composition root: what is put together, and what is taken apart where that fails."""

import socket
import threading

import pytest
import requests
from servers import wait_for

from gltf_render_server.compose import Server
from gltf_render_server.errors import SettingsError
from gltf_render_server.settings import ServerSettings


@pytest.fixture
def closed(renderer, monkeypatch):
    closed = []
    monkeypatch.setattr(renderer, "close", lambda: closed.append(threading.get_ident()))
    return closed


def test_an_address_that_is_taken_closes_the_renderer(renderer, closed):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = ServerSettings(port=taken.getsockname()[1])
        wanted = r"cannot listen on .*, port \d+: Address already in use; choose"
        with pytest.raises(SettingsError, match=wanted):
            Server(settings, lambda: renderer)
    assert closed == [threading.get_ident()]


def test_nothing_is_made_for_settings_that_are_refused():
    def make():
        pytest.fail("a renderer was made")

    with pytest.raises(SettingsError, match="token"):
        Server(ServerSettings(host="0.0.0.0"), make)
    with pytest.raises(SettingsError, match="needs workers"):
        Server(ServerSettings(workers=0, render_timeout=5.0), make)


def test_a_server_in_a_process_that_goes_on_leaves_nothing(renderer, closed):
    before = set(threading.enumerate())
    server = Server(ServerSettings(port=0), lambda: renderer)
    server.start()
    assert requests.get(f"{server.url}/healthz", timeout=300).json()["status"] == "ok"
    server.shut_down(60)
    assert closed == [threading.get_ident()]
    wait_for(lambda: set(threading.enumerate()) <= before)  # waitress waits until they are about to end
