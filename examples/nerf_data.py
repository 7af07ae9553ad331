#!/usr/bin/env python3
"""From a glTF file to the data of a radiance field: posed pictures in nerfstudio's format.

Cameras are spread evenly over a hemisphere around the scene; the scene that comes with the project has
a wall behind it, so there they stand on arcs in front of it. Poses and lenses need no structure from
motion, because they are those of the renders. Depth and a point cloud are included, for methods that
start from them. The specification is written beside the data, as dataset.toml.

Run it with the scene that comes with the project, or with one of your own:

    pip install "gltf-render-server[dataset]"
    python examples/nerf_data.py --output scene
    python examples/nerf_data.py my.glb --views 200 --size 800 --output mine
    ns-train splatfacto --data scene/dataset/formats/nerfstudio

It writes transforms.json with images, depth and points.ply into OUTPUT/dataset/formats/nerfstudio, and
picture.jpg, which shows some of the views, and the cameras around the points.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gltf_render_server.dataset.engines.choosing import make_engine
from gltf_render_server.dataset.making import FORMATS_FOLDER, make, read_plan, renderer_settings
from gltf_render_server.errors import RenderServerError
from gltf_render_server.settings import DEFAULT_QUALITY, QUALITIES

SCENE = Path(__file__).parent / "still_life" / "still_life.glb"
MAP_PX = 480

SPECIFICATION = """\
# made by examples/nerf_data.py; gltf-render-dataset make dataset.toml -o dataset
passes = ["color", "depth"]
formats = ["nerfstudio"]
split = {{ val = 0.1 }}

[source]
kind = "scene"
file = "{file}"

{cameras}{look}"""

CAMERA = """\
[[cameras]]
name = "{name}"
width = {size}
height = {size}
fov_y_deg = 50
count = {count}
poses = {poses}

"""

LOOK = '[look]\nquality = "{quality}"\n'
VTK = '[renderer]\nbackend = "vtk"\n'
HEMISPHERE = '{ kind = "hemisphere", spread = "even", min_elevation_deg = 10 }'
ARC = (
    '{{ kind = "orbit", target = [0.0, 0.05, -0.05], distance = 1.2, elevation_deg = {elevation}, '
    "start_deg = -65, turns = 0.36 }}"
)
ELEVATIONS_DEG = {"low": 15, "middle": 30, "high": 50}


def main() -> None:
    """Make the data, and look at it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path, help=f"GLB or glTF; default: {SCENE.name}")
    parser.add_argument("--output", type=Path, default=Path("nerf_data"), help="default: %(default)s")
    parser.add_argument("--views", type=int, default=60, help="pictures; default: %(default)s")
    parser.add_argument("--size", type=int, default=512, help="of the pictures; default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="processes that render; default: %(default)s")
    parser.add_argument(
        "--backend", choices=["blender", "vtk"], default="blender", help="vtk is quick and plain"
    )
    parser.add_argument(
        "--quality", choices=list(QUALITIES), default=DEFAULT_QUALITY, help="default: %(default)s"
    )
    options = parser.parse_args()

    data = make_dataset(options)
    transforms = json.loads((data / "transforms.json").read_text())
    frames = transforms["frames"]
    picture = options.output / "picture.jpg"
    panels = [*shown_views(data, frames[:: max(1, len(frames) // 6)][:6]), map_of(data, frames)]
    Image.fromarray(np.hstack(panels)).save(picture, quality=88)
    print(f"{len(frames)} views; {picture} shows some, and where the cameras stand")
    print(f"train with:  ns-train splatfacto --data {data}")


def make_dataset(options: argparse.Namespace) -> Path:
    """Have the pictures rendered; return the folder that nerfstudio reads."""
    options.output.mkdir(parents=True, exist_ok=True)
    specification = options.output / "dataset.toml"
    specification.write_text(
        SPECIFICATION.format(
            file=(options.file or SCENE).resolve().as_posix(),
            cameras=cameras(options),
            look=VTK if options.backend == "vtk" else LOOK.format(quality=options.quality),
        )
    )
    plan = read_plan(specification)
    dataset = options.output / "dataset"
    with closing(make_engine(renderer_settings(plan, workers=options.workers))) as engine:
        make(plan, dataset, engine)
    return dataset / FORMATS_FOLDER / "nerfstudio"


def cameras(options: argparse.Namespace) -> str:
    """Write the tables of the cameras."""
    size = options.size
    if options.file:
        return CAMERA.format(name="around", size=size, count=options.views, poses=HEMISPHERE)
    count = -(-options.views // len(ELEVATIONS_DEG))
    return "".join(
        CAMERA.format(name=name, size=size, count=count, poses=ARC.format(elevation=elevation))
        for name, elevation in ELEVATIONS_DEG.items()
    )


def shown_views(data: Path, frames: list[dict[str, str]]) -> list[NDArray[np.uint8]]:
    """Return columns of two pictures each."""
    pictures = []
    for frame in frames:
        with Image.open(data / frame["file_path"]) as opened:
            pictures.append(np.asarray(opened.convert("RGB").resize((MAP_PX // 2, MAP_PX // 2))))
    return [np.vstack(pictures[start : start + 2]) for start in range(0, len(pictures) - 1, 2)]


def map_of(data: Path, frames: list[dict[str, list[list[float]]]]) -> NDArray[np.uint8]:
    """Draw the points and the cameras from above: a dot is where one stands, a line where it looks."""
    cloud = trimesh.load(data / "points.ply")
    points, colours = np.asarray(cloud.vertices), np.asarray(cloud.colors)[:, :3]
    poses = np.array([frame["transform_matrix"] for frame in frames])
    eyes = poses[:, :3, 3]
    ends = eyes - 0.15 * np.linalg.norm(eyes, axis=1).max() * poses[:, :3, 2]
    everything = np.vstack([points, eyes])[:, :2]
    low, high = everything.min(0), everything.max(0)
    scale = 0.9 * MAP_PX / (high - low).max()

    def placed(positions: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = ((positions[:, :2] - (low + high) / 2) * scale + MAP_PX / 2).T
        return np.stack([x, MAP_PX - y], axis=1)

    image = np.full((MAP_PX, MAP_PX, 3), 30, np.uint8)
    order = np.argsort(points[:, 2])
    x, y = placed(points[order]).astype(int).clip(0, MAP_PX - 1).T
    image[y, x] = colours[order]
    drawn = Image.fromarray(image)
    draw = ImageDraw.Draw(drawn)
    for eye, end in zip(placed(eyes), placed(ends), strict=True):
        draw.line([*eye, *end], fill=(255, 190, 60), width=2)
        draw.circle(tuple(eye), 4, fill=(255, 120, 40))
    return np.asarray(drawn)


if __name__ == "__main__":
    try:
        main()
    except (OSError, RenderServerError) as error:  # no file is there, or it cannot be used
        raise SystemExit(f"nerf_data: {error}") from None
