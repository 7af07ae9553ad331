"""What the dispatcher promises, whether this process renders or a worker's does."""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

import drill
import numpy as np
import psutil
import pytest
from servers import wait_for

from gltf_render_server.dispatch import transfer
from gltf_render_server.dispatch.dispatcher import Dispatcher
from gltf_render_server.dispatch.job import Job
from gltf_render_server.dispatch.machine import Machine
from gltf_render_server.errors import (
    NoWorkerError,
    QueueFullError,
    RenderError,
    RequestError,
    SettingsError,
    ShuttingDownError,
)
from gltf_render_server.passes import Render
from gltf_render_server.renderer import RenderedFrame, RendererInfo
from gltf_render_server.scene import Scene
from gltf_render_server.settings import ServerSettings


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.setattr("gltf_render_server.dispatch.process._END_S", 60.0)
    monkeypatch.setattr("gltf_render_server.dispatch.dispatcher._END_S", 60.0)
    return drill.notes(tmp_path, monkeypatch)


@contextmanager
def with_a_worker():
    dispatcher = Dispatcher(ServerSettings(backend="drill", workers=1, max_queue=2))
    try:
        dispatcher.wait_until_ready()
        yield dispatcher
    finally:
        dispatcher.shut_down()


@contextmanager
def in_this_process():
    made = SimpleQueue()

    def run():
        settings = ServerSettings(backend="drill", max_queue=2)
        own = Dispatcher(settings, drill.DrillRenderer(settings))
        made.put(own)
        own.run()

    thread = threading.Thread(target=run)
    thread.start()
    dispatcher = made.get()
    try:
        yield dispatcher
    finally:
        dispatcher.shut_down()
        thread.join(300)
        assert not thread.is_alive()


@pytest.fixture(params=[in_this_process, with_a_worker])
def dispatcher(request, notes):
    with request.param() as dispatcher:
        dispatcher.wait_until_ready()
        yield dispatcher
        (notes / "gate").touch()


@pytest.fixture
def ask(table):
    scene = table.to_bytes()

    def ask(dispatcher, width=8, **more):
        image = dispatcher.submit(drill.request(width, scene), **more)
        assert image.views[0]["color"][0, 0, 0] == width % 256
        return image

    return ask


@pytest.fixture
def clients():
    with ThreadPoolExecutor(8) as clients:
        yield clients


@pytest.fixture
def running(dispatcher, ask, clients, notes):
    """The answer to a request that is being rendered until the gate is opened."""
    answer = clients.submit(ask, dispatcher, drill.GATED)
    wait_for(lambda: begun(notes) == [drill.GATED])
    yield answer
    (notes / "gate").touch()


def begun(notes):
    file = notes / "begun"
    return [int(width) for width in file.read_text().split()] if file.exists() else []


def test_it_renders_in_order_and_tells_where_the_time_went(dispatcher, ask, notes):
    for width in range(4, 24):
        assert list(ask(dispatcher, width).stages_ms)[:2] == ["queue", "render"]
    assert begun(notes) == list(range(4, 24))
    [worker] = dispatcher.workers()
    assert (worker.number, worker.state, worker.rendered, worker.restarts) == (0, "idle", 20, 0)
    assert worker.rss_bytes > 10e6
    assert dispatcher.info.name == "Drill"
    assert dispatcher.extensions == frozenset()


def test_who_gets_an_answer_finds_the_worker_free(dispatcher, ask, monkeypatch):
    """A client that asks again at once is not refused because of its own request before."""
    seen, settle = [], Job.settle

    def noting(job, outcome):
        [worker] = dispatcher.workers()
        seen.append((worker.state, worker.rendered, dispatcher.wait_until_idle(0)))
        settle(job, outcome)

    monkeypatch.setattr(Job, "settle", noting)
    ask(dispatcher)
    assert seen == [("idle", 1, True)]


def test_a_full_queue_refuses_at_once(dispatcher, ask, clients, notes, running):
    waiting = [clients.submit(ask, dispatcher, width) for width in (4, 5)]
    wait_for(lambda: len(dispatcher) == 2)
    assert [worker.state for worker in dispatcher.workers()] == ["rendering"]
    with pytest.raises(QueueFullError, match="2 requests are waiting"):
        ask(dispatcher)
    (notes / "gate").touch()
    assert all(answer.result(300) for answer in [running, *waiting])


