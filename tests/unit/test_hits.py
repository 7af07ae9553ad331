"""What follows from the triangle that each pixel shows, where it is shown by hand or by the ray caster."""

import json

import any_gltf
import numpy as np
import pytest
import raycaster
import truth
from drake_like import add_accessor, column_major, empty_document, look_at, translation

from gltf_render_server.frame import Lens, View
from gltf_render_server.gltf import parse_scene, read_asset
from gltf_render_server.passes import Exact, Hits, Meshes, hits

LENS = Lens(24, 18, 20.0, 22.0, 11.0, 10.0, 0.05, 20.0)
FRONT = View(LENS, translation(0, 0, 2.0))
"""Two metres before the plane z = 0."""
EXTENSIONS = frozenset({"KHR_mesh_quantization"})

CARD = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], "<f4")
ROUND = [(0, 1, 2), (0, 2, 3)]


def points_at(found, scene):
    """Where the points are in a scene, (3, n), in the world."""
    return found.interpolated(found.corners_at(scene, np.eye(4)))


def card(triangles=ROUND, normals=None, **node):
    """A square in the plane z = 0 whose triangles turn towards +z."""
    document = empty_document()
    primitive = any_gltf.add_mesh(document, CARD, np.array(triangles))
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], "<f4")
    primitive["attributes"]["TEXCOORD_0"] = add_accessor(document, uv, "VEC2")
    if normals is not None:
        primitive["attributes"]["NORMAL"] = add_accessor(document, np.array(normals, "<f4"), "VEC3")
    document["nodes"] = [{"mesh": 0, **node}]
    document["scenes"][0]["nodes"] = [0]
    return document


def seen(document, view=FRONT):
    """Return what a view shows by the ray caster, and what follows from it."""
    data = json.dumps(document).encode()
    scene = parse_scene(data, extensions=EXTENSIONS)
    expected = truth.look(raycaster.File(data), view)
    return Hits(exact_of(expected), view, scene, Meshes()), expected


def exact_of(expected):
    """What a back end would tell, where each primitive stands in one place."""
    numbers = (expected.part, expected.triangle)
    return Exact(expected.depth.astype(np.float32), *(array.astype(np.int32) for array in numbers))


def assert_as_expected(found, expected):
    is_met = expected.part >= 0
    pairs = [(found.normals, expected.normal), (found.geometric_normals, expected.geometric)]
    for ours, theirs in pairs:
        image = found.image(ours)
        np.testing.assert_allclose(image[is_met], theirs[is_met], atol=1e-6)
        assert np.isnan(image[~is_met]).all()
    np.testing.assert_allclose(found.image(found.texcoords), expected.uv, atol=1e-6)


LEANING = [[0.1, 0, 0.995], [0, 0.6, 0.8], [-0.6, 0, 0.8], [0, 0, 1]]


@pytest.mark.parametrize("normals", [None, LEANING], ids=["flat", "attribute"])
@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize(
    "node",
    [
        {},
        {"scale": [1, 1, -1]},
        {"scale": [-0.5, 0.9, 2]},
        {"rotation": [0.2, 0.1, 0.3, 0.9], "scale": [0.8, -0.6, 1]},
        {"matrix": [1, 0.2, 0.3, 0, -0.4, 1, 0.2, 0, 0.3, 0, 0.5, 0, 0, 0, 0.1, 1]},
        {"matrix": [0, 1, 0.2, 0, 1, 0, 0.1, 0, 0, 0, 1, 0, 0, 0, 0, 1]},
    ],
    ids=["plain", "mirrored", "mirrored and scaled", "turned", "sheared", "mirrored by a matrix"],
)
def test_normals_and_texture_coordinates(node, behind, normals):
    view = View(LENS, look_at((0.3, 0.2, -2), (0, 0, 0), (0, 1, 0))) if behind else FRONT
    found, expected = seen(card(normals=normals, **node), view)
    assert len(found.pixels) > 50
    assert_as_expected(found, expected)
    assert (found.geometric_normals * found.rays).sum(0).max() < 0


@pytest.mark.parametrize("name", ["turned", "quantised", "sparse", "morphed", "skinned", "strips"])
def test_documents_of_all_kinds(name):
    document = any_gltf.DOCUMENTS[name]()
    found, expected = seen(document, View(LENS, any_gltf.EYE))
    is_met = expected.part >= 0
    assert len(found.pixels) > 50
    for ours, theirs in ((found.normals, expected.normal), (found.geometric_normals, expected.geometric)):
        np.testing.assert_allclose(found.image(ours)[is_met], theirs[is_met], atol=2e-5)
    at = points_at(found, parse_scene(json.dumps(document).encode(), extensions=EXTENSIONS))
    np.testing.assert_allclose(at.T, expected.point[is_met], atol=1e-6)


def test_weights_add_up_to_one_and_meet_the_point():
    found, expected = seen(card())
    np.testing.assert_allclose(found.weights.sum(0), 1, rtol=1e-12)
    assert found.weights.min() >= 0
    np.testing.assert_allclose(found.rays[2], -1)
    on_card = points_at(found, parse_scene(json.dumps(card()).encode(), extensions=EXTENSIONS))
    np.testing.assert_allclose(on_card.T, expected.point[expected.part >= 0], atol=1e-12)


