"""Depth of files as all kinds of programs write them, against a ray caster that reads and poses them."""

import copy
import json

import any_gltf
import numpy as np
import pytest
import raycaster
from compressed import to_glb, with_draco, with_meshopt
from frames import array_of, frame_of

from gltf_render_server.frame import Lens
from gltf_render_server.gltf import read_asset

WIDTH, HEIGHT = any_gltf.SIZE
LENS = Lens(WIDTH, HEIGHT, any_gltf.FOCAL, any_gltf.FOCAL, WIDTH / 2, HEIGHT / 2, 0.05, 20.0)
PACKINGS = {
    "data uris": lambda document: document,
    "draco": lambda document: with_draco(document, bits=20),
    "meshopt": with_meshopt,
    "meshopt of khronos": lambda document: with_meshopt(document, "KHR_meshopt_compression", 1),
}


def assert_depth(studio, data, plain, time_s=0.0, tolerance_m=1e-4):
    """data is what is sent, plain the same without compression."""
    file = raycaster.File(json.dumps(plain).encode(), time_s)
    truth, is_sharp = raycaster.cast(file.triangles(), file.camera(), WIDTH, HEIGHT, any_gltf.FOCAL)
    renderer = studio.renderer()
    asset = read_asset(data, extensions=renderer.extensions)
    depth = array_of(renderer, frame_of(asset.scene(time_s=time_s), LENS, "depth"))
    assert is_sharp.mean() > 0.9
    assert 0.2 < np.isfinite(truth).mean() < 0.9
    is_hit = is_sharp & np.isfinite(truth)
    assert (np.isfinite(depth) != np.isfinite(truth))[is_sharp].sum() <= (tolerance_m > 1e-4)
    off = np.abs(depth[is_hit] - truth[is_hit])
    assert np.percentile(off, 99.8) < tolerance_m
    assert np.median(off) < tolerance_m / 10


def is_packable(document):
    """Whether triangles alone are in it, which is all that the test's own compression knows."""
    primitives = [primitive for mesh in document["meshes"] for primitive in mesh["primitives"]]
    return all("indices" in primitive for primitive in primitives)


@pytest.mark.parametrize("is_binary", [False, True], ids=["json", "glb"])
@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("name", any_gltf.DOCUMENTS)
def test_depth(studio, name, packing, is_binary):
    plain = any_gltf.DOCUMENTS[name]()
    if packing != "data uris" and not is_packable(plain):
        pytest.skip("there is nothing to pack in it")
    packed = PACKINGS[packing](copy.deepcopy(plain))
    data = to_glb(packed) if is_binary else json.dumps(packed).encode()
    assert_depth(studio, data, plain, tolerance_m=3e-4 if packing == "draco" else 1e-4)


@pytest.mark.parametrize("time_s", [-1.0, 0.2, 0.8, 1.0, 1.7, 2.9, 99.0])
def test_depth_at_a_time(studio, time_s):
    plain = any_gltf.animated()
    assert_depth(studio, to_glb(with_meshopt(plain)), plain, time_s)


def test_the_scene_of_one_moment_does_not_change_that_of_another(studio):
    plain = any_gltf.animated()
    asset = read_asset(to_glb(plain), extensions=studio.renderer().extensions)
    first, second = (asset.scene(time_s=time_s) for time_s in (0.2, 1.7))
    assert first.primitives != second.primitives
    assert first.shapes == asset.scene(time_s=0.2).shapes
