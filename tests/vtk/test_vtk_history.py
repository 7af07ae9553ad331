"""The same request gives the same bytes, whatever came before, and nothing of what came before stays."""

import gc
import json
import os
import pickle
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import psutil
import pytest
from defaults import CAMERA, Warm, ask
from drake_like import DrakeScene, add_accessor, box, look_at, png_uri, sphere, translation
from memory import own_bytes

from gltf_render_server.errors import RenderError, SceneError
from gltf_render_server.frame import Lens
from gltf_render_server.settings import ServerSettings
from gltf_render_server.vtk import VtkRenderer, colour

OTHER = DrakeScene(
    [sphere(0.4, translation(0, 0, 0.4), 9), box((3, 3, 0.1), translation(0, 0, -0.05), 4)],
    look_at((-2, 1, 1.2), (0, 0, 0.3)),
)
KINDS = ("color", "depth", "label", "mask_amodal")


def textured(seed):
    document = OTHER.document()
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    count = document["accessors"][attributes["POSITION"]]["count"]
    uv = np.random.default_rng(0).random((count, 2)).astype("<f4")
    attributes["TEXCOORD_0"] = add_accessor(document, uv, "VEC2")
    pixels = np.random.default_rng(seed).integers(0, 255, (256, 256, 3), np.uint8)
    document |= {"images": [{"uri": png_uri(pixels)}], "textures": [{"source": 0}]}
    document["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    return json.dumps(document).encode()


def test_any_order_gives_the_same_bytes(table):
    """Each picture once by a renderer of its own, then all of them in any order by one."""
    cameras = (CAMERA, Lens(64, 80, 70, 80, 30, 45, 0.05, 10))
    scenes = {kind: [table.to_bytes(kind), OTHER.to_bytes(kind)] for kind in KINDS}
    scenes["color"].append(textured(1))
    requests = [(data, kind, camera) for kind in KINDS for data in scenes[kind] for camera in cameras]
    first = [fresh(request).tobytes() for request in requests]
    order = list(range(len(requests))) * 3
    random.Random(3).shuffle(order)
    renderer = VtkRenderer(ServerSettings())
    try:
        warm = Warm(renderer)
        for index in order:
            assert warm.ask(*requests[index]).tobytes() == first[index]
    finally:
        renderer.close()


def fresh(request):
    renderer = VtkRenderer(ServerSettings())
    try:
        return ask(renderer, *request)
    finally:
        renderer.close()


def test_a_failed_request_leaves_nothing(picture, table):
    expected = {kind: picture(table.to_bytes(kind), kind).tobytes() for kind in KINDS}
    broken = table.document()
    primitive = broken["meshes"][2]["primitives"][0]
    del broken["accessors"][primitive["attributes"]["POSITION"]]["bufferView"]
    spare = add_accessor(broken, np.frombuffer(b"DRACO" + bytes(27), "<u4"), "SCALAR")
    view = broken["accessors"].pop(spare)["bufferView"]
    primitive["extensions"] = {
        "KHR_draco_mesh_compression": {"bufferView": view, "attributes": {"POSITION": 0}}
    }
    for kind in KINDS:
        with pytest.raises(SceneError):
            picture(json.dumps(broken).encode(), kind)
        assert picture(table.to_bytes(kind), kind).tobytes() == expected[kind]


@pytest.mark.parametrize(("kind", "shader"), [("color", "colour._FINISH"), ("depth", "exact._SHADER")])
def test_what_vtk_reports_is_an_error_of_the_request(table, monkeypatch, kind, shader):
    """VTK itself goes on with a black picture."""
    expected = fresh((table.to_bytes(kind), kind)).tobytes()
    renderer = VtkRenderer(ServerSettings())
    try:
        with monkeypatch.context() as patched:
            patched.setattr(f"gltf_render_server.vtk.{shader}", "no such language;")
            with pytest.raises(RenderError, match="VTK could not draw 96 x 72 pixels"):
                ask(renderer, table.to_bytes(kind), kind)
        assert ask(renderer, table.to_bytes(kind), kind).tobytes() == expected
    finally:
        renderer.close()


def test_no_opengl_is_told_at_the_start():
    """libglvnd finds OpenGL by this variable, where it is set."""
    code = "from gltf_render_server.settings import ServerSettings as S\n"
    code += "from gltf_render_server.vtk import VtkRenderer; VtkRenderer(S())"
    env = {**os.environ, "__EGL_VENDOR_LIBRARY_FILENAMES": "/nowhere.json"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "SettingsError: VTK cannot start: no OpenGL" in done.stderr


def test_memory_does_not_grow(table):
    """Scenes that come and go, new textures and sizes among them, beyond what is kept on purpose.

    In a process of its own, which frees nothing of other tests meanwhile, and keeps nothing for them.
    """
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; from test_vtk_history import print_growth; print_growth()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=pickle.dumps(table), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert float(done.stdout) < 12, "one image of 256 x 256 a round would be 28 MB"


def print_growth():
    """Print by how many megabytes the memory of this process grows from round to round."""
    table = pickle.load(sys.stdin.buffer)
    colour._MOST_TEXTURE_BYTES = 2**20
    renderer = VtkRenderer(ServerSettings())

    def show(round_):
        ask(renderer, textured(round_), "color")
        for kind in KINDS:
            ask(renderer, table.to_bytes(kind), kind, replace(CAMERA, width=80 + round_ % 7))
            ask(renderer, OTHER.to_bytes(kind), kind)

    def resident_mb():
        gc.collect()
        return own_bytes(psutil.Process()) / 1e6

    for round_ in range(60):
        show(round_)
    before = resident_mb()
    for round_ in range(60, 200):
        show(round_)
    print(resident_mb() - before)  # noqa: T201
    renderer.close()
