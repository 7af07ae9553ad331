"""Each example is run as a user runs it, small, and what it leaves is looked at."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from outside_readers import read_with
from PIL import Image
from servers import ROOT

EXAMPLES = ROOT / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
NOBODY = "http://127.0.0.1:9"
ROOM = EXAMPLES / "still_life" / "room.blend"


def run(name, *arguments):
    """Run an example; return what it prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def picture(path):
    with Image.open(path) as image:
        return np.asarray(image)


def example(name):
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_each_says_what_it_shows_how_to_run_it_and_what_comes_out(program):
    text = program.read_text()
    shown, how, what = re.fullmatch(
        r'#!/usr/bin/env python3\n"""(.+?)\n\nRun it (.+?)\n\nIt writes (.+?)"""\n.+', text, re.DOTALL
    ).groups()
    assert shown.splitlines()[0].endswith(".")
    assert f"python examples/{program.name}" in how
    assert "picture.jpg" in what
    assert program.stat().st_mode & 0o111


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_each_stands_in_the_table_with_a_picture(program):
    page = (EXAMPLES / "README.md").read_text()
    assert f"[{program.name}]({program.name})" in page
    image = f"docs/images/examples/{program.stem}.jpg"
    assert f"](../{image})" in page
    assert (ROOT / image).stat().st_size < 200_000


@pytest.mark.parametrize(
    ("name", "module", "arguments", "told"),
    [
        pytest.param(
            "drake_rig",
            "pydrake",
            ["--server", NOBODY],
            f"no server answers at {NOBODY}",
            marks=pytest.mark.drake,
        ),
        ("mujoco_scene", "mujoco", ["--server", NOBODY], f"no server answers at {NOBODY}"),
        ("trimesh_points", "trimesh", ["--server", NOBODY], f"no server answers at {NOBODY}"),
        ("blender_room", "trimesh", ["--server", NOBODY], f"no server answers at {NOBODY}"),
        ("yolo_training", "mujoco", ["nowhere"], "nowhere/*.glb"),
        ("nerf_data", "trimesh", ["nowhere.glb"], "nowhere.glb"),
    ],
)
def test_what_stops_it_is_told_in_a_line(tmp_path, name, module, arguments, told):
    pytest.importorskip(module, reason="an extra is not installed")
    command = [sys.executable, EXAMPLES / f"{name}.py", *arguments, "--output", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=500)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith(f"{name}: ")]
    assert len(said) == 1, done.stderr
    assert told in said[0]
    assert "Traceback" not in done.stderr


@pytest.mark.drake
def test_drakes_rig_sees_all_bodies_from_three_sides(vtk_server, tmp_path):
    pytest.importorskip("pydrake", reason="Drake, the real client, has no package for this Python or system")
    printed = run(
        "drake_rig", "--server", vtk_server.url, "--output", tmp_path, "--seconds", 0.7, "--width", 80
    )
    assert "the pictures show left 0.250 s, front 0.333 s, right 0.417 s" in printed
    labels = [picture(tmp_path / name / "0001_label.png") for name in ("left", "front", "right")]
    assert len(np.unique(labels)) == 7, "five things, the table, and nothing"
    assert not np.array_equal(labels[0], labels[2])
    depth = picture(tmp_path / "front" / "0001_depth.tiff")
    assert (depth.shape, depth.dtype) == ((60, 80), np.float32)
    assert 0.7 < depth[30, 40] < 1.3
    assert picture(tmp_path / "picture.jpg").shape == (180, 240, 3)


def test_mujocos_bodies_are_where_mujoco_has_them(vtk_server, tmp_path):
    pytest.importorskip("mujoco", reason="the extra 'physics' is not installed")
    printed = run(
        "mujoco_scene", "--server", vtk_server.url, "--output", tmp_path, "--frames", 2, "--width", 160
    )
    assert "16 bodies are seen" in printed
    instances = picture(tmp_path / "0001_instance.png")
    assert instances.shape == (120, 160)
    assert len(np.unique(instances)) > 10
    assert not np.array_equal(instances, picture(tmp_path / "0000_instance.png"))
    assert picture(tmp_path / "picture.jpg").shape == (360, 320, 3)


