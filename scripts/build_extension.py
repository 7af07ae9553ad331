"""Build the Blender extension: one zip for each platform in dist/, checked by Blender's own validation.

usage: build_extension.py [--platform linux-x64|windows-x64|macos-arm64|macos-x64]... [--output dist]

A zip holds the add-on, the server's package, and the wheels of its dependencies for the Pythons of all
supported Blenders, so that nothing is downloaded when it is installed. What wheels are downloaded here is
pinned, with hashes, by scripts/requirements/blender.txt; they are kept in build/wheels.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["PLATFORMS", "Platform", "build", "main", "repository", "uv"]

ROOT = Path(__file__).resolve().parent.parent
_REQUIREMENTS = ROOT / "scripts" / "requirements" / "blender.txt"

# Blender itself provides requests and its dependencies. The add-on has no worker pool, does not watch code,
# and draws no progress bars.
_LEFT_OUT = {
    "anyio",
    "certifi",
    "charset-normalizer",
    "idna",
    "markdown-it-py",
    "mdurl",
    "pygments",
    "requests",
    "rich",
    "typing-extensions",
    "urllib3",
    "watchfiles",
}


@dataclass(frozen=True)
class Platform:
    """A platform for which a zip is built.

    Attributes
    ----------
    name : str
        Its name in Blender.
    tags : tuple of str
        The platform tags of wheels that run there.
    pythons : tuple of str
        The Python versions of Blender 4.2 to 5.0, of Blender 5.1 and 5.2, and of Blender packages in Linux
        distributions.
    """

    name: str
    tags: tuple[str, ...]
    pythons: tuple[str, ...] = ("3.11", "3.13")


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform(
            "linux-x64",
            ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
            ("3.11", "3.13", "3.14"),
        ),
        Platform("windows-x64", ("win_amd64",)),
        Platform("macos-arm64", ("macosx_11_0_arm64",)),
        Platform("macos-x64", ("macosx_11_0_x86_64",), ("3.11",)),  # Blender 5 is not available for Intel
    )
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the platforms that the command line selects."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--platform", action="append", choices=list(PLATFORMS), help="default: all")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="default: dist")
    options = parser.parse_args(arguments)
    for name in options.platform or PLATFORMS:
        file = build(PLATFORMS[name], options.output)
        print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")


def build(platform: Platform, output: Path) -> Path:
    """Build and validate the zip for a platform.

    Parameters
    ----------
    platform : Platform
    output : Path
        The output folder. It is created if necessary.

    Returns
    -------
    Path
        The path of the zip.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="extension-") as folder:
        staged = Path(folder) / "gltf_render_server"
        stage(platform, staged)
        name = f"gltf_render_server-{_version()}-{platform.name.replace('-', '_')}.zip"
        _blender_extension("build", "--source-dir", str(staged), "--output-filepath", str(output / name))
    _blender_extension("validate", str(output / name))
    return output / name


def stage(platform: Platform, folder: Path) -> None:
    """Assemble the content of a platform's zip."""
    without_waste = shutil.ignore_patterns("__pycache__", "gltf_render_server", "*.pyc")
    shutil.copytree(ROOT / "blender_addon", folder, ignore=without_waste)
    shutil.copytree(
        ROOT / "server" / "gltf_render_server",
        folder / "gltf_render_server",
        ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
    )
    shutil.copy(ROOT / "LICENSE", folder)
    wheels = folder / "wheels"
    wheels.mkdir()
    for file in download_wheels(platform):
        shutil.copy(file, wheels)
    _complete_manifest(folder / "blender_manifest.toml", platform)


def download_wheels(platform: Platform) -> list[Path]:
    """Return the wheels for all Python versions of a platform. Missing ones are downloaded."""
    folder = ROOT / "build" / "wheels" / platform.name
    requirements, stamp = folder / "requirements.txt", folder / ".made-from"
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(_requirements())
    with _alone(folder / ".lock"):  # both Pythons may build at the same time
        if not stamp.exists() or stamp.read_text() != text + str(platform):
            for old in folder.glob("*.whl"):
                old.unlink()
            for python in platform.pythons:
                requirements.write_text("\n".join(_for_python(python, _requirements())))
                _download(requirements, platform, python, folder)
            stamp.write_text(text + str(platform))
        return sorted(folder.glob("*.whl"))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a file during a ``with`` block, where the system has such locks."""
    with path.open("ab") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _requirements() -> Iterator[str]:
    """Yield the pinned requirements with their hashes, except for packages that Blender provides."""
    for entry in re.split(r"\n(?=\S)", _REQUIREMENTS.read_text()):
        if entry.partition("==")[0] not in _LEFT_OUT:
            yield entry


def _for_python(python: str, entries: Iterable[str]) -> Iterator[str]:
    """Yield the requirements of a Python version without markers, which pip evaluates for its own."""
    for entry in entries:
        older_than = re.search(r" ; python_full_version < '3\.(\d+)'", entry)
        if older_than is None:
            yield entry
        elif int(python.removeprefix("3.")) < int(older_than[1]):
            yield entry.replace(older_than[0], "")


def _download(requirements: Path, platform: Platform, python: str, folder: Path) -> None:
    command = [*_pip(), "download", "-qq", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    command += ["--python-version", python]
    for tag in platform.tags:
        command += ["--platform", tag]
    subprocess.run(command, check=True)


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    return [*uv(), "tool", "run", "--quiet", "pip"]


def uv() -> list[str]:
    """Return the command for uv: the system's, or the one installed by scripts/test."""
    found = shutil.which("uv") or shutil.which("uv", path=ROOT / ".venv" / "tools" / "bin")
    if found is None:
        raise SystemExit("uv is not there: https://docs.astral.sh/uv tells how to install it")
    return [found]


def repository(root: Path = ROOT) -> str:
    """Return the address of the project's repository, from pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return project["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]


def _complete_manifest(file: Path, platform: Platform) -> None:
    """Set the package's version, the project's address, the platform and the wheels."""
    wheels = sorted(wheel.name for wheel in (file.parent / "wheels").iterdir())
    lines = "".join(f'  "./wheels/{name}",\n' for name in wheels)
    website = f'website = "{repository()}"'
    generated = f'{website}\nplatforms = ["{platform.name}"]\nwheels = [\n{lines}]\n\n[permissions]'
    text = re.sub(r'(?m)^version = ".*"$', f'version = "{_version()}"', file.read_text())
    text = re.sub(r"(?m)^# website, platforms and wheels:.*\n", "", text)
    file.write_text(text.replace("[permissions]", generated))


def _version() -> str:
    source = (ROOT / "server" / "gltf_render_server" / "__init__.py").read_text()
    found = re.search(r'__version__ = "(.+)"', source)
    if found is None:
        raise SystemExit("build_extension.py: the package does not say its version")
    return found[1]


def _blender_extension(command: str, *options: str) -> None:
    """Run Blender's extension tool, of the program that BLENDER names or of the bpy package."""
    blender = os.environ.get("BLENDER")
    tool = [blender, "-b", "--command", "extension"] if blender else [sys.executable, str(_packaged_tool())]
    done = subprocess.run([*tool, command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"extension {command} failed:\n{done.stdout}{done.stderr}")


def _packaged_tool() -> Path:
    spec = importlib.util.find_spec("bpy")
    places = spec.submodule_search_locations if spec else None
    found = [
        file
        for place in places or ()
        for file in Path(place).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
    ]
    if not found:
        raise SystemExit(
            "build_extension.py: needs Blender: name the program by BLENDER, or use a Python with bpy"
        )
    return found[0]


if __name__ == "__main__":
    main()
