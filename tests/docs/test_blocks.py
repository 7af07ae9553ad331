"""Every code block of the README and of docs/ is run, or checked by what the tables below name.

The blocks of a page run in order, in a folder of their own: first those of the shell, then those of Python,
as one program. The server that they ask is one for all, with Blender at one sample a pixel. The dataset is
the still life's with four pictures, made once by VTK. What cannot be run stands in a table with its reason.
"""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import click
import msgspec
import pytest
import yaml
from documents import PAGES, Block, as_shell, blocks, commands, inline_code, name_of, program_of, words
from servers import ROOT, running, wait_for

import still_life
from gltf_render_server.backends import _LIBRARIES_OF_BLENDER
from gltf_render_server.client import RenderClient
from gltf_render_server.dataset.specification import read_specification
from gltf_render_server.http.api import FrameRequest
from gltf_render_server.http.openapi import ErrorBody
from gltf_render_server.recording import RecordedFrames
from gltf_render_server.settings import ServerSettings

if sys.version_info < (3, 13):
    pytest.skip("the documentation is checked with Python 3.13", allow_module_level=True)
pytest.importorskip("bpy", reason="the bpy package is not for this Python")
from reference import programs

URL = "http://127.0.0.1:8000"
_RECORDED = 8
BLOCKS = blocks()
SHELL = [each for each in map(as_shell, BLOCKS) if each.language == "sh"]
PROGRAMS = programs()
LANGUAGES = {
    *("python", "sh", "console", "toml", "json", "yaml", "ini", "text"),
    *("{eval-rst}", "{command-help}", "{http-api}"),  # tests/docs/test_site.py builds these
}

PYTHON_ELSEWHERE = {
    "docs/passes.md": "tests/blender/test_passes_page.py runs its code and checks its arrays",
    "docs/backends.md": "tests/http/test_backends_doc.py installs its back end and renders with it",
}

PYTHON_NOT_RUN = {
    "from bop_toolkit_lib": "the BOP toolkit is no package; tests/dataset/test_bop.py reads the files",
    "from lerobot": "lerobot brings torch; tests marked readers load the same export with it",
}
"""What a block begins with, and why it is compiled only."""

_SCENE_GRAPH = "from pydrake.geometry import SceneGraph; scene_graph = SceneGraph()"
BEFORE = dict.fromkeys(("README.md", "docs/drake.md", "docs/addon.md"), _SCENE_GRAPH)
"""What a page's reader has already: Python before its first block."""

AFTER = {
    "README.md": "assert color.shape == (480, 640, 3) and 'teapot' in names.values()",
    "docs/client.md": "assert set(label.flat) - {32764} == set(range(1, 27)), 'one label for each object'",
    "docs/drake.md": "assert color.data.std() > 10",
    "docs/mujoco.md": "assert answer['eye']['instance'].max() == 2 and answer.instances[2] == 'geom1'",
    "docs/start.md": "assert Path('normal.png').is_file()",
    "docs/trimesh.md": "assert len(cloud.vertices) > 10_000",
}
"""What holds after its last one."""

RUN = {
    "=",
    "curl",
    "gltf-render-dataset",
    "python",
    "python3",
}
"""Programs whose commands are run as they are written."""

NOT_RUN = {
    "SPEC.toml": "names that a reader replaces; tests/dataset/test_running.py runs shards and leases",
    "/home/me": "a file that the add-on writes; tests/extension/test_dataset.py runs the command",
    "drop.toml": "takes minutes; tests/dataset/test_drop.py makes a smaller one",
    "python3 -m venv": "makes an environment, as scripts/demo does in tests/deploy/test_setup.py",
    "python train.py": "3D Gaussian splatting is no package; tests/dataset/test_colmap.py reads the files",
}
"""Parts of commands of programs above that are not run, and why; their options are checked all the same."""

