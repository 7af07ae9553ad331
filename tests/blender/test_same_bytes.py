"""The same request gives the same bits, however busy the machine is: even those that 8 bits hide.

Two pictures of 8 bits are equal most of the time when their floats are not; so the floats are compared.
"""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from defaults import CAMERA, ask
from drake_like import DrakeScene, add_accessor, box, look_at, png_uri, sphere, translation

from gltf_render_server.gltf import parse_scene
from gltf_render_server.protocol import ImageType, RenderRequest
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy")

TIMES = int(os.environ.get("GLTF_RENDER_SERVER_REPEATS", "6"))
SIZES = ((64, 48), (96, 72), (160, 120))
RINGS = 120  # 57,600 triangles: Blender adds up on all threads above 10,000
QUALITIES = ("preview", "balanced")


@pytest.fixture(scope="module")
def busy_machine():
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for process in loops:
        process.kill()
        process.wait()


def embossed(document, mesh):
    """Give a sphere of `RINGS` a normal map, as fine as noise."""
    across, down = np.meshgrid(np.linspace(0, 3, 2 * RINGS + 1), np.linspace(0, 2, RINGS + 1))
    uv = np.stack([across, down], -1).reshape(-1, 2).astype("<f4")
    [primitive] = document["meshes"][mesh]["primitives"]
    primitive["attributes"]["TEXCOORD_0"] = add_accessor(document, uv, "VEC2")
    pixels = np.random.default_rng(5).integers(96, 160, (64, 64, 3), np.uint8)
    pixels[..., 2] = 255
    document |= {"images": [{"uri": png_uri(pixels)}], "textures": [{"source": 0}]}
    document["materials"][mesh]["normalTexture"] = {"index": 0}


def still_life():
    """An embossed ball, a glass ball and a bush of twigs thinner than a pixel; no light: an HDRI's."""
    rng = np.random.default_rng(2)
    ball = sphere(0.5, translation(0.5, 0.2, 0.5), 2, rings=RINGS, rgba=(0.7, 0.4, 0.2, 1))
    ball = replace(ball, triangles=rng.permutation(ball.triangles))  # each thread gets some of every fan
    twigs = [
        box((0.004, 0.004, 0.9), translation(*rng.uniform((-0.8, -0.3, 0.3), (-0.1, 0.3, 0.6))), 10 + index)
        for index in range(60)
    ]
    scene = DrakeScene(
        [
            box((4, 4, 0.1), translation(0, 0, -0.05), 1, rgba=(0.6, 0.6, 0.6, 1)),
            ball,
            sphere(0.25, translation(0.2, -0.7, 0.25), 3, rings=24),
            *twigs,
        ],
        look_at((1.0, -2.0, 1.2), (0, 0, 0.3)),
    )
    document = scene.document("color")
    embossed(document, 1)
    glass = document["materials"][2]
    glass["extensions"] = {"KHR_materials_transmission": {"transmissionFactor": 1.0}}
    glass["pbrMetallicRoughness"] |= {"roughnessFactor": 0.0, "metallicFactor": 0.0}
    document["extensionsUsed"] = ["KHR_materials_transmission"]
    return json.dumps(document).encode()


def resized(width, height):
    scale = width / CAMERA.width
    return replace(
        CAMERA,
        width=width,
        height=height,
        focal_x=CAMERA.focal_x * scale,
        focal_y=CAMERA.focal_y * scale,
        center_x=(width - 1) / 2,
        center_y=(height - 1) / 2,
    )


def float_digest(renderer, data, camera, folder):
    """Render as for a picture, but into floats; return their digest."""
    from gltf_render_server.blender.passes import rendered_exact
    from gltf_render_server.camera import blender_camera

    request = RenderRequest(ImageType.COLOR, camera, None, parse_scene(data, extensions=renderer.extensions))
    with (
        renderer.arranged(request) as scene,
        rendered_exact(scene, blender_camera(camera), folder) as path,
    ):
        return hashlib.sha256(channels(path)).hexdigest()


def channels(path):
    import OpenEXR

    with OpenEXR.File(str(path), separate_channels=True) as file:
        parts = [part.channels for part in file.parts]
    return b"".join(part[name].pixels.tobytes() for part in parts for name in sorted(part))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("busy_machine")
def test_denoised_floats_are_the_same_each_time(studio, tmp_path, size, quality):
    renderer = studio.renderer(ServerSettings(quality=quality))
    data, camera = still_life(), resized(*size)
    first = ask(renderer, data, "color", camera)
    assert len({float_digest(renderer, data, camera, tmp_path) for _ in range(TIMES)}) == 1
    np.testing.assert_array_equal(ask(renderer, data, "color", camera), first)


def test_tangents_are_those_of_mikktspace():
    from gltf_render_server.blender.tangents import corner_tangents

    bpy.ops.mesh.primitive_uv_sphere_add(segments=24, ring_count=12)
    mesh = bpy.context.object.data
    try:
        bpy.ops.object.modifier_add(type="TRIANGULATE")
        bpy.ops.object.modifier_apply(modifier="Triangulate")
        mesh.uv_layers[0].uv.foreach_set("vector", mirrored(mesh))
        mesh.shade_smooth()
        mesh.calc_tangents()
        points = np.array([mesh.vertices[loop.vertex_index].co for loop in mesh.loops], float)
        normals = np.array([loop.normal for loop in mesh.loops], float)
        uv = np.array([item.vector for item in mesh.uv_layers[0].uv], float)
        tangents, signs = corner_tangents(
            points.reshape(-1, 3, 3), normals.reshape(-1, 3, 3), uv.reshape(-1, 3, 2)
        )
        expected = np.array([loop.tangent for loop in mesh.loops])
        assert np.abs(tangents.reshape(-1, 3) - expected).max() < 1e-4
        assert set(signs.reshape(-1)) == {-1.0, 1.0}
        assert signs.reshape(-1).tolist() == [loop.bitangent_sign for loop in mesh.loops]
    finally:
        bpy.data.meshes.remove(mesh)


def mirrored(mesh):
    """The sphere's UVs, folded at the middle as a texture that serves both halves."""
    uv = np.array([item.vector for item in mesh.uv_layers[0].uv], np.float32)
    uv[:, 0] = np.abs(uv[:, 0] - 0.5)
    return uv.reshape(-1)
