"""Random scenes for Drake, seen by its glTF client and by its own renderer; needs pydrake."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from drake_like import add_accessor
from numpy.typing import NDArray
from PIL import Image
from pydrake import geometry as drake
from pydrake.math import RigidTransform, RollPitchYaw, RotationMatrix
from pydrake.systems.sensors import CameraInfo

CLIENT, VTK = "client", "vtk"


@dataclass(frozen=True)
class Thing:
    """A shape in the world with a label."""

    shape: drake.Shape
    pose: RigidTransform
    label: int
    rgba: tuple[float, float, float, float] = (0.8, 0.4, 0.2, 1.0)


@dataclass(frozen=True)
class View:
    """A camera and where it stands."""

    info: CameraInfo
    clipping: tuple[float, float]
    depth_range: tuple[float, float]
    pose: RigidTransform

    def core(self, renderer: str) -> drake.RenderCameraCore:
        return drake.RenderCameraCore(
            renderer, self.info, drake.ClippingRange(*self.clipping), RigidTransform()
        )


class World:
    """A SceneGraph with both renderers."""

    def __init__(self, things: Sequence[Thing], url: str, endpoint: str = "render") -> None:
        graph = drake.SceneGraph()
        graph.AddRenderer(VTK, drake.MakeRenderEngineVtk(drake.RenderEngineVtkParams(backend="EGL")))
        params = drake.RenderEngineGltfClientParams(base_url=url, render_endpoint=endpoint)
        graph.AddRenderer(CLIENT, drake.MakeRenderEngineGltfClient(params))
        source = graph.RegisterSource("world")
        for number, thing in enumerate(things):
            graph.RegisterAnchoredGeometry(source, _instance(thing, f"thing {number}"))
        self._graph = graph
        self._context = graph.CreateDefaultContext()
        self._query = graph.get_query_output_port().Eval(self._context)
        self._frame = graph.world_frame_id()

    def depth(self, renderer: str, view: View) -> NDArray[np.float32]:
        camera = drake.DepthRenderCamera(view.core(renderer), drake.DepthRange(*view.depth_range))
        return self._query.RenderDepthImage(camera, self._frame, view.pose).data[..., 0].copy()

    def label(self, renderer: str, view: View) -> NDArray[np.int16]:
        """Return labels, with "don't care" where nothing is."""
        camera = drake.ColorRenderCamera(view.core(renderer), False)
        image = self._query.RenderLabelImage(camera, self._frame, view.pose).data[..., 0].copy()
        image[image == int(drake.RenderLabel.kEmpty)] = int(drake.RenderLabel.kDontCare)
        return image

    def color(self, renderer: str, view: View) -> NDArray[np.uint8]:
        camera = drake.ColorRenderCamera(view.core(renderer), False)
        return self._query.RenderColorImage(camera, self._frame, view.pose).data.copy()


def _instance(thing: Thing, name: str) -> drake.GeometryInstance:
    instance = drake.GeometryInstance(thing.pose, thing.shape, name)
    properties = drake.PerceptionProperties()
    properties.AddProperty("phong", "diffuse", drake.Rgba(*thing.rgba))
    properties.AddProperty("label", "id", drake.RenderLabel(thing.label))
    instance.set_perception_properties(properties)
    return instance


def random_things(rng: np.random.Generator, folder: Path, floor: drake.Shape | None = None) -> list[Thing]:
    """One or two of each kind of shape, within 1 m of the origin, and a floor under them."""
    shapes = [floor or drake.Box(6, 6, 0.1), *random_shapes(rng, folder)]
    labels = rng.choice(32001, len(shapes), replace=False)
    level = RigidTransform(RotationMatrix(RollPitchYaw(rng.uniform(-0.2, 0.2, 3))), [0, 0, -0.9])
    poses = [level, *(random_pose(rng) for _ in shapes[1:])]
    colours = np.column_stack([rng.uniform(0.2, 1, (len(shapes), 3)), np.ones(len(shapes))])
    return [
        Thing(shape, pose, int(label), tuple(colour))
        for shape, pose, label, colour in zip(shapes, poses, labels, colours, strict=True)
    ]


def random_shapes(rng: np.random.Generator, folder: Path) -> list[drake.Shape]:
    size = lambda n=None: rng.uniform(0.12, 0.4, n)  # noqa: E731
    scale = rng.uniform(0.5, 1.5, 3) * rng.choice([-1, 1], 3, p=[0.2, 0.8])
    hull, prism, model = write_obj(folder, rng), write_obj(folder, rng), write_gltf(folder, rng)
    return [
        drake.Box(*size(3)),
        drake.Sphere(size()),
        drake.Cylinder(size(), 2 * size()),
        drake.Capsule(size() / 2, 2 * size()),
        drake.Ellipsoid(*size(3)),
        drake.Convex(str(hull)),
        drake.Mesh(str(prism), rng.uniform(0.5, 1.5)),
        drake.Mesh(str(prism), rng.uniform(0.5, 1.5, 3)),
        drake.Mesh(str(model), rng.uniform(0.5, 1.5)),
        drake.Mesh(str(model), scale),
    ]


def random_pose(rng: np.random.Generator) -> RigidTransform:
    return RigidTransform(random_rotation(rng), rng.uniform(-0.9, 0.9, 3))


def random_rotation(rng: np.random.Generator) -> RotationMatrix:
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return RotationMatrix(matrix * np.sign(np.linalg.det(matrix)))


def random_view(
    rng: np.random.Generator,
    size: tuple[int, int],
    clipping: tuple[float, float] = (0.05, 20.0),
    depth_range: tuple[float, float] = (0.05, 20.0),
    *,
    lowest: float = -0.4,
) -> View:
    """A camera 2.5 m from the origin, of any intrinsics, that sees most of what is there.

    lowest: sine of its lowest elevation above the origin.
    """
    width, height = size
    focal = min(size) * rng.uniform(0.8, 1.2)
    fx, fy = np.round([focal, focal * rng.uniform(0.7, 1.4)], 3)
    cx, cy = np.round(np.multiply(size, rng.uniform(0.3, 0.7, 2)), 3)
    azimuth, sine = rng.uniform(-np.pi, np.pi), rng.uniform(lowest, 0.9)
    cosine = np.sqrt(1 - sine**2)
    eye = 2.5 * np.array([cosine * np.cos(azimuth), cosine * np.sin(azimuth), sine])
    return View(CameraInfo(width, height, fx, fy, cx, cy), clipping, depth_range, looking(eye, rng))


def looking(eye: NDArray[np.float64], rng: np.random.Generator | None = None) -> RigidTransform:
    """Pose of a camera (z forward, y down) that looks at the origin, rolled at random."""
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    upright = RotationMatrix(np.column_stack([right, np.cross(forward, right), forward]))
    roll = RotationMatrix.MakeZRotation(rng.uniform(-np.pi, np.pi) if rng else 0.0)
    return RigidTransform(upright @ roll, eye)


def write_obj(folder: Path, rng: np.random.Generator) -> Path:
    """Write a pyramid over a polygon, its sides and its floor."""
    count = int(rng.integers(4, 9))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    ring = np.stack([0.25 * np.cos(angles), 0.18 * np.sin(angles), np.full(count, -0.2)], 1)
    apex = [[*rng.uniform(-0.1, 0.1, 2), 0.3]]
    lines = ["v {:.6f} {:.6f} {:.6f}".format(*vertex) for vertex in np.vstack([ring, apex])]
    lines += ["vn 0 0 1"]  # Drake insists on normals; nothing here depends on them
    lines += [f"f {i + 1}//1 {(i + 1) % count + 1}//1 {count + 1}//1" for i in range(count)]
    lines += ["f " + " ".join(f"{i}//1" for i in range(count, 0, -1))]
    return _new_file(folder, "obj", "\n".join(lines) + "\n")


def write_gltf(folder: Path, rng: np.random.Generator) -> Path:
    """Write a textured box and a plain roof as one mesh, turned and moved by the nodes above it."""
    document: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [
            {"name": "root", "children": [1], "translation": rng.uniform(-0.05, 0.05, 3).tolist()},
            {"name": "house", "mesh": 0, "rotation": _random_quaternion(rng)},
        ],
        "meshes": [{"primitives": []}],
        "materials": [
            {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0}},
            {"pbrMetallicRoughness": {"baseColorFactor": [0.9, 0.2, 0.1, 1.0], "metallicFactor": 0.0}},
        ],
        "images": [{"uri": _checkerboard_uri()}],
        "textures": [{"source": 0}],
        "accessors": [],
        "bufferViews": [],
        "buffers": [],
    }
    document["meshes"][0]["primitives"] = [_walls(document), _roof(document)]
    return _new_file(folder, "gltf", json.dumps(document))


def _walls(document: dict[str, Any]) -> dict[str, Any]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    points = (corners[np.ravel(quads)] * [0.2, 0.15, 0.12]).astype("<f4")
    uv = np.tile([(0, 0), (1, 0), (1, 1), (0, 1)], (6, 1)).astype("<f4")
    triangles = (4 * np.arange(6)[:, None] + [0, 1, 2, 0, 2, 3]).reshape(-1).astype("<u2")
    attributes = {
        "POSITION": add_accessor(document, points, "VEC3"),
        "TEXCOORD_0": add_accessor(document, uv, "VEC2"),
    }
    return {
        "attributes": attributes,
        "indices": add_accessor(document, triangles, "SCALAR"),
        "material": 0,
    }


def _roof(document: dict[str, Any]) -> dict[str, Any]:
    points = [(-0.22, -0.17, 0.12), (0.22, -0.17, 0.12), (0.22, 0.17, 0.12), (-0.22, 0.17, 0.12)]
    points = np.array([*points, (-0.22, 0, 0.26), (0.22, 0, 0.26)], "<f4")
    triangles = [(0, 1, 5), (0, 5, 4), (2, 3, 4), (2, 4, 5), (0, 4, 3), (1, 2, 5)]
    return {
        "attributes": {"POSITION": add_accessor(document, points, "VEC3")},
        "indices": add_accessor(document, np.ravel(triangles).astype("<u2"), "SCALAR"),
        "material": 1,
    }


def _random_quaternion(rng: np.random.Generator) -> list[float]:
    quaternion = rng.normal(size=4)
    return (quaternion / np.linalg.norm(quaternion)).tolist()


def _checkerboard_uri() -> str:
    squares = (np.indices((8, 8)).sum(0) % 2 * 200 + 30).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(squares).convert("RGB").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _new_file(folder: Path, extension: str, text: str) -> Path:
    path = folder / f"model{len(list(folder.iterdir()))}.{extension}"
    path.write_text(text)
    return path
