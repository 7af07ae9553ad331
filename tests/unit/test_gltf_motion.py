"""What moves a scene takes little memory and time, whatever the scene says, and breaks nothing else of it."""

import json
import pickle
import re
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from compressed import to_glb, with_meshopt
from drake_like import add_accessor
from skinned import document as skinned_document
from skinned import strip
from spent import spending
from test_exposure import lamp, lit
from test_gltf_document import EXTENSIONS, one_box, parsed

from gltf_render_server.errors import CheckTimeoutError, SceneError, TooLargeError
from gltf_render_server.gltf import read_asset, read_attribute, read_triangles
from gltf_render_server.http.scenes import keep_asset
from gltf_render_server.limits import Limits, time_limit

PEAK_BYTES = 100 * 10**6


@contextmanager
def little_memory():
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES
    finally:
        tracemalloc.stop()


def read(document, limits=Limits()):  # noqa: B008  it is frozen
    return read_asset(json.dumps(document).encode(), extensions=EXTENSIONS, limits=limits)


def zeros(document, count, kind, component=5126):
    """Add an accessor that takes no place in the file, and is all zeros."""
    document["accessors"].append({"componentType": component, "count": count, "type": kind})
    return len(document["accessors"]) - 1


def animated(document, *channels):
    """Add an animation with a channel for each (node, path, output)."""
    times = add_accessor(document, np.array([0], "<f4"), "SCALAR")
    document["animations"] = [
        {
            "samplers": [{"input": times, "output": output} for *_, output in channels],
            "channels": [
                {"sampler": number, "target": {"node": node, "path": path}}
                for number, (node, path, _) in enumerate(channels)
            ],
        }
    ]
    return document


def with_nodes(document, count, **node):
    first = len(document["nodes"])
    document["nodes"] += [dict(node) for _ in range(count)]
    document["scenes"][0]["nodes"] += range(first, first + count)
    return range(first, first + count)


def with_targets(document, count):
    """Add morph targets, all alike, to the box."""
    primitive = document["meshes"][0]["primitives"][0]
    target = add_accessor(document, np.ones((8, 3), "<f4"), "VEC3")
    primitive["targets"] = [{"POSITION": target}] * count
    return document


@pytest.mark.parametrize("has_mesh", [False, True])
def test_weights_that_no_mesh_has_are_not_held(has_mesh):
    document = with_targets(one_box(), 2)
    nodes = with_nodes(document, 500, **({"mesh": 0} if has_mesh else {}))
    output = zeros(document, 20_000, "SCALAR")
    animated(document, *((node, "weights", output) for node in nodes))
    data = json.dumps(document).encode()
    assert len(data) < 100_000
    with little_memory():
        scene = read_asset(data, extensions=EXTENSIONS).scene()
    assert any("left out" in warning for warning in scene.warnings)


def test_weights_that_meshes_do_have_are_bounded_together():
    document = with_targets(one_box(), 10_000)
    nodes = with_nodes(document, 300, mesh=0)
    output = zeros(document, 10_000, "SCALAR")
    animated(document, *((node, "weights", output) for node in nodes))
    data = json.dumps(document).encode()
    with little_memory():
        scene = read_asset(data, extensions=EXTENSIONS, limits=Limits(max_vertices=10**8)).scene()
    assert any("more than 1000000 weights" in warning for warning in scene.warnings)


def test_weights_of_skinned_nodes_are_bounded_together():
    document = skinned_document()
    primitive = document["meshes"][0]["primitives"][0]
    primitive["targets"] = [{}] * 50_000
    for _ in range(30):
        document["skins"].append(document["skins"][0])
        with_nodes(document, 1, mesh=0, skin=len(document["skins"]) - 1)
    with little_memory(), pytest.raises(SceneError, match="more than 1000000 weights"):
        read(document, Limits(max_vertices=10**8)).scene()


