"""What is drawn by chance changes what it should, and nothing else."""

import colorsys
import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from any_gltf import DOCUMENTS
from drake_like import DrakeScene, add_accessor, box, column_major, translation
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from stores import STILL_LIFE, looking_at

from gltf_render_server.dataset.cameras import bounds
from gltf_render_server.dataset.item import categorise_by_name
from gltf_render_server.dataset.lights import PointLights, Sun, add_lights
from gltf_render_server.dataset.randomness import generator
from gltf_render_server.dataset.shot import Document
from gltf_render_server.dataset.site import Site, find_files
from gltf_render_server.dataset.variation import Vary, scaled_poses, vary
from gltf_render_server.errors import DatasetError, RequestError, SceneError
from gltf_render_server.frame import Frame, Lens, Look, View
from gltf_render_server.gltf import read_asset, read_image, read_light
from gltf_render_server.gltf.container import open_container
from gltf_render_server.gltf.materials import linear
from gltf_render_server.settings import ServerSettings
from gltf_render_server.vtk import VtkRenderer

STILL = Document(STILL_LIFE.read_bytes(), STILL_LIFE)
EYE = looking_at((0.6, 0.55, 0.9), (0, 0.05, 0), (0, 1, 0))
LENS = Lens(120, 90, 110.0, 110.0, 60.0, 45.0, 0.01, 100.0)


@pytest.fixture(scope="module")
def renderer():
    renderer = VtkRenderer(ServerSettings(backend="vtk", up_axis="y"))
    yield renderer
    renderer.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A specification's folder, with textures and two distractors."""
    folder = tmp_path_factory.mktemp("specification")
    (folder / "textures").mkdir()
    for name, colour in (("blue", (0, 0, 255)), ("red", (255, 0, 0)), ("green", (0, 255, 0))):
        Image.new("RGB", (8, 4), colour).save(folder / "textures" / f"{name}.png")
    Image.new("RGB", (8, 4), (9, 9, 9)).save(folder / "textures" / "grey.jpg")
    (folder / "things").mkdir()
    for name in ("turned", "skinned"):
        (folder / "things" / f"{name}.gltf").write_text(json.dumps(DOCUMENTS[name]()))
    return folder


def read(document):
    return read_asset(document.data, extensions=frozenset({"KHR_lights_punctual", "KHR_texture_transform"}))


def site_of(document, folder, **more):
    return Site(document, read, folder, **more)


def choices(**tables):
    return msgspec.convert(tables, Vary)


def varied(folder, document=STILL, seed=1, **tables):
    return vary(document, choices(**tables), generator(seed, "vary"), site_of(document, folder))


def json_of(document):
    return json.loads(open_container(document.data).json)


def picture(renderer, document, passes=("depth", "instance", "normal", "color"), eye=EYE):
    scene = read_asset(document.data, extensions=renderer.extensions).scene()
    frame = Frame(scene, (View(LENS, eye, "eye"),), passes, Look(up_axis="y"))
    return renderer.render(frame).views[0]


def names(document):
    return [material.get("name") for material in json_of(document)["materials"]]


def test_nothing_is_varied_unless_asked(folder):
    assert varied(folder) == (STILL, {})
    assert add_lights(STILL, None, None, generator(1), site_of(STILL, folder)) == (STILL, {})


EVERYTHING = {
    "materials": [
        {"hue": {"min": 0, "max": 1}, "roughness": [0.2, 0.9]},
        {"names": "a*", "textures": ["textures/*.png"]},
    ],
    "scales": [{"nodes": "*", "scale": {"min": 0.5, "max": 2, "log": True}}],
    "distractors": {"files": "things/*.gltf"},
    "background": {"images": "textures/*", "kind": "dome"},
}


def test_the_same_stream_makes_the_same_bytes(folder):
    one, drawn = varied(folder, **EVERYTHING)
    again, drawn_again = varied(folder, **EVERYTHING)
    other, drawn_other = varied(folder, seed=2, **EVERYTHING)
    assert (one.data, drawn) == (again.data, drawn_again)
    assert one.data != other.data
    assert drawn != drawn_other
    assert json.loads(json.dumps(drawn)) == drawn  # it is kept as JSON


def test_one_more_kind_does_not_change_the_others(folder):
    _, everything = varied(folder, **EVERYTHING)
    for name, table in EVERYTHING.items():
        assert varied(folder, **{name: table})[1] == {name: everything[name]}


