"""Blenders with the extension installed, and what drives them: the bpy package, the program's window."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRIVES = ROOT / "tests" / "extension" / "drives"
SCREEN = "1280x800x24"

_NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")

# starts Xvfb and Blender's window where Blender is, which may be a root file system of its own
_IN_A_WINDOW = """
import bpy, json, os
os.environ.update(json.loads(os.environ["WINDOW_ENVIRONMENT"]))
command = json.loads(os.environ["WINDOW_COMMAND"])
os.execvp("xvfb-run", [*command[:-1], bpy.app.binary_path, *json.loads(command[-1])])
"""


@dataclass(frozen=True)
class Home:
    """A user's folder for Blender, in which the extension is installed.

    Attributes
    ----------
    folder : Path
    blender : str or None
        The program; None = the bpy package of this Python.
    """

    folder: Path
    blender: str | None

    def drive(
        self, name: str, out: Path, *, limit_s: float = 450, simulates_events: bool = False, **more: str
    ) -> dict[str, Any]:
        """Run one of the drives to its end.

        Parameters
        ----------
        name : str
            Of a file in tests/extension/drives.
        out : Path
            A folder for what it writes.
        limit_s : float
            How long it may take.
        simulates_events : bool
            Whether it moves the pointer and presses keys; nothing else does so then.
        **more : str
            Environment variables.

        Returns
        -------
        dict
            What it reports, and ``log``, what it printed.
        """
        result = out / "result.json"
        script = DRIVES / f"{name}.py"
        command = [sys.executable, str(script)]
        environment = {**os.environ, **self.environment, "DRIVE_RESULT": str(result), **more}
        environment.pop("PYTHONPATH", None)
        if self.blender:
            command = [self.blender, "-b", "--factory-startup", "--python-expr", _IN_A_WINDOW]
            options = ["--enable-event-simulate"] if simulates_events else []
            environment |= _window_environment(environment, [*options, "-P", str(script)], out)
        log = run(command, environment, limit_s)
        assert result.exists(), f"the drive did not get to its end:\n{log}"
        report = json.loads(result.read_text())
        assert "error" not in report, f"{report['error']}\n{log}"
        return {**report, "log": log}

    @property
    def environment(self) -> dict[str, str]:
        """What makes a Blender use this folder, and nothing that other programs change under its feet."""
        return {"BLENDER_USER_RESOURCES": str(self.folder), "MESA_SHADER_CACHE_DISABLE": "1"}


def run(command: Sequence[str], environment: dict[str, str], timeout_s: float = 450) -> str:
    """Run a command in a session of its own, which ends with it; return what it printed."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        cwd=ROOT,
    )
    try:
        return process.communicate(timeout=timeout_s)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"took more than {timeout_s} s:\n{process.communicate()[0]}")


def install_in_package(zip_file: Path, folder: Path) -> Home:
    """Install the zip for the bpy package, without a network."""
    home = Home(folder, None)
    log = run(
        [sys.executable, str(DRIVES / "install.py"), str(zip_file)],
        {**os.environ, **home.environment, **_NO_NETWORK},
    )
    assert "INSTALLED" in log, log
    return home


def install_in_program(zip_file: Path, folder: Path, blender: str) -> Home:
    """Install the zip as a user does it on the command line."""
    home = Home(folder, blender)
    command = [blender, "--command", "extension", "install-file", "-r", "user_default", "--enable"]
    log = run([*command, str(zip_file)], {**os.environ, **home.environment, **_NO_NETWORK})
    assert 'Installed "gltf_render_server"' in log, log
    return home


def program() -> str:
    """Return the real Blender that BLENDER names, with a window; else skip."""
    blender = os.environ.get("BLENDER")
    if not blender:
        pytest.skip("BLENDER does not name a real Blender program")
    probe = "import shutil; print('XVFB', shutil.which('xvfb-run'))"
    command = [blender, "-b", "--factory-startup", "--python-expr", probe]
    if "XVFB None" in run(command, dict(os.environ)):
        pytest.skip("there is no xvfb-run where Blender is, so it has no window")
    return blender


def _window_environment(environment: dict[str, str], options: Sequence[str], out: Path) -> dict[str, str]:
    screen = f"-screen 0 {SCREEN} -fbdir {out}"
    return {
        "WINDOW_ENVIRONMENT": json.dumps({"BLENDER_USER_RESOURCES": environment["BLENDER_USER_RESOURCES"]}),
        "WINDOW_COMMAND": json.dumps(["xvfb-run", "-a", "-s", screen, json.dumps(options)]),
        "BLENDER_USER_RESOURCES": str(out / "outer"),  # its factory settings would remove the wheels
    }
