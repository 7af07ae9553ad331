"""Objects by themselves: masks, the table of them, and what must hold of both; for every back end."""

from dataclasses import replace
from functools import partial

import msgspec
import numpy as np
from drake_like import DrakeScene, add_accessor, box, look_at, sphere, translation
from rigs import OBJECTS_VIEW, add_node, objects, read

from gltf_render_server.frame import Frame, Lens, View
from gltf_render_server.passes import InstanceRow

PASSES = ("instances", "mask_amodal", "instance", "depth")
POSE = look_at((0, -6, 0), (0, 0, 0))
LENSES = (
    Lens(48, 36, 45.0, 45.0, 24.0, 18.0, 0.05, 20.0),
    Lens(64, 40, 90.0, 70.0, 12.3, 51.7, 0.05, 20.0),
    Lens(33, 57, 400.0, 380.0, 15.1, 20.9, 0.05, 20.0),
    Lens(40, 30, 12.0, 12.0, 20.0, 15.0, 0.4, 5.5),
    Lens(3, 2, 4.0, 4.0, 1.5, 1.0, 0.05, 20.0),
    Lens(1, 1, 4.0, 4.0, 0.5, 0.5, 0.05, 20.0),
)
"""Plain, shifted, narrow, one that clips at both ends, and images smaller than Blender's smallest."""


def cluttered(seed, count=24):
    """Balls and boxes in each other's way: some beyond the edges, some around the camera, some behind it."""
    rng = np.random.default_rng(seed)
    bodies = []
    for index in range(count):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        matrix = translation(*rng.uniform((-3, -7, -2), (3, 3, 2)))
        matrix[:3, :3] = turn * rng.choice([1, -1])
        size = rng.uniform(0.1, 1.2, 3)
        bodies.append(box(size, matrix, index) if index % 2 else sphere(size[0] / 2, matrix, index, rings=6))
    return DrakeScene(bodies, POSE)


def aligned(seed):
    """Boxes whose edges run through pixels' centres and in each other's planes, seen straight on."""
    rng = np.random.default_rng(seed)
    places = rng.integers(-8, 8, (10, 3)) / 4
    return DrakeScene([box(rng.integers(1, 8, 3) / 4, translation(*at), 1) for at in places], POSE)


def furnished(seed):
    """A room seen from within: a floor, walls, and a table with things that stand on it."""
    rng = np.random.default_rng(seed)
    eye = rng.uniform((-2, -3, 0.9), (2, -1, 2))
    room = [
        box((10, 10, 0.1), translation(0, 0, -0.05), 1),
        box((0.1, 10, 3), translation(-5, 0, 1.5), 1),
        box((10, 0.1, 3), translation(0, 5, 1.5), 1),
        box((1.2, 0.8, 0.04), translation(0, 0, 0.7), 1),
    ]
    for number in range(8):
        radius = rng.uniform(0.03, 0.2)
        at = translation(*rng.uniform((-0.5, -0.35), (0.5, 0.35)), 0.72 + radius)
        room.append(sphere(radius, at, 1, rings=8) if number % 2 else box((2 * radius,) * 3, at, 1))
    return DrakeScene(room, look_at(eye, (0, 0, 0.7)))


def rendered(renderer, frame):
    """The arrays of the only view of a frame."""
    [arrays] = renderer.render(frame).views
    return arrays


def alone(renderer, frame):
    """The mask of each object, rendered from a document that holds nothing but it, (k, height, width)."""
    scene, masks = frame.scene, []
    for index in range(len(scene.instances)):
        mine = scene.placements.instance == index
        placements = replace(
            scene.placements,
            primitive=scene.placements.primitive[mine],
            matrix=scene.placements.matrix[mine],
            instance=scene.placements.instance[mine],
        )
        only = Frame(replace(scene, placements=placements), frame.views, ("instance",), frame.look)
        masks.append(rendered(renderer, only)["instance"] == index + 1)
    return np.array(masks)


