"""What a request's head alone decides, over real connections."""

import json
import logging
import socket
import threading
import time
from contextlib import ExitStack

import api
import attacks
import pytest
import requests
from forms import FIELDS, multipart
from servers import wait_for

from gltf_render_server.compose import Server
from gltf_render_server.gltf import OpenedDocument
from gltf_render_server.http import answering, connections, incoming
from gltf_render_server.settings import ServerSettings

TOKEN = "Authorization: Bearer secret"


@pytest.fixture
def settings():
    return ServerSettings(port=0, token="secret", max_scene_mb=1.0, max_queue=2, check_timeout=600.0)


@pytest.fixture
def server(settings, renderer, monkeypatch):
    """A server that lets no client go because the machine is slow."""
    for module, name in (
        (incoming, "_HEAD_S"),
        (incoming, "_BODY_S"),
        (connections, "_IDLE_S"),
        (connections, "_LINGER_S"),
    ):
        monkeypatch.setattr(module, name, 300.0)
    server = Server(settings, lambda: renderer)
    thread = threading.Thread(target=server.dispatcher.run)
    thread.start()
    server.start()
    yield server
    renderer.gate.set()
    server.shut_down(60)
    thread.join(300)


def ask(server, scene, timeout_s=300, **changes):
    body = multipart({**FIELDS, **changes}, scene.to_bytes())
    url = f"{server.url}/render?token=secret"
    headers = {"Content-Type": body.headers["Content-Type"]}
    return requests.post(url, data=body.body, headers=headers, timeout=timeout_s)


def answers(connection, count=1):
    """Read that many answers that end with JSON."""
    data = b""
    connection.settimeout(300)
    while data.count(b"HTTP/1.1") < count or not data.rstrip().endswith(b"}"):
        piece = connection.recv(65536)
        if not piece:
            break
        data += piece
    return data


