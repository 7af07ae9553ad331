"""A frame at other moments, and its views alone."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from drake_like import DrakeScene, box, look_at, translation

from gltf_render_server.dispatch.affinity import Loaded, needs_of
from gltf_render_server.dispatch.transfer import Packed, RecentAssets, unpacked
from gltf_render_server.errors import RequestError, SceneError
from gltf_render_server.frame import Frame, Lens, Moment, View
from gltf_render_server.gltf import read_asset
from gltf_render_server.passes import prepare

LENS = Lens(64, 48, 60.0, 60.0, 32.0, 24.0, 0.05, 20.0)
CAMERAS = (look_at((1, -3, 1), (0, 0, 0)), look_at((2, -3, 1), (0, 0, 0)))
VIEWS = tuple(View(LENS, camera, f"view{index}") for index, camera in enumerate(CAMERAS))
PLACES = (translation(-0.5, 0, 0), translation(0.5, 0, 0))


def asset_of(count=2):
    bodies = [box((0.3, 0.3, 0.3), place, 1) for place in PLACES[:count]]
    return read_asset(json.dumps(DrakeScene(bodies, CAMERAS[0]).document()).encode(), extensions=frozenset())


def frame_of(asset, passes=("flow_forward",), **moments):
    return Frame(asset.scene(), VIEWS, passes, **moments)


def test_the_frame_at_another_moment():
    asset = asset_of()
    then = asset.scene({"g0": translation(0, 1, 0)})
    frame = frame_of(asset, after=Moment(then, CAMERAS[::-1]))
    other = frame.at("after")
    assert other.scene is then
    assert [view.name for view in other.views] == ["view0", "view1"]
    np.testing.assert_array_equal([view.camera_to_world for view in other.views], CAMERAS[::-1])
    assert not other.moments
    first, second = frame.alone()
    assert (first.views, second.views) == (VIEWS[:1], VIEWS[1:])
    assert first.after is not None
    np.testing.assert_array_equal(first.after.cameras, CAMERAS[1:])


def test_what_is_missing():
    with pytest.raises(RequestError, match=r"before: is missing; .* send"):
        frame_of(asset_of()).at("before")
    with pytest.raises(RequestError, match="after: is missing"):
        prepare(frame_of(asset_of()))


@pytest.mark.parametrize("count", [1, 2])
def test_another_asset_is_refused(count):
    """However alike it is: only keys tell that two are one."""
    frame = frame_of(asset_of(), after=Moment(asset_of(count).scene(), CAMERAS))
    with pytest.raises(SceneError, match="has other surfaces; make both of one asset"):
        prepare(frame)


def test_two_readings_of_one_asset_are_one():
    first, second = (replace(asset_of(), key=b"a" * 32) for _ in range(2))
    assert frame_of(first, after=Moment(second.scene(), CAMERAS)).at("after").scene.asset is second
    other = replace(asset_of(1), key=b"a" * 32)
    with pytest.raises(SceneError):
        frame_of(first, after=Moment(other.scene(), CAMERAS)).at("after")


@pytest.mark.parametrize("key", [b"", b"a" * 32])
def test_all_moments_travel_with_one_asset(key):
    asset = replace(asset_of(), key=key)
    frame = frame_of(asset, after=Moment(asset.scene({"g0": translation(0, 1, 0)}), CAMERAS))
    prepare(frame)
    sent, kept = RecentAssets(), RecentAssets()
    arrived = unpacked(Packed(frame).message(sent), kept)
    assert arrived.at("after").scene.asset is arrived.scene.asset
    assert "shapes" in arrived.at("after").scene.stock._tables, "they are not digested again"
    if key:
        again = Packed(frame).message(sent)
        assert {part[1:] for part in pickle.loads(again)[1]} == {(None, True)}
        assert unpacked(again, kept).at("after").scene.asset is arrived.scene.asset


def test_who_has_rendered_the_other_moment_is_asked_for_its_visibility():
    asset = asset_of()
    then = asset.scene({"g0": translation(0, 1, 0)})
    flow = frame_of(asset, after=Moment(then, CAMERAS))
    visible = replace(flow, passes=("visible_forward",))
    depth_then = Frame(then, VIEWS, ("depth",))
    assert len(needs_of(flow).views) == 2
    assert len(needs_of(visible).views) == 4
    assert needs_of(depth_then).views.keys() < needs_of(visible).views.keys()
    worker = Loaded()
    worker.note(needs_of(visible))
    assert worker.share(needs_of(depth_then)) == 2
