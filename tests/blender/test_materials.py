"""What materials say, pixel by pixel, and the linear picture behind colour."""

import itertools
import random

import numpy as np
import pytest
from defaults import FAST
from painted import SIDE, VIEW, Squares, linear, texels

from gltf_render_server.frame import Lens, Look, View
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy", reason="the bpy package is not for this Python")

MATERIAL = ("albedo", "roughness", "metallic", "emission")
GREY = {"pbrMetallicRoughness": {"baseColorFactor": [0.25, 0.5, 0.75, 1]}}
FARTHER = View(Lens(SIDE, SIDE, SIDE / 2, SIDE / 2, SIDE / 2, SIDE / 2, 0.1, 20.0), VIEW.camera_to_world)
WIDER = View(Lens(SIDE, SIDE, SIDE, SIDE, SIDE / 2, SIDE / 2, 0.1, 20.0), VIEW.camera_to_world)


@pytest.fixture
def see(studio):
    """Render passes of squares; return the arrays by name."""

    def see(squares, *passes, settings=FAST, **more):
        renderer = studio.renderer(settings)
        [arrays] = renderer.render(squares.frame(renderer, *(passes or MATERIAL), **more)).views
        return arrays

    return see


def close(array, expected, atol=1e-6):
    np.testing.assert_allclose(array, np.broadcast_to(np.float32(expected), array.shape), atol=atol)


def test_numbers_of_a_material(see):
    squares = Squares().add(
        pbrMetallicRoughness={
            "baseColorFactor": [0.1, 0.25, 0.9, 1.0],
            "roughnessFactor": 0.3,
            "metallicFactor": 0.7,
        },
        emissiveFactor=[0.2, 0.4, 1.0],
        extensions={"KHR_materials_emissive_strength": {"emissiveStrength": 12.5}},
    )
    seen = see(squares)
    close(seen["albedo"], [0.1, 0.25, 0.9])
    close(seen["roughness"], 0.3)
    close(seen["metallic"], 0.7)
    close(seen["emission"], [2.5, 5.0, 12.5], atol=1e-5)
    assert {array.dtype for array in seen.values()} == {np.dtype(np.float32)}
    assert seen["albedo"].shape == seen["emission"].shape == (SIDE, SIDE, 3)
    assert seen["roughness"].shape == seen["metallic"].shape == (SIDE, SIDE)


def test_textures_times_factors(see):
    base, surface, glow = texels(1), texels(2), texels(3)
    squares = Squares()
    squares.add(
        pbrMetallicRoughness={
            "baseColorTexture": squares.texture(base),
            "baseColorFactor": [1.0, 0.5, 0.25, 1.0],
            "metallicRoughnessTexture": squares.texture(surface),
            "roughnessFactor": 0.5,
            "metallicFactor": 0.8,
        },
        emissiveTexture=squares.texture(glow),
        emissiveFactor=[1.0, 0.5, 0.1],
        extensions={"KHR_materials_emissive_strength": {"emissiveStrength": 3.0}},
    )
    seen = see(squares)
    close(seen["albedo"], linear(base) * [1.0, 0.5, 0.25], atol=1 / 255)
    close(seen["roughness"], surface[..., 1] / 255 * 0.5, atol=1e-3)
    close(seen["metallic"], surface[..., 2] / 255 * 0.8, atol=1e-3)
    close(seen["emission"], linear(glow) * [3.0, 1.5, 0.3], atol=3 / 255)


def test_a_texture_alone_is_linear(see):
    base = texels(4)
    squares = Squares()
    squares.add(pbrMetallicRoughness={"baseColorTexture": squares.texture(base)})
    close(see(squares, "albedo")["albedo"], linear(base), atol=1 / 255)


@pytest.mark.parametrize("is_unlit", [False, True])
def test_vertex_colours_count(see, is_unlit):
    extensions = {"extensions": {"KHR_materials_unlit": {}}} if is_unlit else {}
    colours = [[0.8, 0.2, 0.4]] * 2 + [[0.2, 0.6, 0.4]] * 2
    half = {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.5, 0.5, 1]}}
    seen = see(Squares().add(colors=colours, **half, **extensions), "albedo")["albedo"]
    upwards = ((np.arange(SIDE) + 0.5) / SIDE)[::-1, None, None]  # rows go down
    expected = 0.5 * ((1 - upwards) * np.array(colours[0]) + upwards * np.array(colours[3]))
    close(seen, expected, atol=1 / 255)  # Blender keeps them in 8 bits


