"""The program ``gltf-render``, as its users start it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from any_gltf import ball
from click.testing import CliRunner
from compressed import with_draco
from handlers import Handler, handling
from object_files import BROKEN, broken_file, glb_of, some_mesh
from PIL import Image
from servers import ROOT, running, wait_for

from gltf_render_server.decode import decode
from gltf_render_server.pictures import Lighting, Wanted, render_file
from gltf_render_server.pictures.cli import program as command

pytest.importorskip("vtkmodules", reason="the vtk package is not installed")

MODELS = ROOT / "examples" / "datasets" / "models"
MUG = MODELS / "mug.glb"
SMALL = "--backend", "vtk", "--size", "64x48"
START = (sys.executable, "-m", "gltf_render_server.pictures")


def quick(*words, status=0):
    """Do what the program does in this process, and return all that it says."""
    ran = CliRunner().invoke(command, [*map(str, words)], prog_name="gltf-render")
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    assert ran.exit_code == status, ran.output
    return ran.output


def program(*words, status=0, **options):
    """Start it, and return what it writes to standard output, and to standard error."""
    ran = subprocess.run(
        [*START, *map(str, words)], capture_output=True, text=True, timeout=300, check=False, **options
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout, ran.stderr


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def pixels(path):
    with Image.open(path) as image:
        return np.array(image)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, where the program is started."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_without_options_there_is_one_picture_of_all_of_it_where_one_stands(here):
    out, told = program(MUG, "--backend", "vtk")
    assert out == "mug.color.png\n"
    assert names(here) == ["mug.color.png"]
    picture = pixels(here / "mug.color.png").astype(int)
    assert picture.shape == (600, 800, 3)
    backdrop = picture[:, :1]
    is_mug = np.abs(picture - backdrop).max(-1) > 12
    rows, columns = np.flatnonzero(is_mug.any(1)), np.flatnonzero(is_mug.any(0))
    assert rows[-1] - rows[0] == pytest.approx(0.88 * 600, abs=6)
    assert rows[0] + rows[-1] == pytest.approx(599, abs=6)
    assert columns[0] + columns[-1] == pytest.approx(799, abs=6)
    assert picture[:, 0].min() > 180, "a light grey"
    assert "mug.glb: color in" in told
    assert "start" in told
    assert "import" in told


def test_each_pass_has_a_file_for_programs_and_one_for_people(here):
    out = quick(
        MUG, *SMALL, "--passes", "color,depth,instance,normal,instances", "--transparent", "-o", "a/b"
    )
    expected = [
        "mug.color.png",
        "mug.depth.tiff",
        "mug.depth.colours.png",
        "mug.instance.png",
        "mug.instance.colours.png",
        "mug.normal.exr",
        "mug.normal.colours.png",
        "mug.instances.json",
    ]
    assert names(here / "a/b") == sorted(expected)
    assert [line for line in out.splitlines() if line in {str(Path("a/b", name)) for name in expected}]
    depth = decode((here / "a/b/mug.depth.tiff").read_bytes(), "float32")
    color = pixels(here / "a/b/mug.color.png")
    assert color.shape == (48, 64, 4)
    assert np.mean(np.isfinite(depth) == (color[..., 3] > 127)) > 0.98
    numbers = pixels(here / "a/b/mug.instance.png")
    assert set(np.unique(numbers)) == {0, 1}
    shown = pixels(here / "a/b/mug.depth.colours.png")
    assert shown.shape == (48, 64, 3)
    near, far = re.search(r"depth\.colours\.png: ([0-9.]+) to ([0-9.]+) m", out).groups()
    finite = depth[np.isfinite(depth)]
    assert float(near) == pytest.approx(np.percentile(finite, 1), rel=0.02)
    assert float(far) == pytest.approx(np.percentile(finite, 99), rel=0.02)
    assert json.loads((here / "a/b/mug.instances.json").read_text())


def test_several_files_around_each_of_which_the_camera_goes(here):
    quick(MUG, MODELS / "ball.glb", *SMALL, "--orbit", "3", "--background", "#102030")
    views = ["orbit_0", "orbit_1", "orbit_2"]
    assert names(here) == sorted(f"{name}.{view}.color.png" for name in ("mug", "ball") for view in views)
    assert pixels(here / "mug.orbit_1.color.png")[0, 0].tolist() == [0x10, 0x20, 0x30]
    seen = [pixels(here / f"mug.{view}.color.png").tobytes() for view in views]
    assert len(set(seen)) == 3


def test_a_gltf_with_its_files_beside_it_its_cameras_and_a_time(here):
    data = (ROOT / "examples" / "still_life" / "still_life.glb").read_bytes()
    size = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20 : 20 + size])
    document["buffers"][0]["uri"] = "parts/my%20room.bin"
    (here / "parts").mkdir()
    (here / "parts" / "my room.bin").write_bytes(data[20 + size + 8 :])
    (here / "room.v2.gltf").write_text(json.dumps(document))
    [camera] = [node["name"] for node in document["nodes"] if "camera" in node]
    out = quick("room.v2.gltf", *SMALL, "--time", "0.5", "--passes", "depth")
    assert f"(--camera NAME): {camera}" in out, "it tells of the cameras that there are"
    quick("room.v2.gltf", *SMALL, "--camera", camera, "--camera", "auto", "--passes", "depth", "-o", "new")
    view = re.sub(r"\W+", "_", camera)
    assert {f"room.v2.{view}.depth.tiff", "room.v2.depth.tiff"} < set(names(here / "new"))
    own, found = (decode((here / "new" / name).read_bytes(), "float32") for name in names(here / "new")[1::2])
    assert not np.array_equal(own, found)
    told = quick("room.v2.gltf", *SMALL, "--camera", "cam", status=2)
    assert f"0 = '{camera}'" in told
    (here / "parts" / "my room.bin").unlink()
    told = quick("room.v2.gltf", *SMALL, status=2)
    assert "there is no file 'parts/my%20room.bin'" in told
    assert "Copy them along" in told


def test_broken_files_are_told_a_line_each_and_leave_nothing(here):
    mesh = glb_of(some_mesh(np.random.default_rng(1)))
    paths = []
    for number, kind in enumerate(BROKEN):
        data, suffix = broken_file(mesh, kind)
        paths.append(here.parent / f"broken{number}.{suffix}")
        paths[-1].write_bytes(data)
    told = quick(*paths, *SMALL, status=2)
    assert [path for path in paths if f"gltf-render: error: {path}: " not in told] == []
    assert "glTF-Validator" in told
    assert names(here) == []


OTHER_FILES = {
    "robo.glb": (None, r"Did you mean .*robot\.glb\?"),
    "sub/robot.glb": (None, "no folder .*sub"),
    "": (None, "it is a folder; name a file in it: robot.glb"),
    "a.stl": (b"solid thing", "it is no glTF file: .* Blender"),
    "list.gltf": (b"[1, 2]", "it is no glTF file"),
    "lfs.glb": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "bare.gltf": (b"{}", "missing required field `asset`"),
    "up.gltf": (
        b'{"asset": {"version": "2.0"}, "buffers": [{"byteLength": 3, "uri": "../secret.bin"}]}',
        "outside the document's folder",
    ),
    "web.gltf": (
        b'{"asset": {"version": "2.0"}, "buffers": [{"byteLength": 3, "uri": "http://x/a.bin"}]}',
        "is an address",
    ),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_what_is_no_file_to_render_is_told_with_what_to_do(name, here):
    data, expected = OTHER_FILES[name]
    folder = here.parent / "files"
    folder.mkdir()
    (folder / "robot.glb").write_bytes(MUG.read_bytes())
    (here.parent / "secret.bin").write_bytes(b"abc")
    if data is not None:
        (folder / name).write_bytes(data)
    told = quick(folder / name, *SMALL, status=2)
    assert re.search(expected, told), told
    assert names(here) == []


OPTIONS = {
    "--passes colour": r"did you mean color\?",
    "--passes segmentation": r"did you mean instance\?",
    "--passes color,zzz": r"There are color, .*instances",
    "--passes ,": "names no pass",
    "--passes flow_forward": "two moments",
    "--passes albedo": "cannot render 'albedo'; it renders color",
    "--size 10": "as 800x600",
    "--size 0x10": "from 1 to 16384",
    "--size 20000x10": "from 1 to 16384",
    "--time nan": "from 0 to 1e\\+06",
    "--time -1": "from 0 to",
    "--orbit 0": "range",
    "--orbit 2 --camera x": "give one of them",
    "--camera x": "the file holds no camera",
    "--quality best": "preview.*balanced.*final",
    "--quality final": "--quality: this back end cannot do that",
    "--environment moon": "The names are city",
    "--environment cit": "did you mean city",
    "--background purpel": "is no colour",
    "--background 'rgb(300, 0, 0)'": "is no colour",
    "--background red --transparent": "give one of them",
    "--ground": "--ground: this back end cannot do that",
    "--exposure inf": "from -10 to 10",
    "--backend vkt": "there are blender, vtk",
    "--up-axis x": "'z', 'y'",
    "-o chair.png": "give a folder",
    "-o there": "is a file",
    "--pases color": "--passes",
    "--server nowhere": "is no address such as",
    "--server=": "'' is no address such as",
    "--server http://:secret@[::1": "is no address such as",
    "--server http://x --environment sky.hdr": "neither a name nor a file",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_wrong_options_are_told_with_what_to_do(options, here):
    (here / "there").write_text("")
    told = quick(MUG, *SMALL, *shlex.split(options), status=2)
    assert re.search(OPTIONS[options], " ".join(told.split())), told
    assert "secret" not in told
    assert names(here) == ["there"]


def test_one_broken_file_keeps_no_other_from_its_pictures(here):
    (here.parent / "broken.glb").write_bytes(b"glTF")
    told = quick(here.parent / "broken.glb", MUG, "gone.glb", *SMALL, status=2)
    assert "broken.glb: " in told
    assert "gone.glb: there is no such file" in told
    assert names(here) == ["mug.color.png"]
    assert "same names" in quick(MUG, here.parent / "MUG.glb", *SMALL, status=2)


def test_a_folder_that_cannot_be_made_is_told(here):
    (here / "file").write_text("")
    told = quick(MUG, *SMALL, "-o", "file/below", status=1)
    assert f"cannot be written into {here / 'file' / 'below'}: Not a directory; make room" in told
    assert names(here) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_ctrl_c_ends_it_with_130_and_no_file_is_cut(here):
    started = subprocess.Popen(
        [*START, str(MUG), "--backend", "vtk", "--orbit", "3600", "--size", "600x400"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout.readline().strip() == "mug.orbit_0000.color.png"
    started.send_signal(signal.SIGINT)
    try:
        _, told = started.communicate(timeout=300)
    finally:
        started.kill()
    assert started.returncode == 130, told
    assert told.endswith("gltf-render: interrupted\n")
    assert "Traceback" not in told
    for name in names(here):
        assert name.startswith("mug.orbit_")
        assert pixels(here / name).shape == (400, 600, 3)


@pytest.mark.skipif(os.name == "nt", reason="pipes are those of POSIX")
def test_it_ends_when_nobody_reads_the_paths_any_more(here):
    started = subprocess.Popen(
        [*START, str(MUG), *SMALL, "--orbit", "900"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout.readline().strip() == "mug.orbit_000.color.png"
    started.stdout.close()
    told = started.stderr.read()
    started.stderr.close()
    assert started.wait(300) == 1, told
    assert "roken" not in told
    assert len(names(here)) < 900


@pytest.mark.skipif(os.name == "nt", reason="terminals are those of POSIX")
def test_a_terminal_sees_how_far_it_is_while_paths_are_piped(here):
    terminal, other_end = os.openpty()
    with subprocess.Popen(
        [*START, str(MUG), *SMALL, "--orbit", "4"],
        stdout=subprocess.PIPE,
        stderr=other_end,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    ) as started:
        os.close(other_end)
        seen = b""
        with suppress(OSError):  # the other end is closed
            while part := os.read(terminal, 4096):
                seen += part
        out = started.stdout.read()
    os.close(terminal)
    assert started.returncode == 0
    assert out.splitlines() == [f"mug.orbit_{number}.color.png" for number in range(4)]
    text = seen.decode()
    assert "starting vtk" in text
    assert "/4" in text
    assert "mug.orbit" not in text


WITHOUT = """
import sys
sys.modules[{name!r}] = {instead}
from gltf_render_server.pictures.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("name", "instead", "told"),
    [
        ("bpy", "None", "uv tool install --python 3.13 gltf-render-server"),
        ("bpy", "type(sys)('bpy')", "has loaded Blender itself"),
        ("DracoPy", "None", "pip install dracopy"),
    ],
)
def test_what_cannot_be_loaded_is_told_with_what_to_do(name, instead, told, here):
    path = here.parent / "packed.gltf"
    path.write_text(json.dumps(with_draco(ball())))
    backend = "blender" if name == "bpy" else "vtk"
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(name=name, instead=instead), str(path), "--backend", backend],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode in (1, 2), ran.stderr
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_open_shows_the_first_picture(here):
    shown = here.parent / "shown"
    opener = here.parent / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$@" > {shown}\n')
    opener.chmod(0o755)
    environ = {**os.environ, "PATH": f"{here.parent}:{os.environ['PATH']}"}
    program(MUG, *SMALL, "--passes", "depth,color", "--open", env=environ)
    wait_for(lambda: shown.exists() and shown.read_text().strip())
    assert shown.read_text().strip() == "mug.depth.colours.png"


