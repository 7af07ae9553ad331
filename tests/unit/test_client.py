"""What the client writes is what the server reads, and what it says when nobody answers."""

import math
import socket
import threading
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from servers import free_port
from urllib3.connection import HTTPConnection

from gltf_render_server.client import RenderClient, RenderClientError, form_fields
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
def test_an_unreachable_server_is_told_plainly(ask):
    address = f"http://127.0.0.1:{free_port()}"
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


@pytest.fixture
def impatient():
    """Sockets of the HTTP library whose system gives up early, as it does after minutes otherwise."""
    options = HTTPConnection.default_socket_options
    before = [*options]
    options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 200))
    yield
    options[:] = before


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux can shorten its patience")
@pytest.mark.usefixtures("impatient")
def test_a_host_that_drops_everything_is_told_plainly_without_a_limit():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(2):  # the queue is full then: the system drops what comes
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        address = url(full)
        with pytest.raises(requests.Timeout) as caught:
            RenderClient(address).health()
    assert str(caught.value) == f"no server answers at {address}: Connection timed out"


@pytest.mark.parametrize("status", [502, 503])
@pytest.mark.parametrize("ask", [RenderClient.health, lambda client: client.color(b"{}", CAMERA)])
def test_a_page_of_a_proxy_is_an_error_without_its_markup(listening, ask, status):
    end = b"\r\n\r\n" if ask is RenderClient.health else b"--\r\n"
    page = f"{status} Gone for now", "text/html", b"<html>nginx</html>"
    with answering(listening, *page, end), pytest.raises(RenderClientError) as caught:
        ask(RenderClient(url(listening), timeout_s=300))
    assert str(caught.value) == f"{status}: Gone for now"


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b"fine"])
def test_the_health_of_another_program_is_told_as_such(listening, body):
    health = "200 OK", "application/json", body
    with answering(listening, *health, b"\r\n\r\n"), pytest.raises(requests.RequestException):
        RenderClient(url(listening), timeout_s=300).health()


@pytest.mark.parametrize("ask", [RenderClient.health, lambda client: client.color(b"{}", CAMERA)])
def test_an_answer_that_is_broken_off_is_a_lost_connection(listening, ask):
    end = b"\r\n\r\n" if ask is RenderClient.health else b"--\r\n"
    cut = "200 OK", "application/json", b'{"ready": tr'
    with answering(listening, *cut, end, missing=4), pytest.raises(requests.ConnectionError) as caught:
        ask(RenderClient(url(listening), timeout_s=120))
    assert str(caught.value).startswith(f"the server at {url(listening)} broke off its answer: ")


@contextmanager
def answering(listening, status, mimetype, body, end, missing=0):
    """Answer one request, whose last bytes are known, on a thread; the last bytes may be missing."""
    length = len(body) + missing
    head = f"HTTP/1.1 {status}\r\nContent-Type: {mimetype}\r\nContent-Length: {length}\r\n\r\n"

    def answer():
        connection, _ = listening.accept()
        with connection:
            received = b""
            while not received.endswith(end) and (piece := connection.recv(2**20)):
                received = received[-8:] + piece
            connection.sendall(head.encode() + body)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        thread.join()


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
