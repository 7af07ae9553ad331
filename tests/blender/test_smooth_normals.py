"""What has no normals is shaded round by Blender as the passes of geometry tell it."""

import numpy as np
import pytest
from drake_like import box, sphere

from gltf_render_server.gltf.normals import smooth_normals

bpy = pytest.importorskip("bpy", reason="the bpy package is not for this Python")

_NO_AREA = 1e-10


def shaded(points, corners):
    """Where the corners of Blender's faces are, (m, 3, 3), and their normals."""
    from gltf_render_server.blender.importing import _smooth

    mesh = bpy.data.meshes.new("Smooth")
    try:
        mesh.from_pydata(points.tolist(), [], corners.tolist())
        mesh.update()
        _smooth(mesh)
        normals = np.array([normal.vector for normal in mesh.corner_normals])
        places = np.array([mesh.vertices[loop.vertex_index].co for loop in mesh.loops])
        return places.reshape(-1, 3, 3), normals.reshape(-1, 3, 3)
    finally:
        bpy.data.meshes.remove(mesh)


def wavy(rings):
    ball = sphere(0.3, np.eye(4), 1, rings)
    points = ball.vertices * (1 + 0.15 * np.sin(20 * ball.vertices[:, :1]))
    return points.astype(np.float32), ball.triangles.astype(np.int32)


def sheet(flipped):
    u, v = np.meshgrid(np.arange(6.0), np.arange(6.0), indexing="ij")
    points = np.stack([u, v, 0.3 * np.sin(3 * u) * np.cos(2 * v)], -1).reshape(-1, 3)
    a = (6 * np.arange(5)[:, None] + np.arange(5)).reshape(-1)
    corners = np.concatenate([np.stack([a, a + 6, a + 1], 1), np.stack([a + 1, a + 6, a + 7], 1)])
    corners[flipped] = corners[flipped][:, ::-1]
    return points.astype(np.float32), corners.astype(np.int32)


def of(body):
    return body.vertices, body.triangles.astype(np.int32)


@pytest.mark.parametrize(
    "mesh",
    [
        of(box((1, 2, 3), np.eye(4), 1)),
        of(sphere(1, np.eye(4), 1, 9)),
        wavy(6),
        wavy(15),
        sheet([]),
        sheet([5, 9]),
    ],
    ids=["box", "ball", "wavy ball", "finer wavy ball", "sheet", "sheet with triangles turned over"],
)
def test_as_blender_shades_it(mesh):
    points, corners = mesh
    ours, place = smooth_normals(points, corners), points[corners]
    has_area = (
        np.linalg.norm(np.cross(place[:, 1] - place[:, 0], place[:, 2] - place[:, 0]), axis=1) > _NO_AREA
    )
    places, theirs = shaded(points, corners)
    for face in np.flatnonzero(has_area):
        off = np.linalg.norm(places.mean(1) - place[face].mean(0), axis=1)
        same = off.argmin()
        for corner in range(3):
            at = np.linalg.norm(places[same] - place[face, corner], axis=1).argmin()
            np.testing.assert_allclose(theirs[same, at], ours[face, corner], atol=2e-3)
