"""Faults that are planted in a copy of a dataset in the store, each as a tool may make it.

A fault writes files again with their right digests, but where digests are what it is about.
"""

import io
import json
import math
import shutil
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from gltf_render_server.dataset.store import Store, digest_of
from gltf_render_server.encode import encode
from gltf_render_server.passes import PASSES

FAULTS = {}
"""By name: a function that plants it in a `Copy`, and the names of the checks that each must find it."""

FLAT = ("upper_book", "lower_book", "wall")
"""Objects of the still life that are not round: turning them changes what is seen."""


def fault(*checks):
    def add(plant):
        FAULTS[plant.__name__] = plant, checks
        return plant

    return add


@dataclass
class Copy:
    """A copy of a store, and what is chosen in it by chance."""

    path: Path
    rng: np.random.Generator

    @staticmethod
    def of(store, path, seed):
        shutil.copytree(store, path)
        return Copy(path, np.random.default_rng(seed))

    @property
    def folders(self):
        store = Store(self.path)
        return [store.folder(index) for index in store.indices()]

    def an_item(self):
        return self.folders[self.rng.integers(len(self.folders))]

    def a_view(self):
        """Return an item's folder, and the place of one of its views in the record."""
        folder = self.an_item()
        return folder, int(self.rng.integers(len(self.record(folder)["views"])))

    def an_object(self, least=150, names=None):
        """Return an item's folder, the place of a view, and that of an object that it shows well."""
        views = [(f, v) for f in self.folders for v in range(len(self.record(f)["views"]))]
        found = [
            (folder, view, index)
            for folder, view in views
            for index, row in enumerate(self.rows(folder, view))
            if row["pixels"] >= least and (names is None or row["name"] in names)
        ]
        return found[self.rng.integers(len(found))]

    def record(self, folder):
        return json.loads((folder / "item.json").read_text())

    def keep(self, folder, record):
        (folder / "item.json").write_text(json.dumps(record))

    def file(self, folder, view, name):
        return folder / self.record(folder)["views"][view]["files"][name]["file"]

    def write(self, folder, view, name, data, **more):
        """Write a file, and its digest into the record."""
        record = self.record(folder)
        told = record["views"][view]["files"][name]
        (folder / told["file"]).write_bytes(data)
        told |= {"blake3": digest_of(data), **more}
        self.keep(folder, record)

    def array(self, folder, view, name):
        item = Store(self.path)[int(folder.name)]
        return item.views[view].array(name).copy()

    def write_array(self, folder, view, name, array):
        if name in ("instance", "label"):
            buffer = io.BytesIO()
            Image.fromarray(array.astype(np.uint16)).save(buffer, "PNG")
            self.write(folder, view, name, buffer.getvalue())
        else:
            self.write(folder, view, name, encode(array, PASSES[name], None).data)

    def rows(self, folder, view):
        return json.loads(self.file(folder, view, "instances").read_bytes())

    def write_rows(self, folder, view, rows):
        self.write(folder, view, "instances", json.dumps(rows).encode())

    def retell(self, folder):
        """Write all that follows from matrices and lenses into the tables of an item: a lie that is whole."""
        record = self.record(folder)
        matrices = [np.reshape(each["matrix"], (4, 4)) for each in record["objects"]]
        for index, view in enumerate(record["views"]):
            rows, lens = self.rows(folder, index), view["lens"]
            from_world = np.linalg.inv(np.reshape(view["camera_to_world"], (4, 4)))
            for row, matrix in zip(rows, matrices, strict=True):
                to_camera = from_world @ matrix
                ends = np.array([row["box_3d"]["low"], row["box_3d"]["high"]])
                row["matrix"], row["object_to_camera"] = matrix.ravel().tolist(), to_camera.ravel().tolist()
                middle = put(to_camera, ends.mean(0))
                row["center"] |= {"position": seen_at(lens, middle), "depth": -middle[2]}
                row["box_3d"]["corners"] = [
                    seen_at(lens, put(to_camera, ends[list(digits), range(3)]))
                    for digits in product((0, 1), repeat=3)
                ]
            self.write_rows(folder, index, rows)


def put(matrix, point):
    return matrix[:3, :3] @ point + matrix[:3, 3]


def seen_at(lens, point):
    x, y, z = point
    if z >= 0:
        return None
    u = lens["center_x"] - lens["focal_x"] * x / z
    return [u, lens["center_y"] + lens["focal_y"] * y / z]