def test_colours_change_where_names_match_and_nothing_else_does(renderer, folder):
    wanted = {"names": names(STILL)[0], "hue": 0.6, "saturation": 0.5, "value": {"min": 0.7, "max": 0.7}}
    document, drawn = varied(folder, materials=[wanted])
    expected = linear([*colorsys.hsv_to_rgb(0.6, 0.5, 0.7), 1])[:3]
    assert_allclose(drawn["materials"][names(STILL)[0]]["colour"], expected)
    before, after = json_of(STILL)["materials"], json_of(document)["materials"]
    factor = after[0]["pbrMetallicRoughness"]["baseColorFactor"]
    assert_allclose(factor, [*expected, before[0]["pbrMetallicRoughness"].get("baseColorFactor", [1] * 4)[3]])
    assert after[1:] == [
        {**material, "alphaMode": material.get("alphaMode", "OPAQUE")} for material in before[1:]
    ]
    one, other = picture(renderer, STILL), picture(renderer, document)
    for name in ("depth", "instance", "normal"):
        assert_array_equal(one[name], other[name])
    assert (one["color"] != other["color"]).any()


def test_what_is_not_drawn_of_a_colour_stays(folder):
    document = DOCUMENTS["turned"]()
    colour = linear([*colorsys.hsv_to_rgb(0.3, 0.8, 0.6), 1.0])[:3]
    document["materials"] = [{"name": "m", "pbrMetallicRoughness": {"baseColorFactor": [*colour, 0.25]}}]
    plain = Document(json.dumps(document).encode())
    made, _ = varied(folder, plain, materials=[{"value": 0.9}])
    factor = json_of(made)["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"]
    assert_allclose(factor, [*linear([*colorsys.hsv_to_rgb(0.3, 0.8, 0.9), 1.0])[:3], 0.25], atol=1e-9)


def test_roughness_and_metallic_are_drawn_for_each_material(folder):
    document, drawn = varied(
        folder, materials=[{"roughness": {"min": 0.2, "max": 0.4}, "metallic": [0.0, 1.0]}]
    )
    values = [material["pbrMetallicRoughness"] for material in json_of(document)["materials"]]
    assert all(0.2 <= pbr["roughnessFactor"] <= 0.4 for pbr in values)
    assert len({pbr["roughnessFactor"] for pbr in values}) == len(values)
    assert {pbr["metallicFactor"] for pbr in values} == {0.0, 1.0}
    assert len(drawn["materials"]) == len(values)


def test_textures_take_the_place_of_images_where_there_are_coordinates(renderer, folder):
    document, drawn = varied(folder, materials=[{"textures": "textures/*.png"}])
    asset = read(document)
    meshes = json_of(document)["meshes"]
    painted = 0
    for mesh in meshes:
        for primitive in mesh["primitives"]:
            number = primitive["material"]
            name = names(document)[number]
            told = drawn["materials"].get(name, drawn["materials"].get(f"{name}#{number}"))
            assert ("texture" in told) <= ("TEXCOORD_0" in primitive["attributes"])
            if "texture" in told:
                pbr = json_of(document)["materials"][primitive["material"]]["pbrMetallicRoughness"]
                image = asset.source.textures[pbr["baseColorTexture"]["index"]].source
                assert (
                    read_image(asset.source, asset.buffers, image) == (folder / told["texture"]).read_bytes()
                )
                assert pbr["baseColorFactor"][:3] == [1, 1, 1]
                painted += 1
    assert painted > 2
    one, other = picture(renderer, STILL), picture(renderer, document)
    assert_array_equal(one["depth"], other["depth"])
    assert (one["color"] != other["color"]).mean() > 0.05


def test_drakes_colours_are_those_that_were_meant(renderer, folder):
    drakes = Document(DrakeScene([box((0.3, 0.3, 0.3), translation(0, 0, 0), 3)], EYE).to_bytes())
    same, _ = varied(folder, drakes, materials=[{"roughness": 1.0}])
    assert_array_equal(picture(renderer, same)["color"], picture(renderer, drakes)["color"])


def test_specular_materials_become_plain(folder):
    document = DOCUMENTS["turned"]()
    specular = {"diffuseFactor": [0.1, 0.2, 0.3, 0.5], "glossinessFactor": 0.25, "specularFactor": [1, 0, 0]}
    document["materials"] = [{"extensions": {"KHR_materials_pbrSpecularGlossiness": specular}}]
    made, drawn = varied(folder, Document(json.dumps(document).encode()), materials=[{"metallic": 0.5}])
    material = json_of(made)["materials"][0]
    assert material["extensions"] == {}
    assert material["pbrMetallicRoughness"] == {
        "baseColorFactor": [0.1, 0.2, 0.3, 0.5],
        "roughnessFactor": 0.75,
        "metallicFactor": 0.5,
    }
    assert drawn == {"materials": {"#0": {"metallic": 0.5}}}


