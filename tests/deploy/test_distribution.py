"""What is published: an sdist and a wheel, built from a clone, each enough by itself to render."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from clones import clone
from servers import ROOT, running

from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

UV = shutil.which("uv") or shutil.which("uv", path=ROOT / ".venv" / "tools" / "bin")
CAMERA = Lens(64, 48, 60.0, 60.0, 31.5, 23.5, 0.05, 20.0)
RANGE = DepthRange(0.05, 20.0)

pytestmark = pytest.mark.skipif(UV is None, reason="needs uv, which builds and installs")


def uv(*arguments, cwd=None):
    done = subprocess.run([UV, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with both, built as `uv build` does it: the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("clone")
    clone(folder / "clone")
    uv("build", "--quiet", "--out-dir", folder / "dist", folder / "clone")
    return folder / "dist"


def package_files():
    files = (ROOT / "server" / "gltf_render_server").rglob("*")
    kinds = {".css", ".html", ".js", ".py", ".svg", ".txt", ".typed", ".wasm"}
    return {str(file.relative_to(ROOT / "server")) for file in files if file.suffix in kinds}


def test_both_hold_the_whole_package_once(built):
    [wheel], [sdist] = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == package_files()
    with tarfile.open(sdist) as archive:
        held = {str(Path(*Path(name).parts[1:])) for name in archive.getnames()}
    assert {f"server/{name}" for name in package_files()} <= held
    assert "examples/still_life/still_life.glb" in held
    assert {"README.md", "LICENSE", "CITATION.cff", "scripts/demo", "examples/drake_rig.py"} <= held
    assert "blender_addon/blender_manifest.toml" in held
    assert not [name for name in held if name.startswith("blender_addon/gltf_render_server")]


def test_an_index_takes_both(built):
    """Its own check: metadata, and a description that it can show."""
    command = [sys.executable, "-m", "twine", "check", "--strict", *built.glob("gltf_*")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2


def test_a_checkout_makes_the_same_wheel_as_the_sdist(built, tmp_path):
    uv("build", "--quiet", "--wheel", "--out-dir", tmp_path, built.parent / "clone")
    assert_same_wheel(tmp_path, built)


def test_the_container_makes_the_same_wheel_of_what_it_is_given(built, tmp_path):
    """What its first stage copies into /build; test_manifests holds that .dockerignore lets that in."""
    text = (ROOT / "scripts" / "deploy" / "Containerfile").read_text()
    for sources, target in re.findall(r"(?m)^COPY (?!--from)(.+) /build/(\S*)$", text):
        for source in (built.parent / "clone" / each for each in sources.split()):
            if source.is_dir():
                shutil.copytree(source, tmp_path / "build" / target)
            else:
                place = (
                    tmp_path / "build" / target / (source.name if target.endswith("/") or not target else "")
                )
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, place)
    uv("build", "--quiet", "--wheel", "--out-dir", tmp_path, tmp_path / "build")
    assert_same_wheel(tmp_path, built)


def assert_same_wheel(folder, built):
    [found], [expected] = folder.glob("*.whl"), built.glob("*.whl")
    assert found.name == expected.name
    assert found.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_each_renders_in_an_environment_of_its_own(built, pattern, tmp_path, table):
    [file] = built.glob(pattern)
    uv("venv", "--quiet", "--python", sys.executable, tmp_path / "environment")
    python = tmp_path / "environment" / "bin" / "python"
    # as pinned, so that nothing is downloaded that this environment does not have
    pins = ROOT / "scripts" / "requirements" / "demo.txt"
    uv("pip", "install", "--quiet", "--python", python, "--constraint", pins, file)
    program = tmp_path / "environment" / "bin" / "gltf-render-server"
    with running("--samples", "1", "--no-denoise", command=[str(program)]) as server:
        depth = server.client.depth(table.to_bytes(), CAMERA, RANGE)
        assert server.client.color(table.to_bytes(), CAMERA).std() > 10
    assert np.isfinite(depth).mean() > 0.5
