"""The extension, built once; and Blenders in which it is installed."""

import json
import platform
import sys
from pathlib import Path

import pytest
from blenders import ROOT, install_in_package, install_in_program, program
from drake_like import DrakeScene, box, look_at, sphere, translation

from gltf_render_server.client import form_fields
from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange, ImageType

sys.path.insert(0, str(ROOT))  # the add-on's modules, as blender_addon

CAMERA = Lens(160, 120, 150.0, 145.0, 83.5, 55.5, 0.05, 20.0)


@pytest.fixture(scope="session")
def zips(tmp_path_factory):
    """The zip of each platform."""
    pytest.importorskip("bpy", reason="the bpy package, which validates extensions, is not for this Python")
    import build_extension

    folder = tmp_path_factory.mktemp("dist")
    return {name: build_extension.build(there, folder) for name, there in build_extension.PLATFORMS.items()}


@pytest.fixture(scope="session")
def zip_here(zips):
    """The zip of this machine."""
    here = f"{platform.system()}-{platform.machine()}".lower()
    known = {
        "linux-x86_64": "linux-x64",
        "windows-amd64": "windows-x64",
        "darwin-arm64": "macos-arm64",
        "darwin-x86_64": "macos-x64",
    }
    if here not in known:
        pytest.skip(f"there is no zip for {here}")
    return zips[known[here]]


@pytest.fixture(scope="session")
def package_home(zip_here, tmp_path_factory):
    """The extension in the bpy package."""
    return install_in_package(zip_here, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def program_home(zip_here, tmp_path_factory):
    """The extension in a real Blender."""
    blender = program()
    return install_in_program(zip_here, tmp_path_factory.mktemp("program"), blender)


@pytest.fixture(scope="session")
def forms(tmp_path_factory):
    """A folder with a request of each type, in the layout in which requests are kept."""
    folder = tmp_path_factory.mktemp("forms")
    scene = DrakeScene(
        [
            box((4, 4, 0.1), translation(0, 0, -0.05), 1, rgba=(0.6, 0.6, 0.6, 1)),
            sphere(0.35, translation(0.5, -0.2, 0.35), 300, rgba=(0.1, 0.5, 0.9, 1)),
        ],
        look_at((1.6, -1.9, 1.5), (0, 0, 0.2)),
    )
    for kind in ImageType:
        depth_range = DepthRange(0.05, 20.0) if kind is ImageType.DEPTH else None
        Path(folder / f"{kind}.json").write_text(json.dumps(form_fields(kind, CAMERA, depth_range)))
        Path(folder / f"{kind}.gltf").write_bytes(scene.to_bytes("label" if kind == "label" else "color"))
    return folder
