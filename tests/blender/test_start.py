"""How a server starts, and what it says then: all that is the user's, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import click
import psutil
import pytest
from servers import PACKAGE, ROOT, program, wait_for

from gltf_render_server import backends
from gltf_render_server.settings import ServerSettings

pytest.importorskip("bpy", reason="the bpy package is not for this Python")


def refused(*options, **more):
    done = subprocess.run([*PACKAGE, *options], capture_output=True, text=True, timeout=300, cwd=ROOT, **more)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def has_worker(pid):
    with suppress(psutil.Error):  # a child that ends meanwhile
        return any("spawn_main" in " ".join(child.cmdline()) for child in psutil.Process(pid).children())
    return False


def test_a_start_prints_the_address_alone(tmp_path):
    """Not which of the vendors' libraries Blender has looked for in vain."""
    env = {name: value for name, value in os.environ.items() if name != "OCIO"}  # that a bpy in here has set
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            [*PACKAGE, "--port", "0"], stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=env
        )
        try:
            wait_for(lambda: "Running on" in (tmp_path / "out").read_text())
        finally:
            process.kill()
            process.wait()
    [line] = (tmp_path / "out").read_text().splitlines()
    assert line.startswith("Running on http://127.0.0.1:")


def test_what_is_the_users_is_printed(capfd):
    from gltf_render_server.blender.compat import without_chatter

    with without_chatter():
        os.write(1, b"cycles | WARNING CUEW initialization failed: Error\ncycles | ERROR out of memory\n")

    assert capfd.readouterr().out == "cycles | ERROR out of memory\n"


def test_what_is_printed_before_an_error_is_not_lost(capfd):
    from gltf_render_server.blender.compat import without_chatter

    def fail():
        with without_chatter():
            os.write(1, b"the reason\n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    os.write(1, b"and on\n")
    assert capfd.readouterr().out == "the reason\nand on\n"


def test_a_wrong_view_transform_is_told_with_those_that_exist():
    said = refused("--port", "0", "--view-transform", "Nope")
    assert "--view-transform Nope: must be one of Standard, " in said
    assert "Khronos PBR Neutral" in said
    assert "bpy_struct" not in said


@pytest.mark.parametrize("delay_s", [0.0, 0.3, 1.0, 2.0])
def test_stopped_while_it_starts(delay_s):
    process = subprocess.Popen([*PACKAGE, "--port", "0"], stderr=subprocess.PIPE, text=True, cwd=ROOT)
    wait_for(lambda: "numpy" in Path(f"/proc/{process.pid}/maps").read_text())  # the program's own code runs
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in said


def test_stopped_while_it_starts_a_worker():
    """A worker that the server has not yet told what to do would print a traceback if the server ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "--port", "0", "--workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    wait_for(lambda: has_worker(process.pid))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in said


SLOW = """
import time
from multiprocessing import util

def start_slowly(*arguments, start=util.spawnv_passfds):
    pid = start(*arguments)
    time.sleep(1)
    return pid

util.spawnv_passfds = start_slowly
from gltf_render_server.__main__ import main
main()
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.3])
def test_ctrl_c_in_a_terminal_while_a_worker_starts(delay_s):
    """A terminal sends the signal to the worker, too, which is still importing its modules."""
    process = subprocess.Popen(
        [*PACKAGE, "--port", "0", "--workers", "1"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    wait_for(lambda: has_worker(process.pid))
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("error", "python", "advice"),
    [
        (
            ImportError("libX11.so.6: cannot open shared object file", name="bpy"),
            (3, 13),
            "apt install libx11-6 ",
        ),
        (ModuleNotFoundError("No module named 'bpy'", name="bpy"), (3, 13), 'pip install "bpy==5.2.*"'),
        (ModuleNotFoundError("No module named 'bpy'", name="bpy"), (3, 11), 'pip install "bpy==4.5.*"'),
        (
            ModuleNotFoundError("No module named 'bpy'", name="bpy"),
            (3, 14),
            "Python 3.11 and 3.13, and this is 3.14",
        ),
    ],
)
def test_why_blender_is_not_there(monkeypatch, error, python, advice):
    def fail():
        raise error

    monkeypatch.setattr(backends, "_load_blender", fail)
    monkeypatch.setattr(sys, "version_info", (*python, 0))
    with pytest.raises(backends.SettingsError) as caught:
        backends.make_renderer(ServerSettings())
    assert advice in str(caught.value)
    assert str(error) in str(caught.value)
    assert ("apt" in str(caught.value)) == ("libX11" in str(error)), "one advice, the right one"


@pytest.mark.program
def test_help_in_the_program_needs_click_only(tmp_path):
    folder = without_dependencies(tmp_path, "--help", 2).stderr.partition("needs into\n")[2].split()[0]
    Path(folder).mkdir(parents=True)
    (Path(folder) / "click").symlink_to(Path(click.__file__).parent)
    for option, status, said in (("--help", 0, "examples:"), ("--qualty=x", 2, "Did you mean")):
        done = without_dependencies(tmp_path, option, status)
        assert said in done.stdout + done.stderr
        assert "lacks the module" not in done.stderr


def without_dependencies(home, option, status):
    env = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home), "XDG_DATA_HOME": str(home)}
    command = [*program(), option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, env=env)
    assert done.returncode == status, done.stdout + done.stderr
    return done
