"""The pool's processes, of a quick back end, while they are killed, crash, hang and cannot start."""

import os
import platform
import random
import resource
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import drill
import numpy as np
import psutil
import pytest
from servers import in_memory, wait_for

from gltf_render_server.dispatch.dispatcher import Dispatcher
from gltf_render_server.dispatch.process import WorkerProcess
from gltf_render_server.dispatch.sharing import Share
from gltf_render_server.dispatch.transfer import Packed
from gltf_render_server.errors import NoWorkerError, RenderError, RenderTimeoutError, WorkerLostError
from gltf_render_server.settings import ServerSettings

KILLS = 48


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setattr("gltf_render_server.dispatch.process._END_S", 60.0)  # for what closes by itself
    monkeypatch.setattr("gltf_render_server.dispatch.dispatcher._END_S", 60.0)
    return drill.notes(tmp_path, monkeypatch)


@pytest.fixture
def ask(table):
    scene = table.to_bytes()

    def ask(pool, width=8):
        assert pool.submit(drill.request(width, scene)).views[0]["color"][0, 0, 0] == width % 256

    return ask


@contextmanager
def a_pool(workers=1, **settings):
    """A pool of the quick back end that must leave nothing behind."""
    before = {*threading.enumerate(), *children(), *in_memory(os.getpid())}
    pool = Dispatcher(ServerSettings(backend="drill", workers=workers, max_queue=1000, **settings))
    try:
        pool.wait_until_ready()
        yield pool
    finally:
        pool.shut_down()
    wait_for(lambda: not {*threading.enumerate(), *children(), *in_memory(os.getpid())} - before)


def children():
    """All processes of the pool, but for the one with which Python counts its semaphores."""
    processes = psutil.Process().children(recursive=True)
    commands = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            commands[process] = " ".join(process.cmdline())
    return [process for process, command in commands.items() if "resource_tracker" not in command]


def pids(pool):
    return [worker.pid for worker in pool.workers() if worker.pid]


def states(pool):
    return [worker.state for worker in pool.workers()]


def test_400_requests_of_6_clients_and_48_kills_of_rendering_and_starting_workers(notes, ask):
    """One is killed every few renders, as densely on any machine; the clients go on until all are killed."""
    chance = random.Random(3)
    done, over = [], threading.Event()
    killed = {"starting": 0, "rendering": 0}
    with a_pool(2) as pool, ThreadPoolExecutor(6) as clients:

        def client(number):
            own = random.Random(number)
            while len(done) < 400 or not over.is_set():
                ask(pool, drill.SLOW if own.random() < 0.2 else own.randrange(4, 200))
                done.append(number)

        asking = [clients.submit(client, number) for number in range(6)]
        try:
            while sum(killed.values()) < KILLS and not any(client.done() for client in asking):
                goal = len(done) + chance.randrange(0, 6)  # 0: what replaces it is hit while it starts
                wait_for(lambda goal=goal: len(done) >= goal or any(client.done() for client in asking))
                busy = [worker for worker in pool.workers() if worker.pid and worker.state in killed]
                if busy:
                    victim = chance.choice(busy)
                    time.sleep(chance.choice((0, 0.05, 0.2, 0.4)))
                    with suppress(ProcessLookupError):
                        os.kill(victim.pid, signal.SIGKILL)
                        killed[victim.state] += 1
        finally:
            over.set()
        for client in asking:
            client.result(300)
    assert min(killed.values()) >= 5, killed


def test_only_renders_that_had_begun_count_as_tries(notes, ask, monkeypatch):
    monkeypatch.setattr("gltf_render_server.dispatch.slots._MOST_KILLS", 1)
    with a_pool(1, start_timeout=60.0) as pool, ThreadPoolExecutor(1) as clients:
        [pid] = pids(pool)
        os.kill(pid, signal.SIGSTOP)  # takes a request that it does not begin
        answer = clients.submit(ask, pool)
        wait_for(lambda: states(pool) == ["rendering"])
        (notes / "hang-start").touch()
        for _ in range(4):
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: pids(pool) not in ([], [pid]))
            [pid] = pids(pool)  # starts, with the request waiting for it
        os.kill(pid, signal.SIGKILL)
        (notes / "hang-start").unlink()
        answer.result(300)
        answer = clients.submit(ask, pool, drill.HANG)
        wait_for(lambda: str(drill.HANG) in (notes / "begun").read_text())
        os.kill(pids(pool)[0], signal.SIGKILL)
        with pytest.raises(NoWorkerError, match=r"1 render workers .*; try again later"):
            answer.result(300)