@pytest.mark.parametrize("colours", [None, [[0.2, 0.6, 0.4]] * 4])
def test_a_surface_without_a_material_has_blender_s_default(see, colours):
    squares = Squares().add(colors=colours)
    del squares.document["meshes"][0]["primitives"][0]["material"]
    seen = see(squares)
    close(seen["albedo"], 0.8 if colours is None else colours[0], atol=1e-6 if colours is None else 1 / 255)
    close(seen["roughness"], 0.5)
    close(seen["metallic"], 0)
    close(seen["emission"], 0)


@pytest.mark.parametrize("dispersion", [{}, {"dispersion": 0}, {"dispersion": 0.4}], ids=str)
def test_dispersion_without_a_volume(see, dispersion):
    extensions = {"KHR_materials_dispersion": dispersion, "KHR_materials_transmission": {}}
    seen = see(Squares().add(extensions=extensions, **GREY), "albedo", "color")
    close(seen["albedo"], [0.25, 0.5, 0.75])


@pytest.mark.parametrize("has_specular", [False, True])
def test_glossiness_with_a_texture_transform(see, has_specular):
    squares = Squares()
    turned = {"extensions": {"KHR_texture_transform": {"offset": [0.25, 0.5]}}}
    glossy = {
        "diffuseFactor": [0.25, 0.5, 0.75, 1],
        "specularGlossinessTexture": squares.texture(texels(7, channels=4)) | turned,
    }
    extensions = {"KHR_materials_pbrSpecularGlossiness": glossy}
    extensions |= {"KHR_materials_specular": {"specularFactor": 0.5}} if has_specular else {}
    close(see(squares.add(extensions=extensions), "albedo")["albedo"], [0.25, 0.5, 0.75])


def test_an_unlit_material_is_cut_out_by_its_base_colour(see):
    squares = Squares().add(
        pbrMetallicRoughness={"baseColorFactor": [0.25, 0.5, 0.75, 0.75]},
        alphaMode="MASK",
        extensions={
            "KHR_materials_unlit": {},
            "KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": [1, 1, 1, 0.25]},
        },
    )
    seen = see(squares, "albedo", "instance")
    close(seen["albedo"], [0.25, 0.5, 0.75])
    close(seen["instance"], 1)


def test_an_unlit_material_is_its_colour(see):
    base = texels(5)
    squares = Squares()
    squares.add(
        pbrMetallicRoughness={"baseColorTexture": squares.texture(base), "baseColorFactor": [0.5, 1, 1, 1]},
        emissiveFactor=[1, 1, 1],
        extensions={"KHR_materials_unlit": {}},
    )
    seen = see(squares)
    close(seen["albedo"], linear(base) * [0.5, 1, 1], atol=1 / 255)
    close(seen["emission"], 0)
    assert np.isnan(seen["roughness"]).all()
    assert np.isnan(seen["metallic"]).all()


@pytest.mark.parametrize("is_unlit", [False, True])
def test_what_is_cut_out_shows_what_is_behind(see, is_unlit):
    base = texels(6, channels=4)
    squares = Squares().add(z=-0.001, **GREY)
    squares.add(
        pbrMetallicRoughness={"baseColorTexture": squares.texture(base), "roughnessFactor": 0.125},
        alphaMode="MASK",
        alphaCutoff=0.3,
        **({"extensions": {"KHR_materials_unlit": {}}} if is_unlit else {}),
    )
    seen = see(squares)
    solid = base[..., 3] / 255 >= 0.3
    assert 5 < solid.sum() < SIDE * SIDE - 5
    close(seen["albedo"][solid], linear(base[..., :3])[solid], atol=1 / 255)
    close(seen["albedo"][~solid], [0.25, 0.5, 0.75])
    close(seen["roughness"][~solid], 1.0)
    if not is_unlit:
        close(seen["roughness"][solid], 0.125)


