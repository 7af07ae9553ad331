import dataclasses
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest

from gltf_render_server.errors import SettingsError
from gltf_render_server.options import options_of
from gltf_render_server.settings import (
    DEFAULT_QUALITY,
    ENVIRONMENT_PREFIX,
    QUALITIES,
    Device,
    Quality,
    ServerSettings,
)

SERVER = Path(__file__).resolve().parents[2] / "server"


def read(*arguments, **environ):
    return ServerSettings.from_command_line(arguments, environ)


def test_defaults():
    settings = read()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.depth_format == "tiff32f"
    assert settings.up_axis == "z"
    assert settings == ServerSettings()


@pytest.mark.parametrize("spelling", ["--max-queue", "--max_queue"])
def test_dashes_and_underscores(spelling):
    assert read(spelling, "3").max_queue == 3
    assert read(f"{spelling}=4").max_queue == 4


def test_options_win_over_the_environment():
    environ = {"GLTF_RENDER_SERVER_PORT": "9000", "GLTF_RENDER_SERVER_ENGINE": "eevee"}
    settings = read("--port", "0", **environ)
    assert (settings.port, settings.engine) == (0, "eevee")


def test_switches():
    assert read("--no-denoise").denoise is False
    assert read("--denoise").denoise is True
    assert read(GLTF_RENDER_SERVER_DENOISE="off").denoise is False
    assert read("--debug").logging_level == logging.DEBUG


def test_files_must_exist(tmp_path):
    blend = tmp_path / "room_with_underscores.blend"
    blend.write_bytes(b"")
    assert read("--blend_file", str(blend)).blend_file == blend
    with pytest.raises(SettingsError, match=r"BLEND_FILE=.*no such file"):
        ServerSettings.from_environment({"GLTF_RENDER_SERVER_BLEND_FILE": "/no/such"})


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--engine", "workbench"],
        ["--samples", "0"],
        ["--noise-threshold", "nan"],
        ["--max-scene-mb", "-1"],
        ["--blend-file", "/no/such"],
        ["--max-q"],
        ["positional"],
    ],
)
def test_a_wrong_option_ends_with_a_reason(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        read(*arguments)
    assert caught.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_a_wrong_variable_ends_with_its_name(capsys):
    with pytest.raises(SystemExit):
        read(GLTF_RENDER_SERVER_MAX_PIXELS="many")
    assert "GLTF_RENDER_SERVER_MAX_PIXELS=many" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--max-pixels", "0"], "0: must be a whole number between 1 and 2147483647"),
        (["--samples", "many"], "many: must be a whole number between 1 and 16777216"),
        (["--noise-threshold", "2"], "2: must be a number between 0 and 1"),
        (["--qualty", "final"], r"No such option:? '?--qualty'?\.? Did you mean '?--quality'?\?"),
        (["--zzz"], r"No such option:? '?--zzz'?\.?\n"),
    ],
)
def test_what_is_wrong_is_all_that_is_said(arguments, reason, capsys):
    with pytest.raises(SystemExit):
        read(*arguments)
    said = capsys.readouterr().err
    assert re.search(reason, said)
    assert said.splitlines()[0].startswith("gltf-render-server: error: ")
    assert len(said.splitlines()) == 2
    assert "--help" in said.splitlines()[1]


@pytest.mark.parametrize(
    ("name", "meant"), [("QUALTY", "QUALITY"), ("MAXQUEUE", "MAX_QUEUE"), ("TOKENS", "TOKEN")]
)
def test_a_misspelt_variable_is_refused(name, meant):
    environ = {f"GLTF_RENDER_SERVER_{name}": "x"}
    with pytest.raises(SettingsError, match=rf"GLTF_RENDER_SERVER_{name}: .*GLTF_RENDER_SERVER_{meant}\?"):
        ServerSettings.from_environment(environ)


def test_a_variable_that_a_cluster_sets_is_told(caplog):
    settings = read(GLTF_RENDER_SERVER_SERVICE_HOST="10.0.0.1", GLTF_RENDER_SERVER_QUALITY="final")
    assert settings == ServerSettings(quality="final")
    assert "GLTF_RENDER_SERVER_SERVICE_HOST is set, but this server has no such option" in caplog.text


