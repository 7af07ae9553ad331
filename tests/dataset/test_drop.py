"""Objects that fall lie still, on what there is, and not in it; and they do so again in the same way."""

import os
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
from object_files import glb_of
from trimesh.ray.ray_pyembree import RayMeshIntersector

from gltf_render_server.dataset.cameras.bounds import placed_corners
from gltf_render_server.dataset.embedding import read_document
from gltf_render_server.dataset.physics import pieces
from gltf_render_server.dataset.physics.checking import check_rest
from gltf_render_server.dataset.physics.pieces import CACHE_VARIABLE, convex_pieces, is_closed, weld
from gltf_render_server.dataset.physics.settling import Body, UnsettledError
from gltf_render_server.dataset.physics.surroundings import Surroundings
from gltf_render_server.dataset.planning import Plan
from gltf_render_server.dataset.specification import convert
from gltf_render_server.errors import DatasetError, SceneError
from gltf_render_server.gltf import read_asset
from gltf_render_server.recent import Recent

SCENES = int(os.environ.get("DROP_TEST_SCENES", "4"))
CAMERAS = [
    {"name": "eye", "width": 64, "height": 48, "fov_y_deg": 50, "count": 3, "poses": {"kind": "sphere"}}
]
MODELS = Path(__file__).resolve().parents[2] / "examples" / "datasets" / "models"


@cache
def read_once(data):
    return read_asset(data, extensions=frozenset())


def read(document):
    return read_once(document.data)


def plan_of(folder, cameras=CAMERAS, up_axis="y", seed=0, **source):
    raw = {"source": {"kind": "drop", **source}, "cameras": cameras, "up_axis": up_axis, "seed": seed}
    return Plan(convert(raw, "test"), folder)


def bowl():
    """A half sphere of one metre, 12 cm thick, that stands on its lowest point."""
    angles = np.linspace(0, np.pi / 2, 8)
    outside = np.stack([np.sin(angles), 1 - np.cos(angles)], 1)
    inside = outside[::-1] * 0.88 + [0, 0.12]
    outside[0, 0] = inside[-1, 0] = 0
    mesh = trimesh.creation.revolve(np.concatenate([outside, inside]), sections=16)
    return mesh if mesh.volume > 0 else mesh.invert() or mesh


def angle():
    """An L of two boxes that are one surface."""
    outline = np.array([[0, 0], [0.1, 0], [0.1, 0.03], [0.03, 0.03], [0.03, 0.08], [0, 0.08]])
    points = np.concatenate([np.c_[outline, np.full(6, z)] for z in (0, 0.04)])
    caps = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])
    sides = [each for i in range(6) for j in [(i + 1) % 6] for each in ((i, j, j + 6), (i, j + 6, i + 6))]
    return trimesh.Trimesh(points, [*caps[:, ::-1], *(caps + 6), *sides])


def write(folder, **meshes):
    folder.mkdir(exist_ok=True)
    for name, mesh in meshes.items():
        (folder / f"{name}.glb").write_bytes(glb_of(mesh))


@pytest.fixture(scope="module", autouse=True)
def pieces_kept(tmp_path_factory):
    """Keep pieces where nobody else does."""
    patch = pytest.MonkeyPatch()
    patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("pieces")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    folder = tmp_path_factory.mktemp("things")
    far = trimesh.creation.cylinder(0.03, 0.09, sections=24)
    far.apply_translation([5, 7, -3])  # not at the origin of its file
    write(
        folder / "models",
        box=trimesh.creation.box([0.1, 0.06, 0.04]),
        can=far,
        ring=trimesh.creation.torus(0.05, 0.018, major_sections=16, minor_sections=8),
        angle=angle(),
        ball=trimesh.creation.icosphere(subdivisions=2, radius=0.04),
    )
    return folder


