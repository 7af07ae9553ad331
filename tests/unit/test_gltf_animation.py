"""Animations: what nodes are at a time, by the formulas of the specification, and what is left out."""

import msgspec
import numpy as np
import pytest
from compressed import add_view
from drake_like import add_accessor, empty_document
from spent import spending

from gltf_render_server.errors import SceneError
from gltf_render_server.gltf import schema
from gltf_render_server.gltf.animation import find_animation, read_animation
from gltf_render_server.gltf.content import with_nodes
from gltf_render_server.limits import Limits

HALF = np.sqrt(0.5)


def animated(*tracks, nodes=4, name=None):
    """A document with a channel for each (node, path, interpolation, times, values)."""
    document = empty_document()
    document["nodes"] = [{} for _ in range(nodes)]
    animation = {"samplers": [], "channels": []}
    for node, path, interpolation, times, values in tracks:
        values = np.asarray(values)
        kind = "SCALAR" if values.ndim == 1 else f"VEC{values.shape[-1]}"
        sampler = {"input": add_accessor(document, np.array(times, "<f4"), "SCALAR"), "output": None}
        sampler["output"] = add_numbers(document, values, kind)
        if interpolation:
            sampler["interpolation"] = interpolation
        target = {"node": node, "path": path} if isinstance(node, int) else pointer(node)
        animation["channels"].append({"sampler": len(animation["samplers"]), "target": target})
        animation["samplers"].append(sampler)
    document["animations"] = [animation | ({"name": name} if name else {})]
    return document


def pointer(text):
    return {"path": "pointer", "extensions": {"KHR_animation_pointer": {"pointer": text}}}


def add_numbers(document, values, kind):
    if values.dtype.kind == "f":
        return add_accessor(document, values.astype("<f4"), kind)
    view = add_view(document, values.tobytes())
    component = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123}[values.dtype.str[1:]]
    item = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
    document["accessors"].append(item | {"normalized": True})
    return len(document["accessors"]) - 1


def nodes_at(document, time_s, warnings=None):
    typed = msgspec.convert(document, schema.Document)
    said = [] if warnings is None else warnings
    animation = read_animation(typed, [b""] * len(typed.buffers), 0, Limits(), said)
    assert warnings is not None or not said
    return with_nodes(typed, animation.moved(typed.nodes, time_s)).nodes


def moved(document, time_s, path="translation"):
    return getattr(nodes_at(document, time_s)[0], path)


def test_linear_holds_before_and_after():
    document = animated((0, "translation", None, [1, 3], np.array([[0, 0, 0], [2, 4, 8.0]])))
    assert moved(document, -5) == moved(document, 0) == moved(document, 1) == [0, 0, 0]
    assert moved(document, 1.5) == [0.5, 1, 2]
    assert moved(document, 3) == moved(document, 1e30) == [2, 4, 8]


def test_a_step_keeps_a_value_until_the_next_key():
    document = animated((0, "scale", "STEP", [0, 1, 2], np.arange(9.0).reshape(3, 3)))
    assert [moved(document, t, "scale")[0] for t in (0, 0.99, 1, 1.5, 2)] == [0, 0, 3, 3, 6]


def test_rotations_turn_evenly_the_short_way():
    keys = np.array([[0, 0, 0, 1], [0, -HALF, 0, -HALF]])  # 90 degrees about y, as its negative
    document = animated((0, "rotation", "LINEAR", [0, 3], keys))
    for share in (0.1, 1 / 3, 0.9):
        half = share * np.pi / 4
        wanted = [0, np.sin(half), 0, np.cos(half)]
        np.testing.assert_allclose(moved(document, 3 * share, "rotation"), wanted, atol=1e-7)
    tiny = animated((0, "rotation", "LINEAR", [0, 1], np.array([[0, 0, 0, 1], [0, 1e-4, 0, 1.0]])))
    np.testing.assert_allclose(moved(tiny, 0.5, "rotation"), [0, 0.5e-4, 0, 1], atol=1e-9)


def test_splines_go_through_their_keys_with_their_tangents():
    keys = np.array([[[9.0], [1], [2]], [[-1], [4], [9]]]).repeat(3, 2).reshape(6, 3)
    document = animated((0, "translation", "CUBICSPLINE", [0, 2], keys))
    x = [moved(document, t)[0] for t in (-1, 0, 1e-3, 1, 2 - 1e-3, 2, 7)]
    assert [x[0], x[1], x[5], x[6]] == [1, 1, 4, 4]
    assert (x[2] - x[1]) / 1e-3 == pytest.approx(2, abs=0.01)
    assert (x[5] - x[4]) / 1e-3 == pytest.approx(-1, abs=0.01)
    assert x[3] == pytest.approx(0.5 * 1 + 2 * 0.125 * 2 + 0.5 * 4 - 2 * 0.125 * -1)


