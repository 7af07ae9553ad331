"""What is recognised of the last documents is what a reading of its own gives, whatever came before."""

import base64
import copy
import gc
import hashlib
import json
import random
import struct
import sys
import threading
import tracemalloc
from itertools import permutations

import any_gltf
import numpy as np
import pytest
from drake_like import DrakeScene, box, look_at, sphere, translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_gltf_document import EXTENSIONS, rich_document
from test_gltf_fuzz import ODD_VALUES, copied, places

from gltf_render_server.dispatch.transfer import Packed, RecentAssets, unpacked
from gltf_render_server.errors import CheckTimeoutError, SceneError, TooLargeError
from gltf_render_server.frame import Frame
from gltf_render_server.gltf import Detail, RecentDocuments, import_document, read_asset
from gltf_render_server.limits import Limits, time_limit

LIMITS = Limits(max_vertices=5_000)
TRANSFORMS = ("matrix", "translation", "rotation", "scale")
CAMERA = look_at((3, 2, 2), (0, 0, 0))


def crowd(count=6):
    bodies = [box((1, 1, 1 + n % 3), translation(n, 0, 0), n + 1) for n in range(count)]
    return DrakeScene([*bodies, sphere(0.5, translation(0, 2, 0), 200, 4)], CAMERA).document()


DOCUMENTS = {
    "crowd": crowd(),
    "labels": DrakeScene([box((1, 1, 1), translation(n, 0, 0), n + 1) for n in range(3)], CAMERA).document(
        "label"
    ),
    "rich": rich_document(),
    **{kind.__name__: kind() for kind in (any_gltf.instanced, any_gltf.skinned, any_gltf.animated)},
}
KINDS = frozenset(EXTENSIONS | {"EXT_mesh_gpu_instancing"})


def as_bytes(document, separators=(",", ":"), **options):
    return json.dumps(document, separators=separators, **options).encode()


def as_glb(document):
    """All buffers become one binary chunk; what is in them stays."""
    document, data = copied(document), b""
    for view in document["bufferViews"]:
        uri = document["buffers"][view["buffer"]]["uri"]
        piece = base64.b64decode(uri.partition(",")[2])
        view["byteOffset"] = len(data) + view.get("byteOffset", 0)
        view["buffer"] = 0
        data += piece + bytes(-len(piece) % 4)
    document["buffers"] = [{"byteLength": len(data)}]
    text = as_bytes(document)
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def told(read):
    """All that a reading gives: what a back end and a client can see of it, or what is wrong."""
    try:
        asset = read()
        scenes = [asset.scene(), asset.scene(time_s=0.7)]
    except (SceneError, TooLargeError) as error:
        return type(error), str(error)
    return [_scene_told(asset, scene) for scene in scenes]


def _scene_told(asset, scene):
    nodes = range(len(asset.source.nodes))
    whole = dict.fromkeys(range(len(scene.primitives)), Detail.SURFACE)
    try:
        written = import_document(scene, whole)
    except SceneError as error:
        written = str(error)
    return {
        "arrays": [
            (array.dtype.str, array.tobytes())
            for array in (
                scene.placements.primitive,
                scene.placements.matrix,
                scene.placements.instance,
                scene.instances.node,
                scene.instances.matrix,
            )
        ],
        "primitives": tuple(scene.primitives),
        "shapes": tuple(scene.shapes),
        "meshes": tuple(scene.meshes),
        "surfaces": tuple(scene.surfaces),
        "labels": tuple(scene.labels),
        "lights": [(light.light, light.matrix.tobytes()) for light in scene.lights],
        "light sources": scene.light_sources,
        "cameras": [repr((vars(it), it.camera_to_world.tobytes())) for it in scene.cameras],
        "keypoints": [(point.name, point.instance, point.position.tobytes()) for point in scene.keypoints],
        "warnings": scene.warnings,
        "nodes": [(asset.node_name(node), repr(asset.node_extras(node))) for node in nodes],
        "triangles": [scene.asset.triangles(it).vertices.tobytes() for it in scene.primitives],
        "written": written,
    }


def fresh(data):
    return lambda: read_asset(data, extensions=KINDS, limits=LIMITS)


def known(recent, data):
    return lambda: recent.open(data).read(extensions=KINDS, limits=LIMITS)


def kept(recent):
    return [each.container for each in recent._recent.values()]


