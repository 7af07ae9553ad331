"""scripts/release: what it writes, what it refuses, and what it builds."""

import hashlib
import os
import shutil
import subprocess
import sys

import pytest
from clones import clone
from servers import ROOT

UV = shutil.which("uv") or shutil.which("uv", path=ROOT / ".venv" / "tools" / "bin")
IDENTITY = {
    **{
        f"GIT_{who}_{what}": "tests@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
    "GIT_CONFIG_GLOBAL": os.devnull,
}

pytestmark = pytest.mark.skipif(UV is None, reason="needs uv, which builds")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A repository of what is here; the tests below change it one after another."""
    folder = tmp_path_factory.mktemp("release") / "checkout"
    clone(folder)
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, *arguments], env={**os.environ, **IDENTITY}, check=True)


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "All")


def release(folder, *arguments):
    command = [sys.executable, folder / "scripts" / "release.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def replace(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_version_is_three_numbers(checkout):
    done = release(checkout, "prepare", "v2")
    assert done.returncode == 2
    assert "must be three numbers, such as 1.2.3; got 'v2'" in done.stderr


def test_what_does_not_fit_is_told_and_nothing_is_built(checkout):
    replace(checkout / "CITATION.cff", "\nversion: ", "\nversion: 7.")
    done = release(checkout, "build")
    assert done.returncode == 1
    assert "CITATION.cff says version 7." in done.stderr
    assert "CHANGELOG.md has no section" in done.stderr
    assert "CHANGELOG.md has unreleased lines" in done.stderr
    assert "not everything is committed: CITATION.cff" in done.stderr
    assert "nothing was built" in done.stderr
    assert not (checkout / "dist").exists()


def test_a_version_is_written_everywhere(checkout):
    replace(checkout / "pyproject.toml", "github.com/OWNER/", "github.com/somebody/")
    done = release(checkout, "prepare", "9.8.7", "--date", "2030-01-02")
    assert done.returncode == 0, done.stderr
    for name, line in {
        "server/gltf_render_server/__init__.py": '__version__ = "9.8.7"',
        "blender_addon/blender_manifest.toml": 'version = "9.8.7"',
        "CITATION.cff": "version: 9.8.7",
        "CHANGELOG.md": "## [9.8.7] - 2030-01-02",
    }.items():
        assert line in (checkout / name).read_text().splitlines(), name
    citation = (checkout / "CITATION.cff").read_text().splitlines()
    assert {
        "date-released: 2030-01-02",
        "repository-code: https://github.com/somebody/gltf-render-server",
    } < {*citation}
    assert (checkout / "CHANGELOG.md").read_text().count("## [Unreleased]") == 1


def test_a_release_is_built_and_nothing_is_uploaded(checkout):
    commit(checkout)
    done = release(checkout, "build", "--without-extension")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    folder = checkout / "dist" / "9.8.7"
    names = ["SHA256SUMS", "gltf_render_server-9.8.7-py3-none-any.whl", "gltf_render_server-9.8.7.tar.gz"]
    assert sorted(file.name for file in folder.iterdir()) == names
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    for step in (
        "git tag -a v9.8.7",
        "twine upload dist/9.8.7/*.whl",
        "https://extensions.blender.org/submit/",
    ):
        assert step in done.stdout


def test_a_version_that_is_tagged_is_not_built_again(checkout):
    git(checkout, "tag", "v9.8.7")
    done = release(checkout, "build")
    assert done.returncode == 1
    assert "there is a tag v9.8.7 already" in done.stderr


def test_a_rehearsal_builds_what_would_be_refused(checkout):
    replace(checkout / "pyproject.toml", "github.com/somebody/", "github.com/OWNER/")
    done = release(checkout, "build", "--rehearse", "--without-extension")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "has still OWNER in it" in done.stderr
    assert "CITATION.cff does not have the repository's address" in done.stderr
    assert "Built into dist/9.8.7" in done.stdout
