"""Whatever a document holds, it becomes a scene or a SceneError: never anything else, never a warning."""

import json
from typing import Any

import numpy as np
from drake_like import DrakeScene, box, look_at, sphere
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from test_gltf_document import EXTENSIONS, rich_document

from gltf_render_server.dataset.composition import Composition
from gltf_render_server.dataset.shot import Document
from gltf_render_server.errors import SceneError, TooLargeError
from gltf_render_server.gltf import Detail, content_of, import_document, parse_scene, read_triangles

GOOD = rich_document()
PLAIN = DrakeScene(
    [box([1, 1, 1], look_at([3, 0, 0], [0, 0, 0]), 7), sphere(1, look_at([0, 3, 0], [0, 0, 0]), 8, 3)],
    look_at([5, 5, 5], [0, 0, 0]),
)
FUZZ = settings(max_examples=1000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

ODD: list[Any] = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    7,
    0.5,
    -0.0,
    1.0,
    10**20,
    10**400,
    -(10**20),
    2**63,
    1e300,
    -1e300,
    1e-320,
    "",
    "a",
    "0",
    "\u0000",
    "data:,",
    "data:image/png;base64,",
    "\ud800",
    [],
    {},
    [None],
    [[]],
    [0, 0, 0],
    [-1],
    [1e300] * 3,
    [0.0] * 4,
    [1e300] * 4,
    [1e200] * 16,
    [10**400] * 3,
    {"index": 99},
    {"index": None},
    {"a": {}},
    {"source": 99},
    {"extensions": 5},
    {"extensions": {"EXT_texture_webp": None}},
    {"bufferView": True},
    {"fooTexture": {"index": 99}},
    [{"fooTexture": {"index": 0}}],
    {"light": True},
    {"attributes": {}},
]
KEYS = [
    "extensions",
    "extras",
    "index",
    "source",
    "matrix",
    "rotation",
    "scale",
    "children",
    "sparse",
    "byteStride",
    "fooTexture",
    "normalTexture",
    "targets",
    "weights",
    "skin",
    "mode",
    "indices",
    "normalized",
    "alphaMode",
    "KHR_draco_mesh_compression",
    "EXT_mesh_gpu_instancing",
    "KHR_lights_punctual",
    "EXT_texture_webp",
    "KHR_texture_basisu",
    "KHR_materials_clearcoat",
    "uri",
    "name",
    "min",
    "byteOffset",
    "baseColorFactor",
]


def survives(data: bytes) -> bool:
    """Do all that the server does with a document before Blender sees it; tell whether it was good."""
    try:
        scene = parse_scene(data, extensions=EXTENSIONS)
    except (SceneError, TooLargeError):
        return False
    _ = (scene.labels, scene.shapes, scene.surfaces, scene.light_sources)
    for primitive in scene.primitives:
        triangles = read_triangles(content_of(scene), primitive)
        assert triangles.corners.max() < len(triangles.vertices)
    for detail in Detail:
        everything = dict.fromkeys(range(len(scene.primitives)), detail)
        try:
            written = import_document(scene, everything)
        except SceneError:
            assert detail is Detail.SURFACE
        else:
            json.loads(written)
    return True


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON tree, breadth first."""
    found = [({"": value}, "")]
    for container, key in found:
        item = container[key]
        if isinstance(item, dict):
            found += [(item, name) for name in item]
        elif isinstance(item, list):
            found += [(item, index) for index in range(min(len(item), 20))]
    return found[1:]


def copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


ODD_VALUES = st.sampled_from(ODD) | st.recursive(
    st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=2),
    max_leaves=4,
)
ODD_VALUES = ODD_VALUES.map(copied)  # it may be changed in its turn


@st.composite
def mutated_documents(draw) -> Any:
    document = copied(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        found = places(document)
        container, key = found[draw(st.integers(0, len(found) - 1))]
        action = draw(st.sampled_from(["replace", "delete", "insert", "swap"]))
        if action == "replace":
            container[key] = draw(ODD_VALUES)
        elif action == "delete":
            del container[key]
        elif action == "swap":
            other, other_key = found[draw(st.integers(0, len(found) - 1))]
            container[key] = copied(other[other_key])
        elif isinstance(container, list):
            container.insert(key, draw(ODD_VALUES))
        else:
            container[draw(st.sampled_from(KEYS))] = draw(ODD_VALUES)
        if not document:
            break
    return document


def test_the_documents_are_good_before_they_are_changed():
    assert survives(json.dumps(GOOD).encode())
    assert survives(PLAIN.to_bytes())


@FUZZ
@given(mutated_documents())
def test_changed_trees(document):
    survives(json.dumps(document).encode())


def put_together(data: bytes) -> bytes | None:
    """Put a document into another, beside itself; None = it cannot be."""
    composition = Composition()
    try:
        composition.add(Document(PLAIN.to_bytes()), "plain")
        composition.add(Document(data), "one")
        composition.add(Document(data), "other")
    except (SceneError, TooLargeError):
        return None
    return composition.document().data


@FUZZ
@given(mutated_documents())
def test_changed_trees_are_the_same_in_another_document(document):
    data = json.dumps(document).encode()
    together = put_together(data)
    if not survives(data):
        _ = together is None or survives(together)  # what is broken may be what is left out
        return
    assert together is not None
    assert survives(together)
    scene, whole = (parse_scene(each, extensions=EXTENSIONS) for each in (data, together))
    plain = len(PLAIN.bodies)
    first = slice(plain, plain + len(scene.placements))
    np.testing.assert_array_equal(whole.placements.matrix[first], scene.placements.matrix)
    shapes = [whole.shapes[primitive] for primitive in whole.placements.primitive[first]]
    assert shapes == [scene.shapes[primitive] for primitive in scene.placements.primitive]
    assert len(whole.placements) == plain + 2 * len(scene.placements)
    assert len(whole.lights) == 2 * len(scene.lights)


@FUZZ
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    st.sampled_from([json.dumps(GOOD).encode(), PLAIN.to_bytes()]),
)
def test_changed_bytes(flips, data):
    changed = bytearray(data)
    for place, value in flips:
        changed[place % len(changed)] = value
    survives(bytes(changed))


@FUZZ
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_noise(data):
    assume(b'"asset"' not in data)  # Hypothesis also draws constants of the sources: an empty document
    assert not survives(data)
