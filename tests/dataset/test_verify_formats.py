"""`verify` reads what other tools write: nothing is found in good datasets, and each planted fault is."""

import json
import shutil
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from stores import PASSES_OF_VTK, small_store

from gltf_render_server.dataset.formats import export
from gltf_render_server.dataset.verify import Report, verify
from gltf_render_server.dataset.verify.layouts import find_layout
from gltf_render_server.dataset.verify.layouts.files import read_json

FORMATS = {"coco": "COCO", "bop": "BOP", "hdf5": "HDF5 of BlenderProc"}
FAULTS = {name: {} for name in FORMATS}


def fault(dataset, *checks):
    def add(plant):
        FAULTS[dataset][plant.__name__] = plant, checks
        return plant

    return add


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    store = small_store(folder / "store", items=3, passes=PASSES_OF_VTK)
    for name in FORMATS:
        export(store, name, folder / name)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_found_in_a_good_export(exported, name):
    report = verify(exported / name)
    assert report.layout == FORMATS[name]
    assert not report.faults, report.messages()
    assert report.views >= 4


@pytest.mark.parametrize("is_annotated", [False, True])
def test_images_without_objects_may_be_the_same(exported, tmp_path, is_annotated):
    shutil.copytree(exported / "coco", tmp_path / "coco")
    for name in ("instances_train.json", "instances_train_polygons.json"):
        path = annotations(tmp_path / "coco", name)
        document = json.loads(path.read_text())
        one, other = document["images"][:2]
        if not is_annotated:
            ids = one["id"], other["id"]
            kept = [each for each in document["annotations"] if each["image_id"] not in ids]
            path.write_text(json.dumps({**document, "annotations": kept}))
    images = tmp_path / "coco" / "images"
    (images / other["file_name"]).unlink()
    shutil.copyfile(images / one["file_name"], images / other["file_name"])
    assert ("duplicates.pictures" in verify(tmp_path / "coco").faults) == is_annotated


def annotations(path, name="instances_train.json"):
    return path / "annotations" / name


def change_annotations(path, change, name="instances_train.json"):
    document = json.loads(annotations(path, name).read_text())
    change(document)
    annotations(path, name).write_text(json.dumps(document))


def change_annotation(path, change, name="instances_train.json"):
    """Change the annotation of the largest area."""
    change_annotations(path, lambda each: change(max(each["annotations"], key=lambda a: a["area"])), name)


# COCO


@fault("coco", "boxes.seen")
def box_half_a_pixel_off(path):
    def change(row):
        row["bbox"] = [row["bbox"][0] - 0.5, row["bbox"][1] - 0.5, *row["bbox"][2:]]

    change_annotation(path, change)


@fault("coco", "boxes.seen")
def box_without_the_last_pixel(path):
    def change(row):
        row["bbox"] = [*row["bbox"][:2], row["bbox"][2] - 1, row["bbox"][3] - 1]

    change_annotation(path, change)


@fault("coco", "masks.disjoint")
def two_masks_of_one(path):
    def change(document):
        first = document["annotations"][0]
        others = [row["id"] for row in document["annotations"]]
        document["annotations"].append(first | {"id": max(others) + 1})

    change_annotations(path, change)


@fault("coco", "ids.references")
def annotation_of_no_image(path):
    change_annotation(path, lambda row: row.update(image_id=4711))


@fault("coco", "ids.references")
def annotation_of_no_category(path):
    change_annotation(path, lambda row: row.update(category_id=4711))


@fault("coco", "ids.unique")
def two_annotations_of_one_number(path):
    def change(document):
        document["annotations"][1]["id"] = document["annotations"][0]["id"]

    change_annotations(path, change)


@fault("coco", "annotations.area")
def area_of_the_box(path):
    change_annotation(path, lambda row: row.update(area=row["bbox"][2] * row["bbox"][3]))


