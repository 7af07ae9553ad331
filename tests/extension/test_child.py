"""The background server's process: what it tells, how it ends, and that it never outlives its parent."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from blenders import ROOT
from forms import multipart

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

TOLD = {}
CHILD = ROOT / "blender_addon" / "child_main.py"


def environment(folder, **options):
    return {
        **os.environ,
        "GLTF_RENDER_SERVER_PATHS": json.dumps(sys.path),
        "GLTF_RENDER_SERVER_PORT": "0",
        "GLTF_RENDER_SERVER_SAMPLES": "1",
        "BLENDER_USER_RESOURCES": str(folder),
        **options,
    }


@pytest.fixture
def start(tmp_path):
    """Start the child as the add-on does, with the bpy package in Blender's place."""
    from blender_addon.background import BackgroundServer

    servers = []

    def start(**options):
        log = tmp_path / "child.log"
        servers.append(BackgroundServer([sys.executable, str(CHILD)], environment(tmp_path, **options), log))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def wait_for(server, kind, count=1, limit_s=300):
    """Return the latest event of a kind, once there are that many of it."""
    end_s = time.monotonic() + limit_s
    told = TOLD.setdefault(server, [])
    while time.monotonic() < end_s:
        told += server.events()
        found = [event for event in told if type(event).__name__ == kind]
        if len(found) >= count:
            return found[count - 1]
        time.sleep(0.05)
    raise AssertionError(f"no {count} {kind} within {limit_s} s, but {told}")


def post(url, forms, kind):
    prepared = multipart(
        json.loads((forms / f"{kind}.json").read_text()), (forms / f"{kind}.gltf").read_bytes()
    )
    request = urllib.request.Request(f"{url}/render", prepared.body, dict(prepared.headers))
    with urllib.request.urlopen(request, timeout=300) as response:
        return response.read()


def test_tells_what_happens_and_keeps_requests(start, forms, tmp_path):
    from blender_addon.kept_requests import Shelf

    server = start()
    ready = wait_for(server, "Ready")
    shelf = Shelf(tmp_path / "kept", 2)
    server.keep_on(shelf)
    before = 0
    while not shelf.newest(9):  # it is told of the shelf some time later
        post(ready.url, forms, "depth")
        before += 1
    bodies = [post(ready.url, forms, kind) for kind in ("depth", "label", "depth")]
    asked = wait_for(server, "Asked")
    assert (asked.image_type, asked.width, asked.height) == ("depth", 160, 120)
    wait_for(server, "Answered", before + 3)
    kept = shelf.newest(9)
    assert [request.answered.image_type for request in kept] == ["depth", "label"], (
        "the last two, the newest first"
    )
    assert kept[0].answer == bodies[2]
    assert kept[1].scene == (forms / "label.gltf").read_bytes()
    server.stop()
    wait_for(server, "Ended")


def test_a_crash_is_told(start):
    server = start()
    wait_for(server, "Ready")
    os.kill(server.pid, 11)
    assert wait_for(server, "Ended").status == -11


def test_what_cannot_start_says_why(start, tmp_path):
    (tmp_path / "broken.blend").write_bytes(b"nothing")
    server = start(GLTF_RENDER_SERVER_BLEND_FILE=str(tmp_path / "broken.blend"))
    assert "cannot open this file" in wait_for(server, "Failed").message
    assert wait_for(server, "Ended").status == 2


def test_missing_wheels_are_told_in_plain_words(start, tmp_path):
    (tmp_path / "flask.py").write_text("raise ModuleNotFoundError(\"No module named 'flask'\", name='flask')")
    paths = json.dumps([str(tmp_path), *sys.path])
    server = start(GLTF_RENDER_SERVER_PATHS=paths, PYTHONPATH=str(tmp_path))
    message = wait_for(server, "Failed").message
    assert "No module named 'flask'" in message
    assert "install the zip of this platform" in message


@pytest.mark.skipif(sys.platform == "win32", reason="asks /proc")
def test_does_not_outlive_a_parent_that_is_killed(tmp_path):
    parent = (
        f"import sys, json, time; sys.path[:0] = [{str(ROOT)!r}]\n"
        "from pathlib import Path\n"
        "from blender_addon.background import BackgroundServer\n"
        f"server = BackgroundServer([sys.executable, {str(CHILD)!r}], {environment(tmp_path)!r}, "
        f"Path({str(tmp_path / 'log')!r}))\n"
        "while not any(type(event).__name__ == 'Ready' for event in server.events()): time.sleep(0.05)\n"
        "print('PID', server.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    pid = next(int(line.split()[1]) for line in process.stdout if line.startswith("PID"))
    process.kill()
    process.wait()
    process.stdout.close()
    end_s = time.monotonic() + 120
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end_s:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()
