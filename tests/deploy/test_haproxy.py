"""Several servers behind the real HAProxy: no answer is lost or changed when one of them dies."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote

import attacks
import numpy as np
import pytest
import requests
from balancer import address, balancing, kill, needs_haproxy, port
from drake_like import DrakeScene, box, look_at, sphere, translation
from servers import free_port, running, wait_for

from gltf_render_server.client import RenderClient, form_fields
from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange, ImageType

pytestmark = needs_haproxy

FAST = ("--samples", "1", "--no-denoise")
CAMERA = Lens(width=64, height=48, focal_x=60, focal_y=55, center_x=31.0, center_y=25.0, near=0.05, far=20)
TOKEN = 'a "b" ${c}:d'  # nothing in it may mean anything to HAProxy


@contextmanager
def two_servers():
    """Two of them; the first one's port stays free where it ends."""
    with running(*FAST, "--port", str(free_port())) as one, running(*FAST) as other:
        yield one, other


@pytest.fixture(scope="module")
def pair():
    with two_servers() as pair:
        yield pair


@pytest.fixture(scope="module")
def balancer(pair):
    with balancing([address(server) for server in pair]) as balancer:
        yield balancer


def scene(seed, rings=8):
    rng = np.random.default_rng(seed)
    colours = [(*rng.uniform(0.1, 0.9, 3), 1.0) for _ in range(2)]
    bodies = [
        box(rng.uniform(0.3, 1, 3), translation(*rng.uniform(-0.5, 0.5, 3)), 1 + seed, rgba=colours[0]),
        sphere(0.4, translation(*rng.uniform(-0.5, 0.5, 3)), 100 + seed, rings, rgba=colours[1]),
    ]
    return DrakeScene(bodies, look_at((2.0, 1.0, 1.2), (0, 0, 0)))


def request(image_type, seed=0, rings=8):
    """The scene and the fields of a request, as `RenderClient.post` takes them."""
    depth_range = DepthRange(0.1, 10.0) if image_type is ImageType.DEPTH else None
    return scene(seed, rings).to_bytes(image_type), form_fields(image_type, CAMERA, depth_range)


def post(balancer, seed=0, query="", **headers):
    """Ask for a label image as a client that names itself in the query or a header."""
    prepared = balancer.client.prepare(*request(ImageType.LABEL, seed))
    prepared.url += query
    prepared.headers.update(headers)
    with requests.Session() as session:
        return session.send(prepared, timeout=300)


def assert_error(response, status, words):
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    assert len(response.content) < 8192
    body = response.json()
    assert body["error"] is True
    assert body["code"] == status
    assert words in body["message"]


def test_one_of_two_servers_dies_and_comes_back():
    mixed = [request(image_type, seed) for seed in range(6) for image_type in ImageType]
    asked = [number % len(mixed) for number in range(108)]
    random.Random(0).shuffle(asked)
    with two_servers() as (one, other):
        truth = [other.client.post(*each).body for each in mixed]
        with (
            balancing([address(one), address(other)]) as balancer,
            ThreadPoolExecutor(8) as clients,
        ):
            answers = [clients.submit(balancer.client.post, *mixed[number]) for number in asked]
            wait_for(lambda: sum(answer.done() for answer in answers) >= 30)
            wait_for(lambda: is_rendering(one))
            kill(one)
            wait_for(lambda: sum(answer.done() for answer in answers) >= 60)
            wait_for(lambda: tries_again(balancer) > 0)  # or nobody has noticed
            with running(*FAST, "--port", port(one)):
                balancer.wait_until("render-1", "UP")
                before = int(balancer.statistics("render-1")["stot"])
                again = [clients.submit(balancer.client.post, *mixed[number]) for number in asked[:16]]
                assert [answer.result().body for answer in again] == [truth[n] for n in asked[:16]]
                assert [answer.result().body for answer in answers] == [truth[n] for n in asked]
                assert int(balancer.statistics("render-1")["stot"]) > before


def tries_again(balancer):
    counted = balancer.statistics("BACKEND")
    return int(counted["wretr"]) + int(counted["wredis"])


@pytest.mark.parametrize("body_bytes", [None, 64_000_000], ids=["20 MB", "the limit"])
def test_a_large_scene_survives_its_server(body_bytes):
    with two_servers() as pair, balancing([address(server) for server in pair]) as balancer:
        large = balancer.client.prepare(*large_request(body_bytes))
        with ThreadPoolExecutor(1) as clients:
            answer = clients.submit(balancer.client.send, large)
            wait_for(lambda: any(is_rendering(server) for server in pair))
            dying, living = sorted(pair, key=is_rendering, reverse=True)
            kill(dying)
            body = answer.result(300).body
        assert body == living.client.post(*large_request(body_bytes)).body


def large_request(body_bytes):
    """More than 20 MB, or as much space behind the scene as makes the body just that large."""
    scene_bytes, fields = request(ImageType.DEPTH, rings=600)
    assert len(scene_bytes) > 20e6
    if body_bytes is not None:
        body = RenderClient("http://server").prepare(scene_bytes, fields).body
        scene_bytes += b" " * (body_bytes - len(body))
    return scene_bytes, fields


