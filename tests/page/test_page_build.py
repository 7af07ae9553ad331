"""What is checked in is what the sources make, and the sources are sound."""

import json

from pages import BUILT, SOURCES, node_modules, npm


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_build_is_that_of_the_sources(tmp_path):
    node_modules()
    done = npm("run", "--silent", "build", "--", str(tmp_path / "built"))
    assert done.returncode == 0, done.stderr
    again = contents(tmp_path / "built")
    there = contents(BUILT)
    assert again.keys() == there.keys()
    others = [name for name in again if again[name] != there[name]]
    assert not others, f"{others} are not what the sources make: run npm ci and npm run build in {SOURCES}"


def test_the_types_fit():
    node_modules()
    done = npm("run", "--silent", "check")
    assert done.returncode == 0, done.stdout


def test_the_lock_names_digests_and_no_registry():
    packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    others = {name: each for name, each in packages.items() if name}
    assert len(others) > 8
    for name, each in others.items():
        assert each["integrity"].startswith("sha512-"), name
        assert "resolved" not in each, name


def test_the_page_is_small_enough_to_be_shipped():
    assert sum(map(len, contents(BUILT).values())) < 1.5e6