def turned(degrees, axis):
    """Return a rotation, (3, 3)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = math.radians(degrees)
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


# files


@fault("files.decode")
def truncated_picture(copy):
    folder, view = copy.a_view()
    name = copy.rng.choice(["color", "instance", "depth", "normal"])
    data = copy.file(folder, view, name).read_bytes()
    copy.write(folder, view, name, data[: len(data) // 2])


@fault("files.digest")
def flipped_bit(copy):
    folder, view = copy.a_view()
    path = copy.file(folder, view, "depth")
    data = bytearray(path.read_bytes())
    data[copy.rng.integers(len(data) // 2, len(data))] ^= 1 << copy.rng.integers(8)
    path.write_bytes(bytes(data))


@fault("files.digest")
def wrong_digest(copy):
    folder, view = copy.a_view()
    record = copy.record(folder)
    files = record["views"][view]["files"]
    files[str(copy.rng.choice(list(files)))]["blake3"] = digest_of(b"another file")
    copy.keep(folder, record)


@fault("files.there")
def missing_file(copy):
    folder, view = copy.a_view()
    copy.file(folder, view, copy.rng.choice(["color", "depth", "instances"])).unlink()


@fault("files.unnamed")
def file_that_nothing_names(copy):
    (copy.an_item() / "camera_0" / "notes.txt").write_text("nobody knows of it")


@fault("files.readable")
def unreadable_record(copy):
    path = copy.an_item() / "item.json"
    path.write_text(path.read_text()[:-20])


@fault("files.readable")
def unreadable_manifest(copy):
    (copy.path / "dataset.json").write_text('{"seed": 1')


@fault("files.readable")
def table_without_a_column(copy):
    folder, view = copy.a_view()
    rows = copy.rows(folder, view)
    del rows[copy.rng.integers(len(rows))]["pixels"]
    copy.write_rows(folder, view, rows)


@fault("files.shape")
def picture_of_another_size(copy):
    folder, view = copy.a_view()
    copy.write_array(folder, view, "depth", copy.array(folder, view, "depth")[:-1])


@fault("files.shape")
def numbers_of_8_bits(copy):
    folder, view = copy.a_view()
    buffer = io.BytesIO()
    Image.fromarray(copy.array(folder, view, "instance").astype(np.uint8)).save(buffer, "PNG")
    copy.write(folder, view, "instance", buffer.getvalue())


@fault("items.gaps")
def missing_item(copy):
    shutil.rmtree(copy.an_item())


@fault("items.gaps", "duplicates.pictures")
def item_that_is_another(copy):
    one, other = copy.rng.choice(len(copy.folders), 2, replace=False)
    shutil.rmtree(copy.folders[one])
    store = Store(copy.path)
    shutil.copytree(store.folder(int(other)), store.folder(int(one)))


@fault("duplicates.pictures")
def item_that_comes_twice(copy):
    manifest = json.loads((copy.path / "dataset.json").read_text())
    manifest["items"] += 1
    (copy.path / "dataset.json").write_text(json.dumps(manifest))
    folder = copy.an_item()
    again = Store(copy.path).folder(manifest["items"] - 1)
    shutil.copytree(folder, again)
    copy.keep(again, copy.record(again) | {"index": manifest["items"] - 1})


# masks and boxes


@fault("boxes.seen", "models.outlines")
def mask_shifted_by_a_pixel(copy):
    folder, view = copy.a_view()
    shift = [(0, 1), (1, 0), (0, -1), (-1, 0)][copy.rng.integers(4)]
    copy.write_array(folder, view, "instance", np.roll(copy.array(folder, view, "instance"), shift, (0, 1)))


@fault("models.outlines")
def all_masks_and_boxes_shifted_by_a_pixel(copy):
    """What is told agrees with itself: only the models know."""
    folder, view = copy.a_view()
    numbers = np.roll(copy.array(folder, view, "instance"), 1, 1)
    copy.write_array(folder, view, "instance", numbers)
    masks = np.roll(copy.array(folder, view, "mask_amodal"), 1, 2)
    copy.write_array(folder, view, "mask_amodal", masks)
    rows = copy.rows(folder, view)
    for row in rows:
        mask = numbers == row["number"]
        row["pixels"], row["pixels_amodal"] = int(mask.sum()), int(masks[row["number"] - 1].sum())
        row["pixels_all"] = max(row["pixels_all"], row["pixels_amodal"])
        row["box"] = box_of(mask)
        row["visible_fraction"] = row["pixels"] / row["pixels_all"] if row["pixels_all"] else 0
    copy.write_rows(folder, view, rows)


def box_of(mask):
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]


@fault("boxes.seen")
def box_without_its_last_column_and_row(copy):
    folder, view, index = copy.an_object()
    rows = copy.rows(folder, view)
    x, y, width, height = rows[index]["box"]
    rows[index]["box"] = [x, y, width - 1, height - 1]
    copy.write_rows(folder, view, rows)


@fault("boxes.seen")
def box_off_by_one(copy):
    folder, view, index = copy.an_object()
    rows = copy.rows(folder, view)
    rows[index]["box"][copy.rng.integers(4)] += 1
    copy.write_rows(folder, view, rows)


@fault("boxes.whole")
def box_of_all_off_by_one(copy):
    folder, view, index = copy.an_object(names=("teapot", "vase", "bowl", "upper_book"))
    rows = copy.rows(folder, view)
    rows[index]["box_amodal"][0] += 1
    copy.write_rows(folder, view, rows)


@fault("masks.numbers")
def number_of_no_object(copy):
    folder, view, index = copy.an_object()
    numbers = copy.array(folder, view, "instance")
    numbers[numbers == index + 1] = 999
    copy.write_array(folder, view, "instance", numbers)


@fault("ids.objects")
def object_without_a_record(copy):
    folder = copy.an_item()
    record = copy.record(folder)
    del record["objects"][copy.rng.integers(len(record["objects"]))]
    copy.keep(folder, record)


@fault("masks.whole")
def whole_mask_without_a_column(copy):
    folder, view, index = copy.an_object()
    masks = copy.array(folder, view, "mask_amodal")
    seen = copy.array(folder, view, "instance") == index + 1
    masks[index][:, np.flatnonzero(seen.any(0))[-1]] = False
    copy.write_array(folder, view, "mask_amodal", masks)


@fault("masks.pixels")
def one_pixel_more(copy):
    folder, view, index = copy.an_object()
    rows = copy.rows(folder, view)
    rows[index]["pixels"] += 1
    copy.write_rows(folder, view, rows)


@fault("masks.fraction")
def more_than_all_of_it_is_seen(copy):
    folder, view, index = copy.an_object()
    rows = copy.rows(folder, view)
    rows[index]["visible_fraction"] = 1.02
    copy.write_rows(folder, view, rows)


@fault("masks.fraction")
def fraction_of_what_the_image_has(copy):
    """As if what is beyond the image did not count."""
    folder, view, index = copy.an_object(names=("table", "wall", "apron"))
    rows = copy.rows(folder, view)
    rows[index]["visible_fraction"] = rows[index]["pixels"] / (rows[index]["pixels_amodal"] * 1.001)
    copy.write_rows(folder, view, rows)


# depth


@fault("depth.box_3d", "models.depth")
def depth_in_millimetres(copy):
    folder, view = copy.a_view()
    copy.write_array(folder, view, "depth", copy.array(folder, view, "depth") * np.float32(1000))


@fault("depth.box_3d", "depth.views", "models.depth", "flow.points")
def depth_along_the_ray(copy):
    for folder in copy.folders:
        for view in range(len(copy.record(folder)["views"])):
            lens, depth = copy.record(folder)["views"][view]["lens"], copy.array(folder, view, "depth")
            rows, columns = np.indices(depth.shape) + 0.5
            x, y = (columns - lens["center_x"]) / lens["focal_x"], (rows - lens["center_y"]) / lens["focal_y"]
            along = depth * np.sqrt(1 + x * x + y * y)
            copy.write_array(folder, view, "depth", along.astype(np.float32))


@fault("depth.there", "depth.numbers")
def depth_that_is_no_number(copy):
    folder, view, index = copy.an_object()
    depth = copy.array(folder, view, "depth")
    places = np.argwhere(copy.array(folder, view, "instance") == index + 1)
    depth[tuple(places[copy.rng.integers(len(places))])] = np.nan
    copy.write_array(folder, view, "depth", depth)


@fault("depth.there")
def hole_in_the_depth(copy):
    folder, view, index = copy.an_object()
    depth = copy.array(folder, view, "depth")
    places = np.argwhere(copy.array(folder, view, "instance") == index + 1)
    depth[tuple(places[copy.rng.integers(len(places))])] = np.inf
    copy.write_array(folder, view, "depth", depth)


@fault("models.shift")
def depth_shifted_by_a_pixel(copy):
    folder, view = copy.a_view()
    copy.write_array(folder, view, "depth", np.roll(copy.array(folder, view, "depth"), 1, 1))


@fault("depth.planes")
def depth_beyond_the_far_plane(copy):
    folder, view = copy.a_view()
    record = copy.record(folder)
    depth = copy.array(folder, view, "depth")
    record["views"][view]["lens"]["far"] = float(np.median(depth[np.isfinite(depth)]))
    copy.keep(folder, record)


# cameras and poses


def change_lens(copy, change, views=None):
    folder, view = copy.a_view()
    record = copy.record(folder)
    change(record["views"][view]["lens"])
    copy.keep(folder, record)
    return folder


def half_a_pixel(lens):
    lens["center_x"] += 0.5
    lens["center_y"] += 0.5


def one_percent(lens):
    lens["focal_x"] *= 1.01
    lens["focal_y"] *= 1.01


@fault("poses.project")
def center_half_a_pixel_off(copy):
    change_lens(copy, half_a_pixel)


@fault("models.depth", "models.shift")
def center_half_a_pixel_off_in_all_that_is_told(copy):
    copy.retell(change_lens(copy, half_a_pixel))


@fault("poses.project")
def focal_length_one_percent_off(copy):
    change_lens(copy, one_percent)


@fault("models.depth")
def focal_length_one_percent_off_in_all_that_is_told(copy):
    copy.retell(change_lens(copy, one_percent))


@fault("poses.chain")
def cameras_of_two_views_exchanged(copy):
    folder = copy.an_item()
    record = copy.record(folder)
    one, other = record["views"][:2]
    one["camera_to_world"], other["camera_to_world"] = other["camera_to_world"], one["camera_to_world"]
    copy.keep(folder, record)


def change_camera(copy, change):
    folder, view = copy.a_view()
    record = copy.record(folder)
    matrix = np.reshape(record["views"][view]["camera_to_world"], (4, 4))
    record["views"][view]["camera_to_world"] = np.ravel(change(matrix)).tolist()
    copy.keep(folder, record)
    return folder


@fault("poses.rigid", "poses.chain")
def camera_transposed(copy):
    change_camera(copy, np.transpose)


@fault("poses.chain")
def camera_inverted(copy):
    change_camera(copy, np.linalg.inv)


@fault("poses.chain")
def camera_of_opencv(copy):
    """Its y points down, and it looks along + z."""
    change_camera(copy, lambda matrix: matrix @ np.diag([1.0, -1, -1, 1]))


@fault("poses.chain")
def camera_in_millimetres(copy):
    change_camera(copy, lambda matrix: matrix @ np.eye(4) * [[1, 1, 1, 1000]] * 1.0)


@fault("poses.rigid")
def camera_mirrored(copy):
    change_camera(copy, lambda matrix: matrix @ np.diag([-1.0, 1, 1, 1]))


@fault("depth.views")
def camera_one_centimetre_off_in_all_that_is_told(copy):
    def moved(matrix):
        matrix = matrix.copy()
        matrix[:3, 3] += turned(360 * copy.rng.random(), copy.rng.normal(size=3)) @ [0.01, 0, 0]
        return matrix

    copy.retell(change_camera(copy, moved))


@fault("depth.box_3d", "models.outlines")
def all_poses_in_millimetres(copy):
    folder = copy.an_item()
    record = copy.record(folder)
    scale = np.ones((4, 4))
    scale[:3, 3] = 1000
    for each in record["objects"]:
        each["matrix"] = (np.reshape(each["matrix"], (4, 4)) * scale).ravel().tolist()
    for view in record["views"]:
        view["camera_to_world"] = (np.reshape(view["camera_to_world"], (4, 4)) * scale).ravel().tolist()
    copy.keep(folder, record)
    copy.retell(folder)


def change_object(copy, change, names=None):
    """Move an object in the item's record."""
    folder, _, index = copy.an_object(names=names)
    record = copy.record(folder)
    matrix = np.reshape(record["objects"][index]["matrix"], (4, 4)).copy()
    change(matrix)
    record["objects"][index]["matrix"] = matrix.ravel().tolist()
    copy.keep(folder, record)
    return folder