def test_a_server_renders_the_same(here):
    token = "sesame"
    with running("--backend", "vtk", env={"GLTF_RENDER_SERVER_TOKEN": token}) as server:
        own = server.url.replace("//", f"//:{token}@")
        quick(MUG, *SMALL, "--passes", "color,depth", "--server", own, "-o", "there")
        quick(MUG, *SMALL, "--passes", "color,depth", "-o", "here")
        assert names(here / "there") == names(here / "here")
        for name in names(here / "here"):
            assert (here / "there" / name).read_bytes() == (here / "here" / name).read_bytes(), name
        told = quick(MUG, "--server", server.url, status=2)
        assert "wants a token" in told
        assert f"--server {server.url.replace('//', '//:TOKEN@')}" in told
        told = quick(MUG, "--server", server.url.replace("//", "//:sesam@"), status=2)
        assert "sesam@" not in told
        told = quick(MUG, "--server", own, "--passes", "albedo", status=2)
        assert "cannot render 'albedo'" in told
        broken = here / "far.glb"
        broken.write_bytes(broken_file(MUG.read_bytes(), "an extension that nobody knows")[0])
        assert "ACME_teapots" in quick(broken, "--server", own, status=2)
    told = quick(MUG, "--server", own, status=1)
    assert "no server answers" in told
    assert "leave --server out" in told