@fault("coco", "annotations.fields")
def mask_of_another_size(path):
    def change(row):
        row["segmentation"]["size"].reverse()

    change_annotation(path, change)


@fault("coco", "annotations.fields")
def crowd_of_seven(path):
    change_annotation(path, lambda row: row.update(iscrowd=7))


@fault("coco", "annotations.keypoints")
def keypoints_of_no_category(path):
    change_annotation(path, lambda row: row.update(keypoints=[1, 2, 2], num_keypoints=2))


@fault("coco", "annotations.polygons")
def polygon_beyond_the_image(path):
    def change(row):
        row["segmentation"][0][0] = -7

    change_annotation(path, change, "instances_train_polygons.json")


@fault("coco", "files.there")
def picture_that_is_gone(path):
    next((path / "images").iterdir()).unlink()


@fault("coco", "files.decode")
def picture_cut_off(path):
    picture = next((path / "images").iterdir())
    picture.write_bytes(picture.read_bytes()[:1000])


@fault("coco", "files.shape")
def picture_of_another_size(path):
    picture = next((path / "images").iterdir())
    with Image.open(picture) as image:
        image.resize((80, 60)).save(picture)


@fault("coco", "files.readable")
def annotations_cut_off(path):
    text = annotations(path).read_text()
    annotations(path).write_text(text[:-100])


# BOP


def scene(path):
    return next(each.parent for each in sorted(path.rglob("scene_gt.json")))


def test_depth_that_does_not_fit_is_no_surface(exported, tmp_path):
    """BlenderProc writes the largest number where a ray hits nothing."""
    shutil.copytree(exported / "bop", tmp_path / "bop")
    file = min(tmp_path.rglob("depth/*.png"))
    with Image.open(file) as image:
        depth = np.array(image)
    depth[:2, 0] = 65535, 65534
    Image.fromarray(depth).save(file)
    layout = find_layout(tmp_path / "bop")
    read = next(iter(layout.read(tmp_path / "bop", Report(tmp_path / "bop", layout.name))))
    assert read.views[0].depth[0, 0] == np.inf
    assert np.isfinite(read.views[0].depth[1, 0])


def change_bop(path, name, change):
    file = scene(path) / f"{name}.json"
    table = json.loads(file.read_text())
    change(table)
    file.write_text(json.dumps(table))


def largest(path):
    """Return the number of the object that the first image shows most of."""
    infos = json.loads((scene(path) / "scene_gt_info.json").read_text())["0"]
    return max(range(len(infos)), key=lambda index: infos[index]["px_count_visib"])


@fault("bop", "boxes.seen")
def box_of_coco(path):
    """Its width is 1 more than BOP's."""

    def change(table):
        box = table["0"][largest(path)]["bbox_visib"]
        box[2], box[3] = box[2] + 1, box[3] + 1

    change_bop(path, "scene_gt_info", change)


@fault("bop", "masks.disjoint")
def masks_that_overlap(path):
    folder = scene(path) / "mask_visib"
    shutil.copy(folder / f"000000_{largest(path):06d}.png", folder / f"000000_{(largest(path) + 1):06d}.png")


@fault("bop", "masks.fraction")
def more_than_all_is_seen(path):
    change_bop(path, "scene_gt_info", lambda table: table["0"][largest(path)].update(visib_fract=1.5))


@fault("bop", "models.shift")
def center_counted_from_the_edge(path):
    def change(table):
        table["0"]["cam_K"][2] += 0.5
        table["0"]["cam_K"][5] += 0.5

    change_bop(path, "scene_camera", change)


@fault("bop", "depth.box_3d")
def depth_scale_of_metres(path):
    change_bop(
        path, "scene_camera", lambda table: table["0"].update(depth_scale=table["0"]["depth_scale"] / 1000)
    )


@fault("bop", "depth.box_3d")
def pose_in_metres(path):
    def change(table):
        pose = table["0"][largest(path)]
        pose["cam_t_m2c"] = [value / 1000 for value in pose["cam_t_m2c"]]

    change_bop(path, "scene_gt", change)


