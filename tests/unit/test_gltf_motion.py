"""What moves a scene takes little memory and time, whatever the scene says, and breaks nothing else of it."""

import json
import re
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from compressed import with_meshopt
from drake_like import add_accessor
from skinned import document as skinned_document
from test_gltf_document import EXTENSIONS, one_box

from gltf_render_server.errors import TooLargeError
from gltf_render_server.gltf import read_asset
from gltf_render_server.http.scenes import keep_asset
from gltf_render_server.limits import Limits

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


def keep(document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return keep_asset("0" * 64, len(data), read_asset(data, extensions=EXTENSIONS))


def many_sets(vertices, sets):
    document = skinned_document()
    points = np.random.default_rng(0).random((vertices, 3)).astype("<f4")
    joints, weights = zeros(document, vertices, "VEC4", 5121), zeros(document, vertices, "VEC4")
    attributes = {"POSITION": add_accessor(document, points, "VEC3")}
    for number in range(sets):
        attributes |= {f"JOINTS_{number}": joints, f"WEIGHTS_{number}": weights}
    document["meshes"][0]["primitives"] = [{"attributes": attributes}]
    return document


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
        assert scene.cameras[0].matrix[0, 3] == 9
        [warning] = scene.warnings
        assert re.match(r"animations\[0\]\.channels\[0\]: .*left out", warning)
        stream.clear()
        stream |= before


def moved(scene, node, pose):
    return scene.asset.scene({scene.asset.node_name(node): pose})
