"""What the README and the docs promise is there, and their example runs."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from servers import ROOT, running

from gltf_render_server.client import DONT_CARE

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


COMMANDS = ("make", "preview", "verify", "inspect", "export")
PROGRAMS = [
    ["gltf_render_server"],
    ["gltf_render_server.pictures"],
    *(["gltf_render_server.dataset", command] for command in COMMANDS),
]


def test_every_option_that_is_named_is_there():
    helps = [
        subprocess.run(
            [sys.executable, "-m", *program, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for program in PROGRAMS
    ]
    named = set(re.findall(r"`(--[a-z-]+)", "".join(page.read_text() for page in PAGES)))
    theirs = {"--install-dependencies", "--python", "--preload", "--threads"}  # of scripts/, of gunicorn
    assert named - theirs <= set(re.findall(r"--[a-z-]+", "".join(helps)))


def test_commands_of_the_shell_are_there():
    for line in "".join(blocks("sh")).splitlines():
        assert (ROOT / line.split()[0]).stat().st_mode & 0o111


def test_libraries_of_the_system_are_told_alike():
    """By the README, by the server where one is missing, and by what installs them."""
    from gltf_render_server.backends import _LIBRARIES_OF_BLENDER

    for file in ("README.md", "scripts/_setup.sh", "scripts/deploy/Containerfile"):
        text = " ".join((ROOT / file).read_text().replace("\\\n", " ").split())
        assert _LIBRARIES_OF_BLENDER in text, file


def test_the_client_example_runs(tmp_path, monkeypatch):
    import still_life

    [code] = [block for block in blocks("python") if "RenderClient" in block]
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "scene.gltf").write_bytes(still_life.scene("color"))
    (tmp_path / "demo" / "label_scene.gltf").write_bytes(still_life.scene("label"))
    monkeypatch.chdir(tmp_path)
    with running("--samples", "1", "--no-denoise") as server:
        names: dict = {}
        exec(code.replace("http://127.0.0.1:8000", server.url), names)
    assert names["color"].shape == (480, 640, 3)
    assert names["depth"].dtype == "float32"
    assert names["label"].shape == (480, 640)
    assert set(np.unique(names["label"])) - {DONT_CARE} == set(range(1, 27)), "26 objects"
    assert Path("demo/scene.gltf").exists()
