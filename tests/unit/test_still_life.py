"""The still life: a GLB file for any viewer, and what scripts make of it for Drake."""

import json

import numpy as np
import pytest
import trimesh

import still_life
from gltf_render_server.gltf import parse_scene

GLASS = frozenset({"KHR_materials_transmission"})
FILE = still_life._FILE


@pytest.fixture(scope="module")
def shown():
    """What another reader of glTF files makes of it."""
    return trimesh.load(FILE)


def corners_of(gltf):
    """Yield each node's name and the corners of its world bounding box, z-up."""
    for node in gltf["nodes"]:
        if "mesh" in node:
            bounds = [
                (accessor["min"], accessor["max"])
                for primitive in gltf["meshes"][node["mesh"]]["primitives"]
                for accessor in [gltf["accessors"][primitive["attributes"]["POSITION"]]]
            ]
            yield node["name"], np.min([low for low, _ in bounds], 0), np.max([high for _, high in bounds], 0)


def test_any_viewer_shows_it_upright(shown):
    """y-up, and in metres: the table's top at y = 0, the wall behind it."""
    low, high = shown.bounds
    np.testing.assert_allclose((low[0], high[0]), (-1.4, 1.4), atol=1e-3)
    assert -0.9 < low[1] < -0.1
    assert 0.5 < high[1] < 1.5
    assert low[2] == pytest.approx(-0.452, abs=1e-3), "the wall"


def test_every_object_is_there(shown):
    """Each object is as large as another reader of glTF says."""
    gltf = still_life.document()
    boxes = {name: (low, high) for name, low, high in corners_of(gltf)}
    assert boxes.keys() == still_life.labels().keys()
    for name, (low, high) in boxes.items():
        meshes = [
            shown.geometry[geometry]
            for node in shown.graph.nodes_geometry
            for geometry in [shown.graph[node][1]]
            if name in (node, node.rpartition("_")[0])
        ]
        np.testing.assert_allclose(low, np.min([mesh.bounds[0] for mesh in meshes], 0), atol=1e-6)
        np.testing.assert_allclose(high, np.max([mesh.bounds[1] for mesh in meshes], 0), atol=1e-6)


def test_it_is_sent_as_drake_sends_a_scene():
    """data: URIs, z up; for labels the same nodes and meshes, and a colour for each object."""
    color, label = (json.loads(still_life.scene(kind)) for kind in ("color", "label"))
    scene = parse_scene(still_life.scene("color"), extensions=GLASS)
    assert len(scene.placements) == len(scene.primitives) == 48
    [camera] = scene.cameras
    assert camera.camera_to_world[:3, 3] == pytest.approx((0.03, -1.3, 0.45))
    assert {each["uri"][:5] for kind in ("images", "buffers") for each in color[kind]} == {"data:"}
    assert {name for name in color if color[name] != label[name]} == {"materials"}
    told = {tuple(material["emissiveFactor"]) for material in label["materials"]}
    assert told == {(number / 255, 0.0, 0.0) for number in still_life.labels().values()}
    assert len(told) == 26


def test_one_object_alone_brings_only_what_it_needs():
    bowl = still_life.model("bowl", np.diag([2.0, 1.0, 1.0, 1.0]))
    assert len(json.dumps(bowl)) < len(still_life.scene("color")) / 5
    assert len(bowl["meshes"]) == 1
    assert len(bowl["materials"]) == len(bowl["meshes"][0]["primitives"]) == 2
    half_width = bowl["accessors"][0]["max"][0]
    placed = trimesh.load_scene(
        trimesh.util.wrap_as_stream(json.dumps(bowl).encode()), file_type="gltf", process=False
    )
    assert placed.bounds[1, 0] == pytest.approx(2 * half_width, abs=2e-3), "wider"
    assert placed.bounds[0, 1] == pytest.approx(0, abs=1e-3), "y-up"
