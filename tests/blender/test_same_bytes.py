"""The same request gives the same bits, however busy the machine is: even those that 8 bits hide.

Two pictures of 8 bits are equal most of the time when their floats are not; so the floats are compared.
The scene is one where Cycles' own tangents differ in every render: its largest mesh has 124,002 triangles
in a random order, so that the threads meet at nearly every vertex.
"""

import functools
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from defaults import ask
from drake_like import add_accessor
from frames import frame_of

import still_life
from gltf_render_server.gltf import parse_scene
from gltf_render_server.http.form import RenderFields
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy")

TIMES = int(os.environ.get("GLTF_RENDER_SERVER_REPEATS", "3"))
SIZES = ((160, 120), (240, 180), (480, 360))
QUALITIES = ("draft", "preview", "balanced")
EVERY_CASE = [(size, quality) for size in SIZES for quality in QUALITIES]
CASES = EVERY_CASE if "GLTF_RENDER_SERVER_REPEATS" in os.environ else [((160, 120), "preview")]


@pytest.fixture(scope="module")
def busy_machine():
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    yield
    for process in loops:
        process.kill()
        process.wait()


def float_digest(renderer, data, camera):
    """Render as for a picture; return the digest of the floats behind it."""
    from gltf_render_server.blender.results import reading_passes

    frame = frame_of(parse_scene(data, extensions=renderer.extensions), camera)
    with renderer.arranged(frame) as scene:
        scene.render.use_persistent_data = False  # Cycles makes everything anew
        with reading_passes(scene, {"Combined"}) as passes:
            bpy.ops.render.render(scene=scene.name)
        return hashlib.sha256(passes["Combined"].tobytes()).hexdigest()


@pytest.mark.parametrize(("size", "quality"), CASES)
@pytest.mark.usefixtures("busy_machine")
def test_denoised_floats_are_the_same_each_time(studio, size, quality):
    renderer = studio.renderer(ServerSettings(quality=quality))
    data, camera = crowded_still_life(), camera_of(*size)
    first = ask(renderer, data, "color", camera)
    assert len({float_digest(renderer, data, camera) for _ in range(TIMES)}) == 1
    np.testing.assert_array_equal(ask(renderer, data, "color", camera), first)


def camera_of(width, height):
    form = {name: [value] for name, value in still_life.request_fields("color", width, height).items()}
    return RenderFields.from_form(form, max_pixels=10**6).lens


@functools.cache
def crowded_still_life(rows=250):
    """Glass, twigs and meshes with normal maps, lit by an HDRI; before the wall, a corrugated sheet.

    rows: of the sheet's vertices, and columns; it has 2 (rows - 1)^2 triangles, in a random order.
    """
    document = still_life.document()
    x, z = (values.ravel() for values in np.meshgrid(*2 * [np.linspace(0, 1, rows)]))
    slope = 0.4 * np.cos(40 * x)
    normals = np.stack([slope, -np.ones_like(x), np.zeros_like(x)], -1) / np.hypot(slope, 1)[:, None]
    corner = (np.arange(rows - 1)[:, None] * rows + np.arange(rows - 1)).reshape(-1, 1)
    triangles = np.concatenate(corner + np.array([[[0, 1, rows + 1]], [[0, rows + 1, rows]]]))
    np.random.default_rng(0).shuffle(triangles)
    arrays = {
        "POSITION": (np.stack([2.4 * x - 1.2, 0.40 + 0.024 * np.sin(40 * x), 1.2 * z - 0.2], -1), "VEC3"),
        "NORMAL": (normals, "VEC3"),
        "TEXCOORD_0": (np.stack([6 * x, 3 * z], -1), "VEC2"),
    }
    primitive = {
        "attributes": {
            name: add_accessor(document, array.astype("<f4"), kind) for name, (array, kind) in arrays.items()
        },
        "indices": add_accessor(document, triangles.ravel().astype("<u4"), "SCALAR"),
        "material": len(document["materials"]),
    }
    bumps = next(item["normalTexture"] for item in document["materials"] if "normalTexture" in item)
    pbr = {"metallicFactor": 0.5, "roughnessFactor": 0.3}
    document["materials"].append({"pbrMetallicRoughness": pbr, "normalTexture": bumps})
    document["nodes"][0]["children"].append(len(document["nodes"]))
    document["nodes"].append({"mesh": len(document["meshes"])})
    document["meshes"].append({"primitives": [primitive]})
    return json.dumps(document).encode()


def test_large_meshes_with_normal_maps_bring_their_tangents(studio):
    from gltf_render_server.blender import compat

    renderer = studio.renderer(ServerSettings(samples=1, denoise=False))
    ask(renderer, still_life.scene("color"), "color", camera_of(16, 12))
    given = [mesh for mesh in bpy.data.meshes if "UVMap.tangent" in mesh.attributes]
    assert all(len(mesh.polygons) > 10_000 for mesh in given)
    assert bool(given) == compat.COUNTS_OWN_TANGENTS


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


@pytest.mark.parametrize("kind", ["color", "depth"])
def test_the_number_of_threads_does_not_show(studio, kind):
    data, camera = crowded_still_life(rows=80), camera_of(96, 72)
    one, three = (
        ask(studio.renderer(ServerSettings(quality="preview", threads=number)), data, kind, camera)
        for number in (1, 3)
    )
    np.testing.assert_array_equal(one, three)


def test_all_scenes_render_with_as_many_threads_as_are_asked_for(studio):
    studio.renderer(ServerSettings(threads=3))
    for scene in (bpy.context.scene, bpy.data.scenes["Exact"]):
        assert (scene.render.threads_mode, scene.render.threads) == ("FIXED", 3)
