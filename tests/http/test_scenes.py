"""The store of scenes, while many threads use it."""

import threading
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from gltf_render_server.errors import SceneError, SceneNotFoundError
from gltf_render_server.http.scenes import SceneStore


def scene(name, size=10):
    return SimpleNamespace(sha256=name, size=size)


def hold(lock):
    return lock


def test_two_uploads_at_once_are_checked_once():
    store, checks, gate, answers = SceneStore(100), [], threading.Event(), []

    def make():
        checks.append(1)
        assert gate.wait(10)
        return scene("a")

    threads = [threading.Thread(target=lambda: answers.append(store.add("a", make, hold))) for _ in range(5)]
    for thread in threads:
        thread.start()
    other = store.add("b", lambda: scene("b"), hold)
    assert other[1], "another scene does not wait"
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(checks) == 1
    assert sorted(is_new for _, is_new in answers) == [False] * 4 + [True]
    assert len({id(kept) for kept, _ in answers}) == 1


def test_a_bad_upload_leaves_nothing():
    store = SceneStore(100)

    def fail():
        raise SceneError("is bad")

    with pytest.raises(SceneError):
        store.add("a", fail, hold)
    assert store.add("a", lambda: scene("a"), hold)[1]


def test_the_size_is_bounded_whatever_comes():
    store = SceneStore(100)
    for number in range(50):
        store.add(str(number), lambda number=number: scene(str(number), 10 + number % 7), hold)
        assert sum(kept.size for kept in store._scenes.values()) <= 100
        assert str(number) in store
    assert "0" not in store
    store.add("giant", lambda: scene("giant", 101), hold)
    assert "giant" not in store
    assert "49" in store, "what cannot be kept drives nothing out"


def test_a_waiting_upload_may_give_up():
    def impatient(_):
        raise TimeoutError

    store = SceneStore(100)
    with pytest.raises(TimeoutError):
        store.add("a", lambda: scene("a"), impatient)
    with pytest.raises(SceneNotFoundError):
        store.find("a")
    store.add("a", lambda: scene("a"), lambda _: nullcontext())
    assert store.find("a").sha256 == "a"