def nested():
    document = DOCUMENTS["turned"]()
    document["nodes"] = [
        {"name": "chair 1", "children": [1], "translation": [1, 0, 0], "rotation": [0, 0, 0.6, 0.8]},
        {"name": "chair 1 leg", "mesh": 1, "translation": [0, 2, 0]},
        {"name": "table", "mesh": 1, "matrix": column_major(translation(0, 0, 3))},
        {"mesh": 0},
    ]
    document["scenes"] = [{"nodes": [0, 2, 3]}]
    return Document(json.dumps(document).encode())


def test_nodes_are_scaled_about_their_origins_once(folder):
    scales = [{"nodes": "chair*", "scale": 2.0}, {"nodes": ["table"], "scale": {"min": 0.5, "max": 0.5}}]
    document, drawn = varied(folder, nested(), scales=scales)
    assert drawn == {"scales": {"chair 1": 2.0, "table": 0.5}}
    before, after = read(nested()).scene().instances.matrix, read(document).scene().instances.matrix
    root = translation(1, 0, 0)
    assert_allclose(after[0], root @ np.diag([2, 2, 2, 1]) @ np.linalg.inv(root) @ before[0], atol=1e-12)
    assert_allclose(after[1], before[1] @ np.diag([0.5, 0.5, 0.5, 1]))
    assert_array_equal(after[2], before[2])
    poses = {"table": translation(4, 5, 6), "else": translation(1, 1, 1)}
    posed = scaled_poses(poses, drawn)
    assert_array_equal(posed["table"], translation(4, 5, 6) @ np.diag([0.5, 0.5, 0.5, 1]))
    assert_array_equal(posed["else"], poses["else"])


def breathing(*, is_pointed=False):
    """The chair grows, and its leg moves up; each at once turns or stands elsewhere."""
    document = json.loads(nested().data)
    times = add_accessor(document, np.array([[0], [2]], "<f4"), "SCALAR")
    channels = []
    for node, path, values in (
        (0, "scale", [[1, 1, 1], [3, 2, 1]]),
        (0, "translation", [[1, 0, 0], [1, 5, 0]]),
        (1, "translation", [[0, 2, 0], [0, 4, 0]]),
    ):
        target = {"node": node, "path": path}
        if is_pointed:
            pointer = {"pointer": f"/nodes/{node}/{path}"}
            target = {"path": "pointer", "extensions": {"KHR_animation_pointer": pointer}}
        output = add_accessor(document, np.array(values, "<f4"), "VEC3")
        channels.append(({"input": times, "output": output}, target))
    samplers, targets = zip(*channels, strict=True)
    document["animations"] = [
        {
            "samplers": samplers,
            "channels": [{"sampler": place, "target": target} for place, target in enumerate(targets)],
        }
    ]
    return Document(json.dumps(document).encode())


@pytest.mark.parametrize("is_pointed", [False, True])
def test_nodes_whose_scale_is_animated_are_scaled_as_well(folder, is_pointed):
    before = breathing(is_pointed=is_pointed)
    scales = [{"nodes": "chair 1", "scale": 4.0}, {"nodes": "chair*", "scale": 0.5}]
    after, drawn = varied(folder, before, scales=scales)
    assert drawn == {"scales": {"chair 1": 2.0}}
    for time_s in (0.0, 0.5, 2.0):
        plain, scaled = (read(document).scene(time_s=time_s).instances.matrix for document in (before, after))
        chair = plain[0] @ np.linalg.inv(translation(0, 2 + time_s, 0))
        assert_allclose(scaled[0], chair @ np.diag([2, 2, 2, 1]) @ translation(0, 2 + time_s, 0), atol=1e-6)
        assert_array_equal(scaled[1:], plain[1:])


