"""Under gunicorn, as Drake's README runs it."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import crowd
import psutil
import pytest
import requests as requests_library
from memory import own_bytes
from servers import free_port, in_memory, wait_for

from gltf_render_server.client import RenderClient, RenderClientError

pytest.importorskip("bpy", reason="the bpy package is not for this Python")
pytest.importorskip("gunicorn", reason="gunicorn is not for this system")

SETTINGS = {"GLTF_RENDER_SERVER_SAMPLES": "4", "GLTF_RENDER_SERVER_DENOISE": "off"}


class Gunicorn:
    def __init__(self, process, url):
        self.process = process
        self.url = url

    def processes(self):
        """The workers, and the Blenders beside them."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def is_up(self):
        try:
            return requests_library.get(f"{self.url}/healthz/live", timeout=300).ok
        except requests_library.RequestException:
            return False


@contextmanager
def gunicorn(*options, application="gltf_render_server.wsgi:app", cwd=None, env=None):
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "--timeout", "0", *options, "--bind", address, application]
    with tempfile.TemporaryDirectory(prefix="gunicorn-") as own:  # its socket for commands lies there
        environment = {**os.environ, **SETTINGS, "XDG_RUNTIME_DIR": own, **(env or {})}
        process = subprocess.Popen(command, cwd=cwd, env=environment)
        server = Gunicorn(process, f"http://{address}")
        try:
            while not server.is_up():
                assert process.poll() is None, "gunicorn did not start"
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(300)
            finally:
                process.kill()


def assert_nothing_left(processes, folder):
    _, alive = psutil.wait_procs(processes, timeout=300)
    assert not alive
    wait_for(lambda: not [*folder.iterdir(), *in_memory(*(process.pid for process in processes))])


def test_8_clients_while_it_reloads_and_renews(requests, truth, tmp_path):
    asked = crowd.drawn(requests, 100, seed=4)
    options = ("--workers", "2", "--max-requests", "30")
    with gunicorn(*options, env={"TMPDIR": str(tmp_path)}) as server:
        seen, answers = set(), []
        thread = threading.Thread(target=lambda: answers.extend(crowd.answers(server.url, asked, 8)))
        thread.start()
        for _ in range(2):
            goal = len(answers) + 20
            wait_for(lambda goal=goal: len(answers) >= goal)
            seen.update(server.processes())
            server.process.send_signal(signal.SIGHUP)
        thread.join(500)
        seen.update(server.processes())
    assert [truth[request] for request in asked] == answers
    assert server.process.returncode == 0
    assert_nothing_left(list(seen), tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_ending_under_load_gives_no_wrong_answer(requests, truth, tmp_path, number):
    asked = crowd.drawn(requests, 60, seed=5)

    def ask(request):
        scene, form = request
        try:
            return RenderClient(server.url, timeout_s=300).post(scene, dict(form)).body
        except (requests_library.RequestException, RenderClientError):
            return None

    with gunicorn("--workers", "2", env={"TMPDIR": str(tmp_path)}) as server, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(ask, request) for request in asked]
        wait_for(lambda: sum(answer.done() for answer in answers) >= 10)
        processes = server.processes()
        server.process.send_signal(number)
        server.process.wait(300)
        if number == signal.SIGKILL:  # gunicorn's own workers notice that by themselves
            psutil.wait_procs(processes, timeout=300)
    given = [(request, answer.result()) for request, answer in zip(asked, answers, strict=True)]
    assert all(answer in (None, truth[request]) for request, answer in given)
    assert_nothing_left(processes, tmp_path)


def test_a_wsgi_module_of_the_users_own(requests, truth, tmp_path):
    (tmp_path / "wsgi.py").write_text("from gltf_render_server.wsgi import app\n")
    with gunicorn("--threads", "2", application="wsgi:app", cwd=tmp_path) as server:
        assert list(crowd.answers(server.url, requests[:6], 2)) == [
            truth[request] for request in requests[:6]
        ]


