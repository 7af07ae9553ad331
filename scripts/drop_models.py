#!/usr/bin/env python3
# ruff: noqa: ANN001, ANN201
"""Makes the small models of the dataset examples, examples/datasets/models; the bytes are reproducible."""

from pathlib import Path

import numpy as np
import trimesh
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

MODELS = Path(__file__).resolve().parents[1] / "examples" / "datasets" / "models"
ROUND = 40


def revolved(profile):
    """Rotate a profile, rows of radius and height, about the vertical axis; both ends are on the axis."""
    mesh = trimesh.creation.revolve(np.array(profile, float), sections=ROUND)
    return outward(mesh)


def outward(mesh):
    """Flip a closed mesh if its faces point inward."""
    if mesh.volume < 0:
        mesh.invert()
    return mesh


def arc(center, radius, start_deg, end_deg, count=7):
    """Return points on an arc."""
    angles = np.radians(np.linspace(start_deg, end_deg, count))
    return [(center[0] + radius * np.cos(a), center[1] + radius * np.sin(a)) for a in angles]


def block(size, at=(0, 0, 0)):
    """Return a box with bevelled edges, which catch highlights."""
    half, bevel = np.array(size) / 2, 0.08 * min(size)
    points = []
    for axis in range(3):
        for signs in np.ndindex(2, 2, 2):
            point = half.copy() - bevel
            point[axis] = half[axis]
            points.append(point * (2 * np.array(signs) - 1) + at)
    return hull(points)


def hull(points):
    """Return the convex hull of a few points, by trying all planes through three of them."""
    points = np.array(points)
    faces = {}
    for i in range(len(points)):
        for j in range(i + 1, len(points)):
            for k in range(j + 1, len(points)):
                normal = np.cross(points[j] - points[i], points[k] - points[i])
                if (length := np.linalg.norm(normal)) < 1e-12:
                    continue
                normal /= length
                side = (points - points[i]) @ normal
                if side.max() > 1e-9:
                    normal, side = -normal, -side
                if side.max() < 1e-9:
                    faces[tuple(np.flatnonzero(side > -1e-9))] = normal
    triangles = []
    for corners, normal in sorted(faces.items(), key=lambda face: face[0]):
        at = points[list(corners)] - points[list(corners)].mean(0)
        right = at[0] / np.linalg.norm(at[0])
        order = np.argsort(np.arctan2(at @ np.cross(normal, right), at @ right))
        ring = [corners[index] for index in order]
        triangles += [(ring[0], ring[n], ring[n + 1]) for n in range(1, len(ring) - 1)]
    return trimesh.Trimesh(points, triangles)


def prism(outline, depth):
    """Extrude a counter-clockwise outline to a given depth."""
    outline = np.array(outline, float)
    count = len(outline)
    points = np.concatenate([np.c_[outline, np.full(count, z)] for z in (-depth / 2, depth / 2)])
    caps = ears(outline)
    sides = [
        triangle
        for i in range(count)
        for j in [(i + 1) % count]
        for triangle in ((i, j, j + count), (i, j + count, i + count))
    ]
    return trimesh.Trimesh(points, [*caps[:, ::-1], *(caps + count), *sides])


def ears(outline):
    """Triangulate an outline by clipping ears."""
    left, triangles = list(range(len(outline))), []
    while len(left) > 2:
        for n in range(len(left)):
            corner = [left[n - 1], left[n], left[(n + 1) % len(left)]]
            a, b, c = outline[corner]
            others = outline[[each for each in left if each not in corner]]
            signs = [turn(a, b, others), turn(b, c, others), turn(c, a, others)]
            if turn(a, b, c) > 1e-12 and not np.all(np.array(signs) >= 0, axis=0).any():
                triangles.append(corner)
                left.pop(n)
                break
    return np.array(triangles)


def turn(a, b, c):
    """Return twice the signed area of triangles; it is positive if they are counter-clockwise."""
    c = np.asarray(c)
    return (b[0] - a[0]) * (c[..., 1] - a[1]) - (b[1] - a[1]) * (c[..., 0] - a[0])


def bowl():
    """Return a bowl with a thick wall and a foot."""
    outside = arc((0, 0.075), 0.075, -72, 0, 10)
    inside = arc((0, 0.075), 0.066, 0, -90, 11)
    rim = arc((0.0705, 0.075), 0.0045, 0, 180, 6)[1:-1]
    return revolved([(0, 0), (outside[0][0], 0), *outside, *rim, *inside[:-1], (0, inside[-1][1])])