def without_libraries(*arguments, folder=None):
    """Run a Python that finds no library but those in a folder."""
    env = {**os.environ, "PYTHONPATH": str(folder or ""), "XDG_DATA_HOME": "/nowhere"}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(command, cwd=SERVER, env=env, capture_output=True, text=True)


def test_settings_need_no_dependency():
    """So that the add-on shows its options in a Blender that has none yet."""
    script = (
        "import sys; before = set(sys.modules); import gltf_render_server.settings;"
        "print({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    done = without_libraries("-c", script)
    assert done.stdout.strip() == "{'gltf_render_server'}", done.stderr


def test_help_needs_click_only(tmp_path):
    (tmp_path / "click").symlink_to(Path(click.__file__).parent)
    done = without_libraries(SERVER.parent / "scripts" / "serve.py", "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--max-queue" in done.stdout


def test_a_blender_without_click_says_how_to_get_it():
    done = without_libraries(SERVER.parent / "scripts" / "serve.py", "--help")
    assert done.returncode == 2
    assert "lacks the module click" in done.stderr
    assert "--install-dependencies" in done.stderr


def test_an_annotation_says_what_is_taken():
    options = options_of(ServerSettings)
    assert list(options) == [field.name for field in dataclasses.fields(ServerSettings)]
    assert options["device"].choices == get_args(Device)
    assert options["quality"].choices == get_args(Quality) == tuple(QUALITIES)
    assert DEFAULT_QUALITY in QUALITIES
    assert all(f"{name} = {what}" in options["quality"].help for name, what in QUALITIES.items())
    assert (options["port"].kind, options["port"].bounds) == (int, (0, 65535))
    assert options["gpus"].kind is tuple
    assert all(option.help for option in options.values())
    assert all(
        option.bounds[0] < option.bounds[1] for option in options.values() if option.kind in (int, float)
    )


@pytest.mark.parametrize("name", [option.name for option in options_of(ServerSettings).values()])
def test_every_option_is_read_from_either_place(name, tmp_path):
    option = options_of(ServerSettings)[name]
    (file := tmp_path / "file").touch()
    given = {bool: "yes", int: "7", float: "0.5", str: "word", tuple: "a, b", Path: str(file)}[option.kind]
    if option.choices:
        given = option.choices[-1].upper()
    elif option.kind in (int, float):
        given = str(option.bounds[1])
    dashed = f"--{name.replace('_', '-')}"
    from_option = read(dashed) if option.kind is bool else read(dashed, given)
    assert from_option == read(**{ENVIRONMENT_PREFIX + name.upper(): given})
    value = getattr(from_option, name)
    assert isinstance(value, option.kind) or value in option.choices
    assert value != option.default or option.kind is bool


def test_a_number_may_be_a_word_as_well():
    assert (read("--workers", "0").workers, read("--workers", "AUTO").workers) == (0, "auto")
    with pytest.raises(SettingsError, match=r"between 0 and 1024, or auto"):
        ServerSettings.from_environment({"GLTF_RENDER_SERVER_WORKERS": "many"})


def test_a_token_is_never_shown(capsys):
    with pytest.raises(SystemExit):
        read("--token", "hush", "--port", "x")
    with pytest.raises(SettingsError) as caught:
        ServerSettings.from_environment({"GLTF_RENDER_SERVER_TOKEN": " ", "GLTF_RENDER_SERVER_PORT": "1"})
    assert "GLTF_RENDER_SERVER_TOKEN: must not be empty" in str(caught.value)
    assert "hush" not in capsys.readouterr().err


def test_help_shows_groups_and_defaults(capsys):
    with pytest.raises(SystemExit) as caught:
        read("--help")
    text = capsys.readouterr().out
    assert caught.value.code == 0
    for word in (
        "server:",
        "limits:",
        "scene:",
        "picture:",
        "[default: 8000]",
        "--bpy-settings-file",
        "examples:",
        "blender -b -P scripts/serve.py -- --engine eevee",
        "https://",
    ):
        assert word in text


@pytest.mark.parametrize("page", ["colour.md", "datasets/variation.md"])
def test_the_pages_name_every_quality(page):
    text = (SERVER.parent / "docs" / page).read_text()
    assert [name for name in QUALITIES if f"`{name}`" not in text] == []