def parts(item):
    """Return the triangles in the world of each thing of a scene, (n, 3, 3), by its name."""
    scene = read(item.shot.document).scene()
    found = {}
    for placement, instance in enumerate(scene.placements.instance.tolist()):
        name = scene.asset.node_name(int(scene.instances.node[instance]))
        found.setdefault(name, []).append(placed_corners(scene, placement))
    return {name: np.concatenate(corners) for name, corners in found.items()}


def objects(item):
    names = [each["name"] for each in item.drawn["drop"]["objects"]]
    found = parts(item)
    return {name: found[name] for name in names}


def depth_by_rays(points, corners):
    """How deep points are in a closed mesh: inside is where a ray leaves more often than it enters."""
    points = points[((points > corners.min((0, 1))) & (points < corners.max((0, 1)))).all(1)]
    if not len(points):
        return 0.0
    mesh = trimesh.Trimesh(*weld(corners), process=False)
    rays = RayMeshIntersector(mesh)
    is_inside = np.ones(len(points), bool)
    for direction in ([0.3, 0.5, 0.81], [-0.7, 0.2, 0.68], [0.1, -0.9, -0.42]):
        _, number = rays.intersects_id(points, np.tile(direction, (len(points), 1)), multiple_hits=True)[:2]
        is_inside &= np.bincount(number, minlength=len(points)) % 2 == 1
    depths = [
        np.linalg.norm(
            trimesh.triangles.closest_point(corners, np.tile(p, (len(corners), 1))) - p, axis=1
        ).min()
        for p in points[is_inside]
    ]
    return max((each.min() for each in depths), default=0.0)


def surface_points(corners, count=3000):
    """Points all over a mesh, as many to an area as to another."""
    rng = np.random.default_rng(0)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = corners[rng.choice(len(corners), count, p=areas / areas.sum())]
    shares = rng.dirichlet([1, 1, 1], count)
    return np.concatenate([np.einsum("ij,ijk->ik", shares, chosen), corners.reshape(-1, 3)])


def bodies_of(item, folder):
    """Return the convex pieces of each object where it lies, and its friction.

    Pieces are cut from an object as its file has it: cut where it lies, they would have another shape.
    """
    scene, bodies = read(item.shot.document).scene(), []
    names = [scene.asset.node_name(node) for node in scene.instances.node.tolist()]
    for each in item.drawn["drop"]["objects"]:
        matrix = scene.instances.matrix[names.index(each["name"])]
        own = read(read_document(folder / each["file"])).scene()
        corners = np.concatenate([placed_corners(own, placement) for placement in range(len(own.placements))])
        middle = (corners.min((0, 1)) + corners.max((0, 1))) / 2
        turn, place = matrix[:3, :3] / each["scale"], matrix[:3, :3] @ middle + matrix[:3, 3]
        pieces = convex_pieces(each["scale"] * (corners - middle))
        bodies.append(([piece @ turn.T + place for piece in pieces], each["friction"]))
    return bodies


def moves_by(bodies, up, seconds=1.0):
    """By how much the point moves that moves most, when a simulation is begun with these at rest."""
    spec = mujoco.MjSpec()
    spec.option.gravity = -9.81 * up
    spec.option.timestep = 0.001
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10
    spec.option.noslip_iterations = 5
    quaternion = np.zeros(4)
    mujoco.mju_quatZ2Vec(quaternion, up)
    hard = {
        "solref": [0.004, 1],
        "solimp": [0.95, 0.99, 0.001, 0.5, 2],
        "condim": 6,
    }
    floor = {"size": [1, 1, 1], "quat": quaternion, "friction": [0.1, 0.005, 0.002]}
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, **floor, **hard)
    for number, (body_pieces, friction) in enumerate(bodies):
        body = spec.worldbody.add_body()
        body.add_freejoint()
        for index, piece in enumerate(body_pieces):
            spec.add_mesh(name=f"{number} {index}", uservert=piece.ravel())
            name = f"{number} {index}"
            rough = [friction, 0.005, 0.002]
            body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, friction=rough, **hard)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, round(seconds / model.opt.timestep))
    moved = []
    for (body_pieces, _), state in zip(bodies, data.qpos.reshape(-1, 7), strict=True):
        matrix = np.zeros(9)
        mujoco.mju_quat2Mat(matrix, state[3:])
        points = np.concatenate(body_pieces)
        moved.append(np.linalg.norm(points @ matrix.reshape(3, 3).T + state[:3] - points, axis=1).max())
    return max(moved)