def test_keys_are_bounded_by_what_they_are_decoded_to():
    document = one_box()
    points = np.zeros((100_000, 3), "<f4")
    first = add_accessor(document, points, "VEC3")
    index = add_accessor(document, np.array([0], "<u2"), "SCALAR")
    part = {"bufferView": document["accessors"][index]["bufferView"], "componentType": 5123}
    values = {"bufferView": document["accessors"][first]["bufferView"]}
    sparse = document["accessors"][first] | {"sparse": {"count": 1, "indices": part, "values": values}}
    outputs = range(len(document["accessors"]), len(document["accessors"]) + 100)
    document["accessors"] += [sparse] * 100
    animated(document, *((0, "translation", output) for output in outputs))
    with little_memory(), pytest.raises(TooLargeError, match=r"animation takes 120 MB.*--max-vertices"):
        read(document, Limits(max_vertices=10**6))


def test_normalized_keys_are_held_as_they_are_stored():
    document = one_box()
    del document["nodes"][0]["matrix"]
    keys = np.zeros((500_000, 4), "<u2")
    keys[:, 3] = 65535
    output = add_accessor(document, keys, "VEC4")
    document["accessors"][output]["normalized"] = True
    times = add_accessor(document, np.arange(500_000, dtype="<f4"), "SCALAR")
    animated(document, (0, "rotation", output))
    document["animations"][0]["samplers"][0]["input"] = times
    data = json.dumps(document).encode()
    tracemalloc.start()
    asset = read_asset(data, extensions=EXTENSIONS)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    buffers = sum(map(len, asset.buffers))
    assert held < buffers + 500_000 * 8 + 10**6, "the buffers, and the times as they are looked up"
    assert asset.animation.nbytes == 500_000 * 8
    assert asset.scene(time_s=3.0).primitives


def many_primitives(joints, primitives):
    document = skinned_document()
    mesh, skin = document["meshes"][0], document["skins"][0]
    del skin["inverseBindMatrices"]
    skin["joints"] = [2] * joints
    mesh["primitives"] *= primitives
    return document


def test_all_primitives_of_a_skin_share_its_joints():
    document = many_primitives(10_000, 300)
    data = json.dumps(document).encode()
    with little_memory():
        scene = read_asset(data, extensions=EXTENSIONS).scene()
    assert len({id(primitive.pose) for primitive in scene.primitives}) == 1
    assert len(pickle.dumps(scene.primitives)) < 2 * 10_000 * 128


def test_a_kept_scene_weighs_its_poses_once():
    few, many = (keep(many_primitives(joints, 20)) for joints in (3, 10_000))
    assert 1 < (many.size - few.size) / (10_000 * 128) < 2


