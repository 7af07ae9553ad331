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


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("seed = 7", "sead = 7", "file: Object contains unknown field `sead`; did you mean `seed`?"),
        ("[[cameras]]", "[[camera]]", "unknown field `camera`; did you mean `cameras`?"),
        ("[[cameras]]", "[cameras]", "cameras: Expected `array`, got `object`; write [[cameras]], with two"),
        (
            "fov_y_deg = 50",
            "fov_deg = 50",
            "cameras[0]: Object contains unknown field `fov_deg`; did you mean",
        ),
        ('kind = "orbit"', 'kind = "orbit", eye = 1', "unknown field `eye`; the key can be kind, target, "),
        (
            'kind = "orbit"',
            'kind = "sphre"',
            "cameras[0].poses.kind: Invalid value 'sphre'; did you mean `sphere`",
        ),
        (
            'kind = "orbit"',
            "fill = 1",
            "`kind`; it can be list, orbit, sphere, hemisphere, box, path or document",
        ),
        ('kind = "orbit"', 'kind = "orbit", target = "me"', "'me'; it can be middle, a list or a table"),
        ('file = "room.glb"', 'file = "room.glb"\nseed = 1', "`seed` is a key of the file itself"),
        ("[look]", '[look]\nquality = "high"', "'high'; it can be balanced, draft, final or preview"),
        ("width = 64", "width = -64", "cameras[0].width: Expected `int` >= 1, got -64"),
        ("val = 0.25", "test = 0.1, val = 25", "split.val: Expected `float` <= 1.0, got 25"),
        (
            'name = "eye"',
            'name = "my eye"',
            "got 'my eye'. Name of the camera, of at most 56 letters, digits",
        ),
        ("count = 12", 'count = "12"', "count: Expected `int`, got `str`"),
    ],
)
def test_what_is_meant_is_told(old, new, told):
    assert told in wrong(old, new)


def test_patterns_of_files_and_categories_may_be_one_or_several():
    def said(**more):
        camera = {"name": "eye", "width": 64, "height": 48, "fov_y_deg": 50, "poses": {"kind": "orbit"}}
        return {"source": {"kind": "objects", "files": "*.glb"}, "cameras": [camera], **more}

    one = {"names": {"chair": "chair*"}, "background": "floor*"}
    several = {"names": {"chair": ["chair*"]}, "background": ["floor*"]}
    for categories in (one, several):
        found = convert(said(categories=categories), "test").categories
        assert found.categorise("chair.001", {}) == "chair"
        assert found.categorise("floor.001", {}) is None
        assert found.categorise("f", {}) == "f"
    with pytest.raises(DatasetError, match=r"source\.files: Expected `array` of length >= 1"):
        convert(said(source={"kind": "objects", "files": []}), "test")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('passes = ["color"]\nformats = ["coco"]', "passes = []", "passes: there are none"),
        ('formats = ["coco"]', 'formats = ["coco", "coco"]', "formats: a format is named twice"),
        ("val = 0.25", '"../val" = 0.25', "split: the name '../val' is not possible"),
        ("val = 0.25", '"a/b" = 0.25', "split: the name 'a/b' is not possible"),
        ("val = 0.25", '"." = 0.25', "split: the name '.' is not possible"),
        ("val = 0.25", '"" = 0.25', "split: the name '' is not possible"),
        ("val = 0.25", "Train = 0.25", "'Train' differs from another split only in case"),
        ("val = 0.25", "val = 0.25, VAL = 0.25", "'VAL' differs from another split only in case"),
    ],
)
def test_what_could_not_be_written_is_told_before_anything_is_rendered(old, new, told):
    assert told in wrong(old, new)


def test_a_format_may_allow_fewer_names_of_splits():
    hard = GOOD.replace("val = 0.25", "hard-ones = 0.25")
    assert convert(msgspec.toml.decode(hard), "test").split == {"hard-ones": 0.25}
    with pytest.raises(DatasetError, match="split: Hugging Face does not allow the split name 'hard-ones'"):
        convert(msgspec.toml.decode(hard.replace('"coco"', '"huggingface"')), "test")


@pytest.mark.parametrize("name", ["room.toml", "room.json"])
def test_it_may_begin_with_a_byte_order_mark(tmp_path, name):
    text = GOOD if name == "room.toml" else json.dumps(msgspec.toml.decode(GOOD))
    (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / f"marked {name}").write_text(text, "utf-8-sig")
    assert read_specification(tmp_path / f"marked {name}") == read_specification(tmp_path / name)


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


def test_the_schema_describes_every_key():
    def is_described(key):
        nodes = [key, *key.get("anyOf", ()), key.get("items", {})]
        return any("description" in each or "$ref" in each for each in nodes)

    tables = schema()["$defs"]  # each of which has a description, which "$ref" leads to
    assert [name for name, table in tables.items() if "description" not in table] == []
    keys = {
        f"{name}.{key}": value
        for name, table in tables.items()
        for key, value in table["properties"].items()
        if key != "kind"
    }
    assert len(keys) > 100
    assert [key for key, value in keys.items() if not is_described(value)] == []


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
    assert "flow_forward shows motion" in said(objects, passes=["flow_forward"])
    assert "flow_forward shows motion" in said({**scene, "views_per_item": 2}, passes=["flow_forward"])
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
