"""Hostile clients, against a real server: health answers within a second, and so do good requests.

``GLTF_RENDER_SERVER_ATTACK_SCALE=0.1`` makes the attacks smaller, where time matters.
"""

import base64
import json
import threading
import time
from contextlib import contextmanager

import attacks
import psutil
import pytest
import requests as requests_library
from attacks import MEGABYTE, head, scaled
from drake_like import DrakeScene, box, look_at, translation
from memory import own_bytes
from servers import PACKAGE, running, wait_for

from gltf_render_server.client import RenderClient, RenderClientError

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

QUICK = ("--samples", "4", "--no-denoise", "--workers", "1")
TOKEN = "Authorization: Bearer secret"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scratch")
    env = {"GLTF_RENDER_SERVER_TOKEN": "secret", "TMPDIR": str(folder)}
    with running(*QUICK, env=env) as server:
        yield server


@contextmanager
def withstood(server, requests, truth, most_left=1.2):
    """Ask a good request again and again while the block attacks; then nothing must have been noticed.

    Health has a second, beside the time for which the machine has no processor for it. What is left of the
    attack in memory may be `most_left` of what there was before, and 20 MB that Python keeps for the next.
    """
    client = RenderClient(server.url.replace("http://", "http://anybody:secret@"), timeout_s=300)
    scene, form = requests[0]
    process = psutil.Process(server.process.pid)
    assert client.post(scene, dict(form)).body == truth[requests[0]]
    before_bytes, log_bytes = own_bytes(process), len(server.log_text())
    answers, cut, over = [], [], threading.Event()

    def ask():
        while not (over.is_set() and answers):
            try:
                answers.append(client.post(scene, dict(form)).body)
            except RenderClientError as error:
                if error.status != 503:
                    raise
            except requests_library.ConnectionError as error:
                cut.append(error)
            time.sleep(0.05)

    thread = threading.Thread(target=ask)
    with attacks.watching(server.process.pid, server.url) as watch:
        thread.start()
        try:
            yield watch
        finally:
            over.set()
            thread.join(300)
    assert set(answers) == {truth[requests[0]]}
    assert len(cut) <= max(1, len(answers) // 10), "cut before the first byte came, as on slow machines"
    assert max(watch.waits_s) < 1.0, watch.waits_s
    assert not watch.files
    most_bytes = most_left * before_bytes + 20 * MEGABYTE
    wait_for(lambda: own_bytes(process) < most_bytes)
    assert len(server.log_text()) - log_bytes < 300 * len(answers) + 10_000
    watch.grown_bytes = watch.peak_bytes - before_bytes


def test_slow_heads(server, requests, truth):
    words = head(server.url).removesuffix(b"\r\n\r\n") + b"\r\nX-Slow: "
    with withstood(server, requests, truth), attacks.crowd_of(scaled(500), server.url, words) as sockets:
        attacks.drip(sockets, 12)


def test_idle_connections(server, requests, truth):
    with withstood(server, requests, truth), attacks.crowd_of(scaled(1000), server.url):
        time.sleep(5)


def test_bodies_that_stay_incomplete_are_let_go(server, requests, truth):
    words = head(server.url, TOKEN, f"Content-Length: {100 * MEGABYTE}")

    def send():
        with attacks.connect(server.url) as connection:
            for piece in [words, *attacks.zeros(99 * MEGABYTE)]:
                connection.sendall(piece)

    with withstood(server, requests, truth):
        run_all(send, 8)


@pytest.mark.parametrize(
    ("lines", "announced", "status", "most_bytes"),
    [
        pytest.param([], 240 * MEGABYTE, 401, 20 * MEGABYTE, id="large without a token"),
        pytest.param([], 4200 * MEGABYTE, 401, 20 * MEGABYTE, id="huge without a token"),
        pytest.param([TOKEN], 4200 * MEGABYTE, 413, 20 * MEGABYTE, id="huge"),
        pytest.param([CHUNKED], 0, 401, 20 * MEGABYTE, id="endless without a token"),
        pytest.param([TOKEN, CHUNKED], 0, 413, 4 * 300 * MEGABYTE, id="endless"),
    ],
)
def test_large_bodies(server, requests, truth, lines, announced, status, most_bytes):
    length = [] if CHUNKED in lines else [f"Content-Length: {announced}"]
    seen = []

    def send():
        total = min(announced or 2000 * MEGABYTE, 2000 * MEGABYTE)
        pieces = attacks.zeros(total - MEGABYTE) if length else attacks.chunks(total)
        seen.append(attacks.pour(server.url, head(server.url, *lines, *length), pieces))

    with withstood(server, requests, truth) as watch:
        run_all(send, scaled(8 if status == 401 else 4))
    assert {answer.split()[1] for answer, _ in seen} == {str(status).encode()}
    assert max(sent for _, sent in seen) < 900 * MEGABYTE
    assert watch.grown_bytes < most_bytes


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(lambda: attacks.chunks(4 * MEGABYTE, 1), id="tiny chunks"),
        pytest.param(lambda: (b"0" * MEGABYTE for _ in range(100)), id="a line without end"),
        pytest.param(lambda: (b"1;" + b"a" * MEGABYTE for _ in range(100)), id="an extension without end"),
        pytest.param(
            lambda: (b"0\r\n" + b"a: b\r\n" * 200_000 for _ in range(100)), id="a trailer without end"
        ),
    ],
)
def test_chunks_that_are_costly_to_take_apart(server, requests, truth, pieces):
    seen = []

    def send():
        seen.append(attacks.pour(server.url, head(server.url, TOKEN, CHUNKED), pieces()))

    with withstood(server, requests, truth):
        run_all(send, scaled(20))
    assert {answer.split()[1] for answer, _ in seen} == {b"400"}


