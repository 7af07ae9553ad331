"""Documents put together show what each of them shows alone."""

import io
import json

import numpy as np
import pytest
from any_gltf import DOCUMENTS, EYE, FOCAL, SIZE
from any_scene import odd_scenes, recipes
from compressed import to_glb, with_draco, with_meshopt
from drake_like import DrakeScene, box, column_major, look_at, png_uri, sphere, translation
from hypothesis import HealthCheck, given, settings
from PIL import Image
from stores import STILL_LIFE

from gltf_render_server.dataset.composition import Composition, Paint
from gltf_render_server.dataset.shot import Document
from gltf_render_server.errors import RequestError, SceneError
from gltf_render_server.frame import Frame, Lens, Look, View
from gltf_render_server.gltf import read_asset, read_image, read_light
from gltf_render_server.gltf.container import open_container
from gltf_render_server.settings import ServerSettings
from gltf_render_server.vtk import VtkRenderer

LENS = Lens(*SIZE, FOCAL, FOCAL, SIZE[0] / 2, SIZE[1] / 2, 0.01, 100.0)
PASSES = ("depth", "instance", "normal", "color")


@pytest.fixture(scope="module")
def renderer():
    renderer = VtkRenderer(ServerSettings(backend="vtk"))
    yield renderer
    renderer.close()


def document_of(json_document):
    return Document(json.dumps(json_document).encode())


def composed(*parts):
    """Put (document, name, matrix) together."""
    composition = Composition()
    for part in parts:
        composition.add(*part)
    return composition.document()


def read(renderer, document):
    return read_asset(document.data, extensions=renderer.extensions)


def pictures(renderer, document, eye=EYE, passes=PASSES, lens=LENS, time_s=0.0, poses=None):
    scene = read(renderer, document).scene(poses, time_s)
    frame = Frame(scene, (View(lens, eye, "eye"),), passes, Look(up_axis="z"))
    return renderer.render(frame).views[0]


def assert_same(pictures, others):
    for name in PASSES:
        np.testing.assert_array_equal(pictures[name], others[name], err_msg=name)


def json_of(document):
    return json.loads(open_container(document.data).json)


def compressed(kind):
    return {"draco": with_draco, "meshopt": with_meshopt}[kind](DOCUMENTS["turned"]())


@pytest.mark.parametrize("time_s", [0.0, 1.2])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_one_document_looks_as_it_does_alone(renderer, name, time_s):
    alone = document_of(DOCUMENTS[name]())
    for document in (composed((alone,)), composed((alone, "it", np.eye(4))), composed((composed((alone,)),))):
        assert_same(pictures(renderer, document, time_s=time_s), pictures(renderer, alone, time_s=time_s))


@pytest.mark.parametrize("form", [lambda it: json.dumps(it).encode(), to_glb], ids=["json", "glb"])
@pytest.mark.parametrize("kind", ["draco", "meshopt"])
def test_what_is_compressed_stays_so(renderer, kind, form):
    alone = Document(form(compressed(kind)))
    other = document_of(DOCUMENTS["instanced"]())
    made = composed((other, "other", translation(50, 0, 0)), (alone, "it"))
    assert {"KHR_draco_mesh_compression", "EXT_meshopt_compression"} & set(
        json_of(made)["extensionsRequired"]
    )
    np.testing.assert_array_equal(pictures(renderer, made)["depth"], pictures(renderer, alone)["depth"])


def assert_a_sum(renderer, one, other, eyes, lens=LENS, time_s=0.0):
    both = composed((one[0], "one", one[1]), (other[0], "other", other[1]))
    for eye in eyes:
        depths = [
            pictures(renderer, composed((document, "it", matrix)), eye, ("depth",), lens, time_s)["depth"]
            for document, matrix in (one, other)
        ]
        found = pictures(renderer, both, eye, ("depth",), lens, time_s)["depth"]
        np.testing.assert_array_equal(found, np.minimum(*depths))


