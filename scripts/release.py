"""Prepares and builds a release. Nothing is uploaded, tagged or pushed: the last lines say how to do that.

``prepare VERSION`` writes the version wherever it stands, and gives the changelog's new lines a heading.
``build`` checks that all of it fits together, and builds into dist/VERSION: the wheel, the sdist, and the
extension's zip for each platform. Each is checked by the tool of where it goes: by twine, and by Blender (the
program that BLENDER names, or the bpy package).
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import build_extension

__all__ = ["main", "prepare", "problems", "version_of"]

ROOT = Path(__file__).resolve().parent.parent
PLACES = {
    # pyproject.toml reads it from here
    "server/gltf_render_server/__init__.py": r'(?m)^__version__ = "(.+)"$',
    "blender_addon/blender_manifest.toml": r'(?m)^version = "(.+)"$',
    "CITATION.cff": r"(?m)^version: (.+)$",
}
"""The files that contain the version, with a pattern for each. The first file is authoritative."""

_CITATION = "CITATION.cff"
_CHANGELOG, _UNRELEASED = "CHANGELOG.md", "## [Unreleased]"
_RELEASED = r"(?m)^date-released: (.+)$"
_HOME = r"(?m)^repository-code: (.+)$"
_PLACEHOLDER = "OWNER"

_NEXT_STEPS = """
Built into {folder}; nothing has been uploaded. The next steps, each when you are ready for it:

  git tag -a v{version} -m "Release {version}" && git push origin v{version}
  twine upload {folder}/*.whl {folder}/*.tar.gz
  upload {folder}/*.zip at https://extensions.blender.org/submit/ (or as a new version of the extension)
  publish a release on the forge with the changelog's section {version}, {folder}/SHA256SUMS and the zips

docs/releasing.md tells what to look at before and after."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the subcommand of the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/release",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare", help="write the version and the changelog's heading")
    preparing.add_argument("version", type=_version, help="such as 1.2.3")
    today = datetime.datetime.now(datetime.UTC).date()
    preparing.add_argument("--date", type=datetime.date.fromisoformat, default=today, help="default: today")
    building = commands.add_parser("build", help="check everything and build into dist/VERSION")
    building.add_argument("--rehearse", action="store_true", help="say what is wrong, and build all the same")
    building.add_argument("--without-extension", action="store_true", help="leave the zips out")
    options = parser.parse_args(arguments)
    if options.command == "prepare":
        prepare(ROOT, options.version, options.date)
        print(
            f"Version {options.version} is written. Read {_CHANGELOG}, commit, and run scripts/release build."
        )
    else:
        _check(options.rehearse)
        _build(with_extension=not options.without_extension)


def _version(text: str) -> str:
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", text):
        raise argparse.ArgumentTypeError(f"must be three numbers, such as 1.2.3; got {text!r}")
    return text


def version_of(root: Path, place: str = next(iter(PLACES))) -> str:
    """Return the version in a file of a checkout."""
    found = re.search(PLACES[place], (root / place).read_text("utf-8"))
    if found is None:
        raise SystemExit(f"release: {place} does not say its version")
    return found[1]


def prepare(root: Path, version: str, date: datetime.date) -> None:
    """Write a version to all files, and add its heading to the changelog."""
    for place, pattern in PLACES.items():
        _write(root / place, pattern, version)
    _write(root / _CITATION, _RELEASED, date.isoformat())
    _write(root / _CITATION, _HOME, build_extension.repository(root))
    changelog = root / _CHANGELOG
    text = changelog.read_text("utf-8")
    if f"## [{version}]" not in text:
        heading = f"{_UNRELEASED}\n\n## [{version}] - {date.isoformat()}"
        changelog.write_text(text.replace(_UNRELEASED, heading, 1), "utf-8")


def _write(file: Path, pattern: str, value: str) -> None:
    text = file.read_text("utf-8")
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"release: {file} has no line like {pattern}")
    file.write_text(text[: found.start(1)] + value + text[found.end(1) :], "utf-8")


def problems(root: Path) -> list[str]:
    """Return the problems that prevent a release, one sentence each."""
    version = version_of(root)
    found = [
        f"{place} says version {version_of(root, place)}, and the package says {version}"
        for place in PLACES
        if version_of(root, place) != version
    ]
    if not _section(root, version):
        found.append(f"{_CHANGELOG} has no section '## [{version}] - DATE' with lines in it")
    if _section(root, "Unreleased"):
        found.append(f"{_CHANGELOG} has unreleased lines; scripts/release prepare gives them a heading")
    home = re.search(_HOME, (root / _CITATION).read_text("utf-8"))
    if home is None or home[1] != build_extension.repository(root):
        found.append(f"{_CITATION} does not have the repository's address of pyproject.toml")
    if _PLACEHOLDER in build_extension.repository(root).split("/"):
        found.append(f"the repository's address in pyproject.toml has still {_PLACEHOLDER} in it")
    if changed := _git(root, "status", "--porcelain"):
        found.append(f"not everything is committed: {', '.join(line[3:] for line in changed.splitlines())}")
    if _git(root, "tag", "--list", f"v{version}"):
        found.append(f"there is a tag v{version} already; scripts/release prepare takes the next version")
    return found


def _section(root: Path, name: str) -> str:
    """Return the text below a heading of the changelog."""
    text = (root / _CHANGELOG).read_text("utf-8")
    dated = "" if name == "Unreleased" else r" - \d{4}-\d\d-\d\d"
    found = re.search(rf"(?ms)^## \[{re.escape(name)}\]{dated}$(.*?)(?=^## |\Z)", text)
    return found[1].strip() if found else ""


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True).stdout


def _check(is_rehearsal: bool) -> None:
    found = problems(ROOT)
    for problem in found:
        print(f"release: {problem}", file=sys.stderr)
    if found and not is_rehearsal:
        raise SystemExit("release: nothing was built; --rehearse builds all the same")


def _build(*, with_extension: bool) -> None:
    version = version_of(ROOT)
    folder = ROOT / "dist" / version
    shutil.rmtree(folder, ignore_errors=True)  # files of an earlier build
    # builds the wheel from the sdist, as other people will
    subprocess.run([*build_extension.uv(), "build", "--quiet", "--out-dir", folder, ROOT], check=True)
    (folder / ".gitignore").unlink(missing_ok=True)
    packages = sorted(folder.iterdir())
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *packages], check=True)
    if with_extension:
        for platform in build_extension.PLATFORMS.values():
            build_extension.build(platform, folder)
    _write_sums(folder)
    print(_NEXT_STEPS.format(folder=folder.relative_to(ROOT), version=version))


def _write_sums(folder: Path) -> None:
    files = sorted(folder.iterdir())
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(sums))
    for file in files:
        print(f"{file.name} ({file.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