def move(document, rng, count=1):
    """Give some nodes another transform of the kind that they have."""
    for node in rng.sample(document["nodes"], min(count, len(document["nodes"]))):
        for name in TRANSFORMS & node.keys():
            if not isinstance(node[name], list):  # as `restructure` may have left it
                continue
            node[name] = [*node[name]]
            if name == "matrix":
                node[name][12] = rng.uniform(-3, 3)
            else:
                node[name][0] = rng.choice((rng.uniform(-1, 1), 0, -0.0, 1, 1e-7))


def add(document, rng):
    document["nodes"].append({"mesh": 0, "name": "more", "translation": [rng.random(), 0, 0]})
    document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)


def remove(document, rng):
    if document["nodes"][-1].get("name") == "more":
        document["nodes"].pop()
        document["scenes"][0]["nodes"].pop()


def swap_buffers(document, rng):
    one, other = rng.choices(document["buffers"], k=2)
    one["uri"], other["uri"] = other["uri"], one["uri"]


def paint(document, rng):
    document["materials"][:1] = [{"pbrMetallicRoughness": {"baseColorFactor": [rng.random(), 0, 0, 1]}}]


def name(document, rng):
    node = rng.choice(document["nodes"])
    node["name"] = rng.choice(("a", "b", 1, 1.0, True, "keypoint:tip"))
    node["extras"] = {"label": rng.choice((1, 1.0, True, "1", None))}


def restructure(document, rng):
    """Add or take away a member, so that a transform is written in another way, or wrongly."""
    node = rng.choice(document["nodes"])
    member = rng.choice((*TRANSFORMS, "mesh", "children", "unknown"))
    if member in node:
        del node[member]
    else:
        node[member] = rng.choice(([0, 0, 0, 1], [1, 2, 3], None, 1.0, [1] * 16, True, {"a": [[]]}))


def touch(document, rng):
    """Change what nothing depends on."""
    document["asset"]["copyright"] = rng.choice(("me", '"nodes"', '"nodes":[{}]', "é"))


EDITS = (move, move, move, add, remove, swap_buffers, paint, name, restructure, touch)


def written(document, rng):
    """Write a document in one of the ways that JSON has for the same."""
    way = rng.randrange(8)
    if way == 0:
        return as_bytes(document, indent=1)
    if way == 1:
        return b"\xef\xbb\xbf" + as_bytes(document)
    if way == 2:
        return as_bytes(dict(reversed(document.items())), sort_keys=rng.random() < 0.5)
    if way == 3:  # the last of two that have one name counts
        twice = as_bytes({"nodes": rng.choice(([], [{}], document["nodes"]))})[:-1] + b","
        return twice + as_bytes(document)[1:]
    if way == 4:
        return as_bytes(document).replace(b'"nodes":', b'"n\\u006fdes" : ')
    return as_bytes(document)


@pytest.mark.parametrize("kind", DOCUMENTS)
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_any_history_of_edits_gives_what_each_document_gives_by_itself(kind, seed):
    rng = random.Random(seed)
    recent, document = RecentDocuments(10**8), copied(DOCUMENTS[kind])
    for number in range(12):
        for edit in rng.choices(EDITS, k=rng.randint(0, 2)):
            edit(document, rng)
        data = written(document, rng)
        before = kept(recent)
        opened = recent.open(data)
        if number % 4:  # the digest is not always asked for
            assert opened.sha256 == hashlib.sha256(data).hexdigest()
        outcome = told(lambda opened=opened: opened.read(extensions=KINDS, limits=LIMITS))
        assert outcome == told(fresh(data))
        if isinstance(outcome, tuple):
            assert set(map(id, kept(recent))) <= set(map(id, before)), "what is wrong leaves nothing behind"
            document = copied(DOCUMENTS[kind])