@pytest.mark.parametrize("way", [["Content-Length: 900000"], ["Transfer-Encoding: chunked"]])
@pytest.mark.parametrize(
    ("status", "request_line", "lines"),
    [
        (401, {}, []),
        (401, {}, ["Authorization: Bearer other"]),
        (401, {"path": "/render?token=other"}, []),
        (403, {}, [TOKEN, "Origin: http://evil.example"]),
        (404, {"path": "/nothing"}, [TOKEN]),
        (405, {"method": "PUT"}, [TOKEN]),
        (413, {"method": "GET", "path": "/healthz/live"}, []),
        (413, {"method": "GET", "path": "/metrics"}, [TOKEN]),
        (401, {"path": "/v1/frames"}, []),
        (401, {"method": "PUT", "path": f"/v1/scenes/{'0' * 64}"}, []),
        (403, {"path": "/v1/frames"}, [TOKEN, "Origin: http://evil.example"]),
        (404, {"method": "PUT", "path": "/v1/scenes"}, [TOKEN]),
        (405, {"method": "PUT", "path": "/v1/frames"}, [TOKEN]),
        (413, {"method": "DELETE", "path": f"/v1/scenes/{'0' * 64}"}, [TOKEN]),
        (413, {"method": "GET", "path": "/v1/openapi.json"}, [TOKEN]),
    ],
)
@pytest.mark.parametrize("expect", [[], ["Expect: 100-continue"]])
def test_refused_before_any_of_the_body_is_sent(server, way, status, request_line, lines, expect):
    with attacks.connect(server.url) as connection:
        connection.sendall(attacks.head(server.url, *way, *lines, *expect, **request_line))
        answer = answers(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"100 Continue" not in answer
    assert b"Connection: close" in head
    assert json.loads(body)["code"] == status


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"path": "/v1/frames"},
        {"method": "PUT", "path": f"/v1/scenes/{'0' * 64}"},
    ],
)
def test_a_length_beyond_the_limit_is_refused_before_the_body(server, line):
    length = ["Content-Length: 4200000000", "Expect: 100-continue"]
    with attacks.connect(server.url) as connection:
        connection.sendall(attacks.head(server.url, TOKEN, *length, **line))
        answer = answers(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"--max-scene-mb" in answer


def test_a_good_head_is_asked_for_its_body(server, scene):
    prepared = multipart(FIELDS, scene.to_bytes())
    lines = [f"{name}: {prepared.headers[name]}" for name in ("Content-Type", "Content-Length")]
    with attacks.connect(server.url) as connection:
        connection.sendall(attacks.head(server.url, TOKEN, "Expect: 100-continue", *lines))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(prepared.body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(("token", "status"), [("other", 401), ("secret", 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_all_before_it_reads_sees_the_answer(server, token, status, chunked):
    pieces = [bytes(100_000)] * 20
    data = iter(pieces) if chunked else b"".join(pieces)
    for _ in range(5):
        response = requests.post(f"{server.url}/render?token={token}", data=data, timeout=300)
        assert response.status_code == status
        assert response.json()["code"] == status
        data = iter(pieces) if chunked else data


def test_what_follows_a_refused_body_is_no_request(server):
    """Nobody can hide a request in a body that was refused."""
    hidden = b"GET /healthz/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with attacks.connect(server.url) as connection:
        connection.sendall(attacks.head(server.url, "Content-Length: 500000") + hidden)
        time.sleep(0.2)
        connection.sendall(hidden)
        answer = answers(connection, 2)
    assert answer.count(b"HTTP/1.1") == 1


def test_requests_on_one_connection(server, scene):
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer secret"
        for _ in range(3):
            prepared = multipart(FIELDS, scene.to_bytes())
            headers = {"Content-Type": prepared.headers["Content-Type"]}
            assert session.post(f"{server.url}/render", data=prepared.body, headers=headers, timeout=300).ok
            assert session.get(f"{server.url}/healthz", timeout=300).ok


@pytest.mark.parametrize("first_words", [b"", b"POST /render HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_the_oldest_silent_connection_makes_room(settings, renderer, scene, monkeypatch, first_words):
    monkeypatch.setattr("gltf_render_server.http.serving.most_connections", lambda _: 20)
    monkeypatch.setattr(incoming, "_HEAD_S", 300.0)
    monkeypatch.setattr(connections, "_IDLE_S", 300.0)
    server = Server(settings, lambda: renderer)
    threading.Thread(target=server.dispatcher.run).start()
    server.start()
    try:
        with attacks.crowd_of(60, server.url, first_words) as sockets:
            for _ in range(5):
                assert requests.get(f"{server.url}/healthz/live", timeout=300).ok
                assert ask(server, scene).ok
            wait_for(lambda: is_closed(sockets[0]))
            assert not is_closed(sockets[-1])
    finally:
        server.shut_down(60)


def is_closed(connection):
    connection.settimeout(0.2)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_room_is_made_by_who_holds_most():
    class Server:
        _connections = 24
        _least_wanted = connections.ConnectionServer._least_wanted

    def held(client, last_activity, *, is_at_work=False):
        connection = connections.Connection.__new__(connections.Connection)
        connection.client, connection.last_activity = client, last_activity
        connection.requests = ["at work"] if is_at_work else []
        return connection

    few = [held("few", 1.0), held("few", 2.0)]
    many = [held("many", 10.0 + number) for number in range(10)]
    busy = [held("many", 0.0, is_at_work=True)]
    server = Server()
    server.active_channels = dict(enumerate([*few, *many, *busy]))
    order = list(server._least_wanted())
    assert order[:9] == many[:9]
    assert set(order[9:]) == {*few, many[9]}
    assert not set(busy) & set(order)


def test_neighbours_in_an_ipv6_network_are_one_client():
    assert connections._client("2001:db8::1") == connections._client("2001:db8::2")
    assert connections._client("2001:db8::1") != connections._client("2001:db8:0:1::1")
    assert connections._client("::ffff:10.0.0.1") == connections._client("10.0.0.1")


@pytest.mark.parametrize(
    ("limit", "first_words"),
    [
        ("_HEAD_S", b"POST /render HTTP/1.1\r\nHost: localhost\r\nX-Slow: a"),
        (
            "_BODY_S",
            b"POST /render?token=secret HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nabc",
        ),
    ],
)
def test_what_takes_too_long_to_arrive(server, monkeypatch, limit, first_words):
    monkeypatch.setattr(incoming, limit, 0.5)
    with attacks.connect(server.url) as connection:
        connection.sendall(first_words)
        answer = answers(connection)
    assert answer.startswith(b"HTTP/1.")
    assert b" 408 " in answer[:20]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == 408


def test_idle_connections_are_closed(server, monkeypatch):
    monkeypatch.setattr(connections, "_IDLE_S", 0.5)
    with attacks.connect(server.url) as connection:
        connection.settimeout(300)
        assert connection.recv(1) == b""


def test_more_requests_than_there_are_threads_for_are_told_at_once(server, renderer, scene):
    renderer.gate.clear()
    threads = [threading.Thread(target=ask, args=(server, scene)) for _ in range(3)]
    for thread in threads:
        thread.start()
    health = {"headers": {"Authorization": "Bearer secret"}, "timeout": 300}
    wait_for(lambda: requests.get(f"{server.url}/healthz", **health).json()["queue_length"] == 2)
    response = ask(server, scene)
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    renderer.gate.set()
    for thread in threads:
        thread.join(300)
    assert ask(server, scene).ok


def test_all_that_takes_long_shares_the_threads(server, renderer, scene):
    """Uploads and frames get what renders get, and are told at once where that is nothing."""
    renderer.gate.clear()
    data = scene.to_bytes()
    url, headers = f"{server.url}/v1", {"Authorization": "Bearer secret"}
    scene_url = f"{url}/scenes/{api.digest_of(data)}"
    assert requests.put(scene_url, data=data, headers=headers, timeout=300).status_code == 201

    def frame():
        return requests.post(f"{url}/frames", json=api.frame_json(data), headers=headers, timeout=300)

    threads = [threading.Thread(target=frame) for _ in range(3)]
    for thread in threads:
        thread.start()
    health = {"headers": headers, "timeout": 300}
    wait_for(lambda: requests.get(f"{server.url}/healthz", **health).json()["queue_length"] == 2)
    assert frame().status_code == 503
    assert requests.head(scene_url, **health).ok, "asking takes no thread of theirs"
    with ExitStack() as stack:
        places = server._http._server.places
        while places.take():
            stack.callback(places.give_back)
        refused = requests.put(scene_url, data=data, headers=headers, timeout=300)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert frame().status_code == 503
        assert requests.head(scene_url, **health).ok
    renderer.gate.set()
    for thread in threads:
        thread.join(300)
    assert frame().ok


def test_hostile_checks_leave_threads_for_health(server, renderer, scene, monkeypatch):
    """Threads that all check cannot be more than a few, and none of them is health's."""
    at_once, most, gate = [], [], threading.Event()
    parse = OpenedDocument.read

    def slow(*arguments, **options):
        at_once.append(1)
        most.append(len(at_once))
        gate.wait(300)
        at_once.pop()
        return parse(*arguments, **options)

    monkeypatch.setattr(OpenedDocument, "read", slow)
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(ask(server, scene).status_code)) for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(at_once) == answering._CHECKS_AT_ONCE)
    wait_for(lambda: len(statuses) >= 30 - 7)
    assert set(statuses) == {503}
    for _ in range(10):
        assert requests.get(f"{server.url}/healthz/live", timeout=300).ok, "while all the checks go on"
    gate.set()
    for thread in threads:
        thread.join(300)
    assert max(most) == answering._CHECKS_AT_ONCE
    assert statuses.count(200) >= 3
    assert set(statuses) == {200, 503}


def test_a_check_whose_client_went_away_is_not_begun(server, scene, monkeypatch):
    begun, looks, gate = [], [], threading.Event()
    parse, look = OpenedDocument.read, answering.Exchange._check_presence

    def slow(*arguments, **options):
        begun.append(1)
        gate.wait(300)
        return parse(*arguments, **options)

    def noted(exchange):
        looks.append(exchange.is_abandoned())
        look(exchange)

    monkeypatch.setattr(OpenedDocument, "read", slow)
    monkeypatch.setattr(answering.Exchange, "_check_presence", noted)
    monkeypatch.setattr(answering, "_LOOK_S", 0.05)
    staying = [threading.Thread(target=ask, args=(server, scene)) for _ in range(answering._CHECKS_AT_ONCE)]
    for thread in staying:
        thread.start()
    wait_for(lambda: len(begun) == answering._CHECKS_AT_ONCE)
    prepared = multipart(FIELDS, scene.to_bytes())
    lines = [f"{name}: {prepared.headers[name]}" for name in ("Content-Type", "Content-Length")]
    leaving = attacks.connect(server.url)
    leaving.sendall(attacks.head(server.url, TOKEN, *lines) + prepared.body)
    wait_for(lambda: len(looks) > answering._CHECKS_AT_ONCE)  # it waits
    leaving.shutdown(socket.SHUT_RDWR)
    leaving.close()
    wait_for(lambda: any(looks))
    gate.set()
    for thread in staying:
        thread.join(300)
    assert len(begun) == answering._CHECKS_AT_ONCE


def test_clients_that_hang_up_free_the_queue(server, renderer, scene):
    renderer.gate.clear()
    prepared = multipart(FIELDS, scene.to_bytes())
    lines = [f"{name}: {prepared.headers[name]}" for name in ("Content-Type", "Content-Length")]
    running = threading.Thread(target=ask, args=(server, scene))
    running.start()
    wait_for(lambda: len(renderer.requests) == 1)
    leaving = [attacks.connect(server.url) for _ in range(2)]
    for connection in leaving:
        connection.sendall(attacks.head(server.url, TOKEN, *lines) + prepared.body)

    def queue_length():
        health = requests.get(f"{server.url}/healthz?token=secret", timeout=300)
        return health.json()["queue_length"]

    wait_for(lambda: queue_length() == 2)
    for connection in leaving:
        connection.close()
    wait_for(lambda: queue_length() == 0)
    renderer.gate.set()
    running.join(300)
    assert len(renderer.requests) == 1


def test_a_thousand_warnings_are_a_few_lines(caplog):
    answering.log_warnings([f"warning {number}" + "y\n" * 5000 for number in range(1000)])
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == answering._MOST_WARNINGS + 1
    assert sum(map(len, lines)) < 3000
    assert "995 more warnings" in lines[-1]


def test_an_error_is_a_bounded_line_in_the_log(client, scene, caplog):
    document = scene.document()
    document["extensionsRequired"] = ["EXT_" + "x" * 500_000]
    prepared = multipart(FIELDS, json.dumps(document).encode())
    with caplog.at_level(logging.INFO):
        response = client.post(
            "/render",
            data=prepared.body,
            content_type=prepared.headers["Content-Type"],
            headers={"Authorization": "Bearer secret"},
        )
    assert response.status_code == 400
    assert len(caplog.text) < 5000