def five_millimetres(copy):
    def change(matrix):
        direction = copy.rng.normal(size=3)
        matrix[:3, 3] += 0.005 * direction / np.linalg.norm(direction)

    return change


def one_degree(copy):
    def change(matrix):
        matrix[:3, :3] = turned(1, copy.rng.normal(size=3)) @ matrix[:3, :3]

    return change


@fault("ids.objects")
def object_five_millimetres_off(copy):
    change_object(copy, five_millimetres(copy))


@fault("poses.chain")
def object_five_millimetres_off_in_the_table(copy):
    folder, view, index = copy.an_object()
    rows = copy.rows(folder, view)
    rows[index]["object_to_camera"][3] += 0.005
    copy.write_rows(folder, view, rows)


@fault("models.depth", "depth.box_3d")
def object_five_millimetres_off_in_all_that_is_told(copy):
    copy.retell(change_object(copy, five_millimetres(copy)))


@fault("models.depth")
def object_one_degree_off_in_all_that_is_told(copy):
    copy.retell(change_object(copy, one_degree(copy), FLAT))


@fault("poses.project")
def corner_of_a_box_moved(copy):
    folder, view, index = copy.an_object()
    rows = copy.rows(folder, view)
    rows[index]["box_3d"]["corners"][copy.rng.integers(8)][0] += 0.5
    copy.write_rows(folder, view, rows)


