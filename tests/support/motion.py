"""What flow and visibility must be, by rays cast at both moments, for every back end alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import any_gltf
import numpy as np
from drake_like import DrakeScene, add_accessor, box, column_major, look_at, sphere, translation
from exact_cases import rotation_z
from numpy.typing import NDArray
from raycaster import File, meet
from servers import running

from gltf_render_server.frame import Frame, Lens, Moment, View
from gltf_render_server.gltf import Asset, read_asset
from gltf_render_server.recording import RecordedFrames

LENS = Lens(96, 72, 90.0, 95.0, 46.3, 37.1, 0.05, 20.0)
ANIMATED_LENS = Lens(96, 72, 80.0, 80.0, 48.0, 36.0, 0.05, 50.0)
EYE, LATER_EYE = look_at((1.6, -1.9, 1.5), (0, 0, 0.3)), look_at((1.3, -2.1, 1.2), (0.1, 0, 0.3))
FORWARD = ("flow_forward", "visible_forward")
BACKWARD = ("flow_backward", "visible_backward")
ALL = (*FORWARD, *BACKWARD)
FLOW_PX = 0.01
UNSURE = 0.01
"""The share of pixels whose visibility may be wrong: those next to the borders of what hides them."""

Array = NDArray[np.float64]


def read(renderer, document: dict[str, Any] | bytes) -> Asset:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_asset(data, extensions=renderer.extensions)


def arrays_of(renderer, frame: Frame) -> dict[str, NDArray[Any]]:
    [arrays] = renderer.render(frame).views
    return dict(arrays)


def moving(renderer, scene, then, camera=EYE, later=LATER_EYE, lens=LENS, passes=FORWARD):
    """The passes of one view from `scene` to `then`."""
    frame = Frame(scene, (View(lens, camera),), passes, after=Moment(then, (later,)))
    return arrays_of(renderer, frame)


@dataclass(frozen=True)
class Truth:
    """flow: (height, width, 2) px; is_sharp: where no edge is near; visible, depth: of the other moment."""

    flow: Array
    visible: NDArray[np.bool_]
    is_sharp: NDArray[np.bool_]


def truth_of(triangles: Array, later: Array, camera=EYE, later_camera=LATER_EYE, lens: Lens = LENS) -> Truth:
    """Follow the points where rays meet triangles, (n, 3, 3), to where these are later."""
    size = (lens.height, lens.width)
    v, u = (axis.ravel() + 0.5 for axis in np.indices(size))
    first = meet(triangles, camera, rays_of(u, v, lens), lens.near, lens.far)
    points = np.einsum("nc,nci->ni", first.weights, later[first.triangle])
    to_camera = np.linalg.inv(later_camera)
    x, y, z = to_camera[:3, :3] @ points.T + to_camera[:3, 3:]
    depth = np.where((z < 0) & (first.triangle >= 0), -z, np.nan)
    to_u, to_v = (lens.focal_x * x / depth + lens.center_x, lens.center_y - lens.focal_y * y / depth)
    with np.errstate(invalid="ignore"):
        inside = (to_u >= 0) & (to_u < lens.width) & (to_v >= 0) & (to_v < lens.height)
        inside &= (depth >= lens.near) & (depth <= lens.far)
    seen = np.zeros(len(u), bool)
    then = meet(later, later_camera, rays_of(to_u[inside], to_v[inside], lens), lens.near, lens.far)
    seen[inside] = then.depth > depth[inside] * (1 - 2e-5)
    flow = np.stack([to_u - u, to_v - v], -1)
    return Truth(flow.reshape(*size, 2), seen.reshape(size), first.is_sharp.reshape(size))


def rays_of(u: Array, v: Array, lens: Lens) -> Array:
    x, y = (u - lens.center_x) / lens.focal_x, (lens.center_y - v) / lens.focal_y
    return np.stack([x, y, -np.ones_like(x)], -1)


def assert_true(flow, visible, truth: Truth, unsure=UNSURE):
    assert (flow.dtype, visible.dtype) == (np.float32, np.uint8)
    assert set(np.unique(visible)) <= {0, 1}
    sharp = truth.is_sharp
    np.testing.assert_array_equal(np.isnan(flow[sharp]), np.isnan(truth.flow[sharp]))
    off = np.linalg.norm(flow - truth.flow, axis=-1)[sharp]
    assert np.nanmax(off, initial=0) <= FLOW_PX, f"{np.nanmax(off)} px"
    wrong = np.count_nonzero((visible == 1)[sharp] != truth.visible[sharp])
    assert wrong <= unsure * sharp.sum(), f"{wrong} of {sharp.sum()}"


def table_top() -> DrakeScene:
    """A floor, a box, a ball of many facets and a thin pole."""
    bodies = [
        box((3, 3, 0.1), translation(0, 0, -0.05), 1),
        box((0.5, 0.4, 0.6), translation(-0.3, 0.1, 0.3), 2),
        sphere(0.35, translation(0.5, -0.2, 0.35), 3, rings=24),
        box((0.05, 0.05, 1.0), translation(0.1, -0.6, 0.5), 4),
    ]
    return DrakeScene(bodies, EYE)


LATER = {
    "g1": translation(-0.1, 0, 0.3) @ rotation_z(0.3),
    "g2": translation(0.3, 0.1, 0.4) @ rotation_z(-0.5),
    "g3": translation(0.3, -0.7, 0.5),
}


def placed(scene: DrakeScene, poses) -> Array:
    """All triangles in the world, (n, 3, 3)."""
    found = []
    for index, body in enumerate(scene.bodies):
        matrix = poses.get(f"g{index}", body.matrix)
        points = body.vertices.astype(float) @ matrix[:3, :3].T + matrix[:3, 3]
        found.append(points[body.triangles])
    return np.concatenate(found)


def assert_bodies_and_camera_move(renderer):
    made = table_top()
    asset = read(renderer, made.document())
    arrays = moving(renderer, asset.scene(), asset.scene(LATER))
    truth = truth_of(placed(made, {}), placed(made, LATER))
    assert truth.visible.mean() > 0.4
    assert (truth.is_sharp & ~np.isnan(truth.flow[..., 0]) & ~truth.visible).sum() > 200, "some are hidden"
    assert_true(*(arrays[name] for name in FORWARD), truth)


def assert_visibility_is_in_doubt_at_borders_only(renderer):
    """The bodies hide each other and themselves in several ways; a few pixels next to borders are wrong."""
    made, aside = table_top(), look_at((-1.2, -2.1, 0.9), (0, 0, 0.3))
    asset = read(renderer, made.document())
    wrong = total = 0
    for poses in (LATER, {"g1": translation(0.3, -0.3, 0.3), "g2": translation(0.1, -0.9, 0.5)}):
        for cameras in ((EYE, LATER_EYE), (LATER_EYE, EYE), (EYE, aside)):
            visible = moving(renderer, asset.scene(), asset.scene(poses), *cameras)["visible_forward"]
            truth = truth_of(placed(made, {}), placed(made, poses), *cameras)
            wrong += np.count_nonzero(truth.is_sharp & ((visible == 1) != truth.visible))
            total += truth.is_sharp.sum()
    assert wrong <= 0.003 * total, f"{wrong} of {total}"


def assert_backward_is_the_way_back(renderer):
    """Both moments of one frame, and the same from the other moment's side."""
    asset = read(renderer, table_top().document())
    scene, then = asset.scene(), asset.scene(LATER)
    here, there = View(LENS, EYE), View(LENS, LATER_EYE)
    frame = Frame(scene, (here,), ALL, before=Moment(then, (LATER_EYE,)), after=Moment(then, (LATER_EYE,)))
    both = arrays_of(renderer, frame)
    for forward, backward in zip(FORWARD, BACKWARD, strict=True):
        np.testing.assert_array_equal(both[forward], both[backward])
    told = ("instance", "normal_geometric")
    first = arrays_of(renderer, Frame(scene, (here,), (*FORWARD, *told), after=Moment(then, (LATER_EYE,))))
    second = arrays_of(renderer, Frame(then, (there,), (*BACKWARD, *told), before=Moment(scene, (EYE,))))
    column, row, is_flat = within_one_face(first, second, LENS)
    is_flat &= first["visible_forward"] == 1
    way_back, its_sight = (
        bilinear(second[name], column, row, is_flat) for name in ("flow_backward", "visible_backward")
    )
    assert is_flat.sum() > 1000
    assert np.abs(way_back + first["flow_forward"][is_flat]).max() < 0.02, "but for the interpolation"
    assert (its_sight > 0).mean() > 0.995