@pytest.mark.parametrize("kind", DOCUMENTS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(place=st.integers(0, 10**6), value=ODD_VALUES, is_node=st.booleans())
def test_odd_values_after_a_good_document_are_told_as_ever(kind, place, value, is_node):
    recent, document = RecentDocuments(10**8), copied(DOCUMENTS[kind])
    assert told(known(recent, as_bytes(document))) == told(fresh(as_bytes(document)))
    found = places({"nodes": document["nodes"]} if is_node else document)
    container, key = found[place % len(found)]
    container[key] = value
    data = as_bytes(document)
    assert told(known(recent, data)) == told(fresh(data))


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("write", [as_bytes, as_glb])
def test_what_moves_is_recognised(kind, write):
    recent, document, rng = RecentDocuments(10**8), copied(DOCUMENTS[kind]), random.Random(1)
    assert not known(recent, write(document))().key
    keys = set()
    for count in (1, 0, 3, 100):
        move(document, rng, count)
        data = write(document)
        asset = known(recent, data)()
        keys.add(asset.key)
        assert told(lambda asset=asset: asset) == told(fresh(data))
    assert len(keys) == 1
    assert keys.pop()
    assert len(kept(recent)) == 1


class Compared(bytes):
    """Bytes that count with how many others they were compared from their beginning."""

    count = 0

    def startswith(self, prefix, *place):
        self.count += len(prefix)
        return super().startswith(prefix, *place)


def test_the_text_is_compared_once_for_the_digest_and_the_nodes():
    """Colour and label images take turns. Their documents differ in the materials, far from the beginning."""
    recent, rng = RecentDocuments(10**8), random.Random(2)
    scene = DrakeScene([sphere(0.5, translation(n, 0, 0), n + 1) for n in range(3)], CAMERA)
    documents = [scene.document(kind) for kind in ("color", "label")]
    for document in documents:
        known(recent, as_bytes(document, sort_keys=True))()
    for document in documents:
        move(document, rng, 3)
        data = Compared(as_bytes(document, sort_keys=True))
        opened = recent.open(data)
        assert opened.sha256 == hashlib.sha256(data).hexdigest()
        assert opened.read(extensions=KINDS, limits=LIMITS).key
        assert data.count < 2.5 * len(data), "once with each of the two"


@pytest.mark.parametrize("first", ["nodes", "buffers", None])
def test_the_digest_is_of_all_bytes_wherever_they_differ(first):
    """The nodes stand at the beginning, at the end, nowhere; bytes are changed, left out, added."""
    document = copied(DOCUMENTS["crowd"])
    if first is None:
        del document["scenes"], document["nodes"], document["scene"]
    order = sorted(document, key=lambda name: (name == "nodes") == (first != "nodes"))
    data = as_bytes({name: document[name] for name in order})
    recent = RecentDocuments(10**8)
    known(recent, data)()
    others = [data, data + b" ", b"", data[:100], as_glb(document)]
    for place in range(0, len(data), 37):
        others += [
            data[:place],
            data[:place] + data[place + 1 :],
            data[:place] + b"x" + data[place:],
            data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :],
        ]
    for other in others:
        assert recent.open(other).sha256 == hashlib.sha256(other).hexdigest()


MATRIX = [1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]


@pytest.mark.parametrize(
    "members",
    [
        [{"extras": {"label": value}} for value in (1, True, 1.0, "1")],
        [{"name": value} for value in ("g", 1, True)],
        [{"matrix": MATRIX}, {"matrix": MATRIX, "rotation": [0, 0, 1, 0]}, {"translation": [1, 2, 3]}, {}],
        [{"matrix": MATRIX}, {"matrix": [1] * 12}, {"matrix": MATRIX, "scale": [1, 1, 1]}, {"matrix": None}],
        [{"mesh": 0}, {"mesh": False}, {"mesh": 0.0}, {"mesh": 1}, {"mesh": 99}],
        [{"rotation": [0, 0, 0, 1]}, {"rotation": [0, 0, 0, 0]}, {"rotation": [0, 0, 0, 1e300]}],
        [{"translation": [0, 0, 1]}, {"translation": [0, 0, 1e10]}, {"translation": [0, 0, -0.0]}],
    ],
    ids=lambda members: ", ".join({name: None for item in members for name in item}),
)
@pytest.mark.parametrize("kind", ["crowd", "animated"])
def test_what_python_takes_for_equal_is_told_apart(kind, members):
    """The node is one that the animation turns."""
    number = 3
    texts = []
    for member in members:
        document = copied(DOCUMENTS[kind])
        node = document["nodes"][number]
        for name in TRANSFORMS if member.keys() & set(TRANSFORMS) else ():
            node.pop(name, None)
        node |= member
        texts.append(as_bytes(document))
    expected = [told(fresh(text)) for text in texts]
    for first, second in permutations(range(len(texts)), 2):
        recent = RecentDocuments(10**8)
        assert told(known(recent, texts[first])) == expected[first]
        assert told(known(recent, texts[second])) == expected[second]


def test_other_data_behind_the_same_text_is_another_document():
    recent, document = RecentDocuments(10**8), copied(DOCUMENTS["crowd"])
    one = as_glb(document)
    other = one[:-1] + bytes([one[-1] ^ 1])
    assert told(known(recent, one)) == told(fresh(one))
    assert told(known(recent, other)) == told(fresh(other)) != told(fresh(one))


