"""The panel "Make a Dataset of This Scene", in a real Blender; what it writes is made by the command."""

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from gltf_render_server.dataset.specification import read_specification
from gltf_render_server.dataset.store import Store

pytestmark = [pytest.mark.program, pytest.mark.timeout(1000)]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("dataset")


@pytest.fixture(scope="module")
def report(program_home, forms, out):
    return program_home.drive("dataset", out, limit_s=800, simulates_events=True, DRIVE_FORMS=str(forms))


def make(command):
    """Run the command that was copied, and return the dataset."""
    words = shlex.split(command)
    assert words[0] == "gltf-render-dataset"
    run = [sys.executable, "-m", "gltf_render_server.dataset", *words[1:]]
    done = subprocess.run(run, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Store(Path(words[words.index("-o") + 1]))


def test_it_is_written_and_told(report, out):
    for name, items in (("orbit", 2), ("cameras", 1), ("animation", 11)):
        assert f"{items} item" in report["told"][name], report["told"][name]
        assert shlex.split(report["clipboard"][name])[:3] == [
            "gltf-render-dataset",
            "make",
            str(out / name / "dataset.toml"),
        ]
        read_specification(out / name / "dataset.toml")
    assert report["files"]["orbit"] == ["dataset.toml", "scene.glb"]
    assert report["files"]["cameras"] == ["dataset.toml", "light.blend", "scene.glb"]


def test_nothing_of_the_users_changes(report):
    assert report["changed"] == {name: {} for name in ("orbit", "cameras", "animation", "preview")}


def test_the_command_makes_it(report, out):
    store = make(report["clipboard"]["orbit"])
    records = [item.record for item in store]
    assert len(records) == 2
    categories = {each.name: each.category for each in records[0].objects}
    assert categories == {"table": "furniture", "ball": "ball"}, (
        "what renders hide is left out, the eye does not count"
    )
    assert sorted(path.name for path in (store.path / "formats").iterdir()) == ["coco", "nerfstudio"]
    target = read_specification(out / "orbit" / "dataset.toml").cameras[0].poses.target
    np.testing.assert_allclose(target, (0, 0, 0), atol=1e-5)


def test_the_scenes_cameras_and_light_are_taken(report):
    [item] = make(report["clipboard"]["cameras"])
    assert [view.camera for view in item.record.views] == ["Camera", "Camera_001"]
    matrix = np.reshape(item.record.views[0].camera_to_world, (4, 4))
    np.testing.assert_allclose(matrix[:3, 3], (7.3589, 4.9583, 6.9258), atol=1e-3)  # of a new file, y up
    for view, seen in zip(item.record.views, report["seen"], strict=True):
        x, y, z = np.linalg.inv(np.reshape(view.camera_to_world, (4, 4)))[:3, 3]  # of the origin
        lens = view.lens
        there = lens.center_x - lens.focal_x * x / z, lens.center_y + lens.focal_y * y / z
        np.testing.assert_allclose(there, seen, atol=1e-3, err_msg="as Blender's own render shows it")
    colours = [view.array("color") for view in item.views]
    assert min(colour.std() for colour in colours) > 10, "the light of the file shines"


def test_an_animation_begins_with_the_first_frame(report, out, tmp_path):
    raw = tomllib.loads((out / "animation" / "dataset.toml").read_text())
    del raw["look"]  # of which VTK knows nothing; it takes a second
    fast = out / "animation" / "fast.json"
    fast.write_text(json.dumps({**raw, "renderer": {"backend": "vtk"}}))
    items = list(make(shlex.join(["gltf-render-dataset", "make", str(fast), "-o", str(tmp_path / "made")])))
    ball = [
        np.reshape(each.matrix, (4, 4))[0, 3]
        for item in items
        for each in item.record.objects
        if each.name == "ball"
    ]
    assert len(ball) == 11
    np.testing.assert_allclose([ball[0], ball[5], ball[10]], [-1, 0, 1], atol=0.02)
    assert raw["source"]["fps"] == 24


def test_a_file_is_not_replaced_unasked(report):
    assert "already" in report["refused"]["there"]
    assert report["replaced"]


def test_what_is_missing_is_told(report):
    words = {
        "unsaved": "Save this file first",
        "no_pass": "No pass is ticked",
        "no_selection": "No object is selected",
        "no_camera": "no active camera",
    }
    for name, text in words.items():
        assert text in report["refused"][name]


def test_a_preview_is_shown(report):
    assert report["preview"] == "Dataset preview, 6 items in all"
    assert report["sheet"][0] > 2 * 320
    assert report["sheet"][1] > 2 * 240
    assert report["sheet_std"] > 0.05, "not blank"
    assert not report["requests_wait"], "of clients, in This Window: the child works elsewhere"


def test_escape_cancels(report):
    assert "cancelled" in report["cancelled"]
    assert report["left"] == []