def test_distractors_stand_around_the_scene_and_belong_to_nothing(renderer, folder):
    table = {"files": "things/*", "count": 12, "size": {"min": 0.1, "max": 0.3}}
    document, drawn = varied(folder, distractors=table)
    assert len(drawn["distractors"]) == 12
    assert {each["file"] for each in drawn["distractors"]} == {"things/turned.gltf", "things/skinned.gltf"}
    asset, whole = read(document), bounds(read(STILL).scene())
    scene = asset.scene()
    found = [asset.node_name(node) for node in scene.instances.node.tolist()]
    assert {each["name"] for each in drawn["distractors"]} <= set(found)
    spheres = []
    for number, name in enumerate(found):
        category = categorise_by_name(name, asset.node_extras(int(scene.instances.node[number])))
        assert (category is None) == name.startswith("distractor")
        if category is None:
            points = [
                scene.asset.triangles(scene.primitives[primitive]).vertices @ matrix[:3, :3].T + matrix[:3, 3]
                for primitive, matrix, instance in zip(
                    scene.placements.primitive,
                    scene.placements.matrix,
                    scene.placements.instance,
                    strict=True,
                )
                if instance == number
            ]
            points = np.concatenate(points)
            assert np.linalg.norm(points - whole.center, axis=1).min() >= whole.radius * (1 - 1e-6)
            spheres.append((points.min(0), points.max(0)))
    middles = np.array([(low + high) / 2 for low, high in spheres])
    assert np.linalg.norm(middles[:, None] - middles[None], axis=2)[~np.eye(12, dtype=bool)].min() > 0
    one, other = picture(renderer, STILL), picture(renderer, document)
    nearer = other["depth"] < one["depth"]
    assert_array_equal(other["depth"][~nearer], one["depth"][~nearer])


def test_distractors_in_a_box_with_a_category(folder):
    corners = {"min": [3, 4, 5], "max": [4, 4, 6]}
    document, drawn = varied(
        folder, distractors={"files": "things/*", "count": 4, "box": corners, "category": "toy", "size": 0.1}
    )
    asset = read(document)
    scene = asset.scene()
    toys = [n for n in scene.instances.node.tolist() if asset.node_extras(n).get("category") == "toy"]
    assert len(toys) == 4 == len(drawn["distractors"])
    reach = 0.2 * bounds(read(STILL).scene()).radius
    for placement, instance in enumerate(scene.placements.instance):
        if scene.instances.node[instance] in toys:
            place = scene.placements.matrix[placement][:3, 3]
            assert (place > np.array([3, 4, 5]) - 20 * reach).all()


@pytest.mark.parametrize("kind", ["dome", "wall", "ground"])
def test_backgrounds_are_behind_everything(renderer, folder, kind):
    table = {"images": "textures/red.png", "kind": kind, "azimuth_deg": 36.0, "tiles": 3}
    document, drawn = varied(folder, background=table)
    assert drawn["background"]["image"] == "textures/red.png"
    asset = read(document)
    node = int(read(document).scene().instances.node[-1])
    assert (asset.node_name(node), asset.node_extras(node)) == ("background", {"category": ""})
    one, other = picture(renderer, STILL), picture(renderer, document)
    was_seen = np.isfinite(one["depth"])
    for name in ("depth", "instance", "normal"):
        assert_array_equal(other[name][was_seen], one[name][was_seen])
    is_new = ~was_seen & np.isfinite(other["depth"])
    assert is_new.sum() > 100
    if kind == "dome":
        assert np.isfinite(other["depth"]).all()
        assert np.median(other["color"][is_new][:, 0]) == 255  # but for its edges
    normal = other["normal"][is_new][:, :3] @ EYE[:3, :3].T  # of the world
    wanted = {"ground": (0, 1, 0), "wall": (np.sin(np.radians(36)), 0, np.cos(np.radians(36)))}
    if kind in wanted:
        assert_allclose(np.abs(normal @ wanted[kind]), 1, atol=1e-3)


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_a_dome_shows_its_image_the_right_way_round(renderer, tmp_path, up_axis):
    """Its middle is at the back, what is right in it at the right, and its top above."""
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 64:, 0] = 255
    pixels[:32, :, 1] = 255
    Image.fromarray(pixels).save(tmp_path / "quarters.png")
    site = site_of(STILL, tmp_path, up_axis=up_axis)
    table = choices(background={"images": "quarters.png", "kind": "dome", "azimuth_deg": 0})
    document, _ = vary(STILL, table, generator(1), site)
    eye = site.bounds.center + 3 * site.bounds.radius * site.direction(0, 0)  # at the front, looking back
    pose = looking_at(eye, site.bounds.center, site.up)
    scene = read_asset(document.data, extensions=renderer.extensions).scene()
    frame = Frame(scene, (View(LENS, pose, "eye"),), ("color",), Look(up_axis=up_axis))
    image = renderer.render(frame).views[0]["color"].astype(int)
    assert image[5, 110, :2].min() > 200
    assert (image[5, 10, 0], image[85, 110, 1]) < (60, 60)
    assert (image[85, 110, 0], image[5, 10, 1]) > (200, 200)
    assert image[85, 10].max() < 60