@pytest.mark.parametrize("camera", ["front", "free"])
def test_mujocos_own_rays_find_the_same_depth_and_bodies(vtk_server, camera):
    """Rounded shapes are triangles in the picture, so they may be a millimetre off; edges are left out."""
    mujoco = pytest.importorskip("mujoco", reason="the extra 'physics' is not installed")
    scene = example("mujoco_scene")
    model = scene.load(None)
    data = mujoco.MjData(model)
    for _ in range(450):
        mujoco.mj_step(model, data)
    mujoco.mj_forward(model, data)
    view = scene.view_of(model, data, camera, 96)
    answer = vtk_server.client.render(
        scene.as_glb(model), view, ["depth", "instance"], poses=scene.poses(model, data)
    )
    depth, instance = answer["camera"]["depth"], answer["camera"]["instance"]
    told = [[answer.instances.get(int(each), "") for each in row] for row in instance]
    found_depth, found = rays(mujoco, scene, model, data, view)
    inside = np.ones(depth.shape, bool)
    for shift in [(0, 1), (0, -1), (1, 0), (-1, 0)]:
        inside &= np.roll(instance, shift, (0, 1)) == instance
    inside[[0, -1]] = inside[:, [0, -1]] = False
    assert inside.sum() > 4000
    assert np.array_equal(np.array(told)[inside], found[inside])
    hit = inside & np.isfinite(found_depth)
    assert np.abs(depth[hit] - found_depth[hit]).max() < 2e-3
    assert len(set(found[hit])) > 10


def rays(mujoco, scene, model, data, view):
    """Return planar depth, metres, and the names of the bodies that MuJoCo's rays meet first."""
    height, width = view["height"], view["width"]
    pose, focal = view["camera_to_world"], height / 2 / np.tan(np.radians(view["fov_y_deg"]) / 2)
    depth, names = np.full((height, width), np.inf), np.full((height, width), "", object)
    for row in range(height):
        for column in range(width):
            ray = np.array([(column + 0.5 - width / 2) / focal, (height / 2 - row - 0.5) / focal, -1.0])
            geom = np.array([-1], np.int32)
            length = np.linalg.norm(ray)
            direction = pose[:3, :3] @ ray / length
            distance = mujoco.mj_ray(model, data, pose[:3, 3], direction, None, 1, -1, geom, None)
            if geom[0] >= 0:
                depth[row, column] = distance / length
                names[row, column] = scene.node_of(model, model.geom_bodyid[geom[0]])
    return depth, names


def test_trimeshs_points_lie_on_its_meshes(vtk_server, tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="the extra 'dataset' is not installed")
    printed = run("trimesh_points", "--server", vtk_server.url, "--output", tmp_path, "--width", 160)
    found = {
        name: (int(n), float(mm))
        for name, n, mm in re.findall(r"(\w+) +(\d+) points, at most ([\d.]+) mm", printed)
    }
    assert found.keys() == {"mug", "bottle", "ball", "bowl", "ground"}
    assert max(mm for _, mm in found.values()) < 0.01
    cloud = trimesh.load(tmp_path / "points.ply")
    assert len(cloud.vertices) == sum(n for n, _ in found.values()) > 5000
    assert picture(tmp_path / "picture.jpg").shape == (120, 480, 3)


@pytest.fixture(scope="module")
def yolo(tmp_path_factory):
    """The training data of two models that need no decomposition."""
    pytest.importorskip("mujoco", reason="the extra 'physics' is not installed")
    folder = tmp_path_factory.mktemp("yolo")
    (folder / "models").mkdir()
    for name in ("ball.glb", "carton.glb"):
        (folder / "models" / name).symlink_to(EXAMPLES / "datasets" / "models" / name)
    small = ("--scenes", 3, "--views", 2, "--size", 128, "--backend", "vtk", "--workers", 0)
    printed = run("yolo_training", folder / "models", "--output", folder / "out", *small)
    return folder / "out", printed


def verified(dataset):
    from gltf_render_server.dataset.verify import verify

    found = verify(dataset)
    assert found.is_good, found
    return found


def test_yolos_data_are_good(yolo):
    folder, printed = yolo
    verified(folder / "dataset")
    data = folder / "dataset" / "formats" / "yolo-detect" / "data.yaml"
    assert f"yolo detect train data={data}" in printed
    assert re.findall(r"ball|carton", data.read_text()) == ["ball", "carton"]
    lines = [line for file in data.parent.glob("labels/*/*.txt") for line in file.read_text().splitlines()]
    assert len(lines) > 10
    assert {line[0] for line in lines} == {"0", "1"}
    assert picture(folder / "picture.jpg").shape == (640, 960, 3)


