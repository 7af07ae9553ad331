import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gltf_render_server.dispatch.affinity import Memory, PoolJob, choose
from gltf_render_server.dispatch.board import Board
from gltf_render_server.dispatch.gpus import gpu_ids, pinned
from gltf_render_server.errors import NoWorkerError, QueueFullError, ShuttingDownError
from gltf_render_server.recent import view_bytes
from gltf_render_server.renderer import RenderedFrame

IMAGE = RenderedFrame(({"depth": np.zeros((1, 1), np.float32)},))


def job(*parts, is_colour=False, view=None, view_bytes=0):
    return PoolJob(
        lambda: False,
        packed=b"",
        is_colour=is_colour,
        parts=frozenset(parts),
        view=view,
        view_bytes=view_bytes,
    )


def memory(*jobs):
    memory = Memory()
    for item in jobs:
        memory.learn(item)
    return memory


def test_a_job_goes_to_the_worker_that_has_most_of_its_scene():
    assert choose([job("a", "b", "c")], [memory(), memory(job("a", "b")), memory(job("a"))]) == (0, 1)


def test_among_equals_the_oldest_job_and_who_waited_longest():
    assert choose([job("a"), job("b")], [memory(), memory()]) == (0, 0)


def test_depth_and_labels_share_a_scene_and_colour_has_another():
    holder = memory(job("a"), job("a", is_colour=True))
    assert holder.share(job("a", is_colour=True)) == 1
    assert memory(job("a")).share(job("a", is_colour=True)) == 0
    assert holder.share(job("b")) == 0
    assert memory().share(job()) == 0


def test_labels_go_where_their_depth_was_rendered():
    holder, other = memory(job("a", view=b"1"), job("a", view=b"2")), memory(job("a", view=b"3"))
    assert choose([job("a", view=b"1")], [other, holder]) == (0, 1)
    assert holder.share(job("a", view=b"4")) == 1


def test_a_worker_is_known_to_keep_as_many_views_as_fit():
    full_hd = view_bytes(1920, 1080, 100)
    jobs = [job("a", view=bytes([number]), view_bytes=full_hd) for number in range(8)]
    assert [memory(*jobs).share(item) for item in jobs] == [1.0] * 4 + [2.0] * 4
    small = [job("a", view=bytes([number]), view_bytes=view_bytes(160, 120, 100)) for number in range(20)]
    assert [memory(*small).share(item) for item in small] == [1.0] * 4 + [2.0] * 16


def test_what_a_busy_worker_has_waits_for_it_while_there_is_something_else():
    holder = memory(job("a"))
    assert choose([job("a"), job("b")], [memory()], [holder]) == (1, 0)
    assert choose([job("a")], [memory()], [holder]) == (0, 0)


def test_nobody_is_overtaken_for_ever():
    stranger, known, holder = job("x"), job("a"), memory(job("a"))
    chosen = [choose([stranger, known], [holder]) for _ in range(6)]
    assert chosen[:4] == [(1, 0)] * 4
    assert chosen[4:] == [(0, 0)] * 2


@pytest.fixture
def threads():
    with ThreadPoolExecutor(8) as threads:
        yield threads


def stays():
    return True


def test_board_gives_each_job_once_in_order(threads):
    board = Board(max_waiting=10, workers=1)
    jobs = [job(str(number)) for number in range(5)]
    for item in jobs:
        board.put(item)
    assert len(board) == 5
    taken = []
    for _ in jobs:
        taken.append(board.take(Memory(), stays))
        board.finish(taken[-1])
    assert taken == jobs
    assert len(board) == 0


def test_board_wakes_a_waiting_worker(threads):
    board = Board(max_waiting=1, workers=2)
    takers = [threads.submit(board.take, Memory(), stays) for _ in range(2)]
    item = job("a")
    board.put(item)
    done = next(taker for taker in iter(lambda: next((t for t in takers if t.done()), None), "") if taker)
    assert done.result() is item
    board.close()
    assert {taker.result() for taker in takers} == {item, None}


def test_board_lets_a_worker_go_that_does_not_stay():
    board = Board(max_waiting=1, workers=1)
    assert board.take(Memory(), lambda: False) is None
    item = job("a")
    board.put(item)
    assert len(board) == 1
    assert board.take(Memory(), stays) is item


def test_board_is_bounded_and_counts_who_is_being_rendered():
    board = Board(max_waiting=1, workers=1)
    board.put(job("a"))
    assert board.take(Memory(), stays) is not None
    board.put(job("b"))
    with pytest.raises(QueueFullError, match="1 requests wait"):
        board.put(job("c"))


def test_a_job_put_back_is_the_next():
    board = Board(max_waiting=4, workers=1)
    first, second = job("a"), job("b")
    board.put(first)
    assert board.take(Memory(), stays) is first
    board.put(second)
    board.put_back(first)
    assert board.take(Memory(), stays) is first


def test_closing_refuses_what_waits_and_what_comes_back():
    board = Board(max_waiting=4, workers=1)
    running, waiting = job("a"), job("b")
    board.put(running)
    assert board.take(Memory(), stays) is running
    board.put(waiting)
    board.close()
    assert not board.wait_until_idle(0.01)
    board.put_back(running)
    assert board.wait_until_idle(0.01)
    for item in (running, waiting):
        with pytest.raises(ShuttingDownError):
            item.result()
    with pytest.raises(ShuttingDownError):
        board.put(job("c"))


def test_the_running_are_refused_and_a_late_picture_is_thrown_away():
    board = Board(max_waiting=4, workers=1)
    item = job("a")
    board.put(item)
    board.take(Memory(), stays)
    board.refuse_running()
    item.settle(IMAGE)
    with pytest.raises(ShuttingDownError):
        item.result()


def test_all_that_wait_can_be_answered_with_an_error():
    board = Board(max_waiting=4, workers=2)
    running, waiting = job("a"), job("b")
    board.put(running)
    board.take(Memory(), stays)
    board.put(waiting)
    board.fail_waiting(NoWorkerError("the .blend is gone"))
    assert len(board) == 0
    with pytest.raises(NoWorkerError, match="gone"):
        waiting.result()
    assert not running.future.done()


def test_a_worker_that_fails_while_it_waits_is_given_nothing():
    board = Board(max_waiting=4, workers=1)

    def fails():
        raise OSError("too many open files")

    with pytest.raises(OSError, match="too many"):
        board.take(Memory(), fails)
    item = job("a")
    board.put(item)
    assert board.take(Memory(), stays) is item


def test_many_threads_lose_nothing(threads):
    board = Board(max_waiting=1000, workers=4)

    def work():
        while (item := board.take(Memory(), stays)) is not None:
            item.settle(IMAGE)
            board.finish(item)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    jobs = [job(str(number % 7)) for number in range(500)]
    list(threads.map(board.put, jobs))
    assert all(item.future.result(10) is IMAGE for item in jobs)
    board.close()
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()


def test_gpus_are_taken_in_turn(tmp_path, monkeypatch):
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._count", lambda: None)
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._NVIDIA", tmp_path / "none")
    assert gpu_ids((), {}) == ()
    assert pinned((), 3) == {}
    assert gpu_ids((), {"CUDA_VISIBLE_DEVICES": "2, 3"}) == ("2", "3")
    assert gpu_ids(("GPU-a",), {"CUDA_VISIBLE_DEVICES": "2"}) == ("GPU-a",)
    for number in range(2):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._NVIDIA", tmp_path)
    assert gpu_ids((), {}) == ("0", "1")
    assert [pinned(("0", "1"), worker)["CUDA_VISIBLE_DEVICES"] for worker in range(3)] == ["0", "1", "0"]