ONLY_CHECKED = {
    ".": "belongs to the environment that is not made",
    "apt": "changes the system; tests/deploy/test_setup.py compares the list of packages",
    "blender": "tests/blender and tests/extension run the program where BLENDER names it",
    "cd": "goes where the next command is run",
    "docker": "needs an engine; hadolint reads the Containerfile in tests/deploy/test_manifests.py",
    "echo": "writes the file of a service",
    "gltf-render": "tests/pictures/test_program.py starts it; its options are looked up",
    "gltf-render-server": "serves until it is stopped; its options are read as the program reads them",
    "gunicorn": "tests/production/test_gunicorn.py serves by it",
    "install": "changes the system",
    "kubectl": "needs a cluster; tests/deploy/test_manifests.py validates the file",
    "npm": "tests/page/test_page_build.py builds the page by it",
    "ns-train": "nerfstudio trains on a GPU; tests marked readers load the same export by it",
    "openssl": "writes the file of a service",
    "pip": "installs into the environment; its extras are looked up in pyproject.toml",
    "podman": "needs an engine; hadolint reads the Containerfile in tests/deploy/test_manifests.py",
    "pytest": "runs tests",
    "python3": "makes the environment of a service",
    "rsync": "needs folders of several machines",
    "ssh": "needs another machine",
    "sudoedit": "opens an editor",
    "systemctl": "changes the system; tests/deploy/test_manifests.py checks the unit by systemd-analyze",
    "uv": "makes an environment; scripts/_setup.sh does the same in tests/deploy/test_setup.py",
    "yolo": "Ultralytics trains for hours; tests marked readers load the same export by it",
    "/opt/gltf-render-server/bin/pip": "installs a service",
}
"""Programs whose commands are read by bash only, and why; their files and known options are checked."""