@pytest.mark.parametrize("is_unlit", [False, True])
@pytest.mark.parametrize(
    ("alpha", "threshold", "is_solid"),
    [
        (0.49, 0.5, False),
        (0.5, 0.5, True),
        (0.51, 0.5, True),
        (0.29, 0.3, False),
        (0.3, 0.3, True),
        (0.1, None, True),
    ],
)
def test_what_is_see_through_is_solid_as_in_the_exact_passes(see, alpha, threshold, is_solid, is_unlit):
    pane = {"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, alpha]}, "alphaMode": "BLEND"}
    if is_unlit:
        pane["extensions"] = {"KHR_materials_unlit": {}}
    behind = Squares().add(z=-0.5, scale=2.0, **GREY).add(**pane)
    seen = see(behind, "albedo", alpha_threshold=threshold)["albedo"]
    close(seen, [1, 0, 0] if is_solid else [0.25, 0.5, 0.75])
    alone = see(Squares().add(**pane), "albedo", "instance", alpha_threshold=threshold)
    assert np.isnan(alone["albedo"]).all() == (not is_solid)
    assert (alone["instance"] == is_solid).all()


def test_a_hundred_panes(see):
    squares = Squares().add(z=-1.0, scale=2.0, **GREY)
    pane = {"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 0.2]}, "alphaMode": "BLEND"}
    for z in np.linspace(-0.9, 0.0, 100):
        squares.add(z=z, **pane)
    close(see(squares, "albedo")["albedo"], [0.25, 0.5, 0.75])


def test_what_is_hidden_does_not_count(see):
    squares = Squares().add(z=-1.0, scale=3.0, **GREY).add(z=-0.5, scale=3.0, **GREY).add(**GREY)
    seen = see(squares)
    close(seen["albedo"], [0.25, 0.5, 0.75])
    close(seen["metallic"], 1.0)


def test_nothing_is_not_a_number(see):
    seen = see(Squares().add(**GREY), view=WIDER)
    is_there = np.zeros((SIDE, SIDE), bool)
    is_there[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4] = True
    for name, array in seen.items():
        is_number = ~np.isnan(array if array.ndim == 2 else array[..., 0])
        np.testing.assert_array_equal(is_number, is_there, err_msg=name)


def textured():
    squares = Squares()
    surface = {"baseColorTexture": squares.texture(texels(7)), "roughnessFactor": 0.4}
    surface["metallicRoughnessTexture"] = squares.texture(texels(8))
    squares.add(z=-0.2, scale=2, pbrMetallicRoughness=surface, emissiveFactor=[0.5, 0.1, 0])
    return squares.add(colors=np.eye(4)[:, :3], scale=0.5)


def test_light_and_look_change_nothing(see):
    plain = see(textured())
    looks = [
        Look(environment="none"),
        Look(exposure=3.0),
        Look(view_transform="AgX"),
        Look(quality="final", transparent=True),
    ]
    for squares, look in [
        (textured().add_lamp(), Look()),
        *((textured(), look) for look in looks),
    ]:
        seen = see(squares, look=look)
        for name in MATERIAL:
            np.testing.assert_array_equal(seen[name], plain[name], err_msg=f"{look} {name}")


def test_eevee_has_them_from_cycles(see):
    plain = see(textured())
    seen = see(textured(), settings=ServerSettings(engine="eevee"))
    for name in MATERIAL:
        np.testing.assert_array_equal(seen[name], plain[name], err_msg=name)


def test_history_does_not_show(see):
    """Whatever was asked before, in whatever order, of whichever scene."""
    scenes = {
        "textured": textured(),
        "lit": textured().add_lamp(),
        "grey": Squares().add(**GREY).add(z=0.1, scale=0.4, **GREY),
        "blend": Squares().add(**GREY, alphaMode="BLEND"),
    }
    asked = [("color",), ("color", "color_linear"), ("albedo",), MATERIAL, ("color", "depth", *MATERIAL)]
    steps = list(itertools.product(scenes, asked)) * 2
    random.Random(1).shuffle(steps)
    known = {}
    for scene, passes in steps:
        for name, array in see(scenes[scene], *passes).items():
            data = array.tobytes()
            assert known.setdefault((scene, name), data) == data, f"{scene} {name} of {passes}"


def test_nothing_is_left_behind(see):
    """What came for scenes that are gone is gone."""

    def held():
        return tuple(len(kind) for kind in (bpy.data.materials, bpy.data.images, bpy.data.meshes))

    grey = Squares().add(**GREY)
    see(grey)
    before = held()
    for _ in range(3):
        see(textured())
        see(grey)
        assert held() == before


def test_one_render_serves_all_four(see, monkeypatch):
    from gltf_render_server.blender import rendering

    rendered, own = [], rendering.compat.quiet
    monkeypatch.setattr(rendering.compat, "quiet", lambda: rendered.append(True) or own())
    see(textured())
    rendered.clear()
    see(textured())
    assert len(rendered) == 1
    rendered.clear()
    see(textured(), "color", "color_linear")
    assert len(rendered) == 1


@pytest.mark.parametrize(
    ("engine", "is_metered", "transparent"),
    [*itertools.product(["cycles"], [False, True], [None, True]), ("eevee", True, True)],
)
def test_colour_is_the_same_beside_its_linear_picture(see, engine, is_metered, transparent):
    squares = textured().add_lamp() if is_metered else textured()
    settings = ServerSettings(engine=engine, samples=4, denoise=False)
    more = {"settings": settings, "look": Look(transparent=transparent), "view": FARTHER}
    alone = see(squares, "color", **more)["color"]
    both = see(squares, "color", "color_linear", **more)
    np.testing.assert_array_equal(both["color"], alone)
    np.testing.assert_array_equal(see(squares, "color_linear", **more)["color_linear"], both["color_linear"])
    np.testing.assert_array_equal(see(squares, "color", **more)["color"], alone)
    assert both["color_linear"].shape == alone.shape
    assert both["color_linear"].dtype == np.float32
    if transparent:
        alpha = both["color_linear"][..., 3]
        assert alpha[0, 0] == 0
        assert alpha[SIDE // 2, SIDE // 2] == 1
        np.testing.assert_array_equal(both["color_linear"][alpha == 0], 0)


def test_the_linear_picture_is_before_exposure_and_view_transform(see):
    """With the view transform Standard, sRGB of it is what is shown."""
    squares = textured()
    looks = [Look(exposure=stops, view_transform="Standard") for stops in (0.0, -2.0)]
    (plain, dark) = (see(squares, "color", "color_linear", look=look) for look in looks)
    np.testing.assert_array_equal(plain["color_linear"], dark["color_linear"])
    shown = linear(plain["color"])
    where = shown < 0.9
    np.testing.assert_allclose(shown[where], plain["color_linear"][where], atol=0.012)
    np.testing.assert_allclose(linear(dark["color"]), plain["color_linear"] / 4, atol=0.012)


def test_an_unlit_material_is_the_same_in_the_linear_picture(see):
    squares = Squares().add(scale=2, **GREY, extensions={"KHR_materials_unlit": {}})
    seen = see(squares, "albedo", "color_linear")
    np.testing.assert_allclose(seen["albedo"], seen["color_linear"], atol=1e-6)


def test_colours_are_premultiplied(see):
    pane = {"pbrMetallicRoughness": {"baseColorFactor": [1, 0.5, 0, 0.25]}, "alphaMode": "BLEND"}
    squares = Squares().add(scale=2, **pane, extensions={"KHR_materials_unlit": {}})
    settings = ServerSettings(samples=256, denoise=False, noise_threshold=0.0)
    seen = see(squares, "color_linear", settings=settings, look=Look(transparent=True))["color_linear"]
    np.testing.assert_allclose(seen.mean((0, 1)), [0.25, 0.125, 0, 0.25], atol=0.03)


@pytest.fixture
def room(tmp_path, studio):
    """A .blend with a wall behind the square, stones that are instanced, and a pane that is neither."""
    from gltf_render_server.blender import compat

    studio.close()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    walls = bpy.data.collections.new("Walls")
    scene.collection.children.link(walls)

    def paint(item, link):
        material = bpy.data.materials.new(item.name)
        tree = compat.node_tree(material)
        link(tree, tree.nodes["Principled BSDF"], tree.get_output_node("ALL").inputs["Surface"])
        item.data.materials.append(material)

    def square(name, place, holder, size=2.0):
        bpy.ops.mesh.primitive_plane_add(size=size, location=place)
        item = bpy.context.object
        item.name = name
        for collection in item.users_collection:
            collection.objects.unlink(item)
        holder.objects.link(item)
        return item

    def principled(tree, node, surface):
        node.inputs["Base Color"].default_value = (0.1, 0.2, 0.3, 1)
        node.inputs["Metallic"].default_value = 0.25
        node.inputs["Roughness"].default_value = 0.75
        node.inputs["Emission Color"].default_value = (1, 0.5, 0, 1)
        node.inputs["Emission Strength"].default_value = 4

    def toon(tree, node, surface):
        tree.links.new(tree.nodes.new("ShaderNodeBsdfToon").outputs[0], surface)

    def lamp(tree, node, surface):
        emission = tree.nodes.new("ShaderNodeEmission")
        emission.inputs["Strength"].default_value = 7
        tree.links.new(emission.outputs[0], surface)

    wall = square("Wall", (0, 0, -1), walls, 20.0)
    paint(wall, principled)
    wall.modifiers.new("Array", "ARRAY").relative_offset_displace = (0, 0, 0)
    paint(square("Toon", (-1.5, 0, 0), scene.collection, 1.0), toon)
    stones = bpy.data.collections.new("Stones")
    paint(square("Stone", (0, 0, 0), stones, 1.0), lamp)
    away = bpy.data.collections.new("Away")
    scene.collection.children.link(away)
    paint(square("Away", (0, 0, 1), away, 20.0), lamp)
    bpy.context.view_layer.layer_collection.children["Away"].exclude = True
    stone = bpy.data.objects.new("Stones", None)
    stone.instance_type, stone.instance_collection = "COLLECTION", stones
    stone.location = (1.5, 0, 0)
    scene.collection.objects.link(stone)
    path = tmp_path / "room.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


PLACES = {
    "wall": (SIDE // 8, SIDE // 2),
    "client": (SIDE // 2,) * 2,
    "toon": (SIDE // 2, 1),
    "lamp": (SIDE // 2, 6),
}


def test_objects_of_the_server_s_own(room, studio, see):
    settings = ServerSettings(samples=4, denoise=False, blend_file=room)
    squares = Squares().add(scale=0.5, **GREY)
    seen = see(squares, settings=settings, view=WIDER)
    values = {
        place: np.concatenate([np.ravel(seen[name][where]) for name in MATERIAL])
        for place, where in PLACES.items()
    }
    nan = np.nan
    np.testing.assert_allclose(values["client"], [0.25, 0.5, 0.75, 1, 1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(values["wall"], [0.1, 0.2, 0.3, 0.75, 0.25, 4, 2, 0], atol=1e-6)
    np.testing.assert_allclose(values["lamp"], [0, 0, 0, nan, nan, 7, 7, 7], atol=1e-6)
    assert np.isnan(values["toon"]).all()


def test_materials_of_the_server_s_own_stay(room, studio, see):
    """Colour does not show whether their values were asked for, and none of their objects have changed."""
    settings = ServerSettings(samples=4, denoise=False, blend_file=room)
    squares = Squares().add(scale=0.5, **GREY)
    renderer = studio.renderer(settings)

    def ask(*passes):
        return renderer.render(squares.frame(renderer, *passes, view=WIDER)).views[0]

    plain = ask("color")["color"]
    assert np.ptp(plain) > 50
    ask(*MATERIAL)
    np.testing.assert_array_equal(ask("color")["color"], plain)
    wall = bpy.data.objects["Wall"]
    assert [slot.link for slot in wall.material_slots] == ["DATA"]
    assert wall.material_slots[0].material.name == "Wall"


def test_a_session_keeps_nothing_of_them(studio):
    from gltf_render_server.blender import BlenderRenderer
    from gltf_render_server.blender.guests import everything, remove_guests
    from gltf_render_server.blender.sources import SessionSource

    studio.close()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_plane_add(size=20.0, location=(0, 0, -1))
    own = bpy.context.object
    own.data.materials.append(bpy.data.materials.new("Own"))
    renderer = BlenderRenderer(FAST, SessionSource(lambda: scene))
    squares = textured()
    before = {item.name for item in everything()}
    try:
        renderer.render(squares.frame(renderer, "color"))
        kept = len(list(everything()))
        for _ in range(2):
            [arrays] = renderer.render(squares.frame(renderer, *MATERIAL)).views
            assert not np.isnan(arrays["albedo"]).any()
            assert len(list(everything())) == kept
        remove_guests()
        assert {item.name for item in everything()} == before
        assert own.material_slots[0].link == "DATA"
    finally:
        remove_guests()
        renderer.close()