def test_suns_and_lamps_are_where_they_are_drawn(folder):
    site = site_of(STILL, folder)
    sun = msgspec.convert({"azimuth_deg": 90, "elevation_deg": 30, "lux": 4, "hue": 0, "saturation": 1}, Sun)
    lamps = msgspec.convert({"count": 3, "distance": 2.0, "lux": 1.5, "elevation_deg": [20, 60]}, PointLights)
    document, drawn = add_lights(STILL, sun, lamps, generator(5), site)
    assert document.data == add_lights(STILL, sun, lamps, generator(5), site)[0].data
    asset = read(document)
    scene = asset.scene()
    lights = [(read_light(asset, each.light), each.matrix) for each in scene.lights]
    (shining, matrix), *others = lights[-4:]
    assert (shining.type, shining.intensity, shining.colour) == ("directional", 4, (1, 0, 0))
    assert_allclose(matrix[:3, 2], (np.cos(np.radians(30)), 0.5, 0), atol=1e-12)  # towards the sun
    assert len(others) == 3
    for (light, matrix), told in zip(others, drawn["point_lights"], strict=True):
        assert_array_equal(matrix[:3, 3], told["position"])
        away = matrix[:3, 3] - site.bounds.center
        assert np.linalg.norm(away) == pytest.approx(2 * site.bounds.radius)
        assert np.degrees(np.arcsin(away[1] / np.linalg.norm(away))) == pytest.approx(20, abs=1e-6) or (
            np.degrees(np.arcsin(away[1] / np.linalg.norm(away))) == pytest.approx(60, abs=1e-6)
        )
        assert light.intensity / (away @ away) == pytest.approx(1.5)
    upright, _ = add_lights(STILL, sun, None, generator(5), replace(site, up_axis="z"))
    assert_allclose(
        read(upright).scene().lights[-1].matrix[:3, 2], (np.cos(np.radians(30)), 0, 0.5), atol=1e-12
    )


def test_files_are_found_in_one_order_and_missing_ones_told(folder):
    found = find_files(folder, ["textures/*.png", "textures/b*", "**/*.jpg"], "somewhere")
    assert [path.name for path in found] == ["blue.png", "green.png", "grey.jpg", "red.png"]
    for pattern in ("none/*.png", "/etc/*", ""):
        with pytest.raises(DatasetError, match=r"vary\.materials\[0\]\.textures: "):
            varied(folder, materials=[{"textures": pattern}])


def test_files_that_cannot_be_shown_are_told_by_name(folder, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "a.glb").write_bytes(b"{}")
    with pytest.raises(RequestError, match=r"a\.png: the image is neither PNG nor JPEG"):
        varied(tmp_path, materials=[{"textures": "*.png"}])
    with pytest.raises(RequestError, match=r"a\.png: the image is neither PNG nor JPEG"):
        varied(tmp_path, background={"images": "*.png"})
    with pytest.raises(SceneError, match=r"the distractor a\.glb: "):
        varied(tmp_path, distractors={"files": "*.glb", "count": 1})


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"materials": [{"hue": {"min": 0, "max": 2}}]},
            r"hue: must be from 0 to 1, not 2 - at `\$\.materials\[0\]`",
        ),
        ({"materials": [{"colour": 1}]}, r"unknown field `colour`"),
        ({"materials": [{"roughness": []}]}, r"`\$\.materials\[0\]\.roughness`"),
        ({"scales": [{"nodes": "*", "scale": 0}]}, "scale: must be from"),
        ({"distractors": {"files": "*", "count": {"min": 2, "max": 1}}}, r"`\$\.distractors\.count`"),
        (
            {"distractors": {"files": "*", "box": {"min": [1, 0, 0], "max": [0, 0, 0]}}},
            "min must not be greater",
        ),
        ({"background": {"images": "*", "kind": "sky"}}, "'sky'"),
    ],
)
def test_wrong_tables_are_told_by_their_place(table, said):
    with pytest.raises(msgspec.ValidationError, match=said):
        choices(**table)


def test_the_schema_knows_it_all():
    text = json.dumps(msgspec.json.schema(Vary)) + json.dumps(msgspec.json.schema(Sun))
    for word in ("hue", "textures", "distractors", "background", "elevation_deg", "log"):
        assert f'"{word}"' in text


def test_an_image_is_held_once_and_as_it_is(folder):
    document, drawn = varied(folder, materials=[{"textures": "textures/grey.jpg"}])
    assert document.data.count((folder / "textures" / "grey.jpg").read_bytes()) == 1
    assert sum("texture" in told for told in drawn["materials"].values()) > 1