FOREIGN_OPTIONS = {
    "apt": set(),
    "blender": {"--command", "--enable"},
    "curl": {"--fail-with-body"},
    "docker": {"--gpus"},
    "gunicorn": {"--timeout", "--workers", "--bind", "--preload", "--threads"},
    "huggingface-cli": {"--repo-type"},
    "kubectl": {"--from-literal"},
    "ns-train": {"--data", "--orientation-method", "--center-method", "--auto-scale-poses", "--colmap-path"},
    "pip": {"--require-hashes", "--no-deps", "--group", "--upgrade"},
    "podman": {"--read-only", "--tmpfs", "--shm-size", "--cap-drop", "--security-opt", "--memory"}
    | {"--stop-timeout", "--device", "--rm"},
    "scripts/release": {"--rehearse", "--without-extension"},
    "scripts/serve.py": {"--install-dependencies"},
    "scripts/test": {"--python"},
    "systemctl": {"--now"},
    "uv": {"--python", "--from"},
    "/opt/gltf-render-server/bin/pip": {"--require-hashes", "--no-deps"},
}
"""Options of other programs, and of scripts of the shell, that the documents may name."""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with what a reader has, and a server that answers its requests.

    The server records the requests of the pages, too, but elsewhere: a folder in which files come and go
    cannot be copied for a page.
    """
    folder, recording = tmp_path_factory.mktemp("workshop"), tmp_path_factory.mktemp("recording")
    _lay_out(folder)
    options = ("--samples", "1", "--no-denoise", "--workers", "0", "--record", str(recording))
    with running(*options) as server:
        for _ in range(_RECORDED):
            view = {"width": 32, "height": 24, "camera": 0}
            RenderClient(server.url).render(folder / "scene.glb", view, ["depth"])
        wait_for(lambda: len(RecordedFrames(recording)) == _RECORDED)  # they are written after the answers
        shutil.copytree(recording, folder / "recording")
        yield folder, server.url


@pytest.fixture
def page_folder(workshop, tmp_path):
    """A copy of the folder, as every page writes into its own."""
    folder, _ = workshop
    shutil.copytree(folder, tmp_path / "page", symlinks=True, copy_function=os.link)
    return tmp_path / "page"


def _lay_out(folder):
    examples = folder / "examples"
    examples.mkdir()
    (examples / "still_life").symlink_to(ROOT / "examples" / "still_life")
    shutil.copytree(ROOT / "examples" / "datasets", examples / "datasets")
    short = _short((examples / "datasets" / "still_life.toml").read_text())
    (examples / "datasets" / "still_life.toml").write_text(short)
    shutil.copy(ROOT / "examples" / "still_life" / "still_life.glb", folder / "scene.glb")
    (folder / "demo").mkdir()
    (folder / "demo" / "scene.gltf").write_bytes(still_life.scene("color"))
    (folder / "demo" / "label_scene.gltf").write_bytes(still_life.scene("label"))
    (folder / "bin").mkdir()
    opener = folder / "bin" / "xdg-open"  # what --open asks for
    opener.write_text("#!/bin/sh\n")
    opener.chmod(0o755)
    make = ["gltf-render-dataset", "make", "examples/datasets/still_life.toml", "-o", "still_life"]
    _run(make, folder)


def _short(specification):
    """Reduce the example to four pictures by VTK, in no format."""
    text = re.sub(r"count = 50", "count = 4", specification)
    text = re.sub(r"formats = \[.*?\]", "formats = []", text, flags=re.DOTALL)
    text = re.sub(r"\[look\].*?(?=\n\[)", '[renderer]\nbackend = "vtk"\n', text, flags=re.DOTALL)
    return text.replace("split = { val = 0.2 }", "split = { val = 0.5 }")


def _run(command, folder, **options):
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": "",
        "TOKEN": "secret",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hf"),
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def of(*languages):
    return [block for block in BLOCKS if block.language in languages]


def pages_that_run():
    run = [block for block in SHELL if any(map(_is_run, commands(block.text)))]
    return list(dict.fromkeys(block.page for block in (*of("python"), *run)))


def _is_run(command):
    return program_of(command) in RUN and not any(part in command for part in NOT_RUN)


_seen: set[str] = set()
"""Commands that change nothing in their folder, and that another page has run already."""


def test_every_block_names_a_language_that_is_checked():
    assert [str(block) for block in BLOCKS if block.language.split()[0] not in LANGUAGES] == []


@pytest.mark.parametrize("page", pages_that_run())
def test_a_page_runs(page, page_folder, workshop):
    url = workshop[1]
    for block in SHELL:
        lines = [each for each in commands(block.text) if _is_run(each) and each not in _seen]
        if block.page == page and lines:
            _run(["bash", "-euo", "pipefail", "-c", "\n".join(lines).replace(URL, url)], page_folder)
            _seen.update(line for line in lines if re.search(r" (preview|verify|inspect) ", line))
    if page in PYTHON_ELSEWHERE:
        assert (ROOT / PYTHON_ELSEWHERE[page].split()[0]).is_file()
        return
    script = page_folder / "page.py"
    script.write_text(_program(page).replace(URL, url))
    _run([sys.executable, str(script)], page_folder)


def _program(page):
    """Return the blocks of a page as one program, each on the lines that it has in the page."""
    lines = [f"from pathlib import Path; {BEFORE.get(page, '')}"]
    for block in of("python"):
        if block.page == page and _reason_of(block) is None:
            lines += [""] * (block.line - 1 - len(lines))
            indent = len(block.text) - len(block.text.lstrip())
            lines += [line[indent:] for line in block.text.splitlines()]
    return "\n".join([*lines, AFTER.get(page, ""), ""])


def _reason_of(block: Block):
    if block.page in PYTHON_ELSEWHERE:
        return PYTHON_ELSEWHERE[block.page]
    return next((why for start, why in PYTHON_NOT_RUN.items() if block.text.startswith(start)), None)


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_compiles(block):
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_of_the_shell_are_right(block):
    subprocess.run(["bash", "-n", "-c", block.text], check=True)
    for command in commands(block.text):
        name = program_of(command)
        assert name.startswith("scripts/") or name in RUN | ONLY_CHECKED.keys(), command
        _check_files(command)
        _check_options(name, command)


def _check_files(command):
    for word in words(command):
        if re.match(r"(\./)?(scripts|examples|tests|docs)/[\w./@-]+$", word):
            assert (ROOT / word.split("::")[0]).exists(), command


def _check_options(name, command):
    parts = words(command)
    if name == "gltf-render-server":
        after = [part for part in parts[parts.index(name) + 1 :] if part not in ("&", "--version")]
        ServerSettings.from_command_line(after, {})
    elif name in PROGRAMS:
        command_of = PROGRAMS[name]
        if isinstance(command_of, click.Group):
            command_of = command_of.commands[parts[parts.index(name) + 1]]
        assert set(_options(command)) <= _options_of(command_of), command
    elif name == "pip":
        _check_extras(parts)
    elif name.startswith("scripts/") and name not in ("scripts/demo", "scripts/test"):
        assert set(_options(command)) <= _options_of_script(name), command


def _options_of(command):
    """Return the options of a click command, those of its own commands included."""
    found = {opt for each in command.params for opt in (*each.opts, *each.secondary_opts)}
    return found.union(*map(_options_of, getattr(command, "commands", {}).values()), {"--help", "--version"})


def _check_extras(parts):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for names in re.findall(r"\.\[(.*?)\]", " ".join(parts)):
        assert set(names.split(",")) <= project["project"]["optional-dependencies"].keys()
    if "--group" in parts:
        assert parts[parts.index("--group") + 1] in project["dependency-groups"]


def _options(text):
    """Return the long options that a text names, as they are written in help."""
    found = re.findall(r"(?<![\w-])--[a-z][\w-]*", text)
    return [option.replace("_", "-") for option in found]


@cache
def _options_of_script(name):
    """Return the options that a script's help names, or its source, where its group is not installed here."""
    told = subprocess.run(
        [sys.executable, ROOT / name, "--help"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if told.returncode:
        assert "ModuleNotFoundError" in told.stderr, told.stderr
        return set(re.findall(r'"(--[a-z-]+)"', (ROOT / name).read_text()))
    return set(_options(told.stdout))


def test_every_option_that_is_named_is_there():
    known = set().union(*map(_options_of, PROGRAMS.values()), *FOREIGN_OPTIONS.values())
    scripts = {name for block in SHELL for each in commands(block.text) if (name := program_of(each))}
    scripts |= {text.split()[0] for _, text in inline_code() if text.startswith("scripts/") and " " in text}
    for name in scripts:
        if name.endswith(".py"):
            known |= _options_of_script(name)
    named = [(page, option) for page, text in inline_code() for option in _options(text)]
    named += [(str(block), option) for block in [*SHELL, *of("text")] for option in _options(block.text)]
    assert [each for each in named if each[1] not in known] == []


def test_options_of_other_programs_are_theirs():
    """As far as they are here."""
    for command in (["gunicorn", "--help"], ["curl", "--help", "all"]):
        told = _run(command, ROOT)
        assert FOREIGN_OPTIONS[command[0]] <= set(_options(told)), command


def test_every_file_that_is_named_is_there():
    for page, text in inline_code():
        if re.fullmatch(r"(scripts|examples|tests|server)/[\w./@-]+", text):
            assert (ROOT / text).exists(), (page, text)


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_is_a_specification(block, tmp_path):
    told = tomllib.loads(block.text)
    if "project" in told:
        assert "docs/backends.md" in PYTHON_ELSEWHERE
        return
    if "source" not in told:
        block = Block(block.page, block.line, block.language, f"{block.text}\n[source]\n{_SCENE}")
    if "cameras" not in told:
        block = Block(block.page, block.line, block.language, f"{block.text}\n[[cameras]]\n{_CAMERA}")
    (tmp_path / "specification.toml").write_text(block.text)
    read_specification(tmp_path / "specification.toml")


_SCENE = 'kind = "scene"\nfile = "scene.glb"'
_CAMERA = 'name = "eye"\nwidth = 64\nheight = 48\nfov_y_deg = 40\nposes = { kind = "sphere" }'


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_is_what_the_api_takes_or_answers(block):
    kind = ErrorBody if "error" in json.loads(block.text) else FrameRequest
    msgspec.json.decode(block.text, type=kind)


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml_runs_commands_that_are_right(block):
    for step in yaml.safe_load(block.text):
        test_commands_of_the_shell_are_right(Block(block.page, block.line, "sh", step["run"]))


@pytest.mark.parametrize("block", of("ini"), ids=str)
def test_units_of_systemd_have_sections_and_keys(block):
    parser = configparser.ConfigParser()
    parser.read_string(block.text)
    assert parser.sections() == ["Service"]


def test_libraries_of_the_system_are_told_alike():
    """By the page on installation, by the server where one is missing, and by what installs them."""
    for file in ("docs/install.md", "scripts/_setup.sh", "scripts/deploy/Containerfile"):
        text = " ".join((ROOT / file).read_text().replace("\\\n", " ").split())
        assert _LIBRARIES_OF_BLENDER in text, file


def test_the_tables_name_nothing_that_is_not_there():
    """A reason for a block that has gone would hide the next one."""
    text = "\n".join(block.text for block in BLOCKS)
    assert [each for each in (*PYTHON_NOT_RUN, *NOT_RUN) if each not in text] == []
    used = {program_of(command) for block in SHELL for command in commands(block.text)}
    assert ONLY_CHECKED.keys() <= used | {"openssl"}
    assert {*PYTHON_ELSEWHERE, *BEFORE, *AFTER} <= {name_of(page) for page in PAGES}
