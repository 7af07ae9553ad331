"""The zips: complete, valid, and enough for an installation without a network."""

import re
import stat
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import build_extension
from gltf_render_server import __version__

ROOT = Path(__file__).resolve().parents[2]
NATIVE = {"blake3", "markupsafe", "msgspec", "openexr", "pillow", "pybase64"}
BROUGHT = [
    "OpenEXR",
    "PIL",
    "backports.zstd",
    "blake3",
    "click",
    "flask",
    "msgspec",
    "prometheus_client",
    "psutil",
    "pybase64",
    "waitress",
]
PLATFORM_TAGS = {
    "linux-x64": "manylinux",
    "windows-x64": "win_amd64",
    "macos-arm64": "arm64",
    "macos-x64": "x86_64",
}
PYTHONS = {"linux-x64": ["cp311", "cp313", "cp314"], "macos-x64": ["cp311"]}


@pytest.fixture(params=list(PLATFORM_TAGS))
def built(request, zips):
    """A platform, and its zip, which Blender's own validation has passed."""
    return request.param, zips[request.param]


def manifest(file):
    with zipfile.ZipFile(file) as archive:
        return tomllib.loads(archive.read("blender_manifest.toml").decode())


def test_two_builds_at_once_download_the_wheels_once(tmp_path, monkeypatch):
    """The tests of both Pythons build from one checkout."""
    platform, downloaded, at_once = build_extension.PLATFORMS["windows-x64"], [], threading.Semaphore(1)

    def download(requirements, _platform, python, folder):
        assert at_once.acquire(blocking=False)
        text = requirements.read_text()
        time.sleep(0.2)
        assert requirements.read_text() == text
        (folder / f"{python}.whl").touch()
        downloaded.append(python)
        at_once.release()

    monkeypatch.setattr(build_extension, "ROOT", tmp_path)
    monkeypatch.setattr(build_extension, "_download", download)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(build_extension.download_wheels, [platform] * 2))
    assert [[path.name for path in files] for files in found] == [["3.11.whl", "3.13.whl"]] * 2
    assert downloaded == ["3.11", "3.13"]


def test_manifest(built):
    name, file = built
    found = manifest(file)
    assert (found["id"], found["name"]) == ("gltf_render_server", "glTF Render Server")
    assert found["version"] == __version__
    assert found["platforms"] == [name]
    assert set(found["permissions"]) == {"network", "files", "clipboard"}
    assert found["website"] == build_extension.repository()


def test_wheels_are_for_each_python_of_the_platform(built):
    name, file = built
    wheels = [wheel.removeprefix("./wheels/") for wheel in manifest(file)["wheels"]]
    assert all(PLATFORM_TAGS[name] in wheel or wheel.endswith("-none-any.whl") for wheel in wheels)
    pythons = PYTHONS.get(name, ["cp311", "cp313"])
    for package in NATIVE:
        found = sorted(re.findall(rf"{package}-[^-]+-(cp\d+)-", " ".join(wheels)))
        assert found == pythons, package


def test_holds_nothing_that_is_not_needed(built):
    with zipfile.ZipFile(built[1]) as archive:
        names = archive.namelist()
    assert "gltf_render_server/http/app.py" in names
    waste = ("__pycache__", "wheels/numpy", "wheels/requests")
    assert not [name for name in names if any(part in name for part in waste)]


def test_holds_no_file_that_the_platform_forbids(built):
    """Programs and libraries come inside wheels only, text is text, and nothing points outside of the zip."""
    kinds = {"", ".css", ".html", ".js", ".py", ".svg", ".toml", ".txt", ".typed", ".wasm", ".whl"}
    with zipfile.ZipFile(built[1]) as archive:
        for entry in archive.infolist():
            assert Path(entry.filename).suffix in kinds or entry.is_dir(), entry.filename
            assert entry.filename.startswith("wheels/") or not entry.filename.endswith(".whl")
            assert not stat.S_ISLNK(entry.external_attr >> 16), f"{entry.filename} is a link"
            assert ".." not in Path(entry.filename).parts
        assert "LICENSE" in archive.namelist()


def test_wheels_bring_all_that_the_server_imports(package_home, tmp_path):
    """Of this environment's own packages only numpy is there, which Blender has."""
    for part in Path(np.__file__).parents[1].glob("numpy*"):
        (tmp_path / part.name).symlink_to(part)
    wheels = next((package_home.folder / "extensions" / ".local").rglob("site-packages"))
    script = (
        f"import sys; sys.path[:0] = {[str(wheels), str(ROOT / 'server'), str(tmp_path)]!r}\n"
        "import gltf_render_server.compose\n"
        "import importlib\n"
        f"brought = map(importlib.import_module, {BROUGHT!r})\n"
        f"print([m.__name__ for m in brought if not m.__file__.startswith({str(wheels)!r})])"
    )
    command = [sys.executable, "-S", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr
