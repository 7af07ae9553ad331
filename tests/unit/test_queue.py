"""The queue, and which job goes to which worker."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gltf_render_server.dispatch.affinity import Loaded, choose
from gltf_render_server.dispatch.job import Job, Needs
from gltf_render_server.dispatch.queue import JobQueue
from gltf_render_server.errors import NoWorkerError, QueueFullError, ShuttingDownError
from gltf_render_server.recent import view_bytes
from gltf_render_server.renderer import RenderedFrame

IMAGE = RenderedFrame(({"depth": np.zeros((1, 1), np.float32)},))


def job(*parts, kind="exact", views=None):
    return Job(None, Needs({kind: frozenset(parts)}, views or {}))


def loaded(*jobs):
    loaded = Loaded()
    for item in jobs:
        loaded.note(item.needs)
    return loaded


def share(of, item):
    return of.share(item.needs)


def test_a_job_goes_to_the_worker_that_has_most_of_its_scene():
    assert choose([job("a", "b", "c")], [loaded(), loaded(job("a", "b")), loaded(job("a"))]) == (0, 1)


def test_among_equals_the_oldest_job_and_who_waited_longest():
    assert choose([job("a"), job("b")], [loaded(), loaded()]) == (0, 0)


def test_depth_and_labels_share_a_scene_and_colour_has_another():
    holder = loaded(job("a"), job("a", kind="colour"))
    assert share(holder, job("a", kind="colour")) == 1
    assert share(loaded(job("a")), job("a", kind="colour")) == 0
    assert share(holder, job("b")) == 0
    assert share(loaded(), job()) == 0


def test_labels_go_where_their_depth_was_rendered():
    holder, other = (
        loaded(job("a", views={b"1": 1}), job("a", views={b"2": 1})),
        loaded(job("a", views={b"3": 1})),
    )
    assert choose([job("a", views={b"1": 1})], [other, holder]) == (0, 1)
    assert share(holder, job("a", views={b"4": 1})) == 1


def test_a_worker_is_known_to_keep_as_many_views_as_fit():
    full_hd = view_bytes(1920, 1080, 100)
    jobs = [job("a", views={bytes([number]): full_hd}) for number in range(8)]
    assert [share(loaded(*jobs), item) for item in jobs] == [1.0] * 6 + [2.0] * 2
    small = [job("a", views={bytes([number]): view_bytes(160, 120, 100)}) for number in range(20)]
    assert [share(loaded(*small), item) for item in small] == [1.0] * 4 + [2.0] * 16


def test_what_a_busy_worker_has_waits_for_it_while_there_is_something_else():
    holder = loaded(job("a"))
    assert choose([job("a"), job("b")], [loaded()], [holder]) == (1, 0)
    assert choose([job("a")], [loaded()], [holder]) == (0, 0)


def test_nobody_is_overtaken_for_ever():
    stranger, known, holder = job("x"), job("a"), loaded(job("a"))
    chosen = [choose([stranger, known], [holder]) for _ in range(6)]
    assert chosen[:4] == [(1, 0)] * 4
    assert chosen[4:] == [(0, 0)] * 2


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as threads:
        yield threads


def stays():
    return True


def test_the_queue_gives_each_job_once_in_order(threads):
    queue = JobQueue(max_waiting=10, workers=1)
    jobs = [job(str(number)) for number in range(5)]
    for item in jobs:
        queue.put(item)
    assert len(queue) == 5
    taken = []
    for _ in jobs:
        taken.append(queue.take(Loaded(), stays))
        queue.finish(taken[-1])
    assert taken == jobs
    assert len(queue) == 0


def test_the_queue_wakes_a_waiting_worker(threads):
    queue = JobQueue(max_waiting=1, workers=2)
    takers = [threads.submit(queue.take, Loaded(), stays) for _ in range(2)]
    item = job("a")
    queue.put(item)
    done = next(taker for taker in iter(lambda: next((t for t in takers if t.done()), None), "") if taker)
    assert done.result() is item
    queue.close()
    assert {taker.result() for taker in takers} == {item, None}


def test_the_queue_lets_a_worker_go_that_does_not_stay():
    queue = JobQueue(max_waiting=1, workers=1)
    assert queue.take(Loaded(), lambda: False) is None
    item = job("a")
    queue.put(item)
    assert len(queue) == 1
    assert queue.take(Loaded(), stays) is item


def test_the_queue_is_bounded_and_counts_who_is_being_rendered():
    queue = JobQueue(max_waiting=1, workers=1)
    queue.put(job("a"))
    assert queue.take(Loaded(), stays) is not None
    queue.put(job("b"))
    with pytest.raises(QueueFullError, match="1 requests are waiting"):
        queue.put(job("c"))


def test_a_job_put_back_is_the_next():
    queue = JobQueue(max_waiting=4, workers=1)
    first, second = job("a"), job("b")
    queue.put(first)
    assert queue.take(Loaded(), stays) is first
    queue.put(second)
    queue.put_back(first)
    assert queue.take(Loaded(), stays) is first


def test_closing_refuses_what_waits_and_what_comes_back():
    queue = JobQueue(max_waiting=4, workers=1)
    running, waiting = job("a"), job("b")
    queue.put(running)
    assert queue.take(Loaded(), stays) is running
    queue.put(waiting)
    queue.close()
    assert not queue.wait_until_idle(0.01)
    queue.put_back(running)
    assert queue.wait_until_idle(0.01)
    for item in (running, waiting):
        with pytest.raises(ShuttingDownError):
            item.result()
    with pytest.raises(ShuttingDownError):
        queue.put(job("c"))


def test_the_running_are_refused_and_a_late_picture_is_thrown_away():
    queue = JobQueue(max_waiting=4, workers=1)
    item = job("a")
    queue.put(item)
    queue.take(Loaded(), stays)
    queue.refuse_running()
    item.settle(IMAGE)
    with pytest.raises(ShuttingDownError):
        item.result()


def test_all_that_wait_can_be_answered_with_an_error():
    queue = JobQueue(max_waiting=4, workers=2)
    running, waiting = job("a"), job("b")
    queue.put(running)
    queue.take(Loaded(), stays)
    queue.put(waiting)
    queue.fail_waiting(NoWorkerError("the .blend is gone"))
    assert len(queue) == 0
    with pytest.raises(NoWorkerError, match="gone"):
        waiting.result()
    running.settle(IMAGE)
    assert running.result().views is IMAGE.views


def test_a_worker_that_fails_while_it_waits_is_given_nothing():
    queue = JobQueue(max_waiting=4, workers=1)

    def fails():
        raise OSError("too many open files")

    with pytest.raises(OSError, match="too many"):
        queue.take(Loaded(), fails)
    item = job("a")
    queue.put(item)
    assert queue.take(Loaded(), stays) is item


def test_many_threads_lose_nothing(threads):
    queue = JobQueue(max_waiting=1000, workers=4)

    def work():
        while (item := queue.take(Loaded(), stays)) is not None:
            item.settle(IMAGE)
            queue.finish(item)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    jobs = [job(str(number % 7)) for number in range(500)]
    list(threads.map(queue.put, jobs))
    assert all(item.result().views is IMAGE.views for item in jobs)
    queue.close()
    for worker in workers:
        worker.join(300)
        assert not worker.is_alive()