@fault("points.visibility")
def hidden_point_called_visible(copy):
    folder, view, index = copy.an_object()
    rows = copy.rows(folder, view)
    center = rows[index]["center"]
    center["visibility"] = "occluded" if center["visibility"] == "visible" else "visible"
    copy.write_rows(folder, view, rows)


@fault("points.place")
def keypoint_moved(copy):
    found = [
        (folder, view, index)
        for folder in copy.folders
        for view in range(len(copy.record(folder)["views"]))
        for index, row in enumerate(copy.rows(folder, view))
        if row["keypoints"]
    ]
    folder, view, index = found[copy.rng.integers(len(found))]
    rows = copy.rows(folder, view)
    rows[index]["keypoints"][0]["position"][copy.rng.integers(2)] += 0.5
    copy.write_rows(folder, view, rows)


# motion and normals


def change_flow(copy, change):
    folder, view = copy.a_view()
    name = str(copy.rng.choice(["flow_forward", "flow_backward"]))
    flow = copy.array(folder, view, name)
    copy.write_array(folder, view, name, change(flow).astype(np.float32))


@fault("flow.points")
def flow_with_y_upwards(copy):
    change_flow(copy, lambda flow: flow * (1, -1))


@fault("flow.points")
def flow_of_the_other_sign(copy):
    change_flow(copy, np.negative)


