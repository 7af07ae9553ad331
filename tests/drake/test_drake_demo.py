"""The demo of Drake's client, as a user runs it: a process of its own against a real server."""

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from servers import ROOT, running

from gltf_render_server.labels import DONT_CARE

av = pytest.importorskip("av", reason="the extra 'drake' is not installed")
pytest.importorskip("pydrake", reason="Drake, the real client, has no package for this Python or system")

pytestmark = pytest.mark.drake

SCRIPT = ROOT / "scripts" / "drake_demo.py"
SMALL = ("--width", "161", "--height", "121", "--fps", "5")


def demo(*arguments, command=(str(SCRIPT),)):
    return subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
    )


def pictures(folder, kind):
    return [np.asarray(Image.open(path)) for path in sorted((folder / kind).iterdir())]


def frames_of(video):
    with av.open(str(video)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_both_engines_are_compared(server, tmp_path):
    """Two dozen bodies, glTF, OBJ and primitives, in motion: their pictures are those of VTK."""
    (tmp_path / "color").mkdir()
    (tmp_path / "color" / "0007.png").write_bytes(b"of a longer run before")
    (tmp_path / "color" / "mine.png").write_bytes(b"the user's own")
    options = ("--server_base_url", f"{server.url}/", "--compare", "--seconds", 0.6, "--output", tmp_path)
    result = demo(*options, *SMALL)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "3/3" in result.stderr, "the bar at its end"
    assert re.search(
        r"│ total +│ +\d+ │ +0\.\d{4} │ +0\.\d{4} │ +\d+ │ +0\.\d{4} │ +0\.\d{4} │ +0\.[0-4]\d{3} │",
        result.stdout,
    )
    assert result.stdout.count("│ yes │") == 8
    (tmp_path / "color" / "mine.png").unlink()
    color, depth, label = (pictures(tmp_path, kind) for kind in ("color", "depth", "label"))
    assert [len(images) for images in (color, depth, label)] == [3, 3, 3]
    assert color[0].shape == (121, 161, 3)
    assert color[0].std() > 20
    assert depth[0].dtype == np.float32
    assert 0.5 < depth[0][60, 80] < 2.5
    assert len(set(np.unique(label[0])) - {DONT_CARE}) > 30
    assert not np.array_equal(label[0], label[2]), "nothing moves"
    shown = frames_of(tmp_path / "drake_demo.mp4")
    assert len(shown) == 3
    assert shown[0].shape[0] > 2 * 121, "a row for each engine"
    assert shown[0].shape[1] > 3 * 161, "colour, depth, labels"


def test_one_picture_of_each_kind(server, tmp_path):
    options = ("--render-engine", "client", "--server-base-url", server.url, "--still", "--output", tmp_path)
    result = demo(*options, *SMALL)
    assert result.returncode == 0, result.stderr
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert written == {"still.png", "color/0000.png", "depth/0000.tiff", "label/0000.png"}
    assert np.asarray(Image.open(tmp_path / "still.png")).std() > 20


def test_vtk_needs_no_server_and_meshcat_shows_it(tmp_path):
    options = ("--render_engine", "vtk", "--visualize", "--seconds", 0.4, "--output", tmp_path)
    result = demo(*options, *SMALL, "--server_base_url", "http://127.0.0.1:1")
    assert result.returncode == 0, result.stderr
    assert re.search(r"shown at http://localhost:\d+", result.stderr)
    assert "meshcat" in (tmp_path / "simulation.html").read_text().lower()
    assert len(frames_of(tmp_path / "drake_demo.mp4")) == 2


def test_what_is_too_far_off_is_said(tmp_path):
    """Depth in whole millimetres is beyond the limits."""
    with running("--depth-format", "png16", "--samples", "1", "--no-denoise") as server:
        options = ("--server_base_url", server.url, "--compare", "--still", "--output", tmp_path)
        result = demo(*options, *SMALL)
    assert result.returncode == 1, result.stderr
    assert re.search(r"depth, median, all pixels +│ 0\.2\d{3} mm │ 0\.0200 mm │ +NO │", result.stdout)
    assert re.search(r"other labels, at edges .* yes │", result.stdout)


def test_nobody_answers(tmp_path):
    result = demo("--server_base_url", "http://127.0.0.1:1", "--output", tmp_path / "new")
    assert result.returncode == 1
    assert "no server answers at http://127.0.0.1:1: Connection refused" in result.stderr
    assert "gltf-render-server --port 8000" in result.stderr
    assert "Rendering" not in result.stderr, "it was found before the simulation"
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "taken").write_text("")
    result = demo("--render_engine", "vtk", "--output", tmp_path / "taken")
    assert result.returncode == 1
    assert "nothing can be written into" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.0.0.1:8000", "no TLS"),
        ("127.0.0.1:8000", "must begin with http://"),
        ("http://drake:secret@127.0.0.1:8000", "does not send them"),
    ],
)
def test_addresses_that_drake_cannot_ask(url, reason):
    result = demo("--server_base_url", url)
    assert result.returncode == 2
    assert reason in result.stderr
    assert "secret" not in result.stderr


def test_help_explains():
    result = demo("--help")
    assert result.returncode == 0
    for word in ("--render_engine", "--render-engine", "--server-base-url", "examples:", "drake_demo.mp4"):
        assert word in result.stdout


def test_without_the_extra():
    code = f"import runpy, sys; sys.modules['pydrake'] = None; runpy.run_path({str(SCRIPT)!r})"
    result = demo(command=("-c", f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); {code}"))
    assert result.returncode == 1
    assert 'pip install "gltf-render-server[drake]"' in result.stderr


def test_a_server_that_wants_a_token(tmp_path):
    with running("--samples", "1", "--no-denoise", "--token", "secret") as server:
        options = ("--server_base_url", server.url, "--still", *SMALL, "--output", tmp_path)
        refused = demo(*options)
        assert refused.returncode == 1
        assert "token" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert demo(*options, "--render_endpoint", "render?token=secret&client=test").returncode == 0