def test_a_kill_is_no_crash_where_another_thread_asks_after_the_process_at_the_same_time(
    notes, table, tmp_path, monkeypatch
):
    """The system gives an exit status once: to a thread that asks for `/healthz`, or starts a worker."""
    process = WorkerProcess(ServerSettings(backend="drill"), Share(frozenset(), None), {}, tmp_path / "own")
    try:
        process.handshake()
        process.kill()
        noted_s, waitpid = time.monotonic() + 0.5, os.waitpid

        def given_to_another(pid, options):
            if time.monotonic() < noted_s:
                raise ChildProcessError
            return waitpid(pid, options)

        with monkeypatch.context() as patch:
            patch.setattr(os, "waitpid", given_to_another)
            with pytest.raises(WorkerLostError, match="SIGKILL") as caught:
                process.render(Packed(drill.request(8, table.to_bytes())))
        assert caught.value.is_foreign
    finally:
        process.close()


def test_a_crash_is_tried_again_once_and_costs_nobody_else(notes, ask):
    with a_pool(1) as pool:
        with pytest.raises(WorkerLostError, match=r"SIGABRT.*failed on 2 workers"):
            ask(pool, drill.CRASH)
        ask(pool)
        assert pool.workers()[0].restarts == 2


def test_what_the_back_end_raises_comes_back_and_the_worker_stays(notes, ask):
    with a_pool(1) as pool:
        with pytest.raises(RenderError, match="a bad request"):
            ask(pool, drill.BAD)
        with pytest.raises(RenderError, match="StrangeError"):
            ask(pool, drill.STRANGE)
        ask(pool)
        assert pool.workers()[0].restarts == 0


def test_a_hang_is_cut_even_where_the_worker_takes_no_request(notes, ask, monkeypatch):
    with a_pool(1, render_timeout=3.0) as pool, ThreadPoolExecutor(1) as clients:
        with pytest.raises(RenderTimeoutError, match=r"longer than 3 s.*failed on 2 workers"):
            ask(pool, drill.HANG)
        wait_for(lambda: states(pool) == ["idle"])
        monkeypatch.setattr("gltf_render_server.dispatch.slots._MOST_CRASHES", 20)  # others may be slow, too
        os.kill(pids(pool)[0], signal.SIGSTOP)
        clients.submit(ask, pool).result(300)


def test_a_hang_during_a_start_is_cut(notes, ask):
    started_s = time.monotonic()
    with a_pool(1):
        usual_s = time.monotonic() - started_s
    with a_pool(1, start_timeout=10 + 3 * usual_s) as pool, ThreadPoolExecutor(1) as clients:
        (notes / "hang-start").touch()
        [first] = pids(pool)
        os.kill(first, signal.SIGKILL)
        answer = clients.submit(ask, pool)
        wait_for(lambda: pids(pool) not in ([], [first]))
        [hung] = pids(pool)
        wait_for(lambda: pids(pool) != [hung])
        (notes / "hang-start").unlink()
        answer.result(300)


def test_a_worker_that_goes_on_outlives_successors_that_cannot_start(notes, ask):
    with a_pool(1, worker_max_requests=3) as pool:
        [first] = pids(pool)
        (notes / "fail-start").touch()
        deadline_s = time.monotonic() + 6
        while time.monotonic() < deadline_s:
            ask(pool)
            assert pids(pool) == [first]
        (notes / "fail-start").unlink()
        wait_for(lambda: ask(pool) or pids(pool) != [first])
        assert pool.workers()[0].restarts == 0
        wait_for(lambda: (notes / f"closed-{first}-True").exists())


def test_one_that_cannot_start_fails_nobody_while_another_may(notes, ask):
    """Both have to fail several times in a row before a request is told to come back."""
    with a_pool(2) as pool, ThreadPoolExecutor(1) as clients:
        wait_for(lambda: states(pool) == ["idle"] * 2)
        (notes / "fail-start").touch()
        for pid in pids(pool):
            os.kill(pid, signal.SIGKILL)
        answer = clients.submit(ask, pool)
        wait_for(lambda: states(pool) == ["starting"] * 2)
        with pytest.raises(NoWorkerError, match="try again later"):
            answer.result(300)
        (notes / "fail-start").unlink()
        wait_for(lambda: "idle" in states(pool))  # a start that fails just now would refuse what waits
        clients.submit(ask, pool).result(300)


