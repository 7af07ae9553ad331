"""What a specification may say, and how it is told what is wrong."""

import json
from pathlib import Path

import msgspec
import pytest

from gltf_render_server.dataset.specification import (
    LOOK_OF_BLENDER,
    RENDERS_OF_VTK,
    convert,
    read_specification,
    schema,
)
from gltf_render_server.errors import DatasetError
from gltf_render_server.vtk import VtkRenderer, colour

GOOD = """
seed = 7
passes = ["color"]
formats = ["coco"]
split = { val = 0.25 }

[source]
kind = "scene"
file = "room.glb"

[[cameras]]
name = "eye"
width = 64
height = 48
fov_y_deg = 50
count = 12
poses = { kind = "orbit" }

[look]
environment = ["studio", "city"]
rotation_deg = { min = 0, max = 360 }
"""


def wrong(old, new):
    assert old in GOOD
    with pytest.raises(DatasetError) as caught:
        convert(msgspec.toml.decode(GOOD.replace(old, new)), "room.toml")
    return str(caught.value)


def test_what_formats_need_is_added_to_the_passes(tmp_path):
    (tmp_path / "room.toml").write_text(GOOD)
    specification = read_specification(tmp_path / "room.toml")
    assert specification.all_passes == ("color", "instance", "instances")
    assert specification.seed == 7


def test_it_may_be_json(tmp_path):
    (tmp_path / "room.json").write_text(json.dumps(msgspec.toml.decode(GOOD)))
    (tmp_path / "room.toml").write_text(GOOD)
    assert read_specification(tmp_path / "room.json") == read_specification(tmp_path / "room.toml")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('kind = "scene"', 'kind = "scenes"', ("source.kind", "scenes")),
        ('file = "room.glb"', "", ("source", "file")),
        ("width = 64", 'width = "wide"', ("cameras[0].width", "int")),
        ("fov_y_deg = 50", "fov_y_deg = 500", ("cameras[0]", "fov_y_deg")),
        ("fov_y_deg = 50", "fov = 50", ("cameras[0]", "fov")),
        ('kind = "orbit"', 'kind = "spiral"', ("cameras[0].poses", "spiral")),
        ("seed = 7", "seed = -1", ("seed", ">= 0")),
        ('passes = ["color"]', 'passes = ["colour"]', ("passes", "'colour'", "depth")),
        ('passes = ["color"]', 'passes = ["color", "color"]', ("passes", "twice")),
        ('formats = ["coco"]', 'formats = ["cocoa"]', ("formats", "'cocoa'", "bop")),
        ("val = 0.25", "val = 0.75, test = 0.5", ("split", "1.25")),
        ("val = 0.25", "train = 0.25", ("split", "train")),
        ('["studio", "city"]', '["studio", "sea"]', ("look", "'sea'", "forest")),
        ("max = 360", "max = 36000", ("look", "rotation_deg", "3600")),
        ("min = 0, max = 360", "min = 360, max = 0", ("look", "min, max")),
        ("[look]", '[renderer]\nbackend = "vtk"\n[look]', ("look.environment", "vtk")),
        ("[[cameras]]", "[[camera]]", ("camera",)),
        ("[look]", "[looks]", ("looks",)),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old, new, told):
    message = wrong(old, new)
    assert message.startswith("room.toml: ")
    for part in told:
        assert part in message


def test_what_is_no_toml_is_told_with_its_line(tmp_path):
    (tmp_path / "room.toml").write_text("seed = \n")
    with pytest.raises(DatasetError, match="line 1"):
        read_specification(tmp_path / "room.toml")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_specification(tmp_path / "rooms.toml")


def test_the_schema_names_every_key_and_kind():
    text = json.dumps(schema())
    assert schema()["$schema"].startswith("https://json-schema.org/")
    for word in ("objects", "recording", "animation", "hemisphere", "environment", "views_per_item"):
        assert f'"{word}"' in text


def test_what_no_item_can_be_is_told_before_anything_is_rendered():
    def said(source, **more):
        camera = {"name": "eye", "width": 64, "height": 48, "fov_y_deg": 50, "poses": {"kind": "orbit"}}
        with pytest.raises(DatasetError) as caught:
            convert({"source": source, "cameras": [camera], **more}, "room.toml")
        return str(caught.value)

    scene = {"kind": "scene", "file": "room.glb"}
    objects = {"kind": "objects", "files": "*.glb"}
    on_vtk = {"renderer": {"backend": "vtk"}}
    assert "albedo" in said(scene, passes=["depth", "albedo"], **on_vtk)
    assert "flow_forward tells of motion" in said(objects, passes=["flow_forward"])
    assert "flow_forward tells of motion" in said({**scene, "views_per_item": 2}, passes=["flow_forward"])
    for name in LOOK_OF_BLENDER:
        value = {"environment": "city", "view_transform": "AgX", "quality": "preview"}.get(name, 1)
        assert f"look.{name}" in said(scene, look={name: value}, **on_vtk)


def test_what_vtk_cannot_do_is_known_without_it():
    assert VtkRenderer.renders == RENDERS_OF_VTK
    assert colour.OF_BLENDER == LOOK_OF_BLENDER


def test_a_recording_has_z_up_unless_it_is_told():
    recording = {"kind": "recording", "folder": "recorded"}
    assert convert({"source": recording}, "test").up_axis == "z"
    assert convert({"source": recording, "up_axis": "y"}, "test").up_axis == "y"
    assert convert(msgspec.toml.decode(GOOD), "test").up_axis == "y"


def test_the_schema_takes_what_is_good_and_refuses_what_is_not():
    jsonschema = pytest.importorskip("jsonschema", reason="an editor's reader of schemas")
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    validator.validate(msgspec.toml.decode(GOOD))
    for path in (Path(__file__).parents[2] / "examples" / "datasets").glob("*.toml"):
        validator.validate(msgspec.toml.decode(path.read_bytes()))
    assert not validator.is_valid(msgspec.toml.decode(GOOD.replace("fov_y_deg = 50", "fov = 50")))