def test_spline_rotations_are_rotations():
    keys = np.zeros((6, 4))
    keys[1], keys[4] = (0, 0, 0, 1), (0, HALF, 0, HALF)
    document = animated((0, "rotation", "CUBICSPLINE", [0, 1], keys))
    found = moved(document, 0.5, "rotation")
    np.testing.assert_allclose(found, [0, np.sin(np.pi / 8), 0, np.cos(np.pi / 8)], atol=1e-7)


def morphing(document, *counts):
    """Let each of the first nodes have a mesh with so many morph targets."""
    document["meshes"] = [{"primitives": [{"attributes": {}, "targets": [{}] * n}]} for n in counts]
    for mesh in range(len(counts)):
        document["nodes"][mesh]["mesh"] = mesh
    return document


def test_weights_have_a_value_for_each_target():
    document = animated(
        (0, "weights", "LINEAR", [0, 1], np.array([0, 1, 2, 3, 4, 5.0])),
        (1, "weights", "CUBICSPLINE", [0, 1], np.zeros((12,))),
    )
    morphing(document, 3, 2)
    assert nodes_at(document, 0.5)[0].weights == [1.5, 2.5, 3.5]
    assert nodes_at(document, 0.5)[1].weights == [0, 0]


@pytest.mark.parametrize(("dtype", "largest"), [("<i1", 127), ("<i2", 32767), ("<u1", 255), ("<u2", 65535)])
def test_normalized_integers_are_fractions(dtype, largest):
    keys = np.array([[0, 0, 0, largest], [0, largest, 0, 0]], dtype)
    found = moved(animated((0, "rotation", "LINEAR", [0, 1], keys)), 0.5, "rotation")
    np.testing.assert_allclose(found, [0, HALF, 0, HALF], atol=1e-6)


def test_a_pointer_says_the_same():
    keys = np.array([[0, 0, 0], [2, 2, 2.0]])
    document = animated(("/nodes/2/scale", "", "LINEAR", [0, 1], keys))
    assert nodes_at(document, 0.5)[2].scale == [1, 1, 1]


def test_what_is_not_animated_stays():
    document = animated((0, "translation", "LINEAR", [0, 1], np.ones((2, 3))))
    document["nodes"][0] |= {"scale": [2, 2, 2], "rotation": [0, 1, 0, 0]}
    document["nodes"][1] = {"translation": [5, 5, 5]}
    first, second, *_ = nodes_at(document, 0)
    assert (first.translation, first.scale, first.rotation) == ([1, 1, 1], [2, 2, 2], [0, 1, 0, 0])
    assert second.translation == [5, 5, 5]


def edited(edit):
    document = animated(
        (0, "translation", "LINEAR", [0, 1], np.ones((2, 3))),
        (1, "translation", "LINEAR", [0, 1], np.ones((2, 3))),
    )
    animation = document["animations"][0]
    edit(document, animation, animation["channels"][0], animation["samplers"][0])
    return document


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d, a, c, s: c.update(sampler=9), "broken"),
        (lambda d, a, c, s: c.update(sampler="one"), "Expected `int`"),
        (lambda d, a, c, s: c.pop("target"), "target"),
        (lambda d, a, c, s: c["target"].update(path="colour"), "no path colour"),
        (lambda d, a, c, s: c["target"].update(node=7), "no node 7"),
        (lambda d, a, c, s: c.update(target=pointer("/materials/0/alphaCutoff")), "only nodes' transforms"),
        (lambda d, a, c, s: c.update(target={"path": "pointer"}), "only nodes' transforms"),
        (lambda d, a, c, s: s.update(interpolation="SMOOTH"), "broken"),
        (lambda d, a, c, s: s.update(interpolation="CUBICSPLINE"), "do not fit 2 keys"),
        (lambda d, a, c, s: s.update(input=99), "broken"),
        (lambda d, a, c, s: s.update(input=s["output"]), "float scalars"),
        (lambda d, a, c, s: s.update(output=s["input"]), "do not fit"),
        (lambda d, a, c, s: c["target"].update(path="rotation"), "do not fit"),
        (lambda d, a, c, s: d["nodes"][0].update(matrix=np.eye(4).ravel().tolist()), "has a matrix"),
        (lambda d, a, c, s: s.update(input=add_accessor(d, np.array([1, 0], "<f4"), "SCALAR")), "increase"),
        (
            lambda d, a, c, s: s.update(input=add_accessor(d, np.array([0, np.inf], "<f4"), "SCALAR")),
            "finite",
        ),
        (
            lambda d, a, c, s: s.update(output=add_accessor(d, np.full((2, 3), np.nan, "<f4"), "VEC3")),
            "finite",
        ),
    ],
)
def test_a_broken_channel_is_left_out_and_told(edit, message):
    warnings = []
    first, second, *_ = nodes_at(edited(edit), 0.5, warnings)
    assert first.translation is None
    assert second.translation == [1, 1, 1]
    assert len(warnings) == 1
    assert message in warnings[0]
    assert "animations[0].channels[0]" in warnings[0]


