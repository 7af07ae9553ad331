"""The site of the documentation is built without a warning, and its links lead somewhere."""

import re
import subprocess
import sys

import pytest
from documents import PAGES, anchors, links, name_of
from servers import ROOT

pytest.importorskip("sphinx", reason="the site is built with Python 3.13 only")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = ROOT / "scripts" / "docs", folder
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, env={"PYTHON": sys.executable}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_it_has_every_page(site):
    for page in PAGES[1:]:
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file(), page


def test_it_tells_every_option_and_every_type(site):
    text = (site / "command-line.html").read_text()
    for option in ("--max-queue", "--blend-file", "--retry-quarantined", "--every"):
        assert option in text
    assert "FrameRequest" in (site / "http-api.html").read_text()
    assert "camera_to_world" in (site / "http-api.html").read_text()
    assert 'id="gltf_render_server.client.RenderClient.render"' in (site / "python.html").read_text()


OTHERS = [*ROOT.glob("examples/**/*.md"), *ROOT.glob(".github/*.md")]


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=name_of)
def test_links_and_pictures_are_there(page):
    for target in links(page):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        if anchor:
            assert anchor in anchors(file), target


def test_messages_of_the_troubleshooting_page_are_those_of_the_programs():
    files = [*(ROOT / "server").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    # as Python puts strings together that stand beside each other
    told = re.sub(r'"\s+f?"', "", "\n".join(file.read_text() for file in files))
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    headings = re.findall(r"^### `(.+?)`", page, re.MULTILINE)
    assert len(headings) > 20
    for heading in headings:
        for part in heading.split("…"):
            assert part.strip() in told, heading
