#!/usr/bin/env python3
"""Your objects in a room that was made in Blender, with its light, its shadows and its reflections.

The server is started with a .blend file. Whatever a client sends then stands in that scene: the room
lights it, hides parts of it, and shows in its glass. In the exact passes the room hides what is behind
it, while only the client's own objects have numbers.

Run it beside a server with the room that comes with the project, or with one of your own:

    pip install "gltf-render-server[dataset]"
    gltf-render-server --port 8000 --blend-file examples/still_life/room.blend &
    python examples/blender_room.py --output room

It writes color.png, depth.tiff and instance.png, and picture.jpg: the picture, and the same with the
client's objects marked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb

from gltf_render_server.client import RenderClient, RenderClientError
from gltf_render_server.false_colours import false_colours
from gltf_render_server.settings import QUALITIES

MODELS = Path(__file__).parent / "datasets" / "models"
PLACES = {
    # where they stand on the room's table: right, up and towards the viewer, metres
    "bowl": (0.0, 0.0, 0.0),
    "mug": (-0.16, 0.0, 0.06),
    "bottle": (0.17, 0.0, -0.05),
    "carton": (0.2, 0.03, 0.12),
    "ball": (0.02, 0.05, 0.0),
}


def main() -> None:
    """Render the objects in the room."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path("blender_room"), help="default: %(default)s")
    parser.add_argument("--width", type=int, default=640, help="of the picture; default: %(default)s")
    parser.add_argument("--quality", choices=list(QUALITIES), help="default: the server's")
    options = parser.parse_args()

    view = {
        "name": "eye",
        "width": options.width,
        "height": options.width * 3 // 4,
        "fov_y_deg": 42,
        "camera_to_world": looking(eye=(-0.32, 0.34, 0.72), target=(0.02, 0.07, -0.05)),
    }
    look = {"up_axis": "y"} | ({"quality": options.quality} if options.quality else {})
    answer = RenderClient(options.server).render(objects(), view, ["color", "depth", "instance"], look=look)

    images = answer["eye"]
    options.output.mkdir(parents=True, exist_ok=True)
    Image.fromarray(images["color"]).save(options.output / "color.png")
    Image.fromarray(images["depth"]).save(options.output / "depth.tiff")
    Image.fromarray(images["instance"]).save(options.output / "instance.png")
    marked = images["color"] // 3
    is_ours = images["instance"] > 0
    marked[is_ours] = false_colours(images["instance"], "instance")[is_ours]
    picture = options.output / "picture.jpg"
    Image.fromarray(np.hstack([images["color"], marked])).save(picture, quality=88)
    for number, name in answer.instances.items():
        print(f"{name:8} {np.count_nonzero(images['instance'] == number):7} pixels")
    print(f"look at {picture}")


def objects() -> bytes:
    """Put the client's objects together, each as a node of its own: a GLB with y up."""
    scene = trimesh.Scene()
    for name, place in PLACES.items():
        [mesh] = trimesh.load_scene(MODELS / f"{name}.glb").geometry.values()
        scene.add_geometry(mesh, name, transform=trimesh.transformations.translation_matrix(place))
    return export_glb(scene, include_normals=True)


def looking(eye: tuple[float, ...], target: tuple[float, ...]) -> np.ndarray:
    """Return the (4, 4) pose of a camera that stands upright in a world with y up, and looks along its -z."""
    backward = np.subtract(eye, target) / np.linalg.norm(np.subtract(eye, target))
    right = np.cross([0, 1, 0], backward) / np.linalg.norm(np.cross([0, 1, 0], backward))
    pose = np.eye(4)
    pose[:3] = np.column_stack([right, np.cross(backward, right), backward, eye])
    return pose


if __name__ == "__main__":
    try:
        main()
    except (OSError, RenderClientError) as error:  # no server answers, or it refuses
        raise SystemExit(f"blender_room: {error}") from None
