"""A server in a process that goes on without it."""

import socket
import threading

import flask
import requests

from gltf_render_server.http.serving import HttpServer
from gltf_render_server.settings import ServerSettings


def test_closing_leaves_no_port_and_no_thread():
    before = set(threading.enumerate())
    app = flask.Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 1000
    app.add_url_rule("/", view_func=lambda: "here")
    server = HttpServer(app, ServerSettings(port=0), workers=1)
    server.start()
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as idle, requests.Session() as session:
        assert session.get(server.url, timeout=10).text == "here"
        server.close(5)
        assert idle.recv(1) == b"", "an idle connection is closed, too"
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
    assert set(threading.enumerate()) == before