@pytest.mark.parametrize("time_s", [0.0, 0.7])
@pytest.mark.parametrize("other", ["turned", "instanced", "animated", "morphed", "quantised"])
@pytest.mark.parametrize("one", ["animated", "sparse", "skinned", "strips"])
def test_two_documents_are_the_nearer_of_each(renderer, one, other, time_s):
    documents = document_of(DOCUMENTS[one]()), document_of(DOCUMENTS[other]())
    places = (translation(-0.5, 0.2, 0), translation(0.6, -0.1, 0.1))
    assert_a_sum(renderer, *zip(documents, places, strict=True), [EYE], time_s=time_s)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(recipe=recipes, second=recipes)
def test_any_two_scenes(renderer, recipe, second):
    one, other = recipe.scene(), second.scene()
    eyes = [view.camera_to_world for view in one.views]
    for scene in (one, other):
        alone = Document(scene.data)
        for view in scene.views:
            assert_same(
                pictures(renderer, composed((alone,)), view.camera_to_world),
                pictures(renderer, alone, view.camera_to_world),
            )
    assert_a_sum(
        renderer,
        (Document(one.data), np.eye(4)),
        (Document(other.data), translation(0.15, 0.1, 0.07)),
        eyes,
    )


@pytest.mark.parametrize("name", odd_scenes())
def test_odd_scenes(renderer, name):
    scene = odd_scenes()[name]
    alone = Document(scene.data)
    for view in scene.views:
        found = [
            pictures(renderer, it, view.camera_to_world, lens=view.lens) for it in (composed((alone,)), alone)
        ]
        assert_same(*found)


def still_life_twice():
    still_life = Document(STILL_LIFE.read_bytes(), STILL_LIFE)
    turn = np.array([[0, 0, 1, 0.4], [0, 1, 0, 0], [-1, 0, 0, -0.3], [0, 0, 0, 1]])
    return composed((still_life, "one", translation(-0.4, 0, 0)), (still_life, "other", turn)), turn


def test_the_same_document_twice_shares_all_but_its_nodes(renderer):
    made, turn = still_life_twice()
    still_life = Document(STILL_LIFE.read_bytes(), STILL_LIFE)
    once, twice = json_of(composed((still_life, "one"))), json_of(made)
    for name in ("meshes", "materials", "images", "textures", "accessors", "bufferViews", "buffers"):
        assert len(twice[name]) == len(once[name]), name
    assert len(twice["nodes"]) == 2 * len(once["nodes"])
    assert len(made.data) < len(still_life.data) + 20_000
    eye = look_at((1.3, 0.9, 1.9), (0, 0.1, 0))
    assert_a_sum(
        renderer,
        (still_life, translation(-0.4, 0, 0)),
        (still_life, turn),
        [eye],
        Lens(160, 120, 120.0, 120.0, 80.0, 60.0, 0.01, 100.0),
    )


def test_the_same_calls_make_the_same_bytes():
    assert still_life_twice()[0].data == still_life_twice()[0].data


def test_nodes_are_named_below_their_document(renderer):
    document = DOCUMENTS["animated"]()
    document["nodes"].append({"mesh": 0})  # without a name
    document["nodes"][1]["children"] = [len(document["nodes"]) - 1, len(document["nodes"])]
    document["nodes"].append({"name": "keypoint:top", "translation": [0, 0, 1]})
    document["meshes"][0]["name"] = "sheet"
    composition = Composition()
    first = composition.add(document_of(document), "a")
    second = composition.add(document_of(document), "a")
    third = composition.add(document_of(document))
    fourth = composition.add(document_of(document))
    assert (first.root, second.root, third.root) == ("a", "a.2", "")
    assert first.objects == ("a/floor", "a/sheet", "a/ball")
    assert second.objects == ("a.2/floor", "a.2/sheet", "a.2/ball")
    assert third.objects == ("floor", "", "ball")
    assert fourth.objects == ("floor.2", "", "ball.2")
    assert first.names == {"floor": "a/floor", "ball": "a/ball", "keypoint:top": "keypoint:top"}
    asset = read(renderer, composition.document())
    scene = asset.scene()
    names = [asset.node_name(node) for node in scene.instances.node.tolist()]
    assert sorted(names) == sorted([*first.objects, *second.objects, *third.objects, *fourth.objects])
    assert {asset.node_name(scene.instances.node[point.instance]) for point in scene.keypoints} == {
        "a/floor", "a.2/floor", "floor", "floor.2",
    }  # fmt: skip