def is_rendering(server):
    return server.client.health()["rendering"]


def test_a_client_keeps_its_server(balancer):
    for query, headers in [("?client=robot-7", {}), ("", {"X-Render-Client": "robot-8"})]:
        before = [int(balancer.statistics(f"render-{index}")["stot"]) for index in (1, 2)]
        for seed in range(6):
            assert post(balancer, seed, query, **headers).ok
        after = [int(balancer.statistics(f"render-{index}")["stot"]) for index in (1, 2)]
        assert sorted(np.subtract(after, before)) == [0, 6]


def test_clients_without_a_name_share_the_servers(balancer):
    before = [int(balancer.statistics(f"render-{index}")["stot"]) for index in (1, 2)]
    with ThreadPoolExecutor(4) as clients:
        assert all(clients.map(lambda seed: post(balancer, seed).ok, range(12)))
    after = [int(balancer.statistics(f"render-{index}")["stot"]) for index in (1, 2)]
    assert min(np.subtract(after, before)) > 1


def test_a_client_gets_another_server_when_its_own_dies():
    with two_servers() as pair, balancing([address(server) for server in pair]) as balancer:
        assert post(balancer, query="?client=robot-7").ok
        owner = 0 if int(balancer.statistics("render-1")["stot"]) else 1
        kill(pair[owner])
        assert post(balancer, query="?client=robot-7").ok
        balancer.wait_until(f"render-{owner + 1}", "DOWN")
        assert post(balancer, query="?client=robot-7").ok
        wait_for(lambda: RenderClient(balancer.url).health() == {"status": "ok", "servers": 1})


def test_the_server_s_own_errors_pass(balancer):
    scene_bytes, fields = request(ImageType.COLOR)
    prepared = balancer.client.prepare(scene_bytes, {**fields, "width": "none"})
    with requests.Session() as session:
        assert_error(session.send(prepared, timeout=300), 400, "width")


def test_no_server_is_there():
    with balancing([f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]) as balancer:
        assert_error(post(balancer), 503, "no render server")
        balancer.wait_until("BACKEND", "DOWN")
        assert_error(post(balancer), 503, "no render server")
        assert_error(requests.get(f"{balancer.url}/healthz", timeout=300), 503, "no render server")
        assert requests.get(f"{balancer.url}/healthz/live", timeout=300).ok


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body_bytes", [1_000_001, 40_000_000])
def test_a_body_that_is_too_large(pair, chunked, body_bytes):
    body = bytes(body_bytes)
    limits = {"RENDER_MAX_BODY_BYTES": "1000000", "RENDER_BUFFER_BYTES": "1100000"}
    with balancing([address(pair[0]), address(pair[1])], **limits) as balancer:
        data = iter([body]) if chunked else body
        response = requests.post(f"{balancer.url}/render", data=data, timeout=300)
    assert_error(response, 413, "larger than the 1000000 bytes")


def test_the_token_at_the_edge(pair):
    servers = [address(server) for server in pair]
    with balancing(servers, GLTF_RENDER_SERVER_TOKEN=TOKEN) as balancer:
        assert_error(post(balancer), 401, "token")
        for wrong in ("Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Basic !", "Bearer", TOKEN):
            assert_error(post(balancer, Authorization=wrong), 401, "token")
        refused = requests.post(balancer.url, auth=("robot", "wrong"), timeout=300)
        assert_error(refused, 401, "token")
        assert "Basic" in refused.headers["WWW-Authenticate"]
        assert post(balancer, Authorization=f"Bearer {TOKEN}").ok
        assert requests.get(balancer.url, auth=("robot", TOKEN), timeout=300).ok
        assert post(balancer, query=f"?client=robot-7&token={quote(TOKEN)}").ok
        assert_error(post(balancer, query=f"?token={quote(TOKEN)}x"), 401, "token")
        assert requests.get(f"{balancer.url}/healthz", timeout=300).ok


def test_an_empty_token_is_none(pair):
    with balancing([address(server) for server in pair], GLTF_RENDER_SERVER_TOKEN="") as balancer:
        assert post(balancer).ok


def test_metrics(balancer):
    assert "haproxy_server_status" in requests.get(f"{balancer.metrics_url}/metrics", timeout=300).text
    wait_for(lambda: RenderClient(balancer.url).health().get("servers") == 2)


def test_an_address_can_be_held_to_some_connections(pair):
    """HAProxy counts a connection some time after it accepted or ended it, and ends those that are silent."""
    servers = [address(server) for server in pair]
    with balancing(servers, RENDER_MAXCONN_PER_ADDRESS="3") as balancer:
        wait_for(lambda: not any(tries_beside(3, balancer)[-5:]))
        wait_for(lambda: any(tries_beside(2, balancer)))


def tries_beside(count, balancer):
    """Whether HAProxy takes one more connection beside some that are open, 20 times in a row."""
    with attacks.crowd_of(count, balancer.url):
        return [not is_closed_at_once(balancer) for _ in range(20)]


def is_closed_at_once(balancer):
    try:
        requests.get(f"{balancer.url}/healthz", timeout=300)
    except requests.ConnectionError:
        return True
    return False