def check(item, folder, up, half=np.inf):
    """Check where objects lie; return the figures."""
    found = objects(item)
    lowest = min((corners @ up).min() for corners in found.values())
    points = {name: surface_points(corners) for name, corners in found.items()}
    deepest = max(
        (depth_by_rays(points[one], found[two]) for one in found for two in found if one != two), default=0.0
    )
    moved = moves_by(bodies_of(item, folder), up)
    assert lowest > -0.001
    assert deepest < 0.002
    assert moved < 0.002
    for corners in found.values():
        assert (np.abs((corners.reshape(-1, 3) * (1 - np.abs(up))).mean(0)) < half).all()
    return lowest, deepest, moved


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_objects_lie_still_on_the_floor_and_in_nothing(things, up_axis):
    up = np.eye(3)[1 if up_axis == "y" else 2]
    scenes = SCENES if up_axis == "y" else 2
    plan = plan_of(things, up_axis=up_axis, objects="models/*.glb", scenes=scenes, count={"min": 4, "max": 8})
    figures = np.array([check(plan.item(index, read), things, up, 2.0) for index in range(len(plan))])
    print("lowest, deepest, moved:", figures[:, 0].min(), figures[:, 1:].max(0))  # noqa: T201


@pytest.mark.skipif(SCENES < 100, reason="minutes: DROP_TEST_SCENES=100 asks for it")
def test_a_hundred_scenes_of_the_examples_models():
    floor = {"size": 2.0, "walls": False}
    plan = plan_of(MODELS.parent, objects="models/*.glb", scenes=SCENES, floor=floor)
    figures = np.array(
        [check(plan.item(index, read), MODELS.parent, np.eye(3)[1], 1.0) for index in range(len(plan))]
    )
    print("lowest, deepest, moved:", figures[:, 0].min(), figures[:, 1:].max(0))  # noqa: T201


OTHER_PROCESS = """
import pickle, sys
sys.path[:0] = {path!r}
from test_drop import read
plan = pickle.load(sys.stdin.buffer)
print([plan.item(index, read).shot.document.sha256 for index in reversed(range(len(plan)))])
"""


def test_the_same_objects_fall_in_the_same_way_in_another_process(things, tmp_path):
    plan = plan_of(things, objects="models/*.glb", scenes=3, count=5)
    here = [plan.item(index, read).shot.document.sha256 for index in range(3)]
    assert len(set(here)) == 3
    path = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]
    for environment in ({}, {CACHE_VARIABLE: str(tmp_path), "OMP_NUM_THREADS": "1"}):
        there = subprocess.run(
            [sys.executable, "-c", OTHER_PROCESS.format(path=path)],
            input=pickle.dumps(plan),
            capture_output=True,
            check=True,
            env={**os.environ, **environment},
        ).stdout.decode()
        assert there.strip() == str(here[::-1]), environment
    assert (
        plan_of(things, seed=1, objects="models/*.glb", scenes=3, count=5).item(0, read).shot.document.sha256
        != here[0]
    )


def test_views_of_a_scene_share_what_settled(things):
    plan = plan_of(things, objects="models/*.glb", scenes=2, count=3, views_per_item=2)
    assert len(plan) == 4
    items = [plan.item(index, read) for index in range(4)]
    assert [item.name for item in items] == ["000000", "000000", "000001", "000001"]
    assert [[view.name for view in item.shot.views] for item in items[:2]] == [
        ["eye_0000", "eye_0001"],
        ["eye"],
    ]
    assert items[0].shot.document.sha256 == items[1].shot.document.sha256 != items[2].shot.document.sha256


