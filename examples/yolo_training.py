#!/usr/bin/env python3
"""From a folder of GLB files to a YOLO detector: pictures with boxes that are exact, and the training.

The objects fall onto a floor of a random colour, in random light, and are photographed from all
sides. Each file is a class, called by its name. The specification of the dataset is written beside
it, as dataset.toml, to be changed and used again with gltf-render-dataset. After an
interruption, the same command continues.

Run it with the models that come with the project, or with a folder of your own:

    pip install "gltf-render-server[dataset,physics]"
    python examples/yolo_training.py --output kitchen
    python examples/yolo_training.py my_models --scenes 200 --output mine

It writes the training data into OUTPUT/dataset/formats/yolo-detect, and picture.jpg, which shows some
of the pictures with the boxes of the labels. With --train, and "pip install ultralytics", it
also trains; otherwise it prints the command that does.
"""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from gltf_render_server.dataset.engines.choosing import make_engine
from gltf_render_server.dataset.making import FORMATS_FOLDER, make, read_plan, renderer_settings
from gltf_render_server.errors import RenderServerError
from gltf_render_server.settings import DEFAULT_QUALITY, QUALITIES

MODELS = Path(__file__).parent / "datasets" / "models"
SHOWN = 6

SPECIFICATION = """\
# made by examples/yolo_training.py; gltf-render-dataset make dataset.toml -o dataset
seed = {seed}
passes = ["color", "instance", "instances"]
formats = ["yolo-detect"]
split = {{ val = 0.2 }}
draw_per = "item"

[source]
kind = "drop"
objects = "{folder}/*.glb"
category = "file"
scenes = {scenes}
count = {{ min = 3, max = 7 }}
size = 0.12
floor = {{ size = 3.0, saturation = {{ min = 0.0, max = 0.5 }}, value = {{ min = 0.3, max = 0.9 }} }}
area = {{ size = [0.35, 0.35], height = 0.05 }}

[[cameras]]
name = "around"
width = {size}
height = {size}
fov_y_deg = 45
count = {views}

[cameras.poses]
kind = "hemisphere"
min_elevation_deg = 20
max_elevation_deg = 75
distance = {{ min = 0.5, max = 0.8 }}
target = {{ kind = "box", min = [-0.08, 0.0, -0.08], max = [0.08, 0.05, 0.08] }}
{look}"""

LOOK = """
[look]
quality = "{quality}"
environment = ["studio", "city", "forest", "interior"]
rotation_deg = {{ min = 0, max = 360 }}

[look.point_lights]
count = {{ min = 1, max = 2 }}
distance = {{ min = 0.5, max = 0.9 }}
elevation_deg = {{ min = 50, max = 85 }}
lux = {{ min = 2, max = 4 }}
saturation = {{ min = 0.0, max = 0.3 }}
"""
VTK = """
[renderer]
backend = "vtk"
"""


def main() -> None:
    """Make the dataset, look at it, and train or tell how to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=MODELS, help="of GLB files; default: %(default)s"
    )
    parser.add_argument("--output", type=Path, default=Path("yolo_training"), help="default: %(default)s")
    parser.add_argument("--scenes", type=int, default=20, help="heaps of objects; default: %(default)s")
    parser.add_argument("--views", type=int, default=4, help="pictures of each; default: %(default)s")
    parser.add_argument("--size", type=int, default=640, help="of the pictures; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="other heaps; default: %(default)s")
    parser.add_argument("--workers", type=int, default=1, help="processes that render; default: %(default)s")
    parser.add_argument(
        "--backend", choices=["blender", "vtk"], default="blender", help="vtk is quick and plain"
    )
    parser.add_argument(
        "--quality", choices=list(QUALITIES), default=DEFAULT_QUALITY, help="default: %(default)s"
    )
    parser.add_argument("--train", action="store_true", help="train a small detector, from scratch")
    parser.add_argument("--epochs", type=int, default=50, help="of the training; default: %(default)s")
    options = parser.parse_args()

    data = make_dataset(options)
    pictures = sorted((data.parent / "images").glob("*/*.png"))
    picture = options.output / "picture.jpg"
    contact_sheet(pictures[:SHOWN]).save(picture, quality=88)
    print(f"{len(pictures)} pictures; {picture} shows some with their boxes")
    if options.train:
        train(data, options.size, options.epochs, options.output)
    else:
        print(f"train with:  yolo detect train data={data} model=yolo11n.pt epochs=50 imgsz={options.size}")


def make_dataset(options: argparse.Namespace) -> Path:
    """Have the pictures rendered; return the file that Ultralytics reads."""
    options.output.mkdir(parents=True, exist_ok=True)
    look = VTK if options.backend == "vtk" else LOOK.format(quality=options.quality)
    specification = options.output / "dataset.toml"
    specification.write_text(
        SPECIFICATION.format(
            folder=Path(os.path.relpath(options.folder, options.output)).as_posix(),
            look=look,
            **{name: getattr(options, name) for name in ("seed", "scenes", "size", "views")},
        )
    )
    plan = read_plan(specification)
    dataset = options.output / "dataset"
    with closing(make_engine(renderer_settings(plan, workers=options.workers))) as engine:
        summary = make(plan, dataset, engine)
    for each in summary.quarantined:
        print(f"left out: {each.reason}")
    return dataset / FORMATS_FOLDER / "yolo-detect" / "data.yaml"


def contact_sheet(pictures: list[Path]) -> Image.Image:
    """Show pictures side by side, with the boxes that their labels tell."""
    shown = [np.asarray(with_boxes(picture).resize((320, 320))) for picture in pictures]
    rows = [np.hstack(shown[start : start + 3]) for start in range(0, len(shown) - len(shown) % 3 or 1, 3)]
    return Image.fromarray(np.vstack(rows))


def with_boxes(picture: Path) -> Image.Image:
    """Draw the boxes of a picture; a line of its labels is class, middle x, middle y, width, height."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    draw = ImageDraw.Draw(image)
    labels = Path(str(picture).replace("/images/", "/labels/")).with_suffix(".txt")
    for line in labels.read_text().splitlines():
        kind, *box = map(float, line.split())
        x, y, width, height = np.array(box) * [*image.size, *image.size]
        colour = tuple(np.random.default_rng(int(kind) + 7).integers(80, 256, 3).tolist())
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        draw.rectangle(corners, outline=colour, width=max(1, image.width // 160))
    return image


def train(data: Path, size: int, epochs: int, output: Path) -> Any:
    """Train YOLO's smallest detector; from its own weights it would learn faster (model=yolo11n.pt)."""
    from ultralytics import YOLO

    return YOLO("yolo11n.yaml").train(
        data=str(data.resolve()), epochs=epochs, imgsz=size, project=str(output.resolve()), name="training"
    )


if __name__ == "__main__":
    try:
        main()
    except (OSError, RenderServerError) as error:  # no file is there, or it cannot be used
        raise SystemExit(f"yolo_training: {error}") from None
