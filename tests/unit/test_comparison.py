"""What the Drake demo's comparison counts, and what it lets pass."""

import numpy as np
import pytest

from domino_run.comparison import away_from_edges, checks, compare, on_a_surface, pooled


@pytest.fixture
def views():
    """A picture of two bodies: labels and depths."""
    label = np.full((200, 200), 3, np.uint16)
    label[:, 100:] = 7
    return label, np.where(label == 3, 1.0, 2.0).astype(np.float32)


def failed(comparison):
    return {check.what for check in checks(comparison) if not check.passed}


def test_the_same_is_within_every_limit(views):
    comparison = compare(*views, *views)
    assert comparison.overall.labels_off == 0
    assert comparison.overall.max_m == 0
    assert comparison.inside.pixels == 200 * 198
    assert not failed(comparison)


def test_edges_are_where_two_labels_meet():
    label = np.zeros((5, 7), np.uint16)
    label[:, 4:] = 1
    assert away_from_edges(label).sum() == 5 * 5
    assert not away_from_edges(label)[:, 3:5].any()


def test_edges_are_where_a_body_is_before_another_part_of_itself():
    """A ramp, however steep, is none; a step of 3 cm is one, and so is where its far side ends."""
    ramp = (1 / np.linspace(1, 3, 20) * np.ones((9, 1))).astype(np.float32)
    assert on_a_surface(ramp)[:, 1:-1].all()
    stepped = ramp + np.where(np.arange(20) < 8, 0, 0.03).astype(np.float32)
    found = on_a_surface(stepped)
    assert not found[:, 7:9].any()
    assert found[:, 1:6].all()
    assert found[:, 10:-1].all()
    stepped[:, 15:] = np.inf
    assert not on_a_surface(stepped)[:, 14:16].any()


@pytest.mark.parametrize("size", [40, 200, 600])
@pytest.mark.parametrize(("share", "is_too_many"), [(0.0015, False), (0.01, True)])
def test_labels_are_judged_by_the_share_of_edge_pixels(size, share, is_too_many):
    """However large the picture: a smaller one has more edges for its pixels."""
    label = np.full((size, size), 3, np.uint16)
    label[:, ::20] = 7  # strips a pixel wide
    depth = np.ones(label.shape, np.float32)
    off = label.copy()
    edges = np.flatnonzero(~away_from_edges(label))
    changed = edges[: max(1, round(share * edges.size)) if is_too_many else int(share * edges.size)]
    off.flat[changed] = 5
    comparison = compare(off, depth, label, depth)
    assert comparison.overall.labels_off == changed.size
    assert failed(comparison) == ({"other labels, at edges"} if is_too_many else set())


def test_one_label_in_ten_thousand_inside(views):
    label, depth = views
    off = label.copy()
    off[20:30, 20:30] = 9
    assert compare(off, depth, label, depth).inside.labels_off == 64, "but for the edge of what is new"
    assert "other labels, inside" in failed(compare(off, depth, label, depth))


def test_depth_counts_where_both_see_the_same_body(views):
    label, depth = views
    off, other = label.copy(), depth + np.float32(0.5e-3)
    off[0, 99], other[0, 99] = 7, 9.0
    overall = compare(off, other, label, depth).overall
    assert overall.max_m == pytest.approx(0.5e-3, rel=1e-3)
    assert failed(compare(off, other, label, depth)) - {"other labels, at edges"} == {
        f"depth, {what}, {where}"
        for what in ("median", "99th percentile")
        for where in ("all pixels", "inside")
    }


def test_too_far_for_one_engine_only(views):
    label, depth = views
    other = depth.copy()
    other[50:55, 50] = np.inf
    other[60:65, 50] = 0.0
    comparison = compare(label, other, label, depth)
    assert comparison.overall.range_off == comparison.inside.range_off == 10
    assert comparison.overall.depth_off_m.size == label.size - 10
    assert failed(comparison) == {"too far or too close, inside"}


def test_frames_are_pooled(views):
    label, depth = views
    off = label.copy()
    off[:6, 99] = 7
    bad, good = compare(off, depth, label, depth), compare(*views, *views)
    assert failed(bad)
    assert failed(pooled([bad, good]))
    total = pooled([bad, *[good] * 9])
    assert total.overall.pixels == 10 * label.size
    assert total.overall.labels_off == 6
    assert not failed(total)