def assert_leads_to_the_same_point(renderer):
    """What the passes of the other moment show there, on flat faces, has the same object coordinates."""
    asset = read(renderer, table_top().document())
    scene, then = asset.scene(), asset.scene(LATER)
    told = ("instance", "normal_geometric", "object_coordinates", "depth")
    here, there = (
        Frame(scene, (View(LENS, EYE),), (*FORWARD, *told)),
        Frame(then, (View(LENS, LATER_EYE),), told),
    )
    first = moving(renderer, scene, then, passes=here.passes)
    second = arrays_of(renderer, there)
    column, row, is_flat = within_one_face(first, second, LENS)
    is_flat &= first["visible_forward"] == 1
    share = 1 / second["depth"].astype(float)  # what is linear on a plane is so after division by depth
    with np.errstate(invalid="ignore"):
        points = second["object_coordinates"] * share[..., None]
    metres = 1 / bilinear(share, column, row, is_flat)
    found = bilinear(points, column, row, is_flat) * metres[:, None]
    off_m = np.linalg.norm(found - first["object_coordinates"][is_flat], axis=-1)
    assert is_flat.sum() > 1000
    assert (off_m * LENS.focal_x / metres).max() < FLOW_PX


def within_one_face(first, second, lens: Lens):
    """Where each pixel leads, and where all four pixels around that show one flat face of its object."""
    v, u = np.indices((lens.height, lens.width)) + 0.5
    column, row = u + first["flow_forward"][..., 0] - 0.5, v + first["flow_forward"][..., 1] - 0.5
    with np.errstate(invalid="ignore"):
        is_flat = (column >= 0) & (column < lens.width - 1) & (row >= 0) & (row < lens.height - 1)
    at = np.nan_to_num(column[is_flat]).astype(int), np.nan_to_num(row[is_flat]).astype(int)
    around = [(at[1] + dy, at[0] + dx) for dx in (0, 1) for dy in (0, 1)]
    own, normal = first["instance"][is_flat], second["normal_geometric"][around[0]]
    is_one = [
        (second["instance"][spot] == own)
        & (np.linalg.norm(second["normal_geometric"][spot] - normal, axis=-1) < 1e-5)
        for spot in around
    ]
    is_flat[is_flat] = np.all(is_one, 0)
    return column, row, is_flat


