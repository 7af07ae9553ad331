import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gltf_render_server.dispatch.jobs import RenderQueue
from gltf_render_server.errors import QueueFullError, RenderError, RequestError, ShuttingDownError
from gltf_render_server.renderer import RenderedFrame

IMAGE = RenderedFrame(({"depth": np.zeros((1, 1), np.float32)},), {"render": 1.0})


class Gated:
    """A renderer that waits for its gate, and fails when told to."""

    def __init__(self):
        self.gate = threading.Event()
        self.started = threading.Event()
        self.threads = set()
        self.seen = []
        self.closed_by = []

    def render(self, request):
        self.threads.add(threading.get_ident())
        self.started.set()
        self.seen.append(request)
        assert self.gate.wait(10)
        if isinstance(request, BaseException):
            raise request
        return IMAGE

    def close(self):
        self.closed_by.append(threading.get_ident())


@pytest.fixture
def renderer():
    return Gated()


@pytest.fixture
def queue(renderer):
    queue = RenderQueue(renderer, max_waiting=2)
    thread = threading.Thread(target=queue.run)
    thread.start()
    yield queue
    renderer.gate.set()
    queue.close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


def wait_for(condition):
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.005)
    pytest.fail("did not happen")


def test_one_thread_renders_in_order(queue, renderer, pool):
    renderer.gate.set()
    for number in range(20):
        assert queue.submit(number).stages_ms.keys() == {"queue", "render"}
    assert renderer.seen == list(range(20))
    assert len(renderer.threads) == 1


def test_full_queue_refuses_at_once(queue, renderer, pool):
    running = pool.submit(queue.submit, 0)
    assert renderer.started.wait(10)
    waiting = [pool.submit(queue.submit, i) for i in (1, 2)]
    wait_for(lambda: len(queue) == 2)
    with pytest.raises(QueueFullError, match="2 requests wait already"):
        queue.submit(3)
    renderer.gate.set()
    assert all(future.result(10) for future in [running, *waiting])


@pytest.mark.parametrize("error", [RenderError("no"), ValueError("no"), SystemExit(3)])
def test_a_failure_reaches_its_own_client_only(queue, renderer, error):
    renderer.gate.set()
    with pytest.raises(type(error)):
        queue.submit(error)
    assert queue.submit(1)


def test_closing_gives_up_what_waits_and_finishes_what_runs(queue, renderer, pool):
    running = pool.submit(queue.submit, 0)
    assert renderer.started.wait(10)
    waiting = pool.submit(queue.submit, 1)
    wait_for(lambda: len(queue) == 1)
    queue.close()
    with pytest.raises(ShuttingDownError):
        waiting.result(10)
    with pytest.raises(ShuttingDownError):
        queue.submit(2)
    renderer.gate.set()
    assert running.result(10)
    assert queue.wait_until_idle(10)


def test_the_running_request_can_be_given_up(queue, renderer, pool):
    running = pool.submit(queue.submit, 0)
    assert renderer.started.wait(10)
    assert not queue.wait_until_idle(0.01)
    queue.give_up_running()
    with pytest.raises(ShuttingDownError, match="given up"):
        running.result(10)


def test_the_thread_that_owns_the_renderer_closes_it(queue, renderer, pool):
    renderer.gate.set()
    assert queue.submit(0)
    queue.shut_down()
    assert renderer.closed_by == list(renderer.threads)
    assert renderer.closed_by != [threading.get_ident()]


def test_a_renderer_that_is_held_by_a_render_is_not_waited_for(queue, renderer, pool):
    running = pool.submit(queue.submit, 0)
    assert renderer.started.wait(10)
    queue.shut_down()
    assert not renderer.closed_by
    renderer.gate.set()
    assert running.result(10)
    wait_for(lambda: renderer.closed_by)


def test_nothing_is_rendered_for_a_client_that_went_away(queue, renderer, pool):
    running = pool.submit(queue.submit, 0)
    assert renderer.started.wait(10)
    gone = pool.submit(queue.submit, 1, is_abandoned=lambda: True)
    wait_for(lambda: len(queue) == 1)
    renderer.gate.set()
    assert running.result(10)
    with pytest.raises(RequestError, match="went away"):
        gone.result(10)
    assert renderer.seen == [0]


def test_a_client_that_went_away_frees_its_place_while_it_waits(queue, renderer, pool):
    running = pool.submit(queue.submit, 0)
    assert renderer.started.wait(10)
    hung_up = threading.Event()
    leaving = [pool.submit(queue.submit, n, is_abandoned=hung_up.is_set) for n in (1, 2)]
    wait_for(lambda: len(queue) == 2)
    with pytest.raises(QueueFullError):
        queue.submit(3)
    hung_up.set()
    for gone in leaving:
        with pytest.raises(RequestError, match="went away"):
            gone.result(2)
    assert len(queue) == 0
    staying = pool.submit(queue.submit, 3)
    renderer.gate.set()
    assert running.result(10)
    assert staying.result(10)
    assert renderer.seen == [0, 3]


def test_a_render_in_progress_goes_on_without_its_client(queue, renderer, pool):
    alone = pool.submit(queue.submit, 0, is_abandoned=lambda: renderer.started.is_set())
    assert renderer.started.wait(10)
    threading.Event().wait(0.7)
    assert not alone.done()
    renderer.gate.set()
    assert alone.result(10)


def test_one_at_a_time_on_a_thread_that_has_more_to_do(renderer, pool):
    queue = RenderQueue(renderer, max_waiting=2)
    renderer.gate.set()
    assert not queue.run_next()
    answers = [pool.submit(queue.submit, number) for number in (1, 2)]
    wait_for(lambda: len(queue) == 2)
    assert queue.run_next()
    assert len(queue) == 1
    assert not queue.is_rendering
    assert queue.run_next()
    assert all(answer.result(10) for answer in answers)
    assert renderer.threads == {threading.get_ident()}