@contextmanager
def answering(health, status, headers=()):
    """A server that says how it is, and answers everything else with a status."""

    class Busy(Handler):
        def serve(self, body):
            full = {"message": "the queue is full, as 16 requests are waiting"}
            code, told = (200, health) if self.command == "GET" else (status, full)
            self.answer(code, dict(headers), json.dumps(told).encode())

    with handling(Busy) as url:
        yield url


def test_a_server_that_is_busy_or_no_render_server_is_told(here):
    ready = {"ready": True, "vtk_version": "9"}
    with answering(ready, 503, [("Retry-After", "1")]) as url:
        told = quick(MUG, "--server", url, "--wait", "0.3", status=1)
    assert "was busy or restarting for 0.3 s (503: the queue is full, as 16 requests are waiting)" in told
    assert "--wait SECONDS" in told
    with answering(ready, 500) as url:
        assert "16 requests are waiting" in quick(MUG, "--server", url, status=1)
    with answering({"ready": False, "status": "starting"}, 500) as url:
        told = quick(MUG, "--server", url, "--wait", "0.3", status=1)
    assert "it is not ready: starting" in told
    with answering(ready, 400) as url:
        assert "the server refuses the request" in quick(MUG, "--server", url, status=2)
    with answering(ready, 413) as url:
        assert "too large for the server" in quick(MUG, "--server", url, status=2)
    for stranger in ([], {"hello": 1}):
        with answering(stranger, 500) as url:
            assert "this is no glTF Render Server" in quick(MUG, "--server", url, status=2)


