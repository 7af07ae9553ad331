#!/usr/bin/env python3
"""From a trimesh scene to a picture, and from its depth back to points in space.

The scene, with its camera, goes to the render server as it is. Depth is exact: each pixel's ray ends
on the surface of the meshes, so the points lie on the meshes, and a table shows how closely
for each object. The points keep the colours of the picture.

Run it beside a server, with the models that come with the project or with files of your own:

    pip install "gltf-render-server[dataset]"
    gltf-render-server --port 8000 &
    python examples/trimesh_points.py --output points
    python examples/trimesh_points.py scan.glb part.obj

It writes points.ply, which any viewer of point clouds shows, and picture.jpg: colour, depth, and the
points as they are seen from the side.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from gltf_render_server.client import FrameAnswer, RenderClient, RenderClientError
from gltf_render_server.false_colours import false_colours

MODELS = Path(__file__).parent / "datasets" / "models"
SIDE_DEG = 50.0  # how far around the side view is


def main() -> None:
    """Render the scene, make points of its depth, and look at them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="what trimesh loads; default: five models")
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("trimesh_points"), help="default: %(default)s")
    parser.add_argument("--width", type=int, default=480, help="of the picture; default: %(default)s")
    options = parser.parse_args()

    scene = row_of(options.files or [MODELS / f"{name}.glb" for name in ("mug", "bottle", "ball", "bowl")])
    add_ground(scene)
    size = (options.width, options.width * 3 // 4)
    scene.set_camera(angles=np.radians([-35, 25, 0]), resolution=size, fov=(44, 34))
    client = RenderClient(options.server)
    answer = client.render(scene, view_of(scene), ["color", "depth", "instance"], look={"up_axis": "y"})
    images = answer["camera"]
    is_hit = np.isfinite(images["depth"])
    points = back_projected(scene, images["depth"])[is_hit]
    print_distances(scene, answer, points, images["instance"][is_hit])

    options.output.mkdir(parents=True, exist_ok=True)
    colours = images["color"][is_hit][:, :3]
    trimesh.PointCloud(points, colors=colours).export(options.output / "points.ply")
    panels = [
        images["color"][..., :3],
        false_colours(images["depth"], "depth"),
        splatted(scene, points, colours),
    ]
    Image.fromarray(np.hstack(panels)).save(options.output / "picture.jpg", quality=88)
    print(f"{len(points)} points; look at {options.output}/picture.jpg and {options.output}/points.ply")


def row_of(files: list[Path]) -> trimesh.Scene:
    """Stand objects beside each other on the ground, a few in each row."""
    loaded = [trimesh.load_scene(file) for file in files]
    step = 1.15 * max(float(each.extents.max()) for each in loaded)
    columns = int(np.ceil(np.sqrt(len(loaded))))
    whole = trimesh.Scene()
    for number, each in enumerate(loaded):
        row, column = divmod(number, columns)
        middle = each.bounds.mean(0)
        moved = trimesh.transformations.translation_matrix(
            [column * step - middle[0], -each.bounds[0, 1], row * step - middle[2]]
        )
        for node in each.graph.nodes_geometry:
            transform, geometry = each.graph[node]
            whole.add_geometry(each.geometry[geometry], node, transform=moved @ transform)
    return whole


def add_ground(scene: trimesh.Scene) -> None:
    """Lay a plate under everything."""
    low, high = scene.bounds
    size = np.array([1.4, 0, 1.4]) * (high - low) + [0, 0.01, 0]
    middle = (low + high) / 2
    plate = trimesh.creation.box(size)
    plate.visual = TextureVisuals(material=PBRMaterial(baseColorFactor=[0.5, 0.48, 0.45, 1.0]))
    pose = trimesh.transformations.translation_matrix([middle[0], low[1] - 0.005, middle[2]])
    scene.add_geometry(plate, "ground", transform=pose)


def view_of(scene: trimesh.Scene) -> dict[str, Any]:
    """Describe trimesh's camera as a view; both libraries look along -z with y up."""
    focal_x, focal_y = scene.camera.focal
    width, height = scene.camera.resolution
    return {
        "name": "camera",
        "width": int(width),
        "height": int(height),
        "focal_x": float(focal_x),
        "focal_y": float(focal_y),
        "camera_to_world": scene.camera_transform,
    }


def back_projected(scene: trimesh.Scene, depth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return where the rays through the pixels' centres end, (height, width, 3), metres in the world.

    Depth is measured along the camera's axis, so a pixel (x, y) of depth d is at
    ((x - cx) d / fx, -(y - cy) d / fy, -d) in the camera's axes.
    """
    height, width = depth.shape
    focal_x, focal_y = scene.camera.focal
    y, x = np.mgrid[:height, :width] + 0.5  # pixels' centres, from the picture's corner
    rays = np.stack([(x - width / 2) / focal_x, (height / 2 - y) / focal_y, -np.ones_like(x)], axis=-1)
    with np.errstate(invalid="ignore"):  # where nothing is, depth is infinite
        in_camera = rays * depth[..., None]
        pose = scene.camera_transform
        return in_camera @ pose[:3, :3].T + pose[:3, 3]


def print_distances(
    scene: trimesh.Scene, answer: FrameAnswer, points: NDArray[np.float64], instances: NDArray[np.uint16]
) -> None:
    """Tell how far the points of each object are from its mesh."""
    for number, name in answer.instances.items():
        own = points[instances == number]
        if len(own):
            distance_m = distances(scene, name, own[:: max(1, len(own) // 500)])
            print(f"{name:12} {len(own):7} points, at most {1e3 * distance_m.max():.4f} mm from its surface")


def distances(scene: trimesh.Scene, node: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far points are from the nearest triangle of a node, metres."""
    transform, geometry = scene.graph[node]
    triangles = scene.geometry[geometry].copy().apply_transform(transform).triangles
    return np.array(
        [
            np.linalg.norm(
                trimesh.triangles.closest_point(triangles, np.broadcast_to(each, (len(triangles), 3))) - each,
                axis=1,
            ).min()
            for each in points
        ]
    )


def splatted(
    scene: trimesh.Scene, points: NDArray[np.float64], colours: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Draw the points as they are seen from another side, the nearest last."""
    width, height = scene.camera.resolution
    around = trimesh.transformations.rotation_matrix(np.radians(SIDE_DEG), [0, 1, 0], scene.bounds.mean(0))
    pose = np.linalg.inv(around @ scene.camera_transform)
    in_camera = points @ pose[:3, :3].T + pose[:3, 3]
    order = np.argsort(in_camera[:, 2])
    depth = -in_camera[order, 2:]
    pixels = in_camera[order, :2] / depth * scene.camera.focal * [1, -1] + [width / 2, height / 2]
    x, y = np.floor(pixels).astype(int).T
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    image = np.full((height, width, 3), 30, np.uint8)
    image[y[is_inside], x[is_inside]] = colours[order][is_inside]
    return image


if __name__ == "__main__":
    try:
        main()
    except (OSError, RenderClientError) as error:  # no server answers, or it refuses
        raise SystemExit(f"trimesh_points: {error}") from None
