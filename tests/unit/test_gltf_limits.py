"""What a scene costs is counted before it is spent, whatever the scene says."""

import json
import sys
import tracemalloc

import msgspec
import numpy as np
import pytest
from drake_like import add_accessor
from spent import spending
from test_gltf_document import EXTENSIONS, add_view, instanced, one_box, parsed

from gltf_render_server.errors import CheckTimeoutError, SceneError, TooLargeError
from gltf_render_server.gltf import parse_scene
from gltf_render_server.limits import Limits, time_limit

PEAK_BYTES = 100 * 10**6


def refused(data, error, says):
    """Check that a document is refused, quickly and without memory to speak of."""
    with spending() as spent, pytest.raises(error, match=says):
        parse_scene(data, extensions=EXTENSIONS)
    assert spent.seconds < 5
    tracemalloc.start()  # a run of its own: it slows Python down many times
    try:
        with pytest.raises(error, match=says):
            parse_scene(data, extensions=EXTENSIONS)
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES
    finally:
        tracemalloc.stop()


def encoded(document):
    return json.dumps(document, separators=(",", ":")).encode()


@pytest.mark.parametrize("where", ["extras", "materials", "extensions", "nodes"])
def test_many_values_are_refused_before_they_are_decoded(where):
    flood = b"[" + b"[]," * 10_000_000 + b"[]]"
    refused(
        b'{"asset":{"version":"2.0"},"%s":%s}' % (where.encode(), flood), SceneError, "more than .* values"
    )


def test_what_the_schema_does_not_name_is_not_decoded():
    document = one_box()
    document["extras"] = "flood"
    document["nodes"][0]["more"] = "flood"
    document["accessors"][0]["extras"] = "flood"
    data = encoded(document).replace(b'"flood"', b"[" + b"[]," * 300_000 + b"[]]")
    tracemalloc.start()
    parse_scene(data, extensions=EXTENSIONS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 10**6


def test_long_strings_are_no_values():
    document = one_box()
    document["buffers"].append({"byteLength": 1, "uri": "data:," + "[]," * 3_000_000})
    parsed(document)


@pytest.mark.parametrize("depth", [5_000, 200_000])
@pytest.mark.parametrize("where", ["root", "node", "primitive", "extension"])
def test_deep_extras_travel_nowhere(depth, where):
    document = one_box()
    parts = {
        "root": document,
        "node": document["nodes"][0],
        "primitive": document["meshes"][0]["primitives"][0],
        "extension": document["materials"][0],
    }
    parts[where]["extensions" if where == "extension" else "extras"] = "deep"
    data = encoded(document).replace(b'"deep"', b'{"a":' * depth + b"1" + b"}" * depth)
    try:
        scene = parse_scene(data, extensions=EXTENSIONS)
    except SceneError as error:
        assert "nested too deeply" in str(error)  # noqa: PT017
        assert depth > 5_000 or where == "extension" or sys.version_info < (3, 12)
    else:
        assert b"deep" not in msgspec.msgpack.encode(scene.asset.json)


def test_instances_of_what_draws_nothing_cost_nothing():
    document = instanced(TRANSLATION=(np.zeros((1000, 3), "<f4"), "VEC3"))
    document["meshes"][0]["primitives"][0]["mode"] = 0
    document["nodes"] += [dict(document["nodes"][0]) for _ in range(3000)]
    document["scenes"][0]["nodes"] += range(3, 3003)
    with spending() as spent:
        assert len(parsed(document).placements) == 0
    assert spent.seconds < 2


def test_instances_are_counted_over_all_nodes_before_they_are_made():
    document = instanced(TRANSLATION=(np.zeros((1000, 3), "<f4"), "VEC3"))
    document["nodes"] += [dict(document["nodes"][0]) for _ in range(3000)]
    document["scenes"][0]["nodes"] += range(3, 3003)
    refused(encoded(document), TooLargeError, "draws 3001000 objects.*--max-objects")


def test_lights_are_objects():
    document = one_box()
    document["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point"}]}}
    document["nodes"] += [{"extensions": {"KHR_lights_punctual": {"light": 0}}}] * 30_000
    document["scenes"][0]["nodes"] += range(3, 30_003)
    refused(encoded(document), TooLargeError, "draws 30001 objects")