def test_scenes_that_are_costly_to_check(server, requests, truth):
    body, form = costly_scene(nodes=3000, instances=60), dict(requests[0][1])
    client = RenderClient(server.url.replace("http://", "http://anybody:secret@"), timeout_s=300)
    statuses = []

    def send():
        try:
            client.post(body, form)
            statuses.append(200)
        except RenderClientError as error:
            statuses.append(error.status)

    send()  # what the first one costs stays
    with withstood(server, requests, truth, most_left=2):  # the last scenes' places, four at a time
        run_all(send, scaled(24))
    assert set(statuses) <= {200, 400, 413, 503}


def costly_scene(nodes, instances):
    """Many nodes that each draw many instances of nothing: 300 kB of text, and 180,000 places."""
    document = DrakeScene([box((1, 1, 1), translation(0, 0, 0), 3)], look_at((3, 2, 2), (0, 0, 0))).document()
    size = 12 * instances
    uri = "data:application/octet-stream;base64," + base64.b64encode(bytes(size)).decode()
    document["extensionsUsed"] = ["EXT_mesh_gpu_instancing"]
    document["buffers"].append({"byteLength": size, "uri": uri})
    document["bufferViews"].append({"buffer": len(document["buffers"]) - 1, "byteLength": size})
    view = len(document["bufferViews"]) - 1
    document["accessors"].append(
        {"bufferView": view, "componentType": 5126, "type": "VEC3", "count": instances}
    )
    points = {"mode": 0, "attributes": document["meshes"][0]["primitives"][0]["attributes"]}
    document["meshes"].append({"primitives": [points]})
    places = {"attributes": {"TRANSLATION": len(document["accessors"]) - 1}}
    node = {"mesh": len(document["meshes"]) - 1, "extensions": {"EXT_mesh_gpu_instancing": places}}
    parent = next(each for each in document["nodes"] if "children" in each)
    parent["children"] += range(len(document["nodes"]), len(document["nodes"]) + nodes)
    document["nodes"] += [node] * nodes
    return json.dumps(document).encode()


def test_few_descriptors(requests, truth):
    command = ("/bin/sh", "-c", 'ulimit -n 256; exec "$@"', "sh", *PACKAGE)
    options = (*QUICK[:-1], "2")
    with running(*options, command=command, env={"GLTF_RENDER_SERVER_TOKEN": "secret"}) as server:
        with withstood(server, requests, truth), attacks.crowd_of(300, server.url):
            wait_for(lambda: descriptors(server) > 100)
            time.sleep(3)
            assert descriptors(server) < 256 - 50
        assert requests_library.get(f"{server.url}/healthz/ready", timeout=300).ok


def test_a_low_limit_of_descriptors_is_raised(requests, truth):
    command = ("/bin/sh", "-c", 'ulimit -S -n 100; exec "$@"', "sh", *PACKAGE)
    with running(*QUICK, command=command, env={"GLTF_RENDER_SERVER_TOKEN": "secret"}) as server:
        with attacks.crowd_of(200, server.url):
            wait_for(lambda: descriptors(server) > 150)
        assert requests_library.get(f"{server.url}/healthz/ready", timeout=300).ok


def descriptors(server):
    return psutil.Process(server.process.pid).num_fds()


def run_all(send, count):
    threads = [threading.Thread(target=send) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
