"""Documents of squares that are seen from in front, each texel as one pixel."""

import io
import json
from base64 import b64encode

import numpy as np
from drake_like import add_accessor, empty_document, png_uri, translation
from PIL import Image

from gltf_render_server.frame import ALPHA_THRESHOLD, Frame, Lens, View
from gltf_render_server.gltf import parse_scene

SIDE = 8
CORNERS = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], "<f4")
_UV = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], "<f4")
_TRIANGLES = np.array([0, 1, 2, 0, 2, 3], "<u4")
VIEW = View(Lens(SIDE, SIDE, 2.0 * SIDE, 2.0 * SIDE, SIDE / 2, SIDE / 2, 0.1, 20.0), translation(0, 0, 4))
"""Shows the square from -1 to 1 at z = 0, and all of it."""


def texels(seed, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, channels), dtype=np.uint8)


def linear(pixels):
    """sRGB from 0 to 255 -> linear from 0 to 1."""
    values = np.asarray(pixels) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


class Squares:
    """Squares before each other, in a document that grows."""

    def __init__(self):
        self.document = empty_document()
        self.document |= {"images": [], "textures": [], "extensionsUsed": []}
        self.document["samplers"] = [{"wrapS": 33071, "wrapT": 33071}]
        self.document["scenes"][0]["nodes"] = []

    def texture(self, pixels):
        self.document["images"].append({"uri": _uri(pixels)})
        self.document["textures"].append({"source": len(self.document["images"]) - 1, "sampler": 0})
        return {"index": len(self.document["textures"]) - 1}

    def add(self, *, z=0.0, colors=None, scale=1.0, **material):
        """Add a square; `material` is glTF's, `colors` is (4, 3 or 4) float, of its corners."""
        document = self.document
        attributes = {
            "POSITION": add_accessor(document, CORNERS, "VEC3"),
            "TEXCOORD_0": add_accessor(document, _UV, "VEC2"),
        }
        if colors is not None:
            colors = np.asarray(colors, "<f4")
            attributes["COLOR_0"] = add_accessor(document, colors, f"VEC{colors.shape[1]}")
        primitive = {"attributes": attributes, "indices": add_accessor(document, _TRIANGLES, "SCALAR")}
        primitive["material"] = len(document["materials"])
        document["materials"].append(material)
        document["extensionsUsed"] += material.get("extensions", {}).keys() - set(document["extensionsUsed"])
        document["meshes"].append({"primitives": [primitive]})
        node = {"mesh": len(document["meshes"]) - 1, "translation": [0, 0, z], "scale": [scale] * 3}
        document["nodes"].append(node)
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
        return self

    def add_lamp(self):
        document = self.document
        document["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 900.0}]}}
        document["extensionsUsed"].append("KHR_lights_punctual")
        document["nodes"].append(
            {"translation": [0.3, 0, 2], "extensions": {"KHR_lights_punctual": {"light": 0}}}
        )
        document["scenes"][0]["nodes"].append(len(document["nodes"]) - 1)
        return self

    def to_bytes(self):
        return json.dumps({name: value for name, value in self.document.items() if value != []}).encode()

    def frame(self, renderer, *passes, view=VIEW, **more):
        more = {"alpha_threshold": ALPHA_THRESHOLD, **more}
        return Frame(parse_scene(self.to_bytes(), extensions=renderer.extensions), (view,), passes, **more)


def _uri(pixels):
    if pixels.shape[2] == 3:
        return png_uri(pixels)
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, "PNG")
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode()