def test_where_the_points_are_at_another_moment():
    document = any_gltf.animated()
    data = json.dumps(document).encode()
    asset = read_asset(data, extensions=EXTENSIONS)
    now, later = asset.scene(time_s=0.2), asset.scene(time_s=1.7)
    view = View(LENS, any_gltf.EYE)
    expected = truth.look(raycaster.File(data, 0.2), view)
    exact = Exact(
        *(a.astype(t) for a, t in ((expected.depth, "f4"), (expected.part, "i4"))), expected.triangle
    )
    found = Hits(exact, view, now, Meshes())
    parts = [part.triangles for part in raycaster.File(data, 1.7).parts()]
    rows = zip(expected.part[expected.part >= 0], expected.triangle[expected.part >= 0], strict=True)
    corners = np.array([parts[part][triangle] for part, triangle in rows])
    moved = (corners * found.weights.T[:, :, None]).sum(1)
    np.testing.assert_allclose(points_at(found, later).T, moved, atol=1e-6)
    assert np.abs(points_at(found, later) - points_at(found, now)).max() > 0.05


def test_normals_of_any_length_count_alike():
    """As colour is shaded: quantisation and morph targets change how long they are."""
    usual, _ = seen(card(normals=LEANING))
    longer, _ = seen(card(normals=np.array(LEANING) * [[9], [1], [0.1], [3]]))
    np.testing.assert_allclose(usual.normals, longer.normals, atol=1e-6)


def by_hand(document, triangle, view=FRONT):
    """All pixels show one triangle of the first placement, wherever that is."""
    size = (LENS.height, LENS.width)
    exact = Exact(np.ones(size, np.float32), np.zeros(size, np.int32), np.full(size, triangle, np.int32))
    scene = parse_scene(json.dumps(document).encode(), extensions=EXTENSIONS)
    return Hits(exact, view, scene, Meshes())


def test_normals_that_cancel_out_are_those_of_the_triangle():
    nothing = [[0, 0, 0]] * 4
    behind = View(LENS, look_at((0, 0, -2), (0, 0, 0), (0, 1, 0)))
    for view, scale in ((FRONT, [1, 1, 1]), (behind, [-1, 1, 1])):
        found = by_hand(card(normals=nothing, scale=scale), 0, view)
        np.testing.assert_allclose(found.normals, found.geometric_normals)
        np.testing.assert_allclose(found.normals.T, np.tile([0, 0, 1], (len(found.pixels), 1)), atol=1e-9)


@pytest.mark.parametrize("triangle", [0, 1, 2])
def test_a_triangle_without_area_gives_numbers(triangle):
    """A back end should not show any, but what it says must not make NaN of a picture."""
    document = card([(0, 0, 0), (0, 1, 0), (3, 3, 1), *ROUND])
    found = by_hand(document, triangle)
    np.testing.assert_allclose(found.weights.sum(0), 1)
    for values in (found.normals, found.geometric_normals, found.texcoords):
        assert np.isfinite(values).all()


def test_a_triangle_that_is_seen_edge_on_gives_numbers():
    along = View(LENS, look_at((0, -3, 0), (0, 0, 0)))
    found = by_hand(card(normals=LEANING), 0, along)
    np.testing.assert_allclose(found.weights.sum(0), 1)
    np.testing.assert_allclose(np.linalg.norm(found.normals, axis=0), 1)
    assert found.weights.min() >= 0


def test_a_view_of_nothing():
    size = (LENS.height, LENS.width)
    exact = Exact(
        np.full(size, np.inf, np.float32), np.full(size, hits.NOTHING, np.int32), np.zeros(size, np.int32)
    )
    scene = parse_scene(json.dumps(card()).encode(), extensions=EXTENSIONS)
    found = Hits(exact, FRONT, scene, Meshes())
    assert not len(found.pixels)
    for values, channels in ((found.normals, 3), (found.texcoords, 2), (points_at(found, scene), 3)):
        assert values.shape == (channels, 0)
        assert np.isnan(found.image(values)).all()


def test_triangles_are_asked_for():
    with pytest.raises(ValueError, match="triangles"):
        Hits(Exact(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int32)), FRONT, None, Meshes())  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1000, 10**7])
def test_distinct_numbers(count):
    numbers = np.random.default_rng(0).integers(0, count, 500)
    distinct, which = hits.distinct_below(numbers, count)
    np.testing.assert_array_equal(distinct, np.unique(numbers))
    np.testing.assert_array_equal(distinct[which], numbers)


def test_a_thousand_placements_far_away():
    """Of one mesh, 100 km away: each pixel's triangle is found on its own placement."""
    document = card(scale=[0.04, 0.04, 0.04])
    rng = np.random.default_rng(0)
    places = np.array([[0.1 * (i % 24) - 1.2, 0.1 * (i // 24) - 0.9, 0] for i in range(24 * 18)])
    shift = np.array([1e5, -1e5, 3e4])
    document["nodes"] = [
        {"mesh": 0, "matrix": column_major(translation(*(place + shift)) @ np.diag([0.05, 0.05, 1, 1]))}
        for place in places
    ]
    document["scenes"][0]["nodes"] = list(range(len(places)))
    scene = parse_scene(json.dumps(document).encode(), extensions=EXTENSIONS)
    placement = rng.permutation(len(places)).reshape(18, 24).astype(np.int32)
    view = View(LENS, translation(*shift) @ FRONT.camera_to_world)
    exact = Exact(np.full((18, 24), 2, np.float32), placement, np.zeros((18, 24), np.int32))
    found = points_at(Hits(exact, view, scene, Meshes()), scene)
    np.testing.assert_allclose(found.T - shift, places[placement.reshape(-1)], atol=0.0501)