def mug():
    """Return a mug with a handle."""
    outer, inner = 0.04, 0.035
    cup = revolved(
        [
            (0, 0),
            (outer - 0.004, 0),
            (outer, 0.004),
            (outer, 0.094),
            (inner, 0.094),
            (inner, 0.008),
            (0, 0.006),
        ]
    )
    rings = []
    for angle in np.radians(np.linspace(-100, 100, 15)):
        middle = np.array([outer + 0.026 * np.cos(angle), 0.047 + 0.028 * np.sin(angle)])
        across = np.array([np.cos(angle), np.sin(angle)])
        for turn_by in np.linspace(0, 2 * np.pi, 10, endpoint=False):
            reach = middle + 0.005 * np.cos(turn_by) * across
            rings.append((reach[0], 0.006 * np.sin(turn_by), reach[1]))
    triangles = []
    for ring in range(14):
        for n in range(10):
            a, b = 10 * ring + n, 10 * ring + (n + 1) % 10
            triangles += [(a, a + 10, b + 10), (a, b + 10, b)]
    ends = [[(0, n, n + 1) for n in range(1, 9)], [(140, 140 + n + 1, 140 + n) for n in range(1, 9)]]
    handle = outward(trimesh.Trimesh(rings, triangles + ends[0] + ends[1]))
    return trimesh.util.concatenate([cup, handle])


def bracket():
    """Return a metal angle bracket."""
    return prism([(0, 0), (0.1, 0), (0.1, 0.03), (0.03, 0.03), (0.03, 0.08), (0, 0.08)], 0.04)


def ring():
    """Return a ring."""
    return trimesh.creation.torus(0.045, 0.014, major_sections=ROUND, minor_sections=16)


def bottle():
    """Return a bottle with its cap."""
    shoulder = arc((0.012, 0.1), 0.02, 0, 90)
    return revolved(
        [
            (0, 0),
            (0.028, 0),
            (0.032, 0.005),
            *shoulder,
            (0.012, 0.135),
            (0.016, 0.135),
            (0.016, 0.155),
            (0, 0.155),
        ]
    )


def ball():
    """Return a ball."""
    return trimesh.creation.icosphere(subdivisions=3, radius=0.035)


def carton():
    """Return a carton."""
    return block((0.09, 0.06, 0.13))


MAKES = {
    "ball": (ball, (0.75, 0.06, 0.04), 0.0, 0.35),
    "bottle": (bottle, (0.03, 0.30, 0.12), 0.0, 0.15),
    "bowl": (bowl, (0.80, 0.76, 0.66), 0.0, 0.3),
    "bracket": (bracket, (0.66, 0.67, 0.70), 1.0, 0.3),
    "carton": (carton, (0.85, 0.45, 0.06), 0.0, 0.6),
    "mug": (mug, (0.05, 0.18, 0.50), 0.0, 0.25),
    "ring": (ring, (0.90, 0.62, 0.18), 1.0, 0.25),
}
SHARP = {"bracket", "carton"}


def main():
    """Write all models."""
    MODELS.mkdir(parents=True, exist_ok=True)
    for name, (make, colour, metallic, roughness) in MAKES.items():
        mesh = creased(make(), np.radians(20 if name in SHARP else 35))
        if name in ("bowl", "mug", "bottle"):  # their axis is z
            mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))
        mesh.visual = TextureVisuals(
            material=PBRMaterial(
                name=name,
                baseColorFactor=[*(round(255 * channel) for channel in colour), 255],  # linear
                metallicFactor=metallic,
                roughnessFactor=roughness,
            )
        )
        scene = trimesh.Scene()
        scene.add_geometry(mesh, node_name=name, geom_name=name)
        data = bytes(scene.export(file_type="glb", include_normals=True))  # pyright: ignore[reportArgumentType]
        (MODELS / f"{name}.glb").write_bytes(data)
        print(f"{name}: {len(mesh.faces)} triangles, {len(data)} bytes")


def creased(mesh, angle_rad):
    """Return a mesh that is smooth except where faces meet at more than an angle."""
    corners = mesh.triangles
    normals = mesh.face_normals
    weighted = mesh.area_faces[:, None] * normals
    shared = [[] for _ in mesh.vertices]
    for face, triangle in enumerate(mesh.faces):
        for vertex in triangle:
            shared[vertex].append(face)
    smooth = np.zeros((len(mesh.faces), 3, 3))
    for face, triangle in enumerate(mesh.faces):
        for corner, vertex in enumerate(triangle):
            near = [other for other in shared[vertex] if normals[other] @ normals[face] > np.cos(angle_rad)]
            total = weighted[near].sum(0)
            smooth[face, corner] = total / np.linalg.norm(total)
    rows = np.c_[corners.reshape(-1, 3), smooth.reshape(-1, 3)]
    unique, numbers = np.unique(np.round(rows, 7), axis=0, return_inverse=True)
    return trimesh.Trimesh(unique[:, :3], numbers.reshape(-1, 3), vertex_normals=unique[:, 3:], process=False)


if __name__ == "__main__":
    main()
