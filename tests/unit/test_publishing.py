"""What stands in several places agrees, and what others read is as they want it."""

import re
import subprocess
import sys
import tomllib

import pytest
from servers import ROOT

import build_extension
import release
from build_metadata import absolute, urls
from gltf_render_server import __version__

HOME = build_extension.repository()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MANIFEST = tomllib.loads((ROOT / "blender_addon" / "blender_manifest.toml").read_text())
CITATION = ROOT / "CITATION.cff"
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"

# https://docs.blender.org/manual/en/latest/advanced/extensions/tags.html
TAGS_OF_ADD_ONS = {
    *("3D View", "Add Curve", "Add Mesh", "Animation", "Bake", "Camera", "Compositing", "Development"),
    *("Game Engine", "Geometry Nodes", "Grease Pencil", "Import-Export", "Lighting", "Material", "Modeling"),
    *("Mesh", "Node", "Object", "Paint", "Pipeline", "Physics", "Render", "Rigging", "Scene", "Sculpt"),
    *("Sequencer", "System", "Text Editor", "Tracking", "User Interface", "UV"),
}
LONGEST = 64  # of a tagline and of a permission's reason


@pytest.mark.parametrize("place", release.PLACES)
def test_the_version_is_the_same_everywhere(place):
    assert release.version_of(ROOT, place) == __version__


def test_the_licence_is_the_same_everywhere():
    licence = PYPROJECT["project"]["license"]
    assert MANIFEST["license"] == [f"SPDX:{licence}"]
    assert f"license: {licence}" in CITATION.read_text().splitlines()


def test_the_projects_address_stands_in_one_place():
    """What else has it is written by what releases: scripts/release prepare."""
    command = ["git", "-C", ROOT, "grep", "--untracked", "-lF", HOME]
    files = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(files.stdout.split()) == {"pyproject.toml", "CITATION.cff"}
    assert f"repository-code: {HOME}" in CITATION.read_text().splitlines()


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("citation-file-format", [CITATION]),
        ("github-issue-forms", [FORMS / "bug.yml", FORMS / "feature.yml"]),
        ("github-issue-config", [FORMS / "config.yml"]),
    ],
)
def test_files_of_forges_follow_their_schemas(schema, files):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_links_of_the_pages_for_forges_are_there(page):
    folder = ROOT / ".github"
    targets = re.findall(r"\]\(([^)#]+)\)", (folder / page).read_text())
    assert targets
    assert not [each for each in targets if "://" not in each and not (folder / each).exists()]


@pytest.mark.parametrize(
    ("relative", "whole"),
    [
        ("![a](docs/a.jpg)", "![a](HOME/raw/v1/docs/a.jpg)"),
        ("[a](docs/a.md#b) [c](./d/)", "[a](HOME/blob/v1/docs/a.md#b) [c](HOME/blob/v1/d/)"),
        ("[![a](a.png)](b.md)", "[![a](HOME/raw/v1/a.png)](HOME/blob/v1/b.md)"),
        ('<img src="docs/a.png" width="9">', '<img src="HOME/raw/v1/docs/a.png" width="9">'),
        ("[a](https://b/c.png) [d](#e) [f](mailto:g@h)", "[a](https://b/c.png) [d](#e) [f](mailto:g@h)"),
        ("```python\nviews[0](a.png)\n```\n[b](c)", "```python\nviews[0](a.png)\n```\n[b](HOME/blob/v1/c)"),
    ],
)
def test_relative_links_become_whole(relative, whole):
    assert absolute(relative, "https://forge/us", "v1") == whole.replace("HOME", "https://forge/us")


def test_an_index_shows_all_links_and_pictures_of_the_readme():
    """By what the Python Package Index itself renders with; it drops what it does not trust."""
    markdown = pytest.importorskip("readme_renderer.markdown", reason="readme-renderer is not installed")
    text = (ROOT / "README.md").read_text()
    shown = markdown.render(absolute(text, HOME, "v1.2.3"))
    targets = re.findall(r'(?:src|href)="([^"]+)"', shown)
    assert not [each for each in targets if not each.startswith(("https://", "http://", "#"))]
    pictures = re.findall(r'<img[^>]* src="([^"]+)"', shown)
    assert len(pictures) == len(re.findall(r"!\[|<img ", text)) > 0
    for picture in pictures:
        assert (ROOT / picture.removeprefix(f"{HOME}/raw/v1.2.3/")).is_file()


def test_every_address_of_the_project_is_below_its_home():
    assert all(address.startswith(HOME) for address in urls(HOME).values())


def test_the_manifest_follows_the_platforms_guidelines():
    assert MANIFEST["schema_version"] == "1.0.0"
    assert re.fullmatch(r"[a-z][a-z0-9_]+", MANIFEST["id"])
    assert "blender" not in MANIFEST["name"].lower()
    assert MANIFEST["type"] == "add-on"
    assert set(MANIFEST["tags"]) <= TAGS_OF_ADD_ONS
    assert MANIFEST["blender_version_min"] >= "4.2.0"
    known = {"files", "network", "clipboard", "camera", "microphone"}
    assert MANIFEST["permissions"].keys() <= known
    for text in (MANIFEST["tagline"], *MANIFEST["permissions"].values()):
        assert 0 < len(text) <= LONGEST, text
        assert text[-1].isalnum(), f"{text!r} must not end in a full stop"


def test_the_add_on_keeps_to_the_rules_for_extensions():
    """No legacy description, no paths or packages of its own making, no download."""
    forbidden = {
        r"\bbl_info\b": "the manifest describes it",
        r"sys\.path\.(insert|append|extend)|sys\.path\s*[+=]": "wheels are found by Blender",
        r"\bensurepip\b|pip[\"', ]+install": "what it needs comes along",
        r"\burllib\.request\b": "nothing is downloaded",
        r"\bprint\(": "the console is the user's",
    }
    session = set((ROOT / "blender_addon").glob("*.py")) - {ROOT / "blender_addon" / "child_main.py"}
    for file in sorted(session):  # that one runs in a Blender of its own
        for pattern, why in forbidden.items():
            assert not re.search(pattern, file.read_text()), f"{file.name}: {pattern}: {why}"