@pytest.mark.readers
def test_ultralytics_reads_yolos_data_as_it_does_to_train(yolo):
    folder, _ = yolo
    data = folder / "dataset" / "formats" / "yolo-detect" / "data.yaml"
    read = read_with("read_yolo", data, "detect")
    assert [*read["names"].values()] == ["ball", "carton"]
    assert sum(len(read[split]) for split in ("train", "val")) == 6


def test_nerfs_data_are_good(tmp_path):
    pytest.importorskip("trimesh", reason="the extra 'dataset' is not installed")
    pytest.importorskip("vtkmodules", reason="the vtkmodules package is not installed")
    small = ("--views", 6, "--size", 96, "--backend", "vtk", "--workers", 0)
    printed = run("nerf_data", "--output", tmp_path, *small)
    verified(tmp_path / "dataset")
    data = tmp_path / "dataset" / "formats" / "nerfstudio"
    assert f"ns-train splatfacto --data {data}" in printed
    transforms = json.loads((data / "transforms.json").read_text())
    assert len(transforms["frames"]) == 6
    assert all((data / frame["file_path"]).exists() for frame in transforms["frames"])
    assert (data / "points.ply").stat().st_size > 10_000
    assert picture(tmp_path / "picture.jpg").std() > 20


def test_nerfs_cameras_stand_around_a_file_of_the_users(tmp_path):
    pytest.importorskip("trimesh", reason="the extra 'dataset' is not installed")
    pytest.importorskip("vtkmodules", reason="the vtkmodules package is not installed")
    mug = EXAMPLES / "datasets" / "models" / "mug.glb"
    small = ("--views", 5, "--size", 64, "--backend", "vtk", "--workers", 0)
    run("nerf_data", mug, "--output", tmp_path, *small)
    [data] = (tmp_path / "dataset" / "formats").iterdir()
    frames = json.loads((data / "transforms.json").read_text())["frames"]
    eyes = np.array([frame["transform_matrix"] for frame in frames])[:, :3, 3]
    assert len(eyes) == 5
    assert (np.ptp(eyes[:, :2], axis=0) > 0.1).all(), "on all sides"
    assert (eyes[:, 2] > 0).all()


@pytest.mark.parametrize("blender_server", [("--blend-file", str(ROOM))], indirect=True)
def test_objects_stand_in_blenders_room(blender_server, tmp_path):
    printed = run("blender_room", "--server", blender_server.url, "--output", tmp_path, "--width", 96)
    pixels = {name: int(n) for name, n in re.findall(r"(?m)^(\w+) +(\d+) pixels", printed)}
    assert pixels.keys() == {"bowl", "mug", "bottle", "carton", "ball"}
    assert min(pixels.values()) > 10
    instance, depth = picture(tmp_path / "instance.png"), picture(tmp_path / "depth.tiff")
    assert np.isfinite(depth).all(), "the room is behind them"
    assert depth[instance > 0].mean() < depth[instance == 0].mean()
    assert picture(tmp_path / "color.png")[instance == 0].std() > 20


NOTEBOOK = EXAMPLES / "passes.ipynb"


def cells():
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_was_run_and_is_small():
    assert NOTEBOOK.stat().st_size < 400_000
    assert [cell["execution_count"] for cell in cells()] == list(range(1, len(cells()) + 1))
    kinds = [output["output_type"] for cell in cells() for output in cell["outputs"]]
    assert "error" not in kinds
    assert kinds.count("display_data") >= 5


def test_the_notebook_runs_and_finds_what_it_shows(blender_server, monkeypatch, capsys):
    """Its cells, one after another in this process: a kernel of Jupyter's would bring 25 packages."""
    matplotlib = pytest.importorskip("matplotlib", reason="the group 'benchmark' is not installed")
    matplotlib.use("Agg")
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setitem(os.environ, "RENDER_SERVER", blender_server.url)
    names: dict = {}
    for cell in cells():
        exec("".join(cell["source"]), names)
        stored = "".join("".join(each.get("text", ())) for each in cell["outputs"])
        assert without_numbers(capsys.readouterr().out) == without_numbers(stored)
    from matplotlib import pyplot

    shown = len(pyplot.get_fignums())
    pyplot.close("all")
    assert shown == 5


def without_numbers(text):
    """Another Blender may find another pixel at an edge."""
    return re.sub(r" *-?\d[\d.]*", " 0", text)