def test_other_limits_are_other_readings():
    recent, data = RecentDocuments(10**8), as_bytes(crowd())
    known(recent, data)()
    with pytest.raises(TooLargeError, match="--max-objects"):
        recent.open(data).read(extensions=KINDS, limits=Limits(max_objects=1))


def test_more_values_than_are_decoded_are_refused_even_where_nothing_reads_them():
    recent, document = RecentDocuments(10**8), crowd()
    known(recent, as_bytes(document))()
    document["nodes"][0]["foo"] = [0] * 2_000_000
    data = as_bytes(document)
    assert told(known(recent, data)) == told(fresh(data))
    with pytest.raises(SceneError, match="more than 2000000 values"):
        known(recent, data)()


def test_time_is_limited():
    recent, document = RecentDocuments(10**8), crowd()
    known(recent, as_bytes(document))()
    move(document, random.Random(0), 9)
    with time_limit(-1), pytest.raises(CheckTimeoutError):
        known(recent, as_bytes(document))()


def test_what_does_not_fit_is_not_kept():
    data = as_bytes(crowd())
    for most_bytes, count in ((0, 0), (len(data), 0), (10**7, 1)):
        recent = RecentDocuments(most_bytes)
        known(recent, data)()
        assert len(kept(recent)) == count


def test_documents_that_do_not_come_again_are_forgotten():
    recent = RecentDocuments(10**8)
    known(recent, as_bytes(crowd(9)))()
    for _ in range(40):
        known(recent, as_bytes(crowd(3)))()
    assert len(kept(recent)) == 1


def test_memory_is_bounded():
    """New scenes, one after another, each with what is found out of it."""
    recent = RecentDocuments(2 * 10**6)
    rng = np.random.default_rng(0)
    made = crowd(40)

    def ask():
        for _ in range(40):
            document = made | {"asset": made["asset"] | {"copyright": str(rng.random())}}
            for _ in range(2):
                move(document, random.Random(0), 5)
                _scene_told(asset := known(recent, as_bytes(document))(), asset.scene())

    tracemalloc.start()
    try:
        ask()
        gc.collect()
        assert 1 < len(kept(recent)) < 16
        assert tracemalloc.get_traced_memory()[0] < 4 * 10**6
    finally:
        tracemalloc.stop()


def test_many_threads_read_what_one_reads():
    recent, rng = RecentDocuments(10**8), random.Random(3)
    texts = []
    for kind in ("crowd", "labels", "animated"):
        document = copied(DOCUMENTS[kind])
        for _ in range(4):
            move(document, rng, 3)
            texts.append(as_bytes(document))
    expected = [told(fresh(data)) for data in texts]
    wrong = []

    def ask(seed):
        chance = random.Random(seed)
        for _ in range(12):
            number = chance.randrange(len(texts))
            if told(known(recent, texts[number])) != expected[number]:
                wrong.append(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_is_known_travels_to_a_worker_once_wherever_it_stands(kind):
    """It travels with the first frame, which may be the only one, once with the next, and then no more."""
    recent, document, rng = RecentDocuments(10**8), copied(DOCUMENTS[kind]), random.Random(1)
    sent, there = RecentAssets(), RecentAssets()
    sizes, assets = [], []
    for _ in range(4):
        move(document, rng, 100)
        scene = known(recent, as_bytes(document))().scene()
        _ = scene.shapes, scene.surfaces
        data = Packed(Frame(scene, (), ("color",))).message(sent)
        arrived = unpacked(data, there).scene
        sizes.append(len(data))
        assets.append(arrived.asset)
        assert arrived.shapes == scene.shapes
        assert arrived.surfaces == scene.surfaces
        np.testing.assert_array_equal(arrived.placements.matrix, scene.placements.matrix)
        for one, other in zip(arrived.primitives, scene.primitives, strict=True):
            assert (
                arrived.asset.triangles(one).vertices.tobytes()
                == scene.asset.triangles(other).vertices.tobytes()
            )
    assert assets[0] is not assets[1] is assets[2] is assets[3]
    assert sizes[2] == sizes[3] < min(sizes[:2]) - 1000
    assert not any(getattr(node, name) for node in assets[1].source.nodes for name in TRANSFORMS)


def test_an_asset_is_not_changed_by_what_is_made_of_it():
    recent, document = RecentDocuments(10**8), copied(DOCUMENTS["animated"])
    first = known(recent, as_bytes(document))()
    before, at_rest = told(lambda: first), copy.deepcopy(first.source.nodes)
    move(document, random.Random(0), 100)
    assert told(known(recent, as_bytes(document))) != before
    assert told(lambda: first) == before
    assert first.source.nodes == at_rest
