"""How files look that nobody says anything about: rendered by Blender, as ``gltf-render`` does."""

import json
import math
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from object_files import packed
from PIL import Image
from servers import ROOT

from gltf_render_server.dataset.shot import Document
from gltf_render_server.gltf import read_asset
from gltf_render_server.passes import prepare
from gltf_render_server.pictures import Lighting, Wanted
from gltf_render_server.pictures.looks import laid_over
from gltf_render_server.pictures.making import pictures
from gltf_render_server.pictures.reading import read_file
from gltf_render_server.pictures.renderers import Rendered, own_settings

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

MUG = ROOT / "examples" / "datasets" / "models" / "mug.glb"
SIZE = 64, 48
BACKDROP = laid_over(np.zeros((*SIZE[::-1], 4), np.uint8), "backdrop").astype(int)


class Here:
    """Renders files in this very process."""

    def __init__(self, renderer):
        self._renderer = renderer
        self.looks = renderer.looks

    def asset(self, document):
        return read_asset(document.data, extensions=self._renderer.extensions)

    def render(self, _document, frame, _time_s):
        prepare(frame)
        rendered = self._renderer.render(frame)
        return Rendered(rendered.views[0], rendered.stages_ms)


@pytest.fixture
def render(studio):
    """Renders a document; returns the arrays of its one view."""
    renderer = Here(studio.renderer(own_settings(device="cpu", samples=4)))

    def render(document, *passes, **wanted):
        [picture] = pictures(document, Wanted(passes=passes or ("color",), size=SIZE, **wanted), renderer)
        return picture.arrays

    return render


def torus(size_m=1.0, light=None, **material):
    """A torus that stands upright, perhaps with a light."""
    mesh = trimesh.creation.torus(0.7, 0.28, major_sections=48, minor_sections=24)
    material = trimesh.visual.material.PBRMaterial(
        **{"metallicFactor": 0.0, "roughnessFactor": 0.6} | material
    )
    mesh.visual = trimesh.visual.TextureVisuals(material=material)
    data = trimesh.Scene(mesh).export(file_type="glb")
    size = struct.unpack_from("<I", data, 12)[0]
    document, binary = json.loads(data[20 : 20 + size]), data[20 + size + 8 :]
    roots = document["scenes"][0]["nodes"]
    document["nodes"].append({"scale": [size_m] * 3, "children": [*roots]})
    roots[:] = [len(document["nodes"]) - 1]
    if light:
        document["extensionsUsed"] = ["KHR_lights_punctual"]
        document["extensions"] = {"KHR_lights_punctual": {"lights": [light]}}
        extensions = {"KHR_lights_punctual": {"light": 0}}
        document["nodes"].append({"translation": [2, 2, 2], "extensions": extensions})
        roots.append(len(document["nodes"]) - 1)
    return Document(packed(document, binary))


def shown(arrays):
    """The brightness of the model's pixels, 0 to 255."""
    return arrays["color"][np.isfinite(arrays["depth"])].mean(-1)


WHITE = {"baseColorFactor": [255, 255, 255, 255]}
MODELS = {
    "white": (torus(**WHITE), 150, 250),
    "dark": (torus(baseColorFactor=[15, 15, 15, 255]), 10, 90),
    "metal": (torus(metallicFactor=1.0, roughnessFactor=0.1, **WHITE), 60, 230),
    "a millimetre": (torus(1e-3, **WHITE), 150, 250),
    "ten kilometres": (torus(1e4, **WHITE), 150, 250),
    "a lamp": (torus(light={"type": "point", "intensity": 40}, **WHITE), 60, 250),
    "a dim sun": (torus(light={"type": "directional", "intensity": 0.01}, **WHITE), 60, 250),
}


@pytest.mark.parametrize("name", MODELS)
def test_whatever_it_is_it_can_be_seen(name, render):
    document, least, most = MODELS[name]
    brightness = shown(render(document, "color", "depth"))
    assert least < brightness.mean() < most
    assert np.percentile(brightness, 5) > 4, "nothing is black"
    assert (brightness > 254).mean() < 0.5, "not burnt out"
    assert np.ptp(np.percentile(brightness, (5, 95))) > 8, "its shape shows"


def test_its_shadow_falls_on_a_ground_that_only_colour_shows(render):
    document = read_file(MUG)
    on_ground = render(document, "color", "depth", "instance")
    without = render(document, "color", "depth", "instance", ground=False)
    for name in ("depth", "instance"):
        np.testing.assert_array_equal(on_ground[name], without[name])
    is_behind = ~np.isfinite(without["depth"])
    is_far = is_behind & (np.abs(without["color"].astype(int) - BACKDROP).max(-1) <= 1)
    assert is_far.sum() > 0.85 * is_behind.sum(), "nothing but the backdrop, but at its edges"
    darker = (BACKDROP - on_ground["color"].astype(int)).mean(-1)[is_far]
    assert (darker > 10).mean() > 0.02, "a shadow"
    assert np.abs(darker[:100]).max() < 12, "no edge of the ground is seen above"


def test_nothing_is_behind_it_where_that_is_wanted(render):
    document = read_file(MUG)
    clear = render(document, "color", "depth", lighting=Lighting(background="transparent"))
    alpha = clear["color"][..., 3] > 127
    assert np.mean(alpha == np.isfinite(clear["depth"])) > 0.98
    red = render(document, lighting=Lighting(background=(255, 0, 0)))["color"]
    assert red[0, 0].tolist() == [255, 0, 0]
    around = render(document, lighting=Lighting(background="environment", environment="sunset"))["color"]
    assert around.shape == (48, 64, 3)
    assert around[:4].reshape(-1, 3).std(0).max() > 3, "the environment itself"


def test_what_is_up_in_the_file_is_up_in_the_picture(render):
    standing = render(read_file(MUG), "depth")["depth"]
    data = MUG.read_bytes()
    size = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + size])
    roots = document["scenes"][0]["nodes"]
    document["nodes"].append({"rotation": [math.sqrt(0.5), 0, 0, math.sqrt(0.5)], "children": [*roots]})
    roots[:] = [len(document["nodes"]) - 1]
    turned = Document(packed(document, data[20 + size + 8 :]))
    np.testing.assert_allclose(render(turned, "depth", up_axis="z")["depth"], standing, rtol=1e-4)


def test_the_program_says_nothing_but_what_it_wrote(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "gltf_render_server.pictures", MUG, "--size", "40x30", "--quality", "preview"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "mug.color.png\n", "whatever Blender prints"
    assert "mug.glb: color in " in ran.stderr
    with Image.open(Path(tmp_path, "mug.color.png")) as picture:
        assert picture.size == (40, 30)


def test_the_code_of_the_docs_runs():
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "render.md").read_text(), re.DOTALL)
    checked = f"{code}\nassert color.shape == (240, 320, 3)\nassert depth.shape == (240, 320)\n"
    ran = subprocess.run(
        [sys.executable, "-c", checked], capture_output=True, text=True, cwd=ROOT, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
