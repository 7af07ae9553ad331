"""What the panel for datasets writes, without Blender."""

import math
import tomllib

import pytest
from blender_addon.dataset_specification import command, make_specification, to_toml

from gltf_render_server.dataset.specification import convert

JOB = {
    "around": None,
    "width": 320,
    "height": 240,
    "passes": ["color"],
    "formats": ["coco"],
    "quality": "preview",
    "light": "forest",
}
ORBIT = {"kind": "orbit", "count": 7, "fov_deg": 40.0, "box": None}


def read_back(job, cameras=(), animation=None):
    shifts = {name: {"x": 0.0, "y": 0.0, "fit": "AUTO"} for name in dict(cameras)}
    made = make_specification({**JOB, "shifts": shifts, **job}, dict(cameras), animation)
    raw = tomllib.loads(to_toml(made, "A remark\nof two lines"))
    assert raw == {**made, "cameras": raw["cameras"]}
    return convert(raw, "test")


def test_names_of_cameras_are_made_fit():
    names = ["Camera", "camera", "Kamera \u00fc", "\u00fc", 'a"b\\c\x7f', "shot_0001", "shot", "x" * 90]
    read = read_back({}, [(name, name) for name in names])
    assert [camera.poses.camera for camera in read.cameras] == names
    assert len({camera.name.casefold() for camera in read.cameras}) == len(names)


@pytest.mark.parametrize(
    ("fit", "size", "center"),
    [
        ("AUTO", (320, 240), (128.0, 184.0)),
        ("AUTO", (240, 320), (88.0, 224.0)),
        ("HORIZONTAL", (240, 320), (96.0, 208.0)),
        ("VERTICAL", (320, 240), (136.0, 168.0)),
    ],
)
def test_a_shift_moves_the_principal_point(fit, size, center):
    job = {"width": size[0], "height": size[1], "shifts": {"A": {"x": 0.1, "y": 0.2, "fit": fit}}}
    [camera] = read_back(job, [("A", "A")]).cameras
    assert (camera.center_x, camera.center_y) == pytest.approx(center)


@pytest.mark.parametrize("size", [(320, 240), (240, 320)])
def test_what_is_selected_fills_four_fifths_of_the_smaller_side(size):
    width, height = size
    box = [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]
    read = read_back({"around": {**ORBIT, "box": box}, "width": width, "height": height})
    poses = read.cameras[0].poses
    assert poses.target == (2.0, 4.0, -3.0), "y is up in glTF"
    slope = math.tan(math.radians(20)) * min(1, width / height)
    outline = math.tan(math.asin(math.sqrt(3) / poses.distance))
    assert math.isclose(outline / slope, 0.8)


def test_a_hemisphere_does_not_look_along_the_ground():
    poses = read_back({"around": {**ORBIT, "kind": "hemisphere"}}).cameras[0].poses
    assert poses.spread == "even"
    assert poses.min_elevation_deg > 0
    assert not poses.is_random, "or rays would be cast, which Blender lacks the library for"


def test_an_animation_and_the_files_light():
    read = read_back({"around": ORBIT, "light": "FILE"}, (), {"fps": 12.5, "start_s": 0.0, "duration_s": 2.0})
    assert (read.source.fps, read.source.duration_s) == (12.5, 2.0)
    assert read.renderer.blend_file == "light.blend"
    assert read.look.environment is None


def test_the_command_can_be_pasted(tmp_path):
    folder = tmp_path / "my data; rm"
    assert f"'{folder}/dataset.toml'" in command(folder)