def test_a_failure_reaches_its_own_client_only(dispatcher, ask):
    with pytest.raises(RenderError, match="a bad request"):
        ask(dispatcher, drill.BAD)
    assert ask(dispatcher)


def test_closing_gives_up_what_waits_and_finishes_what_runs(dispatcher, ask, clients, notes, running):
    waiting = clients.submit(ask, dispatcher)
    wait_for(lambda: len(dispatcher) == 1)
    dispatcher.close()
    assert dispatcher.is_closed
    with pytest.raises(ShuttingDownError):
        waiting.result(300)
    with pytest.raises(ShuttingDownError):
        ask(dispatcher)
    assert not dispatcher.wait_until_idle(0.01)
    (notes / "gate").touch()
    assert running.result(300)
    assert dispatcher.wait_until_idle(300)


def test_the_running_request_can_be_given_up(dispatcher, running):
    dispatcher.give_up_running()
    with pytest.raises(ShuttingDownError, match="cancelled"):
        running.result(300)


def test_who_owns_the_renderer_closes_it(dispatcher, ask, notes, monkeypatch):
    monkeypatch.setattr("gltf_render_server.dispatch.slots._CLOSE_S", 60.0)
    ask(dispatcher)
    [worker] = dispatcher.workers()
    dispatcher.shut_down()
    assert (notes / f"closed-{worker.pid}-True").exists()


def test_nothing_is_rendered_for_a_client_that_went_away(dispatcher, ask, clients, notes, running):
    gone = clients.submit(ask, dispatcher, is_abandoned=lambda: True)
    wait_for(lambda: len(dispatcher) == 1 or gone.done())
    (notes / "gate").touch()
    assert running.result(300)
    with pytest.raises(RequestError, match="disconnected"):
        gone.result(300)
    assert begun(notes) == [drill.GATED]


def test_a_client_that_went_away_frees_its_turn_while_it_waits(dispatcher, ask, clients, notes, running):
    hung_up = threading.Event()
    leaving = [clients.submit(ask, dispatcher, is_abandoned=hung_up.is_set) for _ in range(2)]
    wait_for(lambda: len(dispatcher) == 2)
    with pytest.raises(QueueFullError):
        ask(dispatcher)
    hung_up.set()
    for gone in leaving:
        with pytest.raises(RequestError, match="disconnected"):
            gone.result(300)
    assert len(dispatcher) == 0
    staying = clients.submit(ask, dispatcher, 4)
    (notes / "gate").touch()
    assert running.result(300)
    assert staying.result(300)
    assert begun(notes) == [drill.GATED, 4]


def test_a_render_in_progress_goes_on_without_its_client(dispatcher, ask, clients, notes):
    answer = clients.submit(ask, dispatcher, drill.GATED, is_abandoned=lambda: bool(begun(notes)))
    wait_for(lambda: begun(notes) == [drill.GATED])
    threading.Event().wait(0.7)
    assert not answer.done()
    (notes / "gate").touch()
    assert answer.result(300)


def test_a_renderer_that_is_held_by_a_render_is_not_waited_for(notes, ask, clients):
    with in_this_process() as dispatcher:
        answer = clients.submit(ask, dispatcher, drill.GATED)
        wait_for(lambda: begun(notes) == [drill.GATED])
        dispatcher.shut_down()
        closed = notes / f"closed-{os.getpid()}-True"
        assert not closed.exists()
        (notes / "gate").touch()
        assert answer.result(300)
        wait_for(closed.exists)


def test_one_at_a_time_on_a_thread_that_has_more_to_do(notes, ask, clients):
    settings = ServerSettings(max_queue=2)
    dispatcher = Dispatcher(settings, drill.DrillRenderer(settings))
    assert not dispatcher.run_next()
    answers = [clients.submit(ask, dispatcher, width) for width in (4, 5)]
    wait_for(lambda: len(dispatcher) == 2)
    assert dispatcher.run_next()
    assert len(dispatcher) == 1
    assert dispatcher.wait_until_idle(0)
    assert dispatcher.run_next()
    assert all(answer.result(300) for answer in answers)
    dispatcher.shut_down()
    assert (notes / f"closed-{os.getpid()}-True").exists()


class Raising:
    info = RendererInfo("Raising", "1", "none", "CPU")
    extensions = frozenset[str]()
    renders = frozenset[Render]()
    looks = frozenset[str]()
    error: BaseException | None = None

    def render(self, _request):
        if self.error:
            raise self.error
        return RenderedFrame(({"color": np.full((1, 1, 3), 8, np.uint8)},))

    def close(self):
        pass