@fault("flow.points")
def flow_as_row_and_column(copy):
    change_flow(copy, lambda flow: flow[..., ::-1])


@fault("flow.points")
def flow_of_another_moment(copy):
    folder, view = copy.a_view()
    forward, backward = (copy.array(folder, view, name) for name in ("flow_forward", "flow_backward"))
    copy.write_array(folder, view, "flow_forward", backward)
    copy.write_array(folder, view, "flow_backward", forward)


@fault("flow.points")
def flow_of_the_camera_alone(copy):
    """As if nothing moved but the camera: the objects' poses then are those of now."""
    folder = copy.an_item()
    record = copy.record(folder)
    when = str(copy.rng.choice(["before", "after"]))
    record["moments"][when]["objects"] = [each["matrix"] for each in record["objects"]]
    copy.keep(folder, record)


@fault("flow.visible")
def visible_where_nothing_is(copy):
    folder, view = copy.a_view()
    seen = np.full_like(copy.array(folder, view, "visible_forward"), 255)
    copy.write_array(folder, view, "visible_forward", seen)


def change_normals(copy, change):
    folder, view = copy.a_view()
    normals = copy.array(folder, view, "normal")
    pose = np.reshape(copy.record(folder)["views"][view]["camera_to_world"], (4, 4))
    copy.write_array(folder, view, "normal", change(normals, pose[:3, :3]).astype(np.float32))


@fault("normals.axes")
def normals_mirrored(copy):
    signs = np.ones(3)
    signs[copy.rng.integers(3)] = -1
    change_normals(copy, lambda normals, _: normals * signs)


@fault("normals.axes")
def normals_in_the_worlds_axes(copy):
    change_normals(copy, lambda normals, turn: normals @ turn.T)


@fault("normals.unit")
def normals_as_colours(copy):
    change_normals(copy, lambda normals, _: (normals + 1) / 2)


@fault("normals.unit")
def a_normal_that_is_no_number(copy):
    folder, view = copy.a_view()
    normals, numbers = (copy.array(folder, view, name) for name in ("normal", "instance"))
    rows, columns = np.nonzero(numbers)
    normals[rows[0], columns[0]] = np.nan
    copy.write_array(folder, view, "normal", normals)


# what may be meant


@fault("duplicates.poses")
def the_same_camera_twice(copy):
    folder = copy.an_item()
    record = copy.record(folder)
    record["views"][0]["camera_to_world"] = record["views"][1]["camera_to_world"]
    copy.keep(folder, record)


@fault("splits.sequences")
def sequence_in_two_splits(copy):
    """One scene alone can only be split between its pictures; so there is another one, too."""
    first, *_, last = copy.folders
    copy.keep(first, copy.record(first) | {"split": "test"})
    copy.keep(last, copy.record(last) | {"sequence": "another"})