def test_a_document_may_be_one_object(renderer):
    still_life = Document(STILL_LIFE.read_bytes(), STILL_LIFE)
    composition = Composition()
    moved = translation(0.3, 0, 0)
    whole = composition.add(still_life, "things", moved, {"category": "food", "instance": True})
    parts = composition.add(still_life, "parts")
    assert whole.objects == ("things",)
    asset = read(renderer, composition.document())
    instances = asset.scene().instances
    names = [asset.node_name(node) for node in instances.node.tolist()]
    assert sorted(names) == sorted(["things", *parts.objects])
    assert len(parts.objects) > 3
    [number] = [index for index, name in enumerate(names) if name == "things"]
    np.testing.assert_array_equal(instances.matrix[number], moved)
    assert asset.node_extras(int(instances.node[number])) == {"category": "food"}


def test_poses_by_name_move_what_they_name(renderer):
    still_life = Document(STILL_LIFE.read_bytes(), STILL_LIFE)
    composition = Composition()
    root = composition.add(still_life, "it", np.eye(4)).root
    moved = composed((still_life, "it", translation(0.1, 0.2, 0)))
    eye = look_at((1.3, 0.9, 1.9), (0, 0.1, 0))
    assert_same(
        pictures(renderer, composition.document(), eye, poses={root: translation(0.1, 0.2, 0)}),
        pictures(renderer, moved, eye),
    )


def textured(png, texture):
    document = DOCUMENTS["turned"]()
    document["images"] = [{"uri": png_uri(np.full((2, 2, 3), png, np.uint8)), "mimeType": "image/png"}]
    document["samplers"] = [{"wrapS": 33071}]
    document["textures"] = [{"source": 0, "sampler": 0}]
    document["materials"].append({"name": f"m{png}", **texture})
    document["meshes"][1]["primitives"][0]["material"] = len(document["materials"]) - 1
    return document