def test_the_same_in_python():
    pictures = render_file(MUG, Wanted(passes=("color", "depth"), size=(64, 48)), backend="vtk")
    assert list(pictures) == ["auto"]
    assert pictures["auto"]["color"].shape == (48, 64, 3)
    assert np.isfinite(pictures["auto"]["depth"]).any()
    clear = Wanted(size=(32, 24), orbit=2, lighting=Lighting(background="transparent"))
    pictures = render_file(str(MUG), clear, backend="vtk")
    assert list(pictures) == ["orbit_0", "orbit_1"]
    assert pictures["orbit_1"]["color"].shape == (24, 32, 4)


@pytest.mark.parametrize("page", ["README.md", "docs/render.md"])
def test_the_commands_of_the_docs_are_right(page):
    lines = re.findall(r"^(?:\$ )?gltf-render (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    assert lines
    for line in lines:
        command.make_context("gltf-render", shlex.split(line, comments=True))


def test_help_tells_all_options_with_examples():
    told = quick("--help")
    for word in ("Examples", "--orbit 24", "exit status", "chair.depth.colours.png", *OPTION_NAMES):
        assert word in told
    for line in re.findall(r"^  gltf-render (.*)$", told, re.MULTILINE):
        command.make_context("gltf-render", shlex.split(line, comments=True))


OPTION_NAMES = [
    "--passes",
    "--size",
    "--camera NAME|auto",
    "--orbit",
    "--time",
    "--quality",
    "--environment",
    "--up-axis",
    "--open",
    "--server",
]