def assert_masks_are_of_objects_alone(renderer, seed, lens, pose=POSE):
    frame = Frame(read(renderer, cluttered(seed).document()), (View(lens, pose),), PASSES)
    arrays = rendered(renderer, frame)
    assert arrays["mask_amodal"].dtype == bool
    np.testing.assert_array_equal(arrays["mask_amodal"], alone(renderer, frame))
    assert_consistent(arrays, lens)


def assert_masks_of_a_canvas(renderer, drake, lens):
    """Each of the nine images of a canvas shows what it would be alone."""
    scene, pose = read(renderer, drake.document()), drake.camera_to_world
    wide = Frame(scene, (View(lens, pose, amodal_margin=1.0),), PASSES)
    masks = rendered(renderer, wide)["mask_amodal"]
    for top in range(3):
        for left in range(3):
            moved = replace(
                lens,
                center_x=lens.center_x + (1 - left) * lens.width,
                center_y=lens.center_y + (1 - top) * lens.height,
            )
            rows, columns = (
                slice(n * side, (n + 1) * side) for n, side in ((top, lens.height), (left, lens.width))
            )
            expected = alone(renderer, Frame(scene, (View(moved, pose),), PASSES))
            np.testing.assert_array_equal(masks[:, rows, columns], expected, err_msg=f"{top} {left}")


def box_of(mask, left=0, top=0):
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    width, height = np.ptp(columns).item() + 1, np.ptp(rows).item() + 1
    return (columns[0].item() + left, rows[0].item() + top, width, height)


def box_around(*boxes):
    """Return the smallest box that contains some; None contains nothing."""
    known = [box for box in boxes if box is not None]
    if not known:
        return None
    left, top, width, height = np.transpose(known)
    left_most, upper_most = left.min().item(), top.min().item()
    size = ((left + width).max().item() - left_most, (top + height).max().item() - upper_most)
    return (left_most, upper_most, *size)


def wrong_columns(row, seen, mask, lens):
    """Return what a row tells that is not so by the masks of what is seen and of the whole, and what is."""
    box, pixels, pixels_amodal = box_of(seen), seen.sum().item(), mask.sum().item()
    edge_distance = None
    if box is not None:
        x, y, width, height = box
        edge_distance = min(x, y, lens.width - x - width, lens.height - y - height)
    right = {
        "box": box,
        "box_amodal": box_around(row.box_amodal, box_of(mask)),
        "edge_distance": edge_distance,
        "pixels": pixels,
        "pixels_amodal": pixels_amodal,
        "pixels_all": max(row.pixels_all, pixels_amodal, pixels),
        "truncated": row.pixels_all > pixels_amodal,
        "visible_fraction": pixels / row.pixels_all if row.pixels_all else 0,
    }
    return {name: (getattr(row, name), value) for name, value in right.items() if getattr(row, name) != value}


def assert_consistent(arrays, lens):
    """Compare each row of the table with the masks, as far as they reach."""
    masks, table = arrays["mask_amodal"], arrays["instances"]
    assert [row.number for row in table] == list(range(1, len(masks) + 1))
    for row, mask in zip(table, masks, strict=True):
        seen = arrays["instance"] == row.number
        assert not (seen & ~mask).any(), "what is seen is part of the whole"
        assert wrong_columns(row, seen, mask, lens) == {}
    assert msgspec.json.decode(msgspec.json.encode(table), type=list[InstanceRow]) == table