def test_references_inside_extensions_are_renumbered():
    one = textured(10, {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}})
    clearcoat = {
        "clearcoatFactor": 1,
        "clearcoatTexture": {"index": 0},
        "clearcoatNormalTexture": {"index": 7},
    }
    other = textured(20, {"extensions": {"KHR_materials_clearcoat": clearcoat}})
    other["textures"][0]["extensions"] = {
        "EXT_texture_webp": {"source": 0},
        "KHR_texture_basisu": {"source": 9},
    }
    lights = {"KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 7.0}]}}
    variants = {"KHR_materials_variants": {"variants": [{"name": "red"}]}}
    other["extensions"] = lights | variants
    other["nodes"][0]["extensions"] = {"KHR_lights_punctual": {"light": 0}, "MSFT_lod": {"ids": [1]}}
    mapping = {"mappings": [{"material": 0, "variants": [0]}, {"material": 99, "variants": [0]}, 3]}
    other["meshes"][1]["primitives"][0]["extensions"] = {"KHR_materials_variants": mapping}
    other["extensionsUsed"] = ["KHR_lights_punctual", "KHR_materials_variants", "MSFT_lod"]
    pointer = {"KHR_animation_pointer": {"pointer": "/nodes/2/translation"}}
    light = {"KHR_animation_pointer": {"pointer": "/extensions/KHR_lights_punctual/lights/0/intensity"}}
    lost = {"KHR_animation_pointer": {"pointer": "/extras/3"}}
    other["animations"] = [
        {
            "samplers": [{"input": 0, "output": 999}],
            "channels": [
                {"sampler": 0, "target": {"path": "pointer", "extensions": extension}}
                for extension in (pointer, light, lost)
            ],
        }
    ]
    made = json_of(
        composed((document_of(other), "one"), (document_of(one), "two"), (document_of(other), "three"))
    )
    base = len(one["materials"])
    materials = {material.get("name"): material for material in made["materials"]}
    assert len(made["textures"]) == len(made["images"]) == len(made["samplers"]) == 2
    assert made["textures"][0] == {
        "source": 0,
        "sampler": 0,
        "extensions": {"EXT_texture_webp": {"source": 0}, "KHR_texture_basisu": {}},
    }
    assert made["textures"][1] == {"source": 1, "sampler": 1}
    assert materials["m10"]["pbrMetallicRoughness"]["baseColorTexture"] == {"index": 1}
    assert materials["m20"]["extensions"]["KHR_materials_clearcoat"] == {
        "clearcoatFactor": 1, "clearcoatTexture": {"index": 0},
    }  # fmt: skip
    lit = [node["extensions"] for node in made["nodes"] if "extensions" in node]
    assert lit == [{"KHR_lights_punctual": {"light": 0}}] * 2
    assert made["extensions"] == lights | variants
    drawn = made["meshes"][1]["primitives"][0]
    assert drawn["extensions"] == {"KHR_materials_variants": {"mappings": [{"material": 0, "variants": [0]}]}}
    assert made["meshes"][3]["primitives"][0]["material"] == 2 * base - 1
    pointers = [
        channel["target"]["extensions"]["KHR_animation_pointer"]["pointer"]
        for channel in made["animations"][0]["channels"]
    ]
    begin = 2 * (len(other["nodes"]) + 1) + 2
    assert pointers == [
        "/nodes/2/translation",
        "/extensions/KHR_lights_punctual/lights/0/intensity",
        "/extras/3",
        f"/nodes/{begin}/translation",
        "/extensions/KHR_lights_punctual/lights/0/intensity",
        "/extras/3",
    ]
    assert made["animations"][0]["samplers"] == [{"input": 0}, {"input": 0}]


def test_cameras_are_there_at_their_places(renderer):
    one, other = document_of(DOCUMENTS["turned"]()), document_of(DOCUMENTS["sparse"]())
    asset = read(
        renderer, composed((one, "one", translation(1, 0, 0)), (other, "other", translation(0, 2, 0)))
    )
    found = [camera.camera_to_world for camera in asset.scene().cameras]
    np.testing.assert_allclose(found, [translation(1, 0, 0) @ EYE, translation(0, 2, 0) @ EYE])


def drake_scene():
    return DrakeScene(
        [sphere(0.4, translation(0.5, 0, 0), 3, 9), box((0.5, 0.5, 0.5), translation(-0.5, 0, 0), 4)], EYE
    )


@pytest.mark.parametrize("first", [True, False])
def test_drakes_own_colours_and_round_things_stay_so(renderer, first):
    drakes, other = Document(drake_scene().to_bytes()), document_of(DOCUMENTS["strips"]())
    parts = [(drakes, "drakes", np.eye(4)), (other, "other", translation(0, 0, 9))]
    made = composed(*(parts if first else parts[::-1]))
    assert_same_but_numbers(pictures(renderer, made), pictures(renderer, drakes))


def assert_same_but_numbers(pictures, others):
    for name in ("depth", "normal", "color"):
        np.testing.assert_array_equal(pictures[name], others[name], err_msg=name)


def test_others_colours_are_not_taken_for_drakes(renderer):
    plain = DOCUMENTS["turned"]()
    pbr = {"baseColorFactor": [0.5, 0.2, 0.1, 1], "metallicFactor": 0, "roughnessFactor": 1}
    plain["materials"] = [{"pbrMetallicRoughness": pbr}]
    for mesh in plain["meshes"]:
        mesh["primitives"][0]["material"] = 0
    alone = document_of(plain)
    made = composed((alone, "it"), (Document(drake_scene().to_bytes()), "drakes", translation(0, 0, 90)))
    np.testing.assert_array_equal(pictures(renderer, made)["color"], pictures(renderer, alone)["color"])


def picture_file(kind, colour=(200, 30, 90)):
    data = io.BytesIO()
    Image.new("RGB", (5, 3), colour).save(data, kind)
    return data.getvalue()


SQUARE = ([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], [[0, 1, 2], [0, 2, 3]])
CORNERS = [[0, 1], [1, 1], [1, 0], [0, 0]]


def test_plain_meshes_are_where_and_what_they_are_said_to_be(renderer):
    composition = Composition()
    png = picture_file("PNG")
    names = [
        composition.add_mesh(*SQUARE, Paint((0.2, 0.4, 0.6), roughness=0.3, metallic=0.7), "board"),
        composition.add_mesh(
            *SQUARE, Paint(image=png), "board", translation(0, 0, -2),
            texcoords=CORNERS, extras={"category": "wall"},
        ),
        composition.add_mesh(
            *SQUARE, Paint(image=png, glow=2.0), "sky", translation(9, 0, 0), texcoords=CORNERS,
            normals=[[0, 0, 1]] * 4,
        ),
    ]  # fmt: skip
    assert names == ["board", "board.2", "sky"]
    document = composition.document()
    asset = read(renderer, document)
    assert asset.node_extras(1) == {"category": "wall"}
    made = json_of(document)
    assert len(made["images"]) == len(made["textures"]) == 1
    assert read_image(asset.source, asset.buffers, 0) == png
    assert [material.get("pbrMetallicRoughness") for material in made["materials"]] == [
        {"roughnessFactor": 0.3, "metallicFactor": 0.7, "baseColorFactor": [0.2, 0.4, 0.6, 1.0]},
        {
            "roughnessFactor": 1.0, "metallicFactor": 0.0, "baseColorFactor": [1.0, 1.0, 1.0, 1.0],
            "baseColorTexture": {"index": 0},
        },
        {"roughnessFactor": 1.0, "metallicFactor": 0.0, "baseColorFactor": [0.0, 0.0, 0.0, 1.0]},
    ]  # fmt: skip
    assert made["materials"][2]["emissiveTexture"] == {"index": 0}
    assert made["materials"][2]["extensions"] == {
        "KHR_materials_emissive_strength": {"emissiveStrength": 2.0}
    }
    from_above = translation(0.1, 0.2, 3)
    found = pictures(renderer, document, from_above)
    assert found["depth"][40, 50] == np.float32(3)
    assert set(np.unique(found["instance"])) == {0, 1}
    np.testing.assert_allclose(found["normal"][40, 50], (0, 0, 1), atol=1e-6)


def test_suns_and_lights_shine_as_they_are_said_to(renderer):
    composition = Composition()
    composition.add(document_of(DOCUMENTS["turned"]()))
    assert composition.add_sun((0, 3, -4), 2.5, (1, 0.5, 0.25)) == "sun"
    assert composition.add_sun((0, 0, 1), 2.5, (1, 0.5, 0.25)) == "sun.2"
    assert composition.add_point_light((1, 2, 3), 4 * np.pi * 7) == "light"
    asset = read(renderer, composition.document())
    scene = asset.scene()
    assert len(asset.json["extensions"]["KHR_lights_punctual"]["lights"]) == 2
    suns, point = scene.lights[:2], scene.lights[2]
    np.testing.assert_allclose(-suns[0].matrix[:3, 2], (0, 0.6, -0.8), atol=1e-15)
    np.testing.assert_allclose(-suns[1].matrix[:3, 2], (0, 0, 1), atol=1e-15)
    for sun in suns:
        light = read_light(asset, sun.light)
        assert (light.type, light.colour, light.intensity) == ("directional", (1, 0.5, 0.25), 2.5)
    assert read_light(asset, point.light).intensity == pytest.approx(7)
    np.testing.assert_array_equal(point.matrix, translation(1, 2, 3))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda it: it.add(document_of(DOCUMENTS["turned"]()), "a", np.eye(3)),
            "a: the matrix must be 4 x 4",
        ),
        (lambda it: it.add(document_of(DOCUMENTS["turned"]()), "a", np.full((4, 4), np.nan)), "finite"),
        (lambda it: it.add(document_of(DOCUMENTS["turned"]()), "a", np.ones((4, 4))), "a: the last row"),
        (lambda it: it.add_sun((0, 0, 0)), "must not have the length zero"),
        (lambda it: it.add_sun((0, 0)), "sun: must have 3 finite numbers"),
        (
            lambda it: it.add_mesh(*SQUARE, Paint(image=b"GIF89a"), "board"),
            "board: the image is neither PNG nor JPEG",
        ),
    ],
)
def test_what_cannot_be_added_is_refused(call, said):
    with pytest.raises(RequestError, match=said):
        call(Composition())


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda it: it["nodes"][1].update(mesh=9), "$.nodes[1].mesh"),
        (lambda it: it["nodes"][1].update(children="x"), "$.nodes[1].children"),
        (
            lambda it: it["meshes"][0]["primitives"][0]["attributes"].update(POSITION=99),
            "attributes.POSITION",
        ),
        (lambda it: it["accessors"][0].update(bufferView=99), "$.accessors[0].bufferView"),
        (lambda it: it["bufferViews"][0].update(buffer=99), "$.bufferViews[0].buffer"),
    ],
)
def test_broken_documents_are_refused_where_they_are_broken(change, where):
    document = DOCUMENTS["turned"]()
    change(document)
    with pytest.raises(SceneError) as caught:
        Composition().add(document_of(document), "it")
    assert where in caught.value.where