def bilinear(image, column, row, where) -> Array:
    column, row = column[where], row[where]
    x, y = column.astype(int), row.astype(int)
    dx, dy = column - x, row - y
    if image.ndim > 2:
        dx, dy = dx[:, None], dy[:, None]
    upper = image[y, x] * (1 - dx) + image[y, x + 1] * dx
    return upper * (1 - dy) + (image[y + 1, x] * (1 - dx) + image[y + 1, x + 1] * dx) * dy


def assert_at_rest(renderer):
    asset = read(renderer, table_top().document())
    frame = Frame(
        asset.scene(),
        (View(LENS, EYE),),
        (*ALL, "instance"),
        before=Moment(asset.scene(), (EYE,)),
        after=Moment(asset.scene({"g0": translation(0, 0, -0.05)}), (EYE.copy(),)),
    )
    arrays = arrays_of(renderer, frame)
    is_shown = arrays["instance"] > 0
    for flow in (arrays["flow_forward"], arrays["flow_backward"]):
        assert not flow[is_shown].any()
        assert np.isnan(flow[~is_shown]).all()
    for visible in (arrays["visible_forward"], arrays["visible_backward"]):
        np.testing.assert_array_equal(visible == 1, is_shown)


def assert_what_leaves_is_not_seen(renderer):
    """Behind a wall, out of the image, beyond the far plane and behind the camera."""
    bodies = [
        box((2.0, 0.02, 2.0), translation(-2.5, -1, 0), 1),
        box((0.3, 0.3, 0.3), translation(0.5, 0, 0), 2),
    ]
    camera, lens = look_at((0, -6, 0), (0, 0, 0)), Lens(96, 48, 60.0, 60.0, 48.0, 24.0, 0.05, 20.0)
    made = DrakeScene(bodies, camera)
    asset = read(renderer, made.document())
    places = {"wall": (-2.5, 0, 0), "left": (-9, 0, 0), "far": (0.5, 15.0, 0), "behind": (0.5, -9, 0)}
    for name, place in places.items():
        poses = {"g1": translation(*place)}
        told = (*FORWARD, "instance")
        arrays = moving(renderer, asset.scene(), asset.scene(poses), camera, camera, lens, told)
        is_body = arrays["instance"] == 2
        assert is_body.sum() > 8
        flow, visible = arrays["flow_forward"], arrays["visible_forward"]
        assert not visible[is_body].any(), name
        assert (visible[arrays["instance"] == 1] == 1).all(), name
        assert np.isnan(flow[is_body]).all() == (name == "behind")
        truth = truth_of(placed(made, {}), placed(made, poses), camera, camera, lens)
        assert_true(flow, visible, truth)


