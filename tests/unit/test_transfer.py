"""A request's way to a worker, with assets that travel once."""

import pickle
from dataclasses import dataclass

import pytest

from gltf_render_server.dispatch import transfer
from gltf_render_server.dispatch.transfer import AssetMissingError, Packed, RecentAssets, unpacked


@dataclass
class Asset:
    key: bytes
    data: bytes


@pytest.fixture(autouse=True)
def assets(monkeypatch):
    """Take objects with a key for assets, and keep 1000 bytes of them."""
    monkeypatch.setattr(transfer, "asset_key", lambda value: getattr(value, "key", None))
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
