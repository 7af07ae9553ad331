"""The whole server, as its users run it: as the package, and inside a real Blender program."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import recorded
from compressed import with_draco
from exactness import assert_depth_exact, assert_labels_exact
from servers import PACKAGE, ROOT, in_memory, program, running, wait_for

from gltf_render_server.client import DONT_CARE, RenderClientError, form_fields
from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange, ImageType

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

CAMERA = Lens(160, 120, 150.0, 150.0, 79.5, 59.5, 0.05, 20.0)
RANGE = DepthRange(0.05, 20.0)
QUICK = ("--samples", "4", "--no-denoise")


@pytest.fixture(scope="module")
def program_env(tmp_path_factory):
    """Environment for servers inside a real Blender, with their dependencies installed."""
    command, env = program(), {"XDG_DATA_HOME": str(tmp_path_factory.mktemp("data"))}
    refused = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, **env})
    assert refused.returncode == 2
    assert "lacks the module" in refused.stderr
    assert "--install-dependencies" in refused.stderr
    with running("--install-dependencies", *QUICK, command=command, env=env):
        return env


@pytest.fixture(scope="module", params=["package", pytest.param("program", marks=pytest.mark.program)])
def server(request):
    if request.param == "package":
        with running(*QUICK) as server:
            yield server
    else:
        env = request.getfixturevalue("program_env")
        with running(*QUICK, command=program(), env=env) as server:
            yield server


@pytest.fixture(scope="module")
def package_server():
    with running(*QUICK) as server:
        yield server


@recorded.needs_recorded
@pytest.mark.parametrize("name", recorded.NAMES)
def test_recorded_depth(server, name):
    answer = server.client.post(recorded.scene_bytes(name, "depth"), recorded.fields(name, "depth"))
    assert_depth_exact(answer.pixels(), recorded.oracle(name, "depth"))


@recorded.needs_recorded
@pytest.mark.parametrize("name", recorded.NAMES)
def test_recorded_labels(server, name):
    answer = server.client.post(recorded.scene_bytes(name, "label"), recorded.fields(name, "label"))
    rgb = answer.pixels().astype(int)
    labels = np.where((rgb[..., :3] == 255).all(-1), DONT_CARE, rgb[..., 0] + 256 * rgb[..., 1])
    assert_labels_exact(labels, recorded.oracle(name, "label"))


def test_own_scene(server, table):
    from drake_like import oracle

    truth = oracle(table, CAMERA)
    depth = server.client.depth(table.to_bytes(), CAMERA, RANGE)
    label = server.client.label(table.to_bytes("label"), CAMERA)
    sharp = truth.is_sharp
    assert_depth_exact(depth[sharp], truth.depth[sharp])
    expected = np.where(truth.label == 0, DONT_CARE, truth.label)
    assert_labels_exact(label[sharp], expected[sharp])
    assert server.client.color(table.to_bytes(), CAMERA).mean() > 10


def test_draco_is_decoded_by_the_pythons_own_program(server, table):
    packed = json.dumps(with_draco(table.document(), bits=20)).encode()
    plain, depth = (server.client.depth(data, CAMERA, RANGE) for data in (table.to_bytes(), packed))
    is_hit = np.isfinite(plain)
    assert is_hit.mean() > 0.2
    assert (np.abs(plain[is_hit] - depth[is_hit]) < 1e-4).mean() > 0.98


def test_health(server):
    health = server.client.health()
    assert health["status"] == "ok"
    assert health["blender_version"].startswith(("4.", "5."))
    assert (health["engine"], health["queue_length"]) == ("cycles", 0)


def test_health_answers_during_a_render(package_server, table):
    slow = Lens(1200, 900, 1100.0, 1100.0, 600.0, 450.0, 0.05, 20.0)
    client, most = package_server.client, 0
    for _ in range(5):  # a busy machine may not let this process ask while the server renders
        thread = threading.Thread(target=client.color, args=(table.to_bytes(), slow))
        thread.start()
        told = []
        while thread.is_alive():
            told.append(client.health()["rendering"])
        most = max(most, sum(told))
        if most > 2:
            break
    assert most > 2, "else health waits for the render"


def test_the_same_bytes_in_a_fresh_process(package_server, table):
    def digests(server):
        return [
            hashlib.sha256(
                server.client.post(table.to_bytes(str(kind)), form_fields(kind, CAMERA, RANGE)).body
            ).hexdigest()
            for kind in (ImageType.LABEL, ImageType.COLOR, ImageType.DEPTH)
        ]

    first = digests(package_server)
    assert digests(package_server) == first
    with running(*QUICK) as fresh:
        assert digests(fresh) == first


def test_many_clients_at_once(package_server, table):
    expected = package_server.client.depth(table.to_bytes(), CAMERA, RANGE)
    answers, failures = [], []

    def ask():
        try:
            answers.append(package_server.client.depth(table.to_bytes(), CAMERA, RANGE))
        except RenderClientError as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert all((answer == expected).all() for answer in answers)


def test_what_the_http_server_itself_refuses_is_json_too(package_server):
    host, port = package_server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=300) as connection:
        connection.sendall(b"POST /render HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"error": true' in answer


def test_a_port_in_use_is_told(package_server):
    port = package_server.url.rpartition(":")[2]
    done = subprocess.run([*PACKAGE, "--port", port], capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_needs_no_blender():
    script = (
        "import sys; sys.modules['bpy'] = None; from gltf_render_server.cli import main; main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0
    assert "--blend-file" in done.stdout


def test_missing_blender_is_told():
    script = (
        "import sys; sys.modules['bpy'] = None; "
        "from gltf_render_server.cli import main; main(['--workers', '0'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200)
    assert done.returncode == 2
    assert 'pip install "bpy==' in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_as_killed_by_it(number, tmp_path):
    with running(*QUICK, env={"TMPDIR": str(tmp_path)}) as server:
        server.process.send_signal(number)
        assert server.process.wait(300) == -number
    assert_no_files_left(server.process.pid, tmp_path)


@pytest.mark.program
def test_a_signal_ends_the_program_too(program_env):
    with running(*QUICK, command=program(), env=program_env) as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(300) == -signal.SIGTERM
    wait_for(lambda: not in_memory(server.process.pid))  # who removes files outlives a slow main thread


def test_a_signal_during_a_render_answers_its_client(table, tmp_path):
    outcome = []

    def ask(client):
        camera = Lens(2000, 1500, 1900.0, 1900.0, 1000.0, 750.0, 0.05, 20.0)
        try:
            outcome.append(client.color(table.to_bytes(), camera).shape)
        except RenderClientError as error:
            outcome.append(error)

    with running("--samples", "4096", "--noise-threshold", "0", env={"TMPDIR": str(tmp_path)}) as server:
        thread = threading.Thread(target=ask, args=(server.client,))
        thread.start()
        wait_for(lambda: server.client.health()["rendering"])
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(300) == -signal.SIGTERM, "the render takes many minutes"
        thread.join(120)
    [error] = outcome
    assert isinstance(error, RenderClientError)
    assert error.status == 503
    assert "shutting down" in str(error)
    assert_no_files_left(server.process.pid, tmp_path)


def assert_no_files_left(pid, folder):
    assert not list(folder.iterdir())
    assert not in_memory(pid)
