"""Shows the still life in lights of many kinds, as a client would bring them, in one picture.

It is docs/images/lights.jpg: nothing but the lights differs, and no option is set.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console

import still_life
from contact_sheet import captioned
from own_server import own_server
from reporting import progress, run
from viewpoint import look_at

_SIZE = (320, 240)
_COLUMNS = 4

_Light = tuple[dict[str, Any], tuple[float, float, float]]
"""A glTF light and its position. It points at the middle of the table."""


def main() -> int:
    """Render and save the image, and return the exit status."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", type=Path, help="the picture to write, .jpg or .png")
    file = options.parse_args().file
    return run("lights", lambda console: _save_pictures(file, console))


def _save_pictures(file: Path, console: Console) -> int:
    """Render the still life with each of the lights."""
    fields = still_life.request_fields("color", *_SIZE)
    with own_server() as server, progress(console) as bars:
        pictures = {
            caption: server.client.post(_scene(lights), fields).pixels()
            for caption, lights in bars.track(_kinds().items(), description="Rendering")
        }
    Image.fromarray(captioned(pictures, _COLUMNS)).save(file, quality=88)
    return 0


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


def _scene(lights: list[_Light]) -> bytes:
    """Return the still life with these lights."""
    gltf = still_life.document()
    gltf["extensionsUsed"] = [*gltf["extensionsUsed"], "KHR_lights_punctual"]
    gltf["extensions"] = {"KHR_lights_punctual": {"lights": [light for light, _ in lights]}}
    for index, (_, place) in enumerate(lights):
        shines = {"KHR_lights_punctual": {"light": index}}
        gltf["nodes"].append({"extensions": shines, "matrix": look_at(place).T.ravel().tolist()})
        gltf["scenes"][0]["nodes"].append(len(gltf["nodes"]) - 1)
    return json.dumps(gltf).encode()


if __name__ == "__main__":
    sys.exit(main())
