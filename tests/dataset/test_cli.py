"""The program as its users start it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from folders import contents
from object_files import write_objects
from servers import wait_for
from stores import STILL_LIFE

from gltf_render_server.dataset.cli import program as commands
from gltf_render_server.dataset.formats import FORMATS
from gltf_render_server.dataset.specification import schema
from gltf_render_server.dataset.store import Store

SPECIFICATION = """
passes = ["color", "depth", "normal", "instance", "instances", "mask_amodal"]
formats = ["coco"]
[source]
kind = "scene"
file = "room.glb"
[[cameras]]
name = "ring"
width = 48
height = 32
fov_y_deg = 45
count = 4
poses = { kind = "orbit", distance = 1.3, elevation_deg = 25, start_deg = -30, turns = 0.1 }
[renderer]
backend = "vtk"
"""
WITHOUT = """
import sys
sys.modules[{name!r}] = None
sys.argv[0] = "gltf-render-dataset"
from gltf_render_server.dataset.__main__ import main
main()
"""

MANY = 100_000
"""Items that take an hour, so that none of them is the last one before a signal comes."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and exit codes are those of POSIX")


def command(*words):
    return [sys.executable, "-m", "gltf_render_server.dataset", *map(str, words)]


def program(*words, status=0):
    """Run it, and return what it says, all that is an error last."""
    ran = subprocess.run(command(*words), capture_output=True, text=True, timeout=300, check=False)
    said = ran.stdout + ran.stderr
    assert ran.returncode == status, said
    assert "Traceback" not in said
    return said


def quick(*words, status=0):
    """Do what the program does in this process, which is quicker where nothing is rendered."""
    ran = CliRunner().invoke(commands, [*map(str, words)], prog_name="gltf-render-dataset")
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    assert ran.exit_code == status, ran.output
    return ran.output


