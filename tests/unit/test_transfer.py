"""A frame's way to a worker, with assets that travel once, and back, with arrays that a file brings."""

import pickle
import resource
import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gltf_render_server.dispatch import arrays, transfer
from gltf_render_server.dispatch.arrays import ArrayFile, Stored
from gltf_render_server.dispatch.transfer import AssetMissingError, Packed, RecentAssets, unpacked
from gltf_render_server.passes import PointRow
from gltf_render_server.renderer import RenderedFrame
from gltf_render_server.scene import Scene, Stock, Table


@dataclass
class Asset:
    key: bytes
    data: bytes


@pytest.fixture(autouse=True)
def assets(monkeypatch):
    """Take objects with a key for parts, and keep 1000 bytes of them."""
    monkeypatch.setattr(transfer, "part_key", lambda value: getattr(value, "key", None))
    monkeypatch.setattr(transfer, "_MOST_ASSET_BYTES", 1000)


def asset(letter, size=400):
    return Asset(letter.encode(), letter.encode() * size)


def carry(request, sent, kept):
    """Send a request, and return its message's length and what arrives."""
    message = Packed(request).message(sent)
    return len(message), unpacked(message, kept)


def test_what_is_no_asset_travels_each_time():
    request = {"pose": list(range(16)), "name": "box"}
    assert carry(request, RecentAssets(), RecentAssets())[1] == request


def test_an_asset_travels_once_however_often_it_stands_in_a_request():
    sent, kept = RecentAssets(), RecentAssets()
    request = {"scene": asset("a"), "again": [asset("a")], "pose": 1}
    first, arrived = carry(request, sent, kept)
    assert arrived == request
    second, again = carry({**request, "pose": 2}, sent, kept)
    assert again == {**request, "pose": 2}
    assert again["scene"] is arrived["scene"] is again["again"][0], "the worker keeps one"
    assert first > 400
    assert second < 200


def test_what_was_not_used_for_longest_gives_way_on_both_sides():
    sent, kept = RecentAssets(), RecentAssets()
    requests = [[asset(letter) for letter in letters] for letters in ("a", "ab", "a", "c", "a", "b")]
    sizes = [carry(request, sent, kept)[0] for request in requests]
    assert [size > 400 for size in sizes] == [True, True, False, True, False, True]


def test_one_that_is_larger_than_all_that_fits_is_kept_alone():
    sent, kept = RecentAssets(), RecentAssets()
    sizes = [carry([asset("a", 5000)], sent, kept)[0] for _ in range(2)]
    assert [size > 5000 for size in sizes] == [True, False]


def test_a_lost_asset_is_told_and_then_sent_again():
    sent, kept = RecentAssets(), RecentAssets()
    carry([asset("a"), asset("b")], sent, kept)
    lost = RecentAssets()
    with pytest.raises(AssetMissingError) as caught:
        carry([asset("a")], sent, lost)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), AssetMissingError)
    sent.clear()
    assert carry([asset("a"), asset("b")], sent, lost)[1] == [asset("a"), asset("b")]


@pytest.fixture
def both_ends(tmp_path):
    front = ArrayFile(tmp_path / "arrays", is_new=True)
    worker = ArrayFile(tmp_path / "arrays")
    yield front, worker
    front.close()
    worker.close()


def rendered(*shapes):
    """A frame with an array of each shape, every other of them not in one piece."""
    pictures = [np.arange(np.prod(shape), dtype=np.float32).reshape(shape) for shape in shapes]
    views = tuple({"depth": picture[:, ::-1] if n % 2 else picture} for n, picture in enumerate(pictures))
    return RenderedFrame(views, {"render": 1.0})


def test_arrays_come_back_as_they_were_and_may_be_changed(both_ends, tmp_path):
    front, worker = both_ends
    kept = []
    for shapes in (((3, 5), (7, 3)), (), ((480, 640),) * 4, ((1, 1),)):
        frame = rendered(*shapes)
        stored = pickle.loads(pickle.dumps(worker.store(frame)))
        assert isinstance(stored, Stored)
        kept.append((frame, front.load(stored)))
    for frame, loaded in kept:
        assert loaded.stages_ms == frame.stages_ms
        for one, other in zip(frame.views, loaded.views, strict=True):
            np.testing.assert_array_equal(one["depth"], other["depth"])
            assert other["depth"].flags.aligned
            other["depth"][:] = 0


def test_stacks_and_tables_come_back(both_ends):
    front, worker = both_ends
    masks = np.random.default_rng(0).random((5, 6, 7)) < 0.5
    point = PointRow("tip", (1.5, -2.0), 0.3, "outside")
    frame = RenderedFrame(({"mask_amodal": masks, "instances": [point]}, {"mask_amodal": masks[:0]}))
    stored = pickle.loads(pickle.dumps(worker.store(frame)))
    assert len(stored.small) < 1000
    first, second = front.load(stored).views
    np.testing.assert_array_equal(first["mask_amodal"], masks)
    assert first["mask_amodal"].dtype == bool
    assert first["instances"] == [point]
    assert second["mask_amodal"].shape == (0, 6, 7)


def test_much_memory_is_given_back(both_ends, tmp_path, monkeypatch):
    front, worker = both_ends
    monkeypatch.setattr(arrays, "_MOST_KEPT_BYTES", 1000)
    for side, is_kept in ((4, True), (100, False)):
        front.load(worker.store(rendered((side, side))))
        assert bool((tmp_path / "arrays").stat().st_size) == is_kept


def test_a_full_file_system_sends_all_of_it_over_the_pipe(both_ends, tmp_path):
    _, worker = both_ends
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    frame = rendered((100, 100))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        assert worker.store(frame) is frame
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "arrays").stat().st_size == 0


def test_a_scene_may_be_looked_at_while_another_thread_sends_it():
    """What is looked up for the first time is kept in the scene's own dictionary."""
    scene: Any = Scene(asset("a"), Stock(Table()), (), (), (), (), ())
    names = [f"p{number}" for number in range(400)]

    def look_up():
        for name in names:
            scene.__dict__[name] = name

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(200):
            thread = threading.Thread(target=look_up)
            thread.start()
            Packed(scene)
            thread.join()
            for name in names:
                del scene.__dict__[name]
    finally:
        sys.setswitchinterval(interval)
