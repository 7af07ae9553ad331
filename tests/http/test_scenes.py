"""The store of scenes, while many threads use it."""

import base64
import json
import threading
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from gltf_render_server.errors import SceneError, SceneNotFoundError
from gltf_render_server.gltf import read_asset
from gltf_render_server.http.scenes import SceneStore, keep_asset


def scene(name, size=10):
    return SimpleNamespace(sha256=name, size=size)


def hold(lock):
    return lock


def test_two_uploads_at_once_are_checked_once():
    store, checks, gate, answers = SceneStore(100), [], threading.Event(), []

    def make():
        checks.append(1)
        assert gate.wait(300)
        return scene("a")

    threads = [threading.Thread(target=lambda: answers.append(store.add("a", make, hold))) for _ in range(5)]
    for thread in threads:
        thread.start()
    other = store.add("b", lambda: scene("b"), hold)
    assert other[1], "another scene does not wait"
    gate.set()
    for thread in threads:
        thread.join(300)
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
        assert str(number) in store._scenes
    assert "0" not in store._scenes
    store.add("giant", lambda: scene("giant", 101), hold)
    assert "giant" not in store._scenes
    assert "49" in store._scenes, "what cannot be kept drives nothing out"


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


@pytest.mark.parametrize("document", ["padded", "copies"])
def test_all_that_a_scene_holds_is_weighed(document):
    """What a file has beside its scene stays in memory with it, and instances take more than their text."""
    text = {"asset": {"version": "2.0"}, "nodes": [{"mesh": 0}] * 5000, "meshes": []}
    text |= {"scenes": [{"nodes": []}]}
    if document == "copies":
        text["scenes"] = [{"nodes": list(range(5000))}]
        text["meshes"] = [{"primitives": [{"attributes": {"POSITION": 0}}]}]
        text["accessors"] = [{"componentType": 5126, "type": "VEC3", "count": 3, "bufferView": 0}]
        text["bufferViews"] = [{"buffer": 0, "byteLength": 36}]
        points = base64.b64encode(np.eye(3, dtype="<f4").tobytes()).decode()
        text["buffers"] = [{"byteLength": 36, "uri": f"data:application/octet-stream;base64,{points}"}]
    else:
        text["nodes"] = []
    data = json.dumps(text).encode() + b" " * (10**6 if document == "padded" else 0)
    kept = keep_asset("0" * 64, len(data), read_asset(data, extensions=frozenset()))
    held = len(data) + kept.scene.placements.matrix.nbytes + kept.scene.instances.matrix.nbytes
    assert kept.size > held