def assert_the_canvas_is_larger(renderer, seed):
    """The larger masks agree with the smaller ones, and boxes and counts are those of the largest."""
    lens = LENSES[0]
    scene = read(renderer, cluttered(seed).document())
    view = View(lens, POSE)
    small = rendered(renderer, Frame(scene, (view,), PASSES))
    middle = rendered(renderer, Frame(scene, (replace(view, amodal_margin=0.26),), ("mask_amodal",)))
    large = rendered(renderer, Frame(scene, (replace(view, amodal_margin=1.0),), ("mask_amodal",)))
    whole = large["mask_amodal"]
    assert middle["mask_amodal"].shape[1:] == (36 + 2 * 9, 48 + 2 * 12)
    assert whole.shape[1:] == (3 * 36, 3 * 48)
    np.testing.assert_array_equal(whole[:, 36:72, 48:96], small["mask_amodal"])
    np.testing.assert_array_equal(whole[:, 27:81, 36:108], middle["mask_amodal"])
    for row, mask in zip(small["instances"], whole, strict=True):
        assert row.pixels_all == mask.sum()
        assert row.box_amodal == box_of(mask, -48, -36)
    truncated = [row for row in small["instances"] if row.truncated]
    assert len(truncated) > 5
    assert min(row.box_amodal[0] for row in truncated) < 0
    wide = replace(lens, width=144, height=108, center_x=24.0 + 48, center_y=18.0 + 36)
    again = rendered(renderer, Frame(scene, (View(wide, POSE),), ("mask_amodal",)))
    assert np.mean(again["mask_amodal"] != whole) < 1e-4, "the canvas is one plane"


def assert_objects_of_every_kind(renderer):
    """A mesh twice, instances of it, and two primitives of one node; see `rigs.objects`."""
    frame = Frame(read(renderer, objects()), (OBJECTS_VIEW,), PASSES)
    arrays = rendered(renderer, frame)
    masks = arrays["mask_amodal"]
    assert len(masks) == 5
    np.testing.assert_array_equal(masks, alone(renderer, frame))
    np.testing.assert_array_equal(masks, [arrays["instance"] == n + 1 for n in range(5)])
    assert_consistent(arrays, OBJECTS_VIEW.lens)
    table = arrays["instances"]
    assert sorted(row.label for row in table if row.label) == [7, 7, 7, 7]
    [two] = [row for row in table if row.label is None]
    assert two.number == arrays["instance"][13, 100] == arrays["instance"][20, 100]
    for row in table:
        matrix = np.reshape(row.matrix, (4, 4))
        to_camera = np.reshape(row.object_to_camera, (4, 4))
        np.testing.assert_allclose(POSE @ to_camera, matrix, atol=1e-12)
        np.testing.assert_allclose(to_camera[2, 3], -6, atol=1e-9)
        corners = np.array(row.box_3d.corners)
        low, high = corners.min(0), corners.max(0)
        x, y, width, height = row.box_amodal
        assert (low <= (x + 1, y + 1)).all()
        assert (high >= (x + width - 1, y + height - 1)).all()
        assert row.center.visibility == "visible"


def assert_nothing_of_what_is_behind(renderer):
    """One object fills the view, one is hidden by it, one is beside it, one behind the camera."""
    bodies = [
        box((2, 0.1, 2), translation(0, -3, 0), 1),
        box((0.5, 0.5, 0.5), translation(0, 0, 0), 2),
        box((0.5, 0.5, 0.5), translation(9, 0, 0), 3),
        box((0.5, 0.5, 0.5), translation(0, -9, 0), 4),
    ]
    lens = LENSES[0]
    frame = Frame(read(renderer, DrakeScene(bodies, POSE).document("label")), (View(lens, POSE),), PASSES)
    arrays = rendered(renderer, frame)
    assert_consistent(arrays, lens)
    wall, hidden, beside, behind = arrays["instances"]
    assert wall.visible_fraction == 1
    assert not wall.truncated
    assert (hidden.pixels, hidden.box, hidden.visible_fraction) == (0, None, 0)
    assert hidden.pixels_amodal == hidden.pixels_all > 0
    assert hidden.center.visibility == "occluded"
    assert beside.pixels_amodal == 0
    assert beside.pixels_all > 0
    assert beside.truncated
    assert beside.box_amodal[0] > lens.width
    assert beside.center.visibility == "outside"
    assert (behind.pixels_all, behind.box_amodal, behind.truncated) == (0, None, False)
    assert behind.center.visibility == "behind"
    assert behind.center.position is None
    assert behind.center.depth < 0
    assert behind.box_3d.corners == [None] * 8
    assert [row.label for row in arrays["instances"]] == [1, 2, 3, 4]


