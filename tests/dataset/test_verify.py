"""`verify` finds each planted fault by the check that is to find it, and nothing in a good dataset."""

import json
import os
import shutil
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import faults
import numpy as np
import pytest
from any_scene import recipes
from faults import FAULTS, Copy
from hypothesis import HealthCheck, Phase, given, settings
from stores import PASSES_OF_VTK, STILL_LIFE, small_store

from gltf_render_server.dataset.engines.local import LocalEngine
from gltf_render_server.dataset.item import Item, make_item
from gltf_render_server.dataset.making import make
from gltf_render_server.dataset.planning import Plan
from gltf_render_server.dataset.records import Manifest, PassRecord
from gltf_render_server.dataset.shot import Document, Shot, ShotMoment
from gltf_render_server.dataset.specification import convert
from gltf_render_server.dataset.store import Store
from gltf_render_server.dataset.verify import CHECKS, print_report, verify
from gltf_render_server.errors import DatasetError
from gltf_render_server.gltf import read_asset
from gltf_render_server.passes import PASSES
from gltf_render_server.settings import ServerSettings
from gltf_render_server.vtk import VtkRenderer

MODELS = Path(__file__).parents[2] / "examples" / "datasets" / "models"
PASSES_OF_MOTION = [*PASSES_OF_VTK, "visible_forward", "visible_backward"]
WARNINGS = {name for name, check in CHECKS.items() if check.is_warning}
SEEDS = range(1, 1 + int(os.environ.get("GLTF_RENDER_SERVER_SEEDS", "1")))
SCENES = 12