def test_a_channel_without_a_node_is_nobodys():
    document = edited(lambda d, a, c, s: c["target"].pop("node"))
    assert nodes_at(document, 0)[0].translation is None


@pytest.mark.parametrize("broken", [{}, {"channels": 5}, {"channels": [None], "samplers": 3}])
def test_a_broken_animation_leaves_the_scene_at_rest(broken):
    document = edited(lambda d, a, c, s: None)
    document["animations"] = [broken]
    assert all(node.translation is None for node in nodes_at(document, 0, []))


def test_the_first_animation_is_shown_unless_one_is_named():
    document = animated((0, "translation", None, [0], np.ones((1, 3))), name="walk")
    document["animations"].append({"name": "run"})
    typed = msgspec.convert(document, schema.Document)
    assert find_animation(typed) == 0
    assert find_animation(typed, "run") == find_animation(typed, 1) == 1
    for missing in ("fly", 2, -1):
        with pytest.raises(SceneError, match="no animation"):
            find_animation(typed, missing)
    assert find_animation(msgspec.convert(empty_document(), schema.Document)) is None


def test_a_thousand_channels_take_milliseconds():
    rng = np.random.default_rng(0)
    tracks = [
        (n, path, "LINEAR", np.arange(100), rng.normal(size=(100, 4 if path == "rotation" else 3)))
        for n in range(334)
        for path in ("translation", "rotation", "scale")
    ]
    typed = msgspec.convert(animated(*tracks, nodes=334), schema.Document)
    animation = read_animation(typed, [b""] * len(typed.buffers), 0, Limits(), [])
    assert len(animation.tracks) == 1002
    spent = []
    for t in range(5):
        with spending() as this:
            animation.moved(typed.nodes, t * 10.1)
        spent.append(this.seconds)
    assert min(spent) < 0.5


@pytest.mark.parametrize("uri", [None, "motion.bin"])
def test_keys_that_are_not_in_the_file_are_left_out_and_told(uri):
    document = edited(lambda d, a, c, s: None)
    for buffer in document["buffers"]:
        buffer["uri"] = uri
    warnings = []
    assert nodes_at(document, 0.5, warnings)[1].translation is None
    assert len(warnings) == 2


@pytest.mark.parametrize(
    ("interpolation", "values", "targets"),
    [("LINEAR", 6, (2, 9)), ("LINEAR", 6, (0, 9)), ("CUBICSPLINE", 12, (3, 9)), ("LINEAR", 5, (2, 9))],
)
def test_weights_that_are_not_those_of_the_mesh_are_left_out(interpolation, values, targets):
    document = animated(
        (0, "weights", interpolation, [0, 1], np.zeros(values)),
        (1, "weights", "LINEAR", [0, 1], np.ones(18)),
    )
    warnings = []
    first, second, *_ = nodes_at(morphing(document, *targets), 0.5, warnings)
    assert first.weights is None
    assert second.weights == [1] * 9
    assert len(warnings) == 1
    assert "animations[0].channels[0]" in warnings[0]


def test_weights_of_a_node_without_a_mesh_are_left_out():
    warnings = []
    document = animated((0, "weights", "LINEAR", [0, 1], np.zeros(4)))
    assert nodes_at(document, 0, warnings)[0].weights is None
    assert "no mesh" in warnings[0]


def test_a_channel_whose_keys_are_missing_leaves_the_others():
    document = edited(lambda d, a, c, s: None)
    output = document["animations"][0]["samplers"][0]["output"]
    view = document["bufferViews"][document["accessors"][output]["bufferView"]]
    document["buffers"][view["buffer"]]["uri"] = "data:;base64,AAAA"
    warnings = []
    first, second, *_ = nodes_at(document, 0.5, warnings)
    assert first.translation is None
    assert second.translation == [1, 1, 1]
    assert len(warnings) == 1
