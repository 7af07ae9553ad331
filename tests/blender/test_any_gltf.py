"""Depth of files as all kinds of programs write them, against a ray caster that reads and poses them by itself."""

import json

import any_gltf
import numpy as np
import pytest
import raycaster
from compressed import to_glb, with_draco, with_meshopt
from defaults import ask
from gltf_render_server.http.form import Camera

WIDTH, HEIGHT = any_gltf.SIZE
CAMERA = Camera(WIDTH, HEIGHT, any_gltf.FOCAL, any_gltf.FOCAL, WIDTH / 2, HEIGHT / 2, 0.05, 20.0)

PACKED = {
    "data uris": lambda document: json.dumps(document).encode(),
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("name", any_gltf.DOCUMENTS)
def test_depth(studio, name, packing):
    document = any_gltf.DOCUMENTS[name]()
    file = raycaster.File(json.dumps(document).encode())
    truth, is_sharp = raycaster.cast(file.triangles(), file.camera(), WIDTH, HEIGHT, any_gltf.FOCAL)
    depth = studio.image(PACKED[packing](document), "depth", camera=CAMERA)
    assert is_sharp.mean() > 0.9
    is_hit = is_sharp & np.isfinite(truth)
    np.testing.assert_array_equal(np.isfinite(depth)[is_sharp], np.isfinite(truth)[is_sharp])
    np.testing.assert_allclose(depth[is_hit], truth[is_hit], atol=1e-4)
