"""scripts/demo.py, as a user sees it: pictures soon, better ones later, and no traceback."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from PIL import Image
from servers import ROOT, wait_for

import demo
from gltf_render_server.labels import DONT_CARE, decode_labels

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

COMMAND = (sys.executable, str(ROOT / "scripts" / "demo.py"))
FILES = {
    *("color.png", "depth.tiff", "label.png", "depth_colored.png", "label_colored.png"),
    *("contact_sheet.png", "scene.gltf", "label_scene.gltf"),
}


def run(*arguments):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=400)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), [(160, 120), (320, 240), (640, 480)]),
        ((960, 720), [(240, 180), (480, 360), (960, 720)]),
        ((400, 300), [(200, 150), (400, 300)]),
        ((64, 48), [(64, 48)]),
    ],
)
def test_colour_comes_small_first(size, expected):
    assert demo.sizes(*size) == expected


def test_what_it_leaves(tmp_path, tmp_path_factory):
    earlier = tmp_path_factory.mktemp("earlier") / "contact_sheet.png"
    earlier.write_bytes(b"of an earlier run")
    os.link(earlier, tmp_path / earlier.name)
    done = run("--width", 320, "--height", 240, "--output", tmp_path, "--", "--samples", 2, "--no-denoise")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert earlier.read_bytes() == b"of an earlier run", "a picture is replaced once the new one is whole"
    assert done.stdout.split() == sorted(str(tmp_path / name) for name in FILES)
    steps = ["color, 160 x 120", "depth, 320 x 240", "label, 320 x 240", "first look", "color, 320 x 240"]
    assert sorted(steps, key=done.stderr.index) == steps
    assert pixels(tmp_path / "color.png").shape == (240, 320, 3)
    labels = decode_labels(pixels(tmp_path / "label.png"))
    assert len(set(np.unique(labels)) - {DONT_CARE}) == 26
    assert pixels(tmp_path / "label.png").mean() < 30, "which is why there is a coloured one"
    shown = pixels(tmp_path / "label_colored.png")
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 26
    assert shown.mean() > 80
    assert pixels(tmp_path / "depth_colored.png").shape == (240, 320, 3)


def runs(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_stopped_half_way(tmp_path):
    """Ctrl-C while the large picture is rendered: what there is stays, and nothing goes on running."""
    size = ("--width", "960", "--height", "720", "--output", str(tmp_path))
    process = subprocess.Popen([*COMMAND, *size, "--", "--samples", "64"], stderr=subprocess.PIPE, text=True)
    try:
        wait_for((tmp_path / "contact_sheet.png").exists)
        time.sleep(1)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children, "the server"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    assert f"stopped; what was rendered before is in {tmp_path}" in said
    assert "Traceback" not in said
    wait_for(lambda: not any(map(runs, children)))
    assert pixels(tmp_path / "contact_sheet.png").std() > 20


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (("--width", "0"), 2, "must be a whole number, at least 16; got '0'"),
        (("--height", "-3"), 2, "must be a whole number, at least 16; got '-3'"),
        (("--width", "wide"), 2, "got 'wide'"),
        (("--output", "/dev/null/pictures"), 1, "nothing can be written into /dev/null/pictures"),
        (("--", "--quality", "best"), 1, "is not one of 'draft', 'preview', 'balanced', 'final'"),
        (("--", "--max-pixels", "100"), 1, "the server refuses: 413"),
    ],
)
def test_what_cannot_be_is_told(tmp_path, arguments, status, reason):
    done = run("--output", tmp_path, *arguments) if arguments[0] != "--output" else run(*arguments)
    assert done.returncode == status
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
