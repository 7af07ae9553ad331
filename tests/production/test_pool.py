"""The pool of processes, with real Blenders in it, while things go wrong."""

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import crowd
import psutil
import pytest
import requests as requests_library
from servers import in_memory, running, wait_for

from gltf_render_server.client import RenderClientError, form_fields
from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange, ImageType

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

QUICK = ("--samples", "4", "--no-denoise")
RANGE = DepthRange(0.05, 20.0)
KILLS = int(os.environ.get("GLTF_RENDER_SERVER_KILLS", "8"))
"""How many workers are killed, one every 2 s at most; 48 is the full measure."""
BUSY = {"starting", "rendering"}
SLOW = Lens(1600, 1200, 1500.0, 1500.0, 800.0, 600.0, 0.05, 20.0)


@pytest.fixture(scope="module")
def pool():
    with running(*QUICK, "--workers", "2") as server:
        wait_for(lambda: states(server) == ["idle", "idle"])
        yield server


def states(server):
    return [worker["state"] for worker in server.client.health()["workers"]]


def restarts(server):
    return sum(worker["restarts"] for worker in server.client.health()["workers"])


def test_kills_of_rendering_and_starting_workers_cost_no_request(pool, requests, truth):
    """6 clients ask until all kills were done and enough was answered, so it is no matter of speed."""
    answers, killed, over = [], [], threading.Event()

    def ask(number):
        chance = random.Random(number)
        while not over.is_set() or len(answers) < KILLS * 400 // 48:
            request = chance.choice(requests)
            [answer] = crowd.answers(pool.url, [request])
            answers.append(answer == truth[request])

    with ThreadPoolExecutor(6) as clients:
        asking = [clients.submit(ask, number) for number in range(6)]
        chance = random.Random(2)
        try:
            while len(killed) < KILLS and not any(client.done() for client in asking):
                time.sleep(chance.uniform(0.2, 2))
                workers = pool.client.health()["workers"]
                if busy := [item for item in workers if item["pid"] and item["state"] in BUSY]:
                    victim = min(busy, key=lambda item: killed.count(item["state"]))
                    with suppress(ProcessLookupError):
                        os.kill(victim["pid"], signal.SIGKILL)
                        killed.append(victim["state"])
        finally:
            over.set()
        for client in asking:
            client.result(600)
    assert all(answers)
    assert len(answers) >= KILLS * 400 // 48
    assert set(killed) == BUSY, killed
    wait_for(lambda: states(pool) == ["idle", "idle"])
    assert pool.process.poll() is None
    children = psutil.Process(pool.process.pid).children()
    assert {child.pid for child in children} >= {worker["pid"] for worker in pool.client.health()["workers"]}
    assert len(children) <= 2 + 2, children  # the workers, who removes files, and who counts semaphores
    [folder] = in_memory(pool.process.pid)
    assert len(list(folder.iterdir())) == 2


def test_a_scene_goes_to_the_worker_that_has_it(pool, requests):
    wait_for(lambda: states(pool) == ["idle", "idle"])
    [first, other] = [request for request in requests if dict(request[1])["image_type"] == "depth"][::2][:2]
    client = pool.client
    for scene, form in (first, other):
        client.post(scene, dict(form))
    for scene, form in (first, other, other, first, first):
        time.sleep(1.0)  # the worker is free when its client has the answer, and a moment later in the queue
        stages = client.post(scene, dict(form)).stages_ms
        assert "import" not in stages, stages


def test_an_idle_worker_that_dies_is_replaced_before_it_is_needed(pool):
    wait_for(lambda: states(pool) == ["idle", "idle"])
    before = restarts(pool)
    os.kill(pool.client.health()["workers"][0]["pid"], signal.SIGKILL)
    wait_for(lambda: restarts(pool) == before + 1 and states(pool) == ["idle", "idle"])


