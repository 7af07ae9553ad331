"""What the client writes is what the server reads, and what it says when nobody answers."""

import math
import socket

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from gltf_render_server.client import RenderClient, form_fields
from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange, ImageType, RenderFields

LENGTHS = st.floats(1e-8, 1e8)
CAMERA = Lens(8, 6, 9.0, 9.0, 3.5, 2.5, 0.1, 10.0)


def read(camera, depth_range):
    form = form_fields(ImageType.DEPTH, camera, depth_range)
    return RenderFields.from_form({name: [text] for name, text in form.items()}, max_pixels=10**6)


@given(LENGTHS, st.floats(-1e6, 1e6), st.floats(0, 1))
def test_numbers_arrive_as_they_are(length, centre, min_depth):
    camera = Lens(64, 48, length, length * math.pi / 3, centre, -centre / 3, length, length * 1.1)
    depth_range = DepthRange(min_depth, min_depth + length)
    fields = read(camera, depth_range)
    assert fields.lens == camera
    assert fields.depth_range == depth_range


@pytest.mark.parametrize("number", [1e-7, np.float32(0.1), np.float64(1e-9), 1])
def test_of_any_kind(number):
    camera = Lens(64, 48, 60, 60, 31, 23, number, 10)
    assert read(camera, DepthRange(0, 5)).lens.near == float(number)


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


def test_no_message_holds_the_token():
    with pytest.raises(requests.ConnectionError) as error:
        RenderClient("http://:s3cret@127.0.0.1:9").health()
    assert "s3cret" not in str(error.value)
    assert "http://127.0.0.1:9" in str(error.value)


@pytest.mark.parametrize(
    "address", ["http://:s3cret@h:99999", "http://:s3cret@", ":s3cret@h:9", "ftp://:s3cret@h"]
)
@pytest.mark.parametrize("ask", [RenderClient.health, lambda client: client.color(b"{}", CAMERA)])
def test_a_bad_address_is_told_without_the_token(address, ask):
    with pytest.raises(requests.RequestException, match="no address such as") as error:
        ask(RenderClient(address))
    assert "s3cret" not in str(error.value)
    assert error.value.__suppress_context__, "a traceback shows no token either"
