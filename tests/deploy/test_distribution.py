"""What is published: an sdist and a wheel, built from a clone, each enough by itself to render."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
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


def clone(folder):
    """Copy what git would clone, changes included that are not committed yet."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)


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
    assert {"README.md", "LICENSE", "scripts/demo", "blender_addon/blender_manifest.toml"} <= held
    assert not [name for name in held if name.startswith("blender_addon/gltf_render_server")]


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