def with_vertices(count, primitives, *, shared):
    """A document of many primitives with many vertices, in one accessor or in accessors that overlap."""
    document = one_box()
    points = np.random.default_rng(0).random((count + primitives, 3)).astype("<f4")
    first = add_accessor(document, points, "VEC3")
    accessor = document["accessors"][first]
    document["accessors"] = [
        {**accessor, "count": count, "byteOffset": 0 if shared else 12 * index} for index in range(primitives)
    ]
    document["meshes"][0]["primitives"] = [{"attributes": {"POSITION": i}} for i in range(primitives)]
    return encoded(document)


@pytest.mark.parametrize("shared", [True, False])
def test_vertices_are_counted_for_each_mesh_before_they_are_read(shared):
    parse_scene(with_vertices(30_000, 100, shared=shared), extensions=EXTENSIONS)
    refused(with_vertices(30_000, 400, shared=shared), TooLargeError, "14000000 vertices.*--max-vertices")


def test_vertices_that_primitives_share_count_by_use():
    document = json.loads(with_vertices(300_000, 1, shared=True))
    few = add_accessor(document, np.arange(3, dtype="<u4")[:, None], "SCALAR")
    document["accessors"][few]["componentType"] = 5125
    primitive = {"attributes": {"POSITION": 0}, "indices": few}
    document["meshes"][0]["primitives"] = [primitive] * 100
    assert len(parsed(document).placements) == 100
    document["meshes"][0]["primitives"] = [primitive] * 2_000
    refused(encoded(document), TooLargeError, "--max-vertices")


def test_morph_targets_are_vertices():
    document = json.loads(with_vertices(30_000, 1, shared=True))
    document["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": 0}] * 500
    refused(encoded(document), TooLargeError, "--max-vertices")


def test_triangles_are_counted_each_time_that_they_are_drawn():
    document = json.loads(with_vertices(300_000, 1, shared=True))
    document["nodes"] += [{"mesh": 0}] * 1_200
    document["scenes"][0]["nodes"] += range(3, 1_203)
    refused(encoded(document), TooLargeError, "120100000 triangles.*--max-triangles")
    parse_scene(encoded(document), extensions=EXTENSIONS, limits=Limits(max_triangles=200_000_000))


def test_views_may_not_share_their_bytes_too_often():
    document = one_box()
    points = np.random.default_rng(0).random((300_000, 3)).astype("<f4")
    view = add_view(document, points.tobytes())
    document["bufferViews"] += [
        {**document["bufferViews"][view], "byteOffset": 12 * i, "byteLength": 3_000_000} for i in range(100)
    ]
    accessor = {"componentType": 5126, "count": 9, "type": "VEC3"}
    first = len(document["accessors"])
    document["accessors"] += [{**accessor, "bufferView": view + 1 + i} for i in range(100)]
    document["meshes"][0]["primitives"] = [{"attributes": {"POSITION": first + i}} for i in range(100)]
    refused(encoded(document), SceneError, "bufferViews: share the same bytes too often")


def test_many_scenes_of_one_tree_are_walked_once():
    document = one_box()
    document["nodes"] += [{} for _ in range(5_000)]
    document["nodes"][0]["children"] = list(range(3, 5_003))
    document["scenes"] += [{"nodes": [2]}] * 2_000
    with spending() as spent:
        parsed(document)
    assert spent.seconds < 2


def test_nodes_are_bounded():
    document = one_box()
    data = encoded(document).replace(b'"nodes":[{', b'"nodes":[' + b"{}," * 300_000 + b"{")
    refused(data, SceneError, "more than 200000 nodes")


def test_the_time_of_a_check_is_bounded():
    document = one_box()
    parsed(document)
    with time_limit(0), pytest.raises(CheckTimeoutError, match="--check-timeout"):
        parsed(document)
    scene = parsed(document)
    with time_limit(0), pytest.raises(CheckTimeoutError):
        _ = scene.shapes
    parsed(document)  # the limit has gone with its block
