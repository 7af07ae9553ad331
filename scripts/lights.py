"""Shows the still life in lights of many kinds, as a client would bring them, in one picture.

It is docs/images/lights.jpg: nothing but the lights differs, and no option is set.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gltf_render_server.gltf import parse_scene
from gltf_render_server.http.form import RenderFields
from gltf_render_server.settings import ServerSettings
from tabletop import tabletop

_SIZE = (320, 240)
_CAPTION = 26
_COLUMNS = 4
_PAPER, _INK = (250, 249, 246), (40, 40, 40)

_Light = tuple[dict[str, Any], tuple[float, float, float]]
"""A light of glTF, and where it stands; it shines at the middle of the table."""


def main() -> None:
    """Render and save."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", type=Path, help="the picture to write, .jpg or .png")
    save_pictures(options.parse_args().file)


def save_pictures(file: Path) -> None:
    """Render the still life once for each of the lights."""
    from gltf_render_server.blender import BlenderRenderer

    renderer = BlenderRenderer(ServerSettings())
    pictures = {}
    for caption, lights in _kinds().items():
        document, form = _scene(lights)
        fields = RenderFields.from_form({name: [value] for name, value in form.items()}, max_pixels=2**31)
        scene = parse_scene(document, extensions=renderer.extensions)
        frame = fields.frame(scene)
        pictures[caption] = Image.fromarray(renderer.render(frame).views[0]["color"])
        print(f"{caption}: intensities times {scene.light_scale:.3g}", file=sys.stderr)
    _sheet(pictures).save(file, quality=88)
    renderer.close()


def _kinds() -> dict[str, list[_Light]]:
    above = (-0.5, -0.7, 1.0)
    return {
        "sun, intensity omitted": [({"type": "directional"}, above)],
        "sun, 3.14 lux": [({"type": "directional", "intensity": math.pi}, above)],
        "sun, 100,000 lux": [({"type": "directional", "intensity": 1e5}, above)],
        "evening sun, 500 lux": [
            ({"type": "directional", "intensity": 500, "color": [1, 0.55, 0.25]}, (-1.0, -0.3, 0.25))
        ],
        "lamp, 1 cd": [({"type": "point", "intensity": 1}, (-0.3, -0.4, 0.7))],
        "lamp, 1,000 cd": [({"type": "point", "intensity": 1e3}, (-0.3, -0.4, 0.7))],
        "spot, 5,000 cd": [
            ({"type": "spot", "intensity": 5e3, "spot": {"outerConeAngle": 0.16}}, (-0.6, -0.9, 1.6))
        ],
        "warm and cold lamps, 200 cd": [
            ({"type": "point", "intensity": 200, "color": [1, 0.6, 0.3]}, (-0.6, -0.3, 0.4)),
            ({"type": "point", "intensity": 200, "color": [0.4, 0.65, 1]}, (0.6, -0.3, 0.4)),
        ],
    }


def _scene(lights: list[_Light]) -> tuple[bytes, dict[str, str]]:
    """Return the scene and the form of a client's request."""
    still_life = tabletop()
    gltf = json.loads(still_life.document("color"))
    gltf["extensionsUsed"] = [*gltf.get("extensionsUsed", ()), "KHR_lights_punctual"]
    gltf.setdefault("extensions", {})["KHR_lights_punctual"] = {"lights": [light for light, _ in lights]}
    for index, (_, place) in enumerate(lights):
        shines = {"KHR_lights_punctual": {"light": index}}
        gltf["nodes"].append({"extensions": shines, "matrix": _aimed(place).T.ravel().tolist()})
        gltf["scenes"][0]["nodes"].append(len(gltf["nodes"]) - 1)
    return json.dumps(gltf).encode(), still_life.fields("color", *_SIZE)


def _aimed(place: tuple[float, float, float]) -> np.ndarray:
    """Return a pose at `place` whose -z axis points at the origin."""
    back = np.array(place) / np.linalg.norm(place)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3] = np.column_stack([right, np.cross(back, right), back, place])
    return matrix


def _sheet(pictures: dict[str, Image.Image]) -> Image.Image:
    rows = math.ceil(len(pictures) / _COLUMNS)
    width, height = _SIZE[0], _SIZE[1] + _CAPTION
    sheet = Image.new("RGB", (_COLUMNS * width, rows * height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (caption, picture) in enumerate(pictures.items()):
        corner = (place % _COLUMNS * width, place // _COLUMNS * height)
        sheet.paste(picture, corner)
        text = (corner[0] + 8, corner[1] + _SIZE[1] + 4)
        draw.text(text, caption, fill=_INK, font=ImageFont.load_default(16))
    return sheet


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)  # Blender's own clean-up hangs now and then