def interrupted(specification, out, is_there):
    """Make a dataset in one process, send Ctrl-C when `is_there` of its id, and return what it says."""
    running = subprocess.Popen(
        command("make", specification, "-o", out, "--workers", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(lambda: running.poll() is not None or is_there(running.pid))
    running.send_signal(signal.SIGINT)
    try:
        said, _ = running.communicate(timeout=300)
    finally:
        running.kill()
    assert running.returncode == 130, said
    assert "Traceback" not in said
    return said


def has_item(out):
    return bool(list(out.glob("items/*/*/item.json")))


def has_loaded_blender(pid):
    return "/bpy/" in Path(f"/proc/{pid}/maps").read_text()


def written(folder, text=SPECIFICATION):
    folder.mkdir(exist_ok=True)
    (folder / "room.glb").write_bytes(STILL_LIFE.read_bytes())
    (folder / "room.toml").write_text(text)
    return folder / "room.toml"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    said = program("make", written(folder), "-o", folder / "out", "--workers", "0")
    assert "4 of 4 items" in said
    return folder / "out"


def test_what_is_there_stays_and_what_is_missing_is_made(made, tmp_path):
    whole = contents(made)
    specification = written(tmp_path)
    out = tmp_path / "out"
    assert "2 of 2 items" in program("make", specification, "-o", out, "--workers", "0", "--shard", "1/2")
    assert not (out / "formats").exists(), "half of it is not there yet"
    assert "2 made" in program("make", specification, "-o", out, "--workers", "0")
    whole.pop(".assets")
    both = contents(out)
    both.pop(".assets")
    assert both == whole
    assert "0 made" in program("make", specification, "-o", out, "--workers", "0")


def test_ctrl_c_ends_it_with_130_and_the_same_command_goes_on(made, tmp_path):
    specification, out = (
        written(tmp_path, SPECIFICATION.replace("count = 4", f"count = {MANY}")),
        tmp_path / "out",
    )
    said = interrupted(specification, out, lambda _: has_item(out))
    assert "Run the same command again" in said
    before = len(Store(out))
    assert 0 < before < MANY
    assert not list(out.rglob(".unfinished-*"))
    part = f"1/{MANY // (before + 2)}"
    assert "already there" in program("make", specification, "-o", out, "--workers", "0", "--shard", part)
    assert len(Store(out)) > before


def test_the_program_ends_where_blender_renders_in_its_process(tmp_path):
    """The clean-up of Blender 4.5 hangs in it."""
    if not find_spec("bpy"):
        pytest.skip("the bpy package is not for this Python")
    specification = written(tmp_path, SPECIFICATION.replace('"vtk"', '"blender"'))
    said = program("preview", specification, "-o", tmp_path / "sheet.png", "--items", "1")
    assert "shows 1 of the 4 items" in said


@pytest.mark.parametrize("awaited", ["its start", "its renders"])
def test_ctrl_c_interrupts_no_blender_in_the_same_process_half_way(tmp_path, awaited):
    """Blender's start crashes at an exception of Python, and its renders drop one and go on."""
    if not find_spec("bpy"):
        pytest.skip("the bpy package is not for this Python")
    text = SPECIFICATION.replace("count = 4", f"count = {MANY}").replace('"vtk"', '"blender"')
    out = tmp_path / "out"
    is_there = {"its start": has_loaded_blender, "its renders": lambda _: has_item(out)}[awaited]
    assert "interrupted" in interrupted(written(tmp_path, text), out, is_there)


def test_broken_files_are_told_and_the_rest_is_made(tmp_path):
    write_objects(tmp_path / "models", 4, 1)
    text = SPECIFICATION.replace('kind = "scene"\nfile = "room.glb"', 'kind = "objects"\nfiles = "models/*"')
    specification = written(tmp_path, text)
    said = program("make", specification, "-o", tmp_path / "out", "--workers", "0")
    assert "3 made, 1 cannot be made" in said
    assert "--retry-quarantined" in said
    grown = next(path for path in (tmp_path / "models").iterdir() if path.suffix == ".glb")
    grown.write_bytes(grown.read_bytes() + b"\0\0\0\0")
    said = program("make", specification, "-o", tmp_path / "out", "--workers", "0", status=2)
    assert "give another folder" in said


def test_a_format_that_cannot_be_written_keeps_no_other_from_it(tmp_path):
    text = SPECIFICATION.replace('["coco"]', '["yolo-detect", "coco"]')
    specification = written(tmp_path, text + '[categories]\nbackground = ["*"]\n')
    said = program("make", specification, "-o", tmp_path / "out", "--workers", "0", status=1)
    assert "formats: yolo-detect: " in said
    assert (tmp_path / "out" / "formats" / "coco").is_dir()
    assert "All items are complete" in said


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_can_be_exported(made, tmp_path, name):
    words = "export", made, "--to", name, "-o", tmp_path / "out"
    quick(*words)
    assert contents(tmp_path / "out")
    assert "exists already; choose a new folder" in quick(*words, status=2)


def test_what_is_made_is_proven(made):
    assert "good" in quick("verify", made)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["make"], "SPECIFICATION"),
        (["make", "{toml}"], "--out"),
        (["make", "{toml}", "-o", "{new}", "--shard", "9/8"], "the second of eight"),
        (["make", "{toml}", "-o", "{new}", "--shard", "half"], "the second of eight"),
        (["make", "{toml}", "-o", "{new}", "--workers", "-1"], "--workers"),
        (["make", "{toml}", "-o", "{new}", "--ray", "--server", "http://127.0.0.1:1"], "only one of the two"),
        (["make", "{toml}", "-o", "{new}", "--server", "nowhere"], "--server"),
        (["make", "{toml}", "-o", "{new}", "--server", " , "], "names no server"),
        (["make", "{toml}", "-o", "{toml}"], "room.toml: is a file; give a new or an empty folder"),
        (["preview", "{toml}", "-o", "{new}/sheet.png"], "there is no folder"),
        (["export", "{made}", "--to", "cocoa", "-o", "{new}"], "'cocoa'"),
        (["export", "{folder}", "--to", "coco", "-o", "{new}"], "dataset.json"),
        (["verify", "{new}"], "does not exist"),
        (["paint"], "paint"),
    ],
)
def test_wrong_words_are_told_plainly(made, tmp_path, words, told):
    places = {"toml": written(tmp_path), "new": tmp_path / "new", "made": made, "folder": tmp_path}
    assert told in quick(*(word.format(**places) for word in words), status=2)
    assert not (tmp_path / "new").exists()


def test_the_schema_is_printed():
    assert json.loads(quick("schema")) == json.loads(json.dumps(schema()))


@pytest.mark.parametrize("name", ["rich", "msgspec"])
def test_who_lacks_a_package_is_told_what_brings_it(name):
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(name=name), "schema"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 1
    assert f"{name} is missing" in ran.stderr
    assert "gltf-render-server[dataset]" in ran.stderr
    assert "Traceback" not in ran.stderr
