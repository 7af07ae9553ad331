"""A preview is a sheet of small pictures, made by the engines that make the dataset."""

from contextlib import closing

import numpy as np
import pytest
from click.testing import CliRunner
from object_files import write_objects
from PIL import Image
from stores import STILL_LIFE, small_store

from gltf_render_server.dataset.cli import program
from gltf_render_server.dataset.engines.choosing import make_engine
from gltf_render_server.dataset.making import renderer_settings
from gltf_render_server.dataset.planning import Plan
from gltf_render_server.dataset.report.objects import category_colours, shown_objects, shown_pixels
from gltf_render_server.dataset.report.overlay import LAYERS, mask_picture, picture_of, tinted
from gltf_render_server.dataset.report.previewing import PreviewPlan, preview
from gltf_render_server.dataset.report.sheet import Tile, note, sheet
from gltf_render_server.dataset.specification import convert
from gltf_render_server.errors import DatasetError
from gltf_render_server.gltf import read_asset

CAMERA = {"width": 640, "height": 480, "fov_y_deg": 50}
RING = {**CAMERA, "name": "ring", "count": 8, "poses": {"kind": "orbit", "elevation_deg": 30}}


def plan_of(folder, source, cameras=(RING,), **more):
    raw = {"source": source, "cameras": list(cameras), "renderer": {"backend": "vtk"}, **more}
    return Plan(convert(raw, "test"), folder)


def scene_plan(**more):
    return plan_of(STILL_LIFE.parent, {"kind": "scene", "file": STILL_LIFE.name}, **more)


def previewed(plan, path, items=12):
    with closing(make_engine(renderer_settings(plan, workers=0))) as engine:
        return preview(plan, engine, path, items)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("report") / "store", items=1, views=1)


def read(document):
    return read_asset(
        document.data, extensions=frozenset({"KHR_materials_transmission", "KHR_materials_ior"})
    )