def test_floor_and_walls_are_background_and_objects_are_found_in_their_files(things):
    item = plan_of(things, objects="models/*.glb", count=6, size=0.1).item(0, read)
    scene = read(item.shot.document).scene()
    categories = {}
    for node in scene.instances.node.tolist():
        name = scene.asset.node_name(node)
        categories[name] = item.categorise(name, scene.asset.node_extras(node))
    drawn = {each["name"]: each for each in item.drawn["drop"]["objects"]}
    background = {"floor", "wall", "wall.2", "wall.3", "wall.4"}
    assert {name for name, category in categories.items() if category is None} == background
    assert categories.keys() == background | drawn.keys()
    for name, each in drawn.items():
        assert item.assets[item.asset_of[name]] == each["file"]
        assert categories[name] == Path(each["file"]).stem
        matrix = scene.instances.matrix[
            [scene.asset.node_name(n) for n in scene.instances.node.tolist()].index(name)
        ]
        rotation = matrix[:3, :3] / each["scale"]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)


def test_sizes_are_those_that_were_asked_for(things):
    item = plan_of(things, objects="models/box.glb", count=3, size=0.2).item(0, read)
    for corners in objects(item).values():
        edges = np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2)
        assert edges.max() == pytest.approx(np.hypot(0.2, 0.12), rel=1e-4)  # the longest diagonal of a side


def test_a_ball_stays_in_a_bowl_and_not_on_a_lid(tmp_path):
    turned = bowl()
    turned.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
    turned.apply_scale(0.2)
    write(tmp_path, room=turned, ball=trimesh.creation.icosphere(subdivisions=3, radius=0.05))
    area = {"size": [0.05, 0.05], "height": 0.25}
    plan = plan_of(tmp_path, objects="ball.glb", room="room.glb", count=1, scenes=2, area=area)
    for index in range(2):
        item = plan.item(index, read)
        (ball,) = objects(item).values()
        middle = (ball.min((0, 1)) + ball.max((0, 1))) / 2
        assert 0.024 + 0.05 - 0.002 < middle[1] < 0.024 + 0.05 + 0.012, "a lid would be at 0.2 m"


def test_pieces_are_kept_and_a_spoilt_file_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    corners = angle().triangles

    def made():
        monkeypatch.setattr(pieces, "_recent", Recent(2**20))
        return [piece.tobytes() for piece in convex_pieces(corners)]

    first = made()
    (kept,) = (tmp_path / "pieces").iterdir()
    whole, since = kept.read_bytes(), kept.stat().st_mtime_ns
    assert made() == first
    assert kept.stat().st_mtime_ns == since
    kept.write_bytes(whole[:100])
    assert made() == first
    assert len(kept.read_bytes()) == len(whole)


def test_a_convex_mesh_is_its_own_piece_and_a_concave_one_is_not():
    (only,) = convex_pieces(trimesh.creation.icosphere(subdivisions=3, radius=7).triangles)
    assert len(only) == 642
    found = convex_pieces(angle().triangles)
    assert len(found) > 1
    assert not any((np.ptp(piece, axis=0) > [0.09, 0.07, 0]).all() for piece in found), "one fills the corner"
    assert is_closed(weld(angle().triangles)[1])
    assert not is_closed(weld(angle().triangles)[1][1:])


def table():
    top = trimesh.creation.box([0.8, 0.04, 0.6])
    top.apply_translation([0, 0.5, 0])
    return top