def doubled(document, depth=40):
    """Let a chain of nodes name the next one twice, which makes 2 ** depth ways down."""
    first = len(document["nodes"])
    document["nodes"] += [{"children": [first + each + 1] * 2} for each in range(depth)] + [{"mesh": 0}]
    document["scenes"][0]["nodes"].append(first)


@pytest.mark.parametrize(
    "change",
    [
        doubled,
        lambda it: (
            it["nodes"].append({"children": [0]}) or it["nodes"][0].update(children=[len(it["nodes"]) - 1])
        ),
        lambda it: it["nodes"][0].update(children=[0]),
    ],
    ids=["two parents", "a circle", "itself"],
)
def test_what_is_no_tree_is_refused_by_who_reads_it(renderer, change):
    document = DOCUMENTS["turned"]()
    change(document)
    for broken in (document_of(document), composed((document_of(document), "it"))):
        with pytest.raises(SceneError, match=r"two parents, or is its own ancestor"):
            read(renderer, broken)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda it: it["bufferViews"][0].update(byteLength=10**6), "reaches beyond the end of its buffer"),
        (lambda it: it["buffers"][0].update(uri="a.bin"), "only data: URIs are accepted"),
        (lambda it: it["buffers"][0].update(byteLength=10**6), "fewer than its byteLength 1000000"),
    ],
)
def test_broken_data_is_refused_by_who_reads_it(renderer, change, said):
    document = DOCUMENTS["turned"]()
    change(document)
    for broken in (document_of(document), composed((document_of(document), "it"))):
        with pytest.raises(SceneError, match=said):
            read(renderer, broken)


def test_what_drake_writes_null_for_is_taken(renderer):
    document = DOCUMENTS["turned"]() | {"images": None, "textures": None, "skins": None, "animations": None}
    document["materials"] = None
    for mesh in document["meshes"]:
        mesh["primitives"][0].pop("material", None)
    document["nodes"][1]["children"] = None
    alone = document_of(document)
    assert_same(pictures(renderer, composed((alone, "it"))), pictures(renderer, alone))


def test_columns_are_as_gltf_writes_them():
    matrix = translation(1, 2, 3)
    made = json_of(composed((document_of(DOCUMENTS["turned"]()), "it", matrix)))
    assert made["nodes"][-1]["matrix"] == column_major(matrix)
