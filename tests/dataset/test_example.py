"""The example of a dataset, reduced to a few frames, made and proven by the program with Blender."""

import subprocess
import sys

import pytest
from servers import ROOT

from gltf_render_server.dataset.making import FORMATS_FOLDER
from gltf_render_server.dataset.specification import read_specification

EXAMPLE = ROOT / "examples" / "datasets" / "still_life.toml"
FRAMES = 4


def program(*arguments):
    command = [sys.executable, "-m", "gltf_render_server.dataset", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)
def test_the_example_is_made_in_all_its_formats_and_is_good(tmp_path):
    text = EXAMPLE.read_text().replace("count = 50", f"count = {FRAMES}")
    specification = tmp_path / "few.toml"
    specification.write_text(text.replace("../still_life", (ROOT / "examples" / "still_life").as_posix()))
    read = read_specification(specification)
    assert [camera.count for camera in read.cameras] == [FRAMES]
    program("make", specification, "--out", tmp_path / "store", "--workers", 1)
    program("verify", tmp_path / "store")
    written = sorted(each.name for each in (tmp_path / "store" / FORMATS_FOLDER).iterdir())
    assert written == sorted(read.formats)
    assert len(written) == 14
    for name in written:
        assert any((tmp_path / "store" / FORMATS_FOLDER / name).iterdir())