def keep(document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return keep_asset("0" * 64, len(data), read_asset(data, extensions=EXTENSIONS))


def test_a_kept_scene_weighs_its_binary_chunk_once():
    document = one_box()
    add_accessor(document, np.zeros((1_000_000, 3), "<f4"), "VEC3")
    data = to_glb(document)
    assert len(data) < keep(data).size < 1.2 * len(data)


def test_the_joints_of_a_skin_are_bounded():
    with little_memory(), pytest.raises(SceneError, match=r"skins\[0\]\.joints: has more than 65536"):
        read(many_primitives(70_000, 1)).scene()


def test_the_joints_of_all_skins_are_bounded():
    document = many_primitives(50_000, 1)
    document["skins"] *= 5
    for skin in range(1, 5):
        with_nodes(document, 1, mesh=0, skin=skin)
    with pytest.raises(SceneError, match="more than 200000 joints"):
        read(document).scene()


def test_each_primitive_asks_for_the_time():
    asset = read(many_primitives(100, 20_000))
    with time_limit(0.02), pytest.raises(CheckTimeoutError):
        asset.scene()


def many_sets(vertices, sets):
    document = skinned_document()
    points = np.random.default_rng(0).random((vertices, 3)).astype("<f4")
    joints, weights = zeros(document, vertices, "VEC4", 5121), zeros(document, vertices, "VEC4")
    attributes = {"POSITION": add_accessor(document, points, "VEC3")}
    for number in range(sets):
        attributes |= {f"JOINTS_{number}": joints, f"WEIGHTS_{number}": weights}
    document["meshes"][0]["primitives"] = [{"attributes": attributes}]
    return document


@pytest.mark.parametrize("sets", [4, 200])
def test_memory_does_not_grow_with_the_sets_of_joints(sets):
    data = json.dumps(many_sets(60_000, sets)).encode()
    with little_memory():
        scene = read_asset(data, extensions=EXTENSIONS).scene()
        read_triangles(scene.asset, scene.primitives[0])
    assert len(scene.warnings) == (sets > 4)


def test_only_the_first_four_sets_of_joints_move_a_vertex():
    document = skinned_document()
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    count = len(strip().points)
    for number in range(2, 6):
        attributes[f"JOINTS_{number}"] = attributes["JOINTS_0"]
        attributes[f"WEIGHTS_{number}"] = zeros(document, count, "VEC4")
    attributes["WEIGHTS_4"] = add_accessor(document, np.full((count, 4), 9, "<f4"), "VEC4")
    scene = parsed(document)
    assert scene.warnings == ("meshes[0].primitives[0]: has 6 sets of joints; only the first 4 can move it",)
    [primitive], plain = scene.primitives, parsed(skinned_document())
    found = read_attribute(scene.asset, primitive, "POSITION")
    np.testing.assert_array_equal(found, read_attribute(plain.asset, plain.primitives[0], "POSITION"))


def test_a_broken_stream_of_keys_leaves_the_scene_and_the_other_channels():
    document = one_box()
    for node in document["nodes"][:2]:
        node.pop("matrix")
    keys = [np.array([[n, n, n], [0, 0, 0]], "<f4") for n in (7, 9)]
    outputs = [add_accessor(document, array, "VEC3") for array in keys]
    animated(document, *((node, "translation", output) for node, output in enumerate(outputs)))
    times = add_accessor(document, np.array([0, 1], "<f4"), "SCALAR")
    for sampler in document["animations"][0]["samplers"]:
        sampler["input"] = times
    packed = with_meshopt(document)
    view = packed["bufferViews"][packed["accessors"][outputs[0]]["bufferView"]]
    [stream] = view["extensions"].values()
    whole = read(packed)
    assert [whole.scene().placements.matrix[0, 0, 3], len(whole.warnings)] == [7, 0]
    for broken in ({"byteLength": 3}, {"byteOffset": 10**6}, {"buffer": 99}, {"mode": "POINTS"}):
        before = dict(stream)
        stream |= broken
        scene = read(packed).scene()
        assert scene.placements.matrix[0, 0, 3] == 0
        assert scene.cameras[0].camera_to_world[0, 3] == 9
        [warning] = scene.warnings
        assert re.match(r"animations\[0\]\.channels\[0\]: .*left out", warning)
        stream.clear()
        stream |= before


def test_an_animated_asset_travels_without_its_keys():
    document = one_box()
    output = zeros(document, 4_000_000, "VEC3")
    document["accessors"][output]["count"] = 1_000_000
    times = add_accessor(document, np.arange(1_000_000, dtype="<f4"), "SCALAR")
    del document["nodes"][0]["matrix"]
    animated(document, (0, "translation", output))
    document["animations"][0]["samplers"][0]["input"] = times
    asset = read(document)
    assert asset.animation.tracks
    assert len(pickle.dumps(asset)) < sum(map(len, asset.buffers)) + 100_000
    scene = pickle.loads(pickle.dumps(asset.scene()))
    assert scene.shapes == asset.scene().shapes


def test_a_morph_target_with_another_type_of_colours_is_told():
    document = one_box()
    primitive = document["meshes"][0]["primitives"][0]
    primitive["attributes"]["COLOR_0"] = add_accessor(document, np.ones((8, 3), "<f4"), "VEC3")
    primitive["targets"] = [{"COLOR_0": add_accessor(document, np.ones((8, 3), "<f4"), "VEC3")}]
    document["meshes"][0]["weights"] = [0.5]
    scene = parsed(document)
    np.testing.assert_array_equal(read_attribute(scene.asset, scene.primitives[0], "COLOR_0"), 1.5)
    primitive["targets"] = [{"COLOR_0": add_accessor(document, np.ones((8, 4), "<f4"), "VEC4")}]
    with pytest.raises(SceneError, match=r"targets\[0\]\.COLOR_0: must be VEC3; it is VEC4"):
        parsed(document)


def test_a_morph_target_moves_no_vertex_too_far():
    document = one_box()
    primitive = document["meshes"][0]["primitives"][0]
    primitive["targets"] = [{"POSITION": add_accessor(document, np.full((8, 3), 5e8, "<f4"), "VEC3")}]
    document["meshes"][0]["weights"] = [1.0]
    asset = read(document)
    assert asset.scene().primitives
    document["meshes"][0]["weights"] = [2.1]
    with pytest.raises(SceneError, match=r"meshes\[0\].primitives\[0\]: its pose moves .* beyond 1e\+09"):
        read(document).scene()
    primitive["targets"] *= 2
    document["meshes"][0]["weights"] = [50.0, -50.0]  # they undo each other
    assert read(document).scene().primitives


def test_joints_move_no_vertex_too_far():
    document = skinned_document()
    document["nodes"][4]["matrix"] = np.diag([1e6, 1e6, 1e6, 1]).reshape(-1).tolist()
    bind = np.tile(np.eye(4), (3, 1, 1)).reshape(3, 16).astype("<f4")
    document["skins"][0]["inverseBindMatrices"] = add_accessor(document, bind, "MAT4")
    assert read(document).scene().primitives
    document["nodes"][4]["matrix"] = np.diag([1e8, 1e8, 1e8, 1]).reshape(-1).tolist()
    with pytest.raises(SceneError, match="its pose moves"):
        read(document).scene()


def test_an_unused_joint_may_be_anywhere():
    document = skinned_document()
    document["skins"][0]["joints"].append(len(document["nodes"]))
    with_nodes(document, 1, scale=[1e8] * 3)
    del document["skins"][0]["inverseBindMatrices"]
    assert read(document).scene().primitives


def moved(scene, node, pose):
    return scene.asset.scene({scene.asset.node_name(node): pose})


def test_the_next_frame_finds_its_lights_scale_in_no_time():
    rng = np.random.default_rng(0)
    document = one_box()
    [primitive] = document["meshes"][0]["primitives"]
    primitive["attributes"] = {
        "POSITION": add_accessor(document, rng.random((1_500_000, 3)).astype("<f4"), "VEC3")
    }
    del primitive["indices"]
    lamps = {"KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 50.0}]}}
    document["extensions"] = lamps
    with_nodes(document, 1, extensions={"KHR_lights_punctual": {"light": 0}}, translation=[0, 3, 0])
    first = parsed(document)
    spent = []
    for x in range(5):
        pose = np.eye(4)
        pose[0, 3] = x
        scene = moved(first, 0, pose)
        with spending() as this:
            _ = scene.light_scale
        spent.append(this.seconds)
    assert min(spent[1:]) < spent[0] / 10
    scene = moved(first, 0, np.eye(4))
    with time_limit(0), pytest.raises(CheckTimeoutError):
        _ = scene.light_scale


def test_what_is_posed_is_looked_at_in_no_time():
    document = many_sets(999_999, 1)
    document["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 50.0}]}}
    with_nodes(document, 1, extensions={"KHR_lights_punctual": {"light": 0}}, translation=[0, 3, 0])
    asset = read(document)
    asset.scene()
    with spending() as spent:
        _ = asset.scene().light_scale
    assert spent.seconds < 0.1


def test_what_is_known_of_an_asset_changes_no_light():
    scene = lit(lamp(100.0, (0, 7, 0)))
    again = scene.asset.scene()
    assert again.light_scale == scene.light_scale == scene.asset.scene().light_scale