def test_a_preview_shows_items_spread_over_the_plan(tmp_path):
    assert previewed(scene_plan(), tmp_path / "sheet.png", items=4) == []
    with Image.open(tmp_path / "sheet.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape[2] == 3
    assert pixels.shape[1] > 2 * 320
    for top in (8, 8 + 240 + 60):
        for left in (8, 8 + 328):
            assert pixels[top : top + 230, left : left + 310].std() > 10


def test_the_items_of_a_preview_are_small_and_quick():
    plan = scene_plan(passes=["color", "depth", "flow_forward"])
    small = PreviewPlan(plan, (0, 5), has_qualities=True)
    whole, item = plan.item(5, read), small.item(1, read)
    [view], [original] = item.shot.views, whole.shot.views
    assert item.shot.passes == ("color", "instance")
    assert item.shot.moments == {}
    assert (item.shot.look.quality, item.shot.look.samples) == ("preview", 16)
    assert (view.lens.width, view.lens.height) == (320, 240)
    assert view.lens.focal_x == original.lens.focal_x / 2
    assert view.lens.center_y == original.lens.center_y / 2
    np.testing.assert_array_equal(view.camera_to_world, original.camera_to_world)
    assert PreviewPlan(plan, (5,), has_qualities=False).item(0, read).shot.look == whole.shot.look


def test_an_odd_size_is_scaled_so_that_the_same_is_seen():
    camera = {**RING, "width": 641, "height": 479}
    plan = scene_plan(cameras=[camera])
    lens = PreviewPlan(plan, (0,), has_qualities=False).item(0, read).shot.views[0].lens
    original = plan.item(0, read).shot.views[0].lens
    assert lens.width / lens.focal_x == pytest.approx(original.width / original.focal_x, rel=1e-12)
    assert lens.height / lens.focal_y == pytest.approx(original.height / original.focal_y, rel=1e-12)
    assert lens.center_x / lens.width == pytest.approx(original.center_x / original.width, rel=1e-12)


def test_items_show_the_cameras_in_turn(tmp_path):
    write_objects(tmp_path / "objects", 4, 0)
    cameras = [{**RING, "name": name, "count": 2} for name in ("left", "right")]
    plan = plan_of(tmp_path, {"kind": "objects", "files": "objects/*.glb"}, cameras)
    small = PreviewPlan(plan, tuple(range(len(plan))), has_qualities=False)
    cameras = [small.item(index, read).cameras for index in range(2)]
    assert cameras == [("left",), ("right",)]


def test_what_cannot_be_made_is_a_tile_with_its_reason(tmp_path):
    write_objects(tmp_path / "objects", 2, 0)
    (tmp_path / "objects" / "broken.glb").write_bytes(b"no glTF")
    plan = plan_of(tmp_path, {"kind": "objects", "files": "objects/*.glb"})
    missing = previewed(plan, tmp_path / "sheet.jpg")
    assert len(missing) == 1
    assert "broken.glb" in missing[0]
    assert (tmp_path / "sheet.jpg").is_file()


def test_the_command_tells_how_many_items_there_are(tmp_path):
    (tmp_path / "scene.glb").write_bytes(STILL_LIFE.read_bytes())
    (tmp_path / "spec.toml").write_text(
        'renderer.backend = "vtk"\n[source]\nkind = "scene"\nfile = "scene.glb"\n[[cameras]]\nname = "a"\n'
        "width = 64\nheight = 48\nfov_y_deg = 50\ncount = 9\nposes = { kind = 'orbit' }\n"
    )
    sheet_file = tmp_path / "sheet.png"
    found = CliRunner().invoke(
        program, ["preview", str(tmp_path / "spec.toml"), "-o", str(sheet_file), "--items", "2"]
    )
    assert found.exit_code == 0, found.output
    assert "2 of the 9 items" in found.output
    assert sheet_file.is_file()


@pytest.mark.parametrize("name", ["sheet.nothing", "sheet.psd"], ids=["unknown", "only for reading"])
def test_an_unknown_ending_is_told_plainly(tmp_path, name):
    with pytest.raises(DatasetError, match=rf"{name}: the name of the picture must end in"):
        previewed(scene_plan(), tmp_path / name, items=1)


def test_colours_of_categories_differ_and_stay():
    few, many = category_colours("abc"), category_colours("abcdefghij")
    assert len(set(many.values())) == 10
    assert {name: many[name] for name in "abc"} == few


def test_what_pixels_show_is_what_the_table_tells(store):
    view = store[0].views[0]
    objects = store[0].record.objects
    by_table = {each.number: each for each in shown_objects(objects, view.instances, view.lens)}
    by_pixels = {each.number: each for each in shown_pixels(objects, view.array("instance"))}
    assert by_table.keys() == by_pixels.keys()
    assert all(each.category for each in by_table.values())
    for number, each in by_pixels.items():
        assert (each.box, each.pixels) == (by_table[number].box, by_table[number].pixels)


def test_axes_begin_in_the_middle_of_the_box(store):
    view = store[0].views[0]
    centers = {row.number: row.center.position for row in view.instances}
    for each in shown_objects(store[0].record.objects, view.instances, view.lens):
        assert each.axes[0] == pytest.approx(centers[each.number])


def test_every_layer_and_pass_is_drawn(store):
    item = store[0]
    view = item.views[0]
    colours = category_colours(store.categories)
    plain = picture_of(item, view, colours, layers=())
    np.testing.assert_array_equal(plain, view.array("color")[..., :3])
    for layer in LAYERS:
        drawn = picture_of(item, view, colours, layers=(layer,))
        assert drawn.shape == plain.shape
        assert (drawn != plain).any(), layer
    for name in ("depth", "normal", "flow_forward"):
        assert picture_of(item, view, colours, name).shape == plain.shape


def test_masks_are_tinted_inside_and_drawn_around():
    numbers = np.zeros((20, 20), np.uint16)
    numbers[5:15, 5:15] = 3
    picture = np.full((20, 20, 3), 100, np.uint8)
    tint = tinted(picture, numbers, {3: (200, 0, 100)})
    assert tint[0, 0].tolist() == [100, 100, 100]
    assert tint[5, 5].tolist() == [200, 0, 100]
    assert tint[10, 10].tolist() == [145, 55, 100]
    image = mask_picture(numbers, {3: (200, 0, 100)}).convert("RGBA")
    assert np.asarray(image)[10, 10].tolist() == [200, 0, 100, 115]
    assert np.asarray(image)[5, 5].tolist() == [200, 0, 100, 255]
    assert np.asarray(image)[0, 0, 3] == 0


def test_a_mask_of_very_many_objects_fits_into_its_palette():
    numbers = np.arange(1, 901, dtype=np.uint32).reshape(30, 30)
    image = mask_picture(numbers, {number: (number % 256, 0, 0) for number in range(1, 901)})
    assert (np.asarray(image.convert("RGBA"))[..., 3] > 0).all()


def test_a_sheet_has_even_sides_and_room_for_long_words():
    tiles = [
        Tile(np.zeros((31, 41, 3), np.uint8), ("a name that is much longer than the picture is wide",))
    ] * 3
    legend = {f"category {number}": (number, 0, 0) for number in range(40)}
    pixels = sheet(tiles, 2, legend)
    assert pixels.shape[0] % 2 == pixels.shape[1] % 2 == 0
    assert note("why " * 300, 80, 60).shape == (60, 80, 3)