def with_keypoints(path):
    """Write the still life again, with two keypoints on each of some objects."""
    data = STILL_LIFE.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    for name in ("teapot", "cup", "upper_book"):
        node = next(each for each in document["nodes"] if each.get("name") == name)
        for point, place in (("low", [0, 0.01, 0]), ("side", [0.03, 0.02, 0.02])):
            node.setdefault("children", []).append(len(document["nodes"]))
            document["nodes"].append({"name": f"keypoint:{point}", "translation": place})
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    size = 20 + len(text) + len(rest)
    path.write_bytes(data[:8] + struct.pack("<II4s", size, len(text), b"JSON") + text + rest)
    return Document(path.read_bytes(), path)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two views of each of three items, in which things move."""
    folder = tmp_path_factory.mktemp("good")
    document = with_keypoints(folder / "still_life.glb")
    small_store(folder / "store", document, passes=PASSES_OF_MOTION, moving=("cup", "vase"))
    for item in Store(folder / "store"):  # all of one split, so that there is nothing to tell
        path = item.folder / "item.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"split": "train"}))
    return folder / "store"


def found(report):
    return {*report.faults, *report.warnings}


def test_nothing_is_found_in_a_good_store(store):
    report = verify(store)
    assert not found(report), report.messages()
    assert not report.notes
    measured = {name for name, result in report.results.items() if result.measured}
    assert measured >= set(CHECKS) - {name for name in CHECKS if name.startswith("annotations")} - {
        "masks.disjoint"
    }


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(store, tmp_path, name, seed):
    plant, checks = FAULTS[name]
    plant(Copy.of(store, tmp_path / "store", seed))
    report = verify(tmp_path / "store")
    assert found(report) >= set(checks), report.messages()
    assert set(checks) <= WARNINGS or not report.is_good
    for check in checks:
        assert all(report.results[check].messages)


def test_a_fault_says_where_it_is(store, tmp_path):
    copy = Copy.of(store, tmp_path / "store", 1)
    folder, view, index = copy.an_object()
    rows = copy.rows(folder, view)
    x, y, width, height = rows[index]["box"]
    rows[index]["box"] = [x, y, width - 1, height - 1]
    copy.write_rows(folder, view, rows)
    (message,) = verify(tmp_path / "store").results["boxes.seen"].messages
    item = folder.relative_to(tmp_path / "store").as_posix()
    assert message.startswith(f"{item}, camera_{view}, object {index + 1} ({rows[index]['name']}): 1 px; ")
    assert "without + 1" in message


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        ("flow_with_y_upwards", "right with y flipped"),
        ("flow_of_the_other_sign", "right with the opposite sign"),
        ("depth_in_millimetres", "as if depth were in millimetres"),
        ("normals_in_the_worlds_axes", "as normals in the world's axes"),
    ],
)
def test_a_fault_says_what_it_looks_like(store, tmp_path, plant, said):
    function, _ = FAULTS[plant]
    function(Copy.of(store, tmp_path / "store", 3))
    assert any(said in message for message in verify(tmp_path / "store").messages())


@pytest.mark.parametrize("pixels", [0.1, 0.05])
def test_a_principal_point_is_right_to_a_part_of_a_pixel(store, tmp_path, pixels):
    """Even if all that is told agrees: the surfaces of the document say where depth belongs."""

    def beside(lens):
        lens["center_x"] += pixels

    copy = Copy.of(store, tmp_path / "store", 4)
    copy.retell(faults.change_lens(copy, beside))
    report = verify(tmp_path / "store")
    assert "models.shift" in report.faults
    assert report.results["models.shift"].worst == pytest.approx(pixels, rel=0.15)


# random scenes


def store_of(path, renderer, scenes, passes):
    """Put random scenes, which have z up, into a store; all of them move."""
    manifest = Manifest(
        {}, 1, len(scenes), [], "z", [PassRecord.of(PASSES[name]) for name in passes], {}, source=""
    )
    store = Store.begin(path / "store", manifest)
    for index, scene in enumerate(scenes):
        file = path / f"{index}.gltf"
        file.write_bytes(scene.data)
        document, later = Document(scene.data, file), scene.later()
        moment = ShotMoment(later.named_poses, 0.0, tuple(view.camera_to_world for view in later.views))
        shot = Shot(
            document,
            scene.views,
            tuple(passes),
            moments={"after": moment, "before": moment},
            alpha_threshold=0.5,
        )
        item = Item(
            index, file.name, shot, ("camera",) * len(scene.views), assets={document.sha256: str(file)}
        )
        asset = read_asset(document.data, extensions=renderer.extensions)
        made = make_item(item, asset, lambda shot, frame: renderer.render(frame).views)
        store.write(made.record, made.files)
    return path / "store"


def random_scenes(count):
    scenes = []

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(recipes)
    def draw(recipe):
        scenes.append(recipe.scene())

    draw()
    return scenes


def test_nothing_is_found_in_random_scenes(tmp_path):
    renderer = VtkRenderer(ServerSettings())
    report = verify(store_of(tmp_path, renderer, random_scenes(SCENES), PASSES_OF_MOTION))
    renderer.close()
    assert not report.faults, report.messages()
    assert report.results["flow.points"].measured > 1000
    assert report.results["models.depth"].measured > 1000


def test_nothing_is_found_in_random_scenes_of_blender(tmp_path):
    pytest.importorskip("bpy", reason="the bpy package is not for this Python")
    from gltf_render_server.blender import BlenderRenderer

    renderer = BlenderRenderer(ServerSettings())
    passes = [name for name in PASSES_OF_MOTION if name != "color"]
    report = verify(store_of(tmp_path, renderer, random_scenes(3), passes))
    renderer.close()
    assert not report.faults, report.messages()
    assert report.results["models.depth"].measured > 200


# other things


@pytest.mark.parametrize(
    ("seed", "files", "width", "count"),
    [
        (1, [f"models/{name}.glb" for name in ("bowl", "mug", "ring")], 160, 12),
        (2, [f"models/{name}.glb" for name in ("bowl", "mug", "ring")], 160, 12),
        (1, "models/*.glb", 64, 3),
    ],
)
def test_nothing_is_found_in_hollow_and_in_round_objects_from_all_sides(tmp_path, seed, files, width, count):
    # one view sees the inside of a bowl, and the next one the outside, where it hides the inside;
    # between the pixels of a small image, a round surface is not flat
    camera = {"name": "around", "width": width, "height": width * 3 // 4, "fov_y_deg": 40, "count": count}
    specification = {
        "seed": seed,
        "source": {"kind": "objects", "files": files},
        "cameras": [{**camera, "poses": {"kind": "sphere"}}],
        "passes": ["color", "depth", "instance", "instances"],
        "renderer": {"backend": "vtk"},
    }
    plan = Plan(convert(specification, "test"), MODELS.parent)
    with closing(LocalEngine(ServerSettings(backend="vtk", workers=0))) as engine:
        make(plan, tmp_path / "store", engine)
    report = verify(tmp_path / "store")
    assert not report.faults, report.messages()
    assert report.results["depth.views"].measured > 500
    assert [note for note in report.notes if "a document that was composed" in note] == report.notes


def test_names_and_surfaces_that_the_specification_does_not_know_are_found(store, tmp_path):
    copy = Copy.of(store, tmp_path / "store", 1)
    folder = copy.folders[0]
    record, manifest = copy.record(folder), json.loads((copy.path / "dataset.json").read_text())
    cameras = {view["camera"] for each in copy.folders for view in copy.record(each)["views"]}
    told = {
        "split": {"val": 0.5},
        "cameras": [{"name": name} for name in cameras],
        "renderer": {"blend_file": None},
    }
    (copy.path / "dataset.json").write_text(json.dumps({**manifest, "specification": told}))
    assert not found(verify(copy.path))
    views = [{**record["views"][0], "camera": "nobody"}, *record["views"][1:]]
    for change, said in (({"split": "tset"}, "'tset' is none of train, val"), ({"views": views}, "nobody")):
        copy.keep(folder, {**record, **change})
        report = verify(copy.path)
        assert report.faults == ["ids.references"]
        assert said in report.messages()[0]
    copy.keep(folder, record)
    depth, instance = (copy.array(folder, 0, name) for name in ("depth", "instance"))
    assert (instance == 0).any()
    copy.write_array(folder, 0, "depth", np.where(instance == 0, np.float32(0.7), depth))
    assert "depth.there" in verify(copy.path).faults
    copy.write_array(folder, 0, "depth", depth)
    blended = {**told, "renderer": {"blend_file": "room.blend"}}
    (copy.path / "dataset.json").write_text(json.dumps({**manifest, "specification": blended}))
    assert "depth.there" not in verify(copy.path).faults


def test_without_the_document_what_needs_it_is_told(store, tmp_path):
    copy = Copy.of(store, tmp_path / "store", 1)
    for folder in copy.folders:
        copy.keep(folder, copy.record(folder) | {"assets": {}})
    report = verify(copy.path)
    assert not report.faults
    assert not report.results["models.depth"].measured
    assert report.results["flow.points"].measured
    assert any("was not found" in note for note in report.notes)


def test_progress_is_told(store):
    told = []
    verify(store, progress=lambda done, count: told.append((done, count)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_one_in_some_items_can_be_looked_at(store):
    report = verify(store, every=2)
    assert report.results["files.decode"].measured == verify(store).results["files.decode"].measured
    assert report.results["depth.numbers"].measured == 4


def test_a_folder_that_is_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="there is no folder"):
        verify(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no dataset that verify can read"):
        verify(tmp_path)


@pytest.mark.parametrize("has_rich", [True, False])
def test_the_report_is_printed(store, tmp_path, has_rich, capsys, monkeypatch):
    copy = Copy.of(store, tmp_path / "store", 1)
    faults.one_pixel_more(copy)
    if not has_rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    print_report(verify(copy.path))
    printed = capsys.readouterr().out
    assert "masks.pixels" in printed
    assert "faults found by masks.pixels" in printed
    assert "FAULT masks.pixels: items/" in printed


def test_checks_are_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "datasets" / "verify.md").read_text()
    for name, check in CHECKS.items():
        assert f"| `{name}` | {check.proves} |" in page, name
        assert f"| {check.tolerance:g} {check.unit}".rstrip() in page, name


def many(path, count, size):
    """A store of one item again and again, whose index alone is another."""
    small_store(path, items=1, size=size)
    store = Store(path)
    record = json.loads((store.folder(0) / "item.json").read_text())
    for index in range(1, count):
        shutil.copytree(store.folder(0), store.folder(index))
        (store.folder(index) / "item.json").write_text(json.dumps(record | {"index": index}))
    return path


def test_memory_does_not_grow_with_items(tmp_path):
    program = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from gltf_render_server.dataset.verify import verify\n"
        # the peak that resource.getrusage tells would be that of the process which starts this one
        "status = Path('/proc/self/status')\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1])\n"
        "peaks = []\n"
        "verify(sys.argv[1], progress=lambda *_: peaks.append(peak()))\n"
        "print(peaks[-1] - peaks[4])\n"
    )
    path = many(tmp_path / "store", 40, (320, 240))
    command = [sys.executable, "-c", program, str(path)]
    grown_kib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown_kib < 12 * 1024  # one view's arrays take 6 MiB


def test_it_is_fast_enough(tmp_path):
    """About 10 views of 640 x 480 with all passes a second are measured; on busy machines half of that."""
    program = (
        "import sys, time\n"
        "from gltf_render_server.dataset.verify import verify\n"
        "verify(sys.argv[1])\n"
        "began_s = time.process_time()\n"
        "report = verify(sys.argv[1])\n"
        "print(report.views / (time.process_time() - began_s))\n"
    )
    # in a process of its own nothing of other tests runs, and no garbage of theirs is collected
    command = [sys.executable, "-c", program, str(many(tmp_path / "store", 4, (640, 480)))]
    views_per_s = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert views_per_s > 1