@fault("bop", "models.outlines")
def pose_transposed(path):
    def change(table):
        for pose in table["0"]:
            pose["cam_R_m2c"] = np.reshape(pose["cam_R_m2c"], (3, 3)).T.ravel().tolist()

    change_bop(path, "scene_gt", change)


@fault("bop", "poses.rigid")
def pose_mirrored(path):
    def change(table):
        pose = table["0"][largest(path)]
        pose["cam_R_m2c"][:3] = [-value for value in pose["cam_R_m2c"][:3]]

    change_bop(path, "scene_gt", change)


@fault("bop", "ids.references")
def object_without_a_model(path):
    change_bop(path, "scene_gt", lambda table: table["0"][largest(path)].update(obj_id=4711))


@fault("bop", "ids.references")
def image_without_poses(path):
    change_bop(path, "scene_gt", lambda table: table.pop("0"))


@fault("bop", "files.there")
def mask_that_is_gone(path):
    (scene(path) / "mask_visib" / f"000000_{largest(path):06d}.png").unlink()


@fault("bop", "depth.views", "models.depth")
def depth_along_the_ray(path):
    for name in ("000000", "000001"):
        file = scene(path) / "depth" / f"{name}.png"
        matrix = np.reshape(json.loads((scene(path) / "scene_camera.json").read_text())["0"]["cam_K"], (3, 3))
        with Image.open(file) as image:
            depth = np.array(image).astype(float)
        rows, columns = np.indices(depth.shape)
        x, y = (columns - matrix[0, 2]) / matrix[0, 0], (rows - matrix[1, 2]) / matrix[1, 1]
        Image.fromarray(np.rint(depth * np.sqrt(1 + x * x + y * y)).astype(np.uint16)).save(file)


# HDF5


def change_hdf5(path, change):
    with h5py.File(min(path.rglob("*.hdf5")), "r+") as file:
        change(file)


def put(file, name, array):
    del file[name]
    file[name] = array


@fault("hdf5", "files.decode")
def file_cut_off(path):
    file = min(path.rglob("*.hdf5"))
    file.write_bytes(file.read_bytes()[:2000])


@fault("hdf5", "files.readable")
def file_without_colours(path):
    change_hdf5(path, lambda file: file.pop("colors"))


@fault("hdf5", "files.shape")
def depth_of_another_size(path):
    change_hdf5(path, lambda file: put(file, "depth", file["depth"][1:]))


@fault("hdf5", "ids.references")
def number_of_no_object(path):
    def change(file):
        numbers = file["instance_segmaps"][()]
        numbers[10:20, 10:20] = 222
        put(file, "instance_segmaps", numbers)

    change_hdf5(path, change)


@fault("hdf5", "depth.there", "depth.numbers")
def depth_that_is_no_number(path):
    def change(file):
        depth = file["depth"][()]
        depth[file["instance_segmaps"][()] > 0] = np.nan
        put(file, "depth", depth)

    change_hdf5(path, change)


@fault("hdf5", "annotations.fields")
def normals_as_they_are(path):
    change_hdf5(path, lambda file: put(file, "normals", 2 * file["normals"][()] - 1))


@fault("hdf5", "normals.unit")
def normals_too_short(path):
    change_hdf5(path, lambda file: put(file, "normals", 0.5 * file["normals"][()] + 0.25))


@fault("hdf5", "items.gaps")
def frame_that_is_gone(path):
    folder = min(path.rglob("*.hdf5")).parent
    (folder / "1.hdf5").unlink()


@fault("hdf5", "duplicates.pictures")
def frame_that_is_another(path):
    folder = min(path.rglob("*.hdf5")).parent
    shutil.copy(folder / "0.hdf5", folder / "1.hdf5")