def assert_animations_bend(renderer):
    """A skin with morph targets, while the floor and the camera move, each in a way of its own."""
    data = json.dumps(any_gltf.animated()).encode()
    asset = read(renderer, data)
    for begin, end in ((0.0, 0.9), (0.6, 1.7)):
        scene, then = asset.scene(time_s=begin), asset.scene(time_s=end)
        cameras = [each.cameras[0].camera_to_world for each in (scene, then)]
        arrays = moving(renderer, scene, then, *cameras, ANIMATED_LENS)
        triangles = [File(data, time_s).triangles() for time_s in (begin, end)]
        truth = truth_of(*triangles, *cameras, ANIMATED_LENS)
        assert np.nanmax(np.abs(truth.flow)) > 2
        assert_true(*(arrays[name] for name in FORWARD), truth, unsure=0.02)


def morphing_twins() -> dict[str, Any]:
    """Two nodes with one mesh that are one primitive at first, until their morph weights differ."""
    document = DrakeScene([box((0.5, 0.5, 0.5), translation(-0.5, 0, 0.3), 1)], EYE).document()
    primitive = document["meshes"][0]["primitives"][0]
    moves = np.zeros((8, 3), "<f4")
    moves[4:] = 0.4, 0.0, 0.3
    primitive["targets"] = [{"POSITION": add_accessor(document, moves, "VEC3")}]
    document["nodes"][0]["weights"] = [0.0]
    document["nodes"].append({"mesh": 0, "weights": [0.0], "matrix": column_major(translation(0.5, 0, 0.3))})
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    times = add_accessor(document, np.array([0, 1], "<f4"), "SCALAR")
    samplers, channels = [], []
    for number, (node, weight) in enumerate(((0, 0.0), (len(document["nodes"]) - 1, 1.0))):
        weights = add_accessor(document, np.array([0, weight], "<f4"), "SCALAR")
        samplers.append({"input": times, "output": weights})
        channels.append({"sampler": number, "target": {"node": node, "path": "weights"}})
    document["animations"] = [{"samplers": samplers, "channels": channels}]
    return document


