"""A server in a process that goes on without it."""

import socket
import threading

import flask
import requests
from servers import free_port, wait_for

from gltf_render_server.http.serving import HttpServer
from gltf_render_server.settings import ServerSettings


def test_closing_leaves_no_port_and_no_thread():
    before = set(threading.enumerate())
    app = flask.Flask("test")
    app.config["MAX_CONTENT_LENGTH"] = 1000
    app.add_url_rule("/", view_func=lambda: "here")
    port = free_port()  # where nobody else listens after it
    server = HttpServer(app, ServerSettings(port=port), workers=1)
    server.start()
    with socket.create_connection(("127.0.0.1", port)) as idle, requests.Session() as session:
        assert session.get(server.url, timeout=300).text == "here"
        server.close(60)
        assert idle.recv(1) == b"", "an idle connection is closed, too"
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    wait_for(lambda: set(threading.enumerate()) <= before)  # waitress waits until they are about to end