@pytest.mark.parametrize(("name", "planted"), [(name, each) for name in FAULTS for each in FAULTS[name]])
def test_a_planted_fault_is_found(exported, tmp_path, name, planted):
    shutil.copytree(exported / name, tmp_path / name)
    plant, checks = FAULTS[name][planted]
    plant(tmp_path / name)
    report = verify(tmp_path / name)
    assert set(report.faults) >= set(checks), report.messages()
    assert not report.is_good


MASKS, POLYGONS = "annotations/instances_train.json", "annotations/instances_train_polygons.json"
FIRST = "annotations", 0


@pytest.mark.parametrize(
    ("file", "place", "value", "check"),
    [
        (MASKS, ("categories", 0, "id"), [1, 2], "ids.references"),
        (MASKS, (*FIRST, "image_id"), {"a": 1}, "ids.references"),
        (MASKS, (*FIRST, "category_id"), [], "ids.references"),
        (MASKS, (*FIRST, "bbox", 0), 10**30, "annotations.fields"),
        (MASKS, (*FIRST, "area"), 10**400, "annotations.fields"),
        (MASKS, ("images", 0, "width"), 10**30, "annotations.fields"),
        (MASKS, ("images", 0, "file_name"), "x" * 5000, "files.there"),
        (MASKS, ("images", 0, "file_name"), "\0", "files.there"),
        (POLYGONS, ("images", 0, "width"), [], "annotations.fields"),
        (POLYGONS, ("images", 0, "height"), True, "annotations.fields"),
        (POLYGONS, (*FIRST, "segmentation", 0, 0), None, "annotations.fields"),
        (POLYGONS, (*FIRST, "segmentation", 0, 0), 10**30, "annotations.fields"),
        (POLYGONS, (*FIRST, "segmentation", 0, 0), 10**9, "annotations.polygons"),
        ("scene_gt_info.json", ("0",), -1, "files.readable"),
        ("scene_gt_info.json", ("0", 0), -1, "files.readable"),
        ("scene_gt_info.json", ("0", 0, "bbox_visib", 1), [None], "files.readable"),
        ("scene_gt_info.json", ("0", 0, "px_count_all"), [1, 2], "files.readable"),
        ("scene_gt.json", ("0", 0, "obj_id"), 1e300, "files.readable"),
        ("scene_camera.json", ("0", "cam_K", 0), 0, "files.readable"),
        ("models_info.json", ("1", "size_x"), "wide", "files.readable"),
    ],
)
def test_a_value_of_any_type_is_a_fault_and_ends_nothing(exported, tmp_path, file, place, value, check):
    """Some would end the process, take all memory or never end in the library that draws polygons."""
    name = "coco" if file.startswith("annotations") else "bop"
    shutil.copytree(exported / name, tmp_path / name)
    path = min((tmp_path / name).rglob(file))
    document = json.loads(path.read_text())
    table = document
    for key in place[:-1]:
        table = table[key]
    table[place[-1]] = value
    path.write_text(json.dumps(document))
    report = verify(tmp_path / name)
    assert check in report.faults, report.messages()
    assert report.views >= 2, "the other images are looked at"


@pytest.mark.parametrize(
    ("data", "of", "expected"),
    [
        (b'{"a": [1, "x"]}', dict[str, list[int]], "$[...][1]: Expected `int`, got `str`"),
        (b"[]", dict[str, Any], "$: Expected `object`, got `array`"),
        (b'{"a": ', Any, "it is not JSON: Input data was truncated"),
        (b'{"a\xff": []}', Any, "it is not JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000, Any, "it is nested too deeply"),
    ],
)
def test_what_is_wrong_with_json_is_told_with_its_place(tmp_path, data, of, expected):
    (tmp_path / "table.json").write_bytes(data)
    report = Report(tmp_path, "any")
    assert read_json(report, tmp_path / "table.json", "the table", of) is None
    [message] = report.results["files.readable"].messages
    assert message.startswith(f"the table: {expected}")
    assert " - at " not in message