def test_preloading_starts_no_blender_before_the_fork(requests, truth, tmp_path):
    """Between the import and the fork there may be some time, by a module of the user's or a busy machine."""
    module = "import time\nfrom gltf_render_server.wsgi import app\ntime.sleep(0.5)\n"
    (tmp_path / "wsgi.py").write_text(module)
    options = ("--preload", "--workers", "2")
    with gunicorn(*options, application="wsgi:app", cwd=tmp_path) as server:
        assert list(crowd.answers(server.url, requests[:6], 3)) == [
            truth[request] for request in requests[:6]
        ]
        workers = psutil.Process(server.process.pid).children()
        wait_for(lambda: all(worker.children() for worker in workers if worker.name() != "sh"))


@pytest.mark.parametrize("options", [(), ("--preload",), ("--threads", "2")])
def test_the_blender_starts_with_the_worker_and_health_tells(options, tmp_path):
    gate, script = tmp_path / "gate", tmp_path / "wait.py"
    script.write_text(f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.05)\n")
    env = {"GLTF_RENDER_SERVER_BPY_SETTINGS_FILE": str(script)}
    with gunicorn("--workers", "1", *options, env=env) as server:  # is up once it was asked whether it lives
        health = requests_library.get(f"{server.url}/healthz", timeout=300)
        ready = requests_library.get(f"{server.url}/healthz/ready", timeout=300)
        assert (health.status_code, health.json()["status"]) == (503, "starting")
        assert (ready.status_code, ready.json()["ready"]) == (503, False)
        wait_for(lambda: psutil.Process(server.process.pid).children()[0].children() != [])
        gate.touch()
        wait_for(lambda: requests_library.get(f"{server.url}/healthz/ready", timeout=300).ok)
        assert requests_library.get(f"{server.url}/healthz", timeout=300).json()["blender_version"]


def test_a_request_waits_for_the_blender(requests, truth):
    with gunicorn("--workers", "1") as server:
        assert list(crowd.answers(server.url, requests[:1])) == [truth[requests[0]]]


def test_a_blender_that_cannot_start_is_told(tmp_path):
    blend = tmp_path / "broken.blend"
    blend.write_bytes(b"no blend")
    with gunicorn("--threads", "2", env={"GLTF_RENDER_SERVER_BLEND_FILE": str(blend)}) as server:
        camera = {"image_type": "color"}
        with pytest.raises(
            RenderClientError, match=r"broken\.blend: Blender cannot open this file"
        ) as caught:
            RenderClient(server.url, timeout_s=300).post(b"{}", camera)
        assert str(tmp_path) not in str(caught.value)
        assert caught.value.status == 500
        assert requests_library.get(f"{server.url}/healthz/live", timeout=300).ok
        assert requests_library.get(f"{server.url}/healthz", timeout=300).status_code == 503


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("token", "status"), [("other", 401), ("secret", 413)])
def test_a_large_body_is_refused_before_it_is_read(chunked, token, status):
    env = {"GLTF_RENDER_SERVER_TOKEN": "secret", "GLTF_RENDER_SERVER_MAX_SCENE_MB": "20"}
    with gunicorn("--workers", "1", env=env) as server:
        worker = psutil.Process(server.process.pid).children()[0]
        before_bytes, pieces = own_bytes(worker), [bytes(10**6)] * 100
        response = requests_library.post(
            f"{server.url}/render?token={token}",
            data=iter(pieces) if chunked else b"".join(pieces),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
            timeout=300,
        )
        assert response.status_code == status
        assert response.json()["code"] == status
        assert own_bytes(worker) < before_bytes + 60e6


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("SAMPLES", "many", "GLTF_RENDER_SERVER_SAMPLES=many"), ("WORKERS", "auto", "workers: auto is for")],
)
def test_wrong_settings_stop_it(name, value, reason):
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "gltf_render_server.wsgi:app"]
    env = {**os.environ, f"GLTF_RENDER_SERVER_{name}": value}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
    assert done.returncode != 0
    assert reason in done.stderr