def assert_each_bends_as_its_own_weights_say(renderer):
    data = json.dumps(morphing_twins()).encode()
    asset = read(renderer, data)
    scene, then = asset.scene(), asset.scene(time_s=1.0)
    assert (len(scene.primitives), len(then.primitives)) == (1, 2)
    for begin, end, times in ((scene, then, (0.0, 1.0)), (then, scene, (1.0, 0.0))):
        arrays = moving(renderer, begin, end)
        truth = truth_of(*(File(data, time_s).triangles() for time_s in times))
        assert_true(*(arrays[name] for name in FORWARD), truth)


def assert_many_views(renderer):
    """A rig of several views, each with a camera of its own then, gives what each gives alone."""
    asset = read(renderer, table_top().document())
    scene, then = asset.scene(), asset.scene(LATER)
    small = Lens(40, 52, 45.0, 50.0, 12.0, 30.0, 0.5, 20.0)
    views = (View(LENS, EYE, "a"), View(small, LATER_EYE, "b"))
    for later in ((LATER_EYE, EYE), (LATER_EYE, translation(5000, 0, 0) @ EYE)):
        frame = Frame(scene, views, ("depth", *ALL), before=Moment(then, later), after=Moment(scene, later))
        rendered = renderer.render(frame).views
        for alone, arrays in zip(frame.alone(), rendered, strict=True):
            for name, array in arrays_of(renderer, alone).items():
                np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def assert_history_does_not_show(fresh):
    """The same frame gives the same bytes after frames of the other moment and of other scenes, and anew."""
    renderer = fresh()
    table, twins = read(renderer, table_top().document()), read(renderer, morphing_twins())
    view, later = View(LENS, EYE), View(LENS, LATER_EYE)
    scene, then = table.scene(), table.scene(LATER)
    bent = twins.scene(time_s=1.0)
    frames = [
        Frame(scene, (view,), (*ALL, "depth"), before=Moment(then, (EYE,)), after=Moment(then, (LATER_EYE,))),
        Frame(twins.scene(), (view,), FORWARD, after=Moment(bent, (LATER_EYE,))),
        Frame(bent, (view,), ("depth", "normal")),
        Frame(then, (later,), ("depth", "label")),
        Frame(then, (later,), BACKWARD, before=Moment(scene, (EYE,))),
    ]
    truth = [bytes_of(fresh(), frame) for frame in frames]
    renderer = fresh()
    for index in (0, 1, 2, 3, 4, 0, 2, 4, 1, 3, 0):
        assert bytes_of(renderer, frames[index]) == truth[index], index


def assert_recorded_frames_are_the_same(renderer, folder: Path, *options: str):
    """A server with a worker answers what a renderer gives for the frames that the server has recorded."""
    made = table_top()
    asked: list[dict[str, Any]] = [
        {"after": {"poses": LATER, "cameras": {"view": LATER_EYE}}, "passes": FORWARD},
        {"before": {"cameras": {"view": LATER_EYE}}, "after": {}, "passes": ALL, "poses": LATER},
    ]
    with running("--workers", "1", "--record", str(folder), *options) as server:
        client = server.client
        answers = [client.render(made.to_bytes(), View(LENS, EYE), **each)["view"] for each in asked]
    for frame, answer in zip(RecordedFrames(folder), answers, strict=True):
        arrays = arrays_of(renderer, frame.frame(renderer.extensions))
        assert arrays.keys() == answer.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, answer[name], err_msg=name)
    truth = truth_of(placed(made, {}), placed(made, LATER))
    assert_true(*(answers[0][name] for name in FORWARD), truth)


def bytes_of(renderer, frame: Frame) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in arrays_of(renderer, frame).items()}
