"""Serve from inside a real Blender: ``blender -b -P scripts/serve.py -- [options]``.

The options are those of ``gltf-render-server``; ``--help`` lists them. If Blender's own Python lacks the
server's dependencies, ``--install-dependencies`` installs them to a folder of the user outside Blender.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

_ROOT = Path(__file__).resolve().parent.parent
_REQUIREMENTS = _ROOT / "scripts" / "requirements" / "blender.txt"
_INSTALL = "--install-dependencies"


def main() -> None:
    """Make the server's package and its dependencies importable, then run the server."""
    arguments = _arguments()
    folder = dependencies_folder()
    if _INSTALL in arguments:
        arguments.remove(_INSTALL)
        _install(folder)
    # at the end, so that packages of Blender itself, above all numpy, have priority
    sys.path.append(str(folder))
    sys.path.insert(0, str(_ROOT / "server"))
    try:
        from gltf_render_server.settings import ServerSettings

        ServerSettings.from_command_line(arguments)  # parse the options before slow imports
        from gltf_render_server.cli import main as run
    except ModuleNotFoundError as error:
        blender = "blender" if _is_program() else sys.argv[0]
        _fail(
            f"Blender's Python lacks the module {error.name}. Install what the server needs into\n"
            f"  {folder}\nwith\n  {blender} -b -P {__file__} -- {_INSTALL}"
        )
    os.environ.setdefault(
        "GLTF_RENDER_SERVER_WORKERS", "0"
    )  # a worker process would run a Python without Blender
    run(arguments)


def _arguments() -> list[str]:
    """Return the server's arguments: those after Blender's, or all if this runs without Blender."""
    if "--" in sys.argv:
        return sys.argv[sys.argv.index("--") + 1 :]
    return sys.argv[1:] if _is_program() else []


def _is_program() -> bool:
    return Path(sys.argv[0]).name == Path(__file__).name


def dependencies_folder() -> Path:
    """Return the folder for this Python's dependencies. XDG_DATA_HOME changes its location."""
    if os.name == "nt":
        home = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    tag = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
    return home / "gltf-render-server" / "dependencies" / tag


def _install(folder: Path) -> None:
    print(f"Installing the server's dependencies into {folder}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
    pip += ["--upgrade", "--target", str(folder), "--require-hashes", "-r", str(_REQUIREMENTS)]
    environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([sys.executable, "-m", "ensurepip"], capture_output=True, check=False)
    if subprocess.run(pip, env=environment, check=False).returncode:
        _fail(f"pip could not install into {folder}; what it says above tells why")


def _fail(message: str) -> NoReturn:
    print(f"serve.py: {message}", file=sys.stderr, flush=True)
    os._exit(2)  # sys.exit would leave Blender's own exit status at 0


if __name__ == "__main__":
    main()
