"""What glTF says of any file, seen in pictures; Drake's own primitives do otherwise here and there."""

import json

import numpy as np
import pytest
import skinned
from defaults import CAMERA, FAST
from drake_like import DrakeScene, box, column_major, look_at, oracle, sphere, translation

from gltf_render_server.settings import ServerSettings

BALL = DrakeScene([sphere(0.6, np.eye(4), 1, rings=8)], look_at((2, 0, 0.0), (0, 0, 0)))
NOT_DRAKE = {"asset": {"version": "2.0", "generator": "Another"}}
DENOISED = ServerSettings(samples=16)


def encoded(document):
    return json.dumps(document).encode()


def lit(document, *lights):
    """Add lights, each with its matrix."""
    document["extensionsUsed"] = ["KHR_lights_punctual"]
    document["extensions"] = {"KHR_lights_punctual": {"lights": [light for light, _ in lights]}}
    for index, (_, place) in enumerate(lights):
        shines = {"KHR_lights_punctual": {"light": index}}
        document["nodes"].append({"extensions": shines, "matrix": column_major(place)})
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
    return document


def test_a_file_without_normals_is_shaded_flat(studio):
    """Along a ball of few faces the brightness jumps at their edges, and nowhere else."""

    def steps(document):
        image = studio.image(encoded(document), "color", DENOISED).astype(float)
        inside = studio.image(BALL.to_bytes("label"), "label")[..., 0] == 1
        row = CAMERA.height // 2
        return np.abs(np.diff(image[row, inside[row]].mean(-1)[3:-3]))

    flat, round_ = steps(BALL.document() | NOT_DRAKE), steps(BALL.document())
    assert np.median(flat) < 1 < 4 < flat.max()
    assert round_.max() < flat.max() / 2


def test_who_wrote_a_file_is_not_forgotten(studio):
    """The same mesh is round in one file and flat in the next, whichever came first."""
    drakes, others = encoded(BALL.document()), encoded(BALL.document() | NOT_DRAKE)
    first = [studio.image(scene, "color") for scene in (drakes, others)]
    again = [studio.image(scene, "color") for scene in (others, drakes)][::-1]
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("is_drakes", [True, False])
def test_a_missing_alpha_mode_is_opaque_but_in_drakes_files(studio, table, is_drakes):
    document = table.document() | ({} if is_drakes else NOT_DRAKE)
    solid = studio.image(encoded(document), "color").astype(int)
    document["materials"][1]["pbrMetallicRoughness"]["baseColorFactor"][3] = 0.2
    changed = np.abs(studio.image(encoded(document), "color").astype(int) - solid)
    seen = studio.image(table.to_bytes("label"), "label")[..., 0] == 2
    assert (changed[seen].mean() > 10) == is_drakes
    assert changed.any() == is_drakes


@pytest.mark.parametrize("kind", ["depth", "label", "color"])
def test_a_skinned_mesh_is_as_one_that_stands_where_its_joints_are(studio, kind):
    posed = studio.image(encoded(skinned.document(kind, has_normals=False)), kind)
    plain = studio.image(encoded(skinned.plain_document(kind)), kind)
    if kind == "depth":
        assert np.isfinite(plain).mean() > 0.02, "it is seen"
    is_close = np.isclose(
        posed.astype(float), plain.astype(float), rtol=0, atol=1e-5 if kind == "depth" else 1
    )
    assert is_close.mean() > 0.998


def test_a_skinned_mesh_follows_its_joints_from_request_to_request(studio):
    """What is kept between two requests never shows an older pose."""
    resting, raised = skinned.document(), skinned.document()
    raised["nodes"][2]["matrix"][14] += 0.2
    first = [studio.image(encoded(scene), "depth") for scene in (resting, raised, resting)]
    np.testing.assert_array_equal(first[0], first[2])
    assert (first[0] != first[1]).any()


TILTED = look_at((0.3, 0.5, 0.8), (0, 0, 0))
TILTED[:3, 3] = 0, 0, 0.4


@pytest.mark.parametrize("is_shared", [False, True], ids=["alone", "sharing its mesh"])
@pytest.mark.parametrize("shape", [sphere, box])
def test_what_is_flattened_is_there_and_lit(studio, shape, is_shared):
    def seen(kind, thickness):
        place = TILTED @ np.diag([1, 1, thickness, 1])
        thing = shape(0.5 if shape is sphere else (0.9, 0.9, 0.9), place, 1)
        floor = box((4, 4, 0.1), translation(0, 0, -0.4), 2)
        scene = DrakeScene([thing, floor], look_at((1.2, -1.6, 1.5), (0, 0, 0.3)))
        document = scene.document(kind)
        if is_shared:
            document["nodes"][3]["children"].append(4)
            document["nodes"].append({"mesh": 0, "matrix": column_major(translation(1.4, 0.8, 0.2))})
        return scene, studio.image(encoded(document), kind, DENOISED if kind == "color" else FAST)

    scene, depth = seen("depth", 0.0)
    truth = oracle(scene, CAMERA)
    where = truth.is_sharp & (truth.label == 1)
    assert where.sum() > 200
    np.testing.assert_allclose(depth[where], truth.depth[where], rtol=0, atol=2e-5)
    assert (seen("label", 0.0)[1][where][:, 0] == 1).all()
    flat, thin = (seen("color", thickness)[1][where].astype(int) for thickness in (0.0, 1e-3))
    assert np.median(np.abs(flat - thin)) <= 2


SPOT = {"type": "spot", "intensity": 30.0, "spot": {"outerConeAngle": 0.3}}


@pytest.mark.parametrize("scale", [[1, 1, 5], [3, 1, 1], [0.1, 0.1, 0.1], [-1, 1, 1], [1, 1, 0]], ids=str)
def test_a_scale_does_not_distort_a_spot(studio, table, scale):
    place = translation(0.3, -0.5, 2.2)
    plain = studio.image(encoded(lit(table.document(), (SPOT, place))), "color")
    document = lit(table.document(), (SPOT, place @ np.diag([*scale, 1.0])))
    np.testing.assert_array_equal(studio.image(encoded(document), "color"), plain)
    assert plain.mean() > 5