@pytest.mark.parametrize("error", [RenderError("no"), ValueError("no"), SystemExit(3)])
def test_this_process_survives_whatever_is_raised(ask, clients, error):
    renderer = Raising()
    dispatcher = Dispatcher(ServerSettings(max_queue=2), renderer)
    for renderer.error in (error, None):
        answer = clients.submit(ask, dispatcher)
        wait_for(dispatcher.run_next)
        assert isinstance(answer.exception(300), type(error) if renderer.error else type(None))


def test_health_is_told_and_requests_wait_while_the_first_worker_starts(notes, ask, clients):
    (notes / "refuse-start").touch()
    dispatcher = Dispatcher(ServerSettings(backend="drill", workers=1, max_queue=2))
    try:
        assert [worker.state for worker in dispatcher.workers()] == ["starting"]
        assert dispatcher.info.name == "drill"
        with pytest.raises(SettingsError, match="other settings"):
            _ = dispatcher.extensions
        with pytest.raises(SettingsError, match="other settings"):
            dispatcher.wait_until_ready()
        (notes / "refuse-start").unlink()
        assert clients.submit(ask, dispatcher).result(300), "what fails to start is tried again"
        assert dispatcher.extensions == frozenset()
    finally:
        dispatcher.shut_down()


def test_nobody_waits_for_a_worker_that_never_starts(notes, clients):
    (notes / "fail-start").touch()
    dispatcher = Dispatcher(ServerSettings(backend="drill", workers=1))
    try:
        waiting = clients.submit(lambda: dispatcher.extensions)
        with pytest.raises(NoWorkerError, match="try again later"):
            waiting.result(300)
    finally:
        dispatcher.shut_down()


def test_a_close_lets_nobody_wait_for_the_first_worker(notes, clients):
    (notes / "hang-start").touch()
    dispatcher = Dispatcher(ServerSettings(backend="drill", workers=1))
    waiting = clients.submit(lambda: dispatcher.extensions)
    dispatcher.shut_down()
    with pytest.raises(ShuttingDownError):
        waiting.result(300)


def test_gpus_that_are_not_there_are_told_to_who_asks(notes, monkeypatch):
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._count", lambda: 1)
    dispatcher = Dispatcher(ServerSettings(backend="drill", workers=1, gpus=("7",)))
    try:
        with pytest.raises(SettingsError, match="--gpus 7"):
            dispatcher.wait_until_ready()
    finally:
        dispatcher.shut_down()


@pytest.mark.skipif(sys.platform != "linux", reason="no other system keeps a process on processors")
def test_each_worker_stays_on_its_node_and_renders_with_its_threads(notes, monkeypatch):
    first, second = (number % os.cpu_count() for number in range(2))
    there = Machine(((first,), (second,)), 2.0, 10**12)
    monkeypatch.setattr("gltf_render_server.dispatch.sharing.this_machine", lambda: there)
    dispatcher = Dispatcher(ServerSettings(backend="drill", workers=2, threads=4))
    try:
        wait_for(lambda: [worker.state for worker in dispatcher.workers()] == ["idle"] * 2)
        pids = [worker.pid for worker in dispatcher.workers()]
        assert [psutil.Process(pid).cpu_affinity() for pid in pids] == [[first], [second]]
        assert (notes / "threads").read_text() == "4\n4\n"
    finally:
        dispatcher.shut_down()


def test_an_asset_travels_to_a_worker_once_and_again_where_it_is_lost(notes, ask, monkeypatch):
    key, sizes, make = b"one", [], transfer.Packed.message

    def noted(packed, sent):
        data = make(packed, sent)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(transfer, "part_key", lambda value: key if isinstance(value, Scene) else None)
    monkeypatch.setattr(transfer.Packed, "message", noted)
    with with_a_worker() as dispatcher:
        for width in (4, 5, 6):
            ask(dispatcher, width)
        large, small, _ = sizes
        assert large > 5 * small
        assert sizes == [large, small, small]
        os.kill(dispatcher.workers()[0].pid, signal.SIGKILL)
        ask(dispatcher, 7)
        assert sizes[-1] == large, "the next process has nothing"
        key = b"two"
        dispatcher._slots[0]._process._assets.keep(key, 1, 1)  # which is not so
        sizes.clear()
        ask(dispatcher, 8)
        ask(dispatcher, 9)
        assert sizes == [small, large, small]
        assert dispatcher.workers()[0].restarts == 1