def assert_nothing_at_all(renderer):
    frame = Frame(read(renderer, DrakeScene([], POSE).document()), (View(LENSES[0], POSE),), PASSES)
    arrays = rendered(renderer, frame)
    assert arrays["instances"] == []
    assert arrays["mask_amodal"].shape == (0, 36, 48)


def keypoints():
    """A box behind a post, with keypoints below its node, beside it in its body, and of three copies."""
    bodies = [box((2, 2, 2), translation(0, 0, 0), 1), box((0.4, 0.4, 6), translation(0.5, -3, 0), 2)]
    document = DrakeScene(bodies, POSE).document("label")
    nodes = document["nodes"]
    points = {
        "front": (-0.5, -1, 0.3),
        "hidden": (0.5, -1, 0),
        "back": (0, 1, 0),
        "outside": (-9, -1, 0),
        "behind": (0, -7, 0),
        "too near": (0, -5.99, 0),
    }
    first = len(nodes)
    for name, place in points.items():
        nodes.append({"name": f"keypoint:{name}", "translation": place})
    nodes[0]["children"] = list(range(first, len(nodes)))
    nodes[0]["extras"] = {"category": "box", "label": 12, "other": 3}

    body = len(nodes)
    add_node(document, name="body", translation=[-2, 0, 2], children=[body + 1, body + 2])
    moves = add_accessor(document, np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]], "<f4"), "VEC3")
    instanced = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": moves}}}
    nodes.append({"name": "copies", "mesh": 1, "scale": [0.5, 0.5, 0.1], "extensions": instanced})
    nodes.append({"name": "keypoint:tip", "translation": [0, 0, 0.3]})
    document["extensionsUsed"] = document["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    add_node(document, name="keypoint:of nobody", translation=[0, 0, 0])
    return document


def assert_keypoints(renderer):
    scene = read(renderer, keypoints())
    lens = Lens(96, 72, 90.0, 90.0, 48.0, 36.0, 0.05, 20.0)
    arrays = rendered(renderer, Frame(scene, (View(lens, POSE),), PASSES))
    rows = {row.name: row for row in arrays["instances"]}
    found = {point.name: point for point in rows["g0"].keypoints}
    told = {name: point.visibility for name, point in found.items()}
    assert told == {
        "front": "visible",
        "hidden": "occluded",
        "back": "occluded",
        "outside": "outside",
        "behind": "behind",
        "too near": "outside",
    }
    assert found["front"].depth == 5
    np.testing.assert_allclose(found["front"].position, (48 - 0.5 * 18, 36 - 0.3 * 18), atol=1e-9)
    assert (found["behind"].position, found["behind"].depth) == (None, -1)
    assert rows["g0"].extras == {"category": "box", "label": 12}
    assert rows["g1"].extras == {}
    assert rows["g1"].keypoints == []
    tips = [row.keypoints for row in arrays["instances"] if row.name == "copies"]
    assert [len(points) for points in tips] == [1, 1, 1]
    columns = [points[0].position[0] for points in tips]
    np.testing.assert_allclose(columns, [48 + 15 * x for x in (-2, -1.5, -1)], atol=1e-6)
    assert any("keypoint:of nobody" in warning for warning in scene.warnings)


def assert_no_trace(renderer, table):
    """What is rendered of objects alone neither pushes out what is known of views nor changes it."""
    scene = read(renderer, table.document())
    views = tuple(View(LENSES[0], look_at((x, -3, 1.5), (0, 0, 0)), f"view{x}") for x in range(3))
    ask = partial(Frame, scene, views)
    names = ("depth", "instance", "label")
    before = renderer.render(ask(names)).views
    masks = renderer.render(ask(("mask_amodal", "instances"))).views
    mixed = renderer.render(ask(("mask_amodal", *names, "instances"))).views
    for first, second, third in zip(before, masks, mixed, strict=True):
        for name in names:
            np.testing.assert_array_equal(first[name], third[name])
        np.testing.assert_array_equal(second["mask_amodal"], third["mask_amodal"])
        assert second["instances"] == third["instances"]