def test_the_next_try_of_a_failed_start_waits_a_while(notes, ask, monkeypatch, caplog):
    """A pool short of descriptors would else spend all its time, and all of the log, on that."""
    with a_pool(1) as pool:
        tried_s = []

        def fails(*_):
            tried_s.append(time.monotonic())
            raise OSError("Too many open files")

        with monkeypatch.context() as patch:
            patch.setattr("gltf_render_server.dispatch.process.WorkerProcess.__init__", fails)
            os.kill(pids(pool)[0], signal.SIGKILL)
            wait_for(lambda: len(tried_s) >= 4)
        pauses_s = np.diff(tried_s[:4])
        assert (pauses_s >= (0.5, 1.0, 2.0)).all(), pauses_s
        assert caplog.text.count("failed to start") <= len(tried_s)
        ask(pool)


def test_a_request_waits_through_one_failed_start(notes, ask, caplog):
    with a_pool(1) as pool, ThreadPoolExecutor(1) as clients:
        (notes / "fail-one-start").touch()
        os.kill(pids(pool)[0], signal.SIGKILL)
        clients.submit(ask, pool).result(300)
    assert "failed to start: the drill says no once" in caplog.text


def test_short_of_descriptors_a_slot_lives_and_recovers(notes, ask):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with a_pool(1) as pool, ThreadPoolExecutor(1) as clients:
        clients.submit(ask, pool).result(300)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        taken = []
        try:
            with suppress(OSError):
                while len(taken) < 256:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            clients.submit(ask, pool).result(300)  # what there is goes on
            os.kill(pids(pool)[0], signal.SIGKILL)
            wait_for(lambda: states(pool) == ["starting"] and not pids(pool))
            with pytest.raises(NoWorkerError):
                clients.submit(ask, pool).result(300)
            assert states(pool) == ["starting"]
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        clients.submit(ask, pool).result(300)
        assert states(pool) == ["idle"]


def test_the_end_waits_for_nobody_and_starts_nothing(notes, ask):
    with a_pool(2) as pool, ThreadPoolExecutor(1) as clients:
        answer = clients.submit(ask, pool, drill.HANG)
        wait_for(lambda: "rendering" in states(pool))
        idle = [worker.pid for worker in pool.workers() if worker.state == "idle"]
        started_s = time.monotonic()
        pool.close()
        pool.give_up_running()
        pool.shut_down()
        assert time.monotonic() - started_s < 30, "the time for idle ones to close"
        assert states(pool) == ["stopped"] * 2
        assert not pids(pool)
        assert all((notes / f"closed-{pid}-True").exists() for pid in idle)
        with pytest.raises(Exception, match="shutting down"):
            answer.result(300)


def test_workers_end_with_a_server_that_is_killed(notes, tmp_path):
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from gltf_render_server.dispatch.dispatcher import Dispatcher\n"
        "from gltf_render_server.settings import ServerSettings\n"
        "if __name__ == '__main__':\n"
        "    pool = Dispatcher(ServerSettings(backend='drill', workers=2))\n"
        "    pool.wait_until_ready()\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(3600)\n"
    )
    (tmp_path / "server.py").write_text(script)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    server = psutil.Popen(
        [sys.executable, str(tmp_path / "server.py"), str(tmp_path / "packages")],
        stdout=-1,
        env=env,
        text=True,
    )
    with server.stdout:
        assert server.stdout.readline() == "ready\n"
        processes = server.children(recursive=True)
        server.kill()
        server.wait(300)
    _, alive = psutil.wait_procs(processes, timeout=300)
    assert not alive
    wait_for(lambda: not in_memory(server.pid))


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only GNU's C library can be told to keep memory"
)
def test_a_worker_asks_the_system_once_for_the_memory_that_each_render_takes(notes, ask):
    with a_pool() as pool:
        for _ in range(6):
            ask(pool, drill.GREEDY)
    faults = [int(line) for line in (notes / "faults").read_text().split()]
    pages = 36 * 2**20 / resource.getpagesize()
    assert faults[-1] - faults[0] < pages, "without, all five later renders ask for as many"