def test_a_hung_render_is_cut_and_nobody_else_notices(table, tmp_path):
    script = tmp_path / "hang.py"
    script.write_text(HANGS_ON_SLOW)
    options = (*QUICK, "--workers", "2", "--render-timeout", "15", "--bpy-settings-file", str(script))
    with running(*options) as server:
        wait_for(lambda: states(server) == ["idle", "idle"])
        failures, answered = [], 0

        def hang():
            try:
                server.client.color(table.to_bytes(), SLOW)
            except RenderClientError as error:
                failures.append(error)

        thread = threading.Thread(target=hang)
        thread.start()
        wait_for(lambda: "rendering" in states(server))
        small = form_fields(ImageType.LABEL, Lens(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0))
        while thread.is_alive():
            server.client.post(table.to_bytes("label"), small)
            answered += 1
            time.sleep(0.05)
        thread.join()
        [error] = failures
        assert error.status == 504
        assert "longer than 15 s" in str(error)
        assert answered >= 10
        wait_for(lambda: states(server) == ["idle", "idle"])
        assert restarts(server) == 2


HANGS_ON_SLOW = """
import time

def hang(scene, *_):
    if scene.render.resolution_x == 1600:
        time.sleep(3600)

bpy.app.handlers.render_pre.append(hang)
"""


def test_a_request_that_crashes_two_workers_is_told_and_the_pool_lives(table, tmp_path):
    script = tmp_path / "crash.py"
    script.write_text(
        HANGS_ON_SLOW.replace("time.sleep(3600)", "os.kill(os.getpid(), 11)").replace("time", "os")
    )
    with running(*QUICK, "--workers", "1", "--bpy-settings-file", str(script)) as server:
        with pytest.raises(RenderClientError, match=r"SIGSEGV.*failed on 2 workers") as caught:
            server.client.color(table.to_bytes(), SLOW)
        assert caught.value.status == 500
        label = Lens(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0)
        assert server.client.label(table.to_bytes("label"), label).shape == (72, 96)
        assert restarts(server) == 2


def test_a_worker_that_grows_too_large_is_replaced(table, tmp_path):
    script = tmp_path / "grow.py"
    grow = "scene['hoard'] = 1; global hoard; hoard = bytearray(2 * 10**9); time.sleep(3600)"
    script.write_text(HANGS_ON_SLOW.replace("time.sleep(3600)", grow))
    options = (*QUICK, "--workers", "1", "--worker-max-rss", "1500", "--bpy-settings-file", str(script))
    with running(*options) as server:
        with pytest.raises(RenderClientError, match="MB of memory"):
            server.client.color(table.to_bytes(), SLOW)
        assert restarts(server) == 2


def test_workers_are_renewed_without_a_pause(requests, truth):
    with running(*QUICK, "--workers", "1", "--worker-max-requests", "5") as server:
        pids = set()
        deadline_s = time.monotonic() + 300
        while len(pids) < 3:
            assert time.monotonic() < deadline_s
            for request in requests:
                [answer] = crowd.answers(server.url, [request])
                assert answer == truth[request]
            pids.add(server.client.health()["workers"][0]["pid"])
        assert restarts(server) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(number, table, tmp_path):
    env = {"TMPDIR": str(tmp_path)}
    options = ("--workers", "2", "--samples", "4096", "--noise-threshold", "0")
    with running(*options, env=env) as server:
        wait_for(lambda: states(server) == ["idle", "idle"])
        children = psutil.Process(server.process.pid).children(recursive=True)
        pids = [server.process.pid, *(worker["pid"] for worker in server.client.health()["workers"])]
        outcome = []

        def ask(client):
            try:
                client.color(table.to_bytes(), SLOW)
            except (RenderClientError, requests_library.RequestException) as error:
                outcome.append(error)

        thread = threading.Thread(target=ask, args=(server.client,))
        thread.start()
        wait_for(lambda: "rendering" in states(server))
        time.sleep(1)
        server.process.send_signal(number)
        assert server.process.wait(300) == -number
        thread.join(300)
        assert outcome
        _, alive = psutil.wait_procs(children, timeout=300)
        assert not alive
        wait_for(lambda: not [*in_memory(*pids), *tmp_path.iterdir()])


def test_a_pool_that_cannot_start_says_why(tmp_path):
    blend = tmp_path / "broken.blend"
    blend.write_bytes(b"no blend")
    with (
        pytest.raises(RuntimeError, match=r"error: .*broken\.blend: Blender cannot open this file"),
        running("--workers", "2", "--blend-file", str(blend)),
    ):
        pass


def test_options_about_workers_want_workers():
    with (
        pytest.raises(RuntimeError, match="--render-timeout needs workers"),
        running("--workers", "0", "--render-timeout", "5"),
    ):
        pass