def test_objects_fall_onto_a_table_in_a_room_that_is_open_or_closed(things):
    inside = trimesh.creation.box([3, 2, 3])
    inside.apply_translation([0, 1, 0])
    inside.invert()  # a room is seen from within
    scene = trimesh.Scene()
    scene.add_geometry(inside, node_name="walls")
    scene.add_geometry(table(), node_name="table")
    (things / "room.glb").write_bytes(scene.export(file_type="glb"))
    area = {"size": [0.3, 0.2], "height": 0.6}
    plan = plan_of(things, objects="models/*.glb", room="room.glb", scenes=3, count=4, area=area)
    for index in range(3):
        item = plan.item(index, read)
        lowest = {name: corners[..., 1].min() for name, corners in objects(item).items()}
        assert sum(low > 0.519 for low in lowest.values()) >= 2
        assert all(low > -0.001 for low in lowest.values())
        for name, corners in objects(item).items():
            assert depth_by_rays(surface_points(corners), table().triangles) < 0.002, name
        room = read(item.shot.document).scene()
        names = {
            room.asset.node_name(node): room.asset.node_extras(node) for node in room.instances.node.tolist()
        }
        assert item.categorise("room", names["room"]) is None
        assert item.assets[item.asset_of["room"]] == "room.glb"


def cubes_at(*places):
    """Cubes with sides of 10 cm, and their poses."""
    corners = np.array(trimesh.creation.box([0.1, 0.1, 0.1]).triangles)
    bodies = [Body((corners.reshape(-1, 3),), corners, 700.0, 0.5) for _ in places]
    return bodies, [trimesh.transformations.translation_matrix(place) for place in places]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([[0, 0.05, 0], [0, 0.15, 0]], None),
        ([[0, 0.0485, 0]], "below the floor"),
        ([[1.01, 0.05, 0]], "left the floor"),
        ([[0, 0.05, 0], [0.097, 0.05, 0]], "in another"),
        ([[0.5, 0.153, 0.5]], None),
        ([[0.5, 0.147, 0.5]], "in another"),
    ],
)
def test_objects_at_rest_are_where_they_may_be_and_in_nothing(places, message):
    up, low = np.array([0.0, 1.0, 0.0]), np.array([-1.0, -np.inf, -1.0])
    solid = trimesh.creation.box([0.2, 0.1, 0.2])
    solid.apply_translation([0.5, 0.05, 0.5])
    around = Surroundings(up, ((np.zeros(3), up),), solids=(np.array(solid.triangles),), low=low, high=-low)
    if message is None:
        check_rest(*cubes_at(*places), around)
    else:
        with pytest.raises(UnsettledError, match=message):
            check_rest(*cubes_at(*places), around)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"objects": "none/*.glb"}, "none"),
        ({"objects": "models/*.glb", "room": "no.glb", "area": {}}, r"no\.glb"),
        ({"objects": "models/*.glb", "room": "room.glb"}, "area: give the area"),
        ({"objects": "models/*.glb", "room": "room.glb", "floor": {}, "area": {}}, "room, floor"),
        ({"objects": "models/*.glb", "size": 0.1, "scale": 2}, "size, scale"),
        ({"objects": "models/*.glb", "count": 0}, "count: must be from 1 to 200"),
        ({"objects": "models/*.glb", "friction": -1}, "friction"),
        ({"objects": "models/*.glb", "floor": {"textures": "*.jpg"}}, "textures"),
    ],
)
def test_what_cannot_be_dropped_is_told_at_once(things, source, message):
    with pytest.raises(DatasetError, match=message):
        plan_of(things, **source)


def test_objects_that_cannot_fall_are_named(tmp_path):
    flat = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    write(tmp_path, flat=flat, ball=trimesh.creation.icosphere(subdivisions=1, radius=0.05))
    with pytest.raises(SceneError, match=r"flat\.glb: the mesh is flat"):
        plan_of(tmp_path, objects="flat.glb").item(0, read)
    floor = {"size": 0.05, "walls": False}
    with pytest.raises(SceneError, match="do not come to rest"):
        plan_of(tmp_path, objects="ball.glb", floor=floor, count=4).item(0, read)


def test_a_missing_library_is_told_with_the_extra(things, monkeypatch):
    of_physics = ("gltf_render_server.dataset.physics.", "gltf_render_server.dataset.sources.drop_scenes")
    for name in list(sys.modules):
        if name.startswith(of_physics):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(DatasetError, match=r"mujoco; pip install .*\[physics\]"):
        plan_of(things, objects="models/*.glb")
