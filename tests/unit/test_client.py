"""What the client says when nobody answers."""

import socket

import pytest
import requests

from gltf_render_server.client import RenderClient
from gltf_render_server.protocol import Camera

CAMERA = Camera(8, 6, 9.0, 9.0, 3.5, 2.5, 0.1, 10.0)


@pytest.fixture
def listening():
    """A server that accepts connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def url(server):
    return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("ask", [RenderClient.health, lambda client: client.color(b"{}", CAMERA)])
def test_an_unreachable_server_is_told_plainly(listening, ask):
    address = url(listening)
    listening.close()
    with pytest.raises(requests.ConnectionError) as caught:
        ask(RenderClient(address))
    assert str(caught.value) == f"no server answers at {address}: Connection refused"


def test_an_unknown_host_is_told_plainly():
    with pytest.raises(
        requests.ConnectionError, match=r"^no server answers at http://no\.such\.invalid:8000: "
    ) as caught:
        RenderClient("http://no.such.invalid:8000").health()
    assert "Pool" not in str(caught.value)


def test_a_silent_server_is_told_plainly(listening):
    with pytest.raises(requests.Timeout) as caught:
        RenderClient(url(listening), timeout_s=0.2).health()
    assert str(caught.value) == f"the server at {url(listening)} did not answer within 0.2 s"
