"""The page that shows a dataset: what it is told, and what a browser makes of it."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from stores import small_store

from gltf_render_server.dataset.cli import program
from gltf_render_server.dataset.records import QuarantineRecord
from gltf_render_server.dataset.report.figures import Figures
from gltf_render_server.dataset.report.inspecting import inspect
from gltf_render_server.dataset.report.objects import ShownObject
from gltf_render_server.dataset.report.records import ViewRow
from gltf_render_server.dataset.store import Store
from gltf_render_server.encode import encode
from gltf_render_server.errors import DatasetError
from gltf_render_server.passes import find_pass

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs the program chromium: apt-get install chromium"
)
LIMIT_MS = 300_000  # for what never comes: a busy machine may take long
EVIL = "</script><img src=x onerror=window.evil=1>"
FINDINGS = (
    "FAULT boxes.tight: items/000/000003, camera_1, object 4: 2 px",
    "FAULT items.gaps: item 4: is missing",
    "warning categories.one: there is one category",
)


def content(page, name):
    """What a file of the page hands over."""
    text = (page.with_name(f"{page.stem}_files") / name).read_text()
    return json.loads(text[text.index("(") + 1 : text.rindex(")")])


def views(page):
    return [dict(zip(ViewRow.__struct_fields__, row, strict=True)) for row in content(page, "views-0000.js")]


def multiplied(path, count):
    """Give a dataset of one item so many, which are one on the disk."""
    first = path / "items" / "000" / "000000"
    record = json.loads((first / "item.json").read_text())
    for index in range(1, count):
        folder = path / "items" / f"{index // 1000:03d}" / f"{index:06d}"
        shutil.copytree(first, folder, copy_function=os.link)
        (folder / "item.json").unlink()
        told = {**record, "index": index, "split": "val" if index % 5 == 0 else "train"}
        (folder / "item.json").write_text(json.dumps(told))
    manifest = json.loads((path / "dataset.json").read_text())
    (path / "dataset.json").write_text(json.dumps({**manifest, "items": count}))
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return small_store(tmp_path_factory.mktemp("report") / "good store", items=4, views=2).path


@pytest.fixture
def bad(good, tmp_path):
    """A dataset with a black picture, a damaged file, an item that cannot be read, and one in quarantine."""
    path = tmp_path / "bad"
    shutil.copytree(good, path)
    store = Store(path)
    black = np.zeros((120, 160, 3), np.uint8)
    store[0].views[1].path("color").write_bytes(encode(black, find_pass("color"), None).data)
    store[1].views[0].path("depth").write_bytes(b"no picture")
    (store.folder(2) / "item.json").write_text("{")
    store.quarantine(QuarantineRecord(4, EVIL, "SceneError", f"it has no mesh {EVIL}"))
    return path


def test_all_is_told_of_every_view(good):
    page = inspect(good)
    assert page == good / "report" / "index.html"
    store, told = Store(good), views(page)
    assert [(row["index"], row["view"]) for row in told] == [
        (index, f"camera_{number}") for index in range(4) for number in range(2)
    ]
    details = content(page, "details-00000.js")
    summary = content(page, "summary.js")
    assert details[0] == 0
    for row, (objects, painted, files, facts) in zip(told, details[1], strict=True):
        view = store[row["index"]].views[row["number"]]
        seen = {each.number: each for each in view.instances if each.pixels}
        assert {each[0] for each in objects} <= seen.keys()
        assert sum(count for _, count, _ in row["categories"]) == len(objects)
        for number, name, category, box, pixels, corners, axes, _, visible, distance, truncated in objects:
            assert (name, tuple(box), pixels) == (
                seen[number].name,
                tuple(seen[number].box),
                seen[number].pixels,
            )
            assert visible == pytest.approx(seen[number].visible_fraction, abs=1e-3)
            assert distance == pytest.approx(seen[number].center.depth, rel=1e-3)
            assert truncated == seen[number].truncated
            assert (len(corners), len(axes)) == (8, 4)
            assert 0 <= category < len(summary["categories"])
        assert painted.keys() == {"depth", "normal"}
        assert all(
            (good / "items" / "000" / f"{row['index']:06d}" / file).is_file() for file in files.values()
        )
        assert facts["camera_to_world"] == pytest.approx(view.record.camera_to_world, rel=1e-3)
        folder = page.with_name("index_files") / "pictures" / "000" / f"{row['index']:06d}"
        with Image.open(folder / f"{row['number']}.mask.png") as mask:
            marked = np.asarray(mask.convert("RGBA"))[..., 3] > 0
        np.testing.assert_array_equal(marked, np.isin(view.array("instance"), [each[0] for each in objects]))
    assert summary["views"] == 8
    assert sum(summary["labels"].values()) == sum(len(each[0]) for each in details[1])
    assert not any(row["problems"] for row in told)


def test_what_is_wrong_is_found(bad):
    page = inspect(bad, findings=FINDINGS)
    found = {(row["index"], row["view"]): row["problems"] for row in views(page)}
    assert found[0, "camera_0"] == []
    assert found[0, "camera_1"] == ["the picture is black"]
    assert "cannot be read" in found[1, "camera_0"][0]
    assert found[3, "camera_1"] == [FINDINGS[0]]
    summary = content(page, "summary.js")
    assert [(each[0], each[2]) for each in summary["broken"]] == [(4, "SceneError"), (2, "DatasetError")]
    assert summary["findings"] == [FINDINGS[1], FINDINGS[2]]
    assert (summary["items"], summary["quarantined"]) == (3, 1)


def test_a_page_replaces_its_own_and_nothing_else(good, tmp_path):
    page = inspect(good, tmp_path / "page.html")
    stale = tmp_path / "page_files" / "stale"
    stale.write_text("")
    assert inspect(good, page) == page
    assert not stale.exists()
    (tmp_path / "other_files").mkdir()
    (tmp_path / "other_files" / "thesis.tex").write_text("")
    with pytest.raises(DatasetError, match="holds files of something else"):
        inspect(good, tmp_path / "other.html")
    assert (tmp_path / "other_files" / "thesis.tex").exists()


def test_a_page_is_the_same_each_time(good, tmp_path):
    pages = [inspect(good, tmp_path / name / "page.html") for name in ("one", "two")]
    files = [
        {
            path.relative_to(page.parent): path.read_bytes()
            for path in page.parent.rglob("*")
            if path.is_file()
        }
        for page in pages
    ]
    assert files[0] == files[1]


def test_large_pictures_are_made_small(tmp_path):
    store = small_store(tmp_path / "large", items=1, views=1, size=(1000, 500))
    page = inspect(store.path)
    assert views(page)[0]["picture"] == "0.color.jpg"
    sizes = {}
    for path in (page.parent / "index_files" / "pictures").rglob("*.*g"):
        with Image.open(path) as image:
            sizes[path.name] = image.size
    assert sizes["0.color.jpg"] == (320, 160)
    assert sizes["0.mask.png"] == sizes["0.depth.jpg"] == (500, 250)


def test_a_store_of_colour_alone_has_a_page(tmp_path):
    store = small_store(tmp_path / "plain", items=1, views=1, passes=["color"])
    row = views(inspect(store.path))[0]
    assert (row["has_mask"], row["categories"]) == (False, [])


def shown(pixels, visible=1.0, distance=1.0, category="cup"):
    side = max(1, round(pixels**0.5))
    return ShownObject(
        1, category, category, (0, 0, side, side), pixels, visible=visible, distance_m=distance
    )


def test_histograms_count_each_object_once_whatever_its_size():
    figures = Figures()
    sizes = [1, 2, 3, 10, 1000, 10**6]
    figures.add(shown(size) for size in sizes)
    figures.add(
        [shown(5, visible=0.0, distance=1e-3, category="pear"), shown(5, visible=None, distance=None)]
    )
    pixels, _side, distance, visible = figures.histograms()
    assert len(pixels["ends"]) - 1 == len(pixels["counts"]["cup"]) <= 40
    assert pixels["ends"][0] <= 1
    assert pixels["ends"][-1] > 10**6
    assert (sum(pixels["counts"]["cup"]), sum(pixels["counts"]["pear"])) == (7, 1)
    assert sum(distance["counts"]["cup"]) == 6
    assert (visible["counts"]["cup"][-1], visible["counts"]["pear"][0]) == (6, 1)
    assert all(low < high for figure in figures.histograms() for low, high in pairwise(figure["ends"]))


def test_memory_does_not_grow_with_the_number_of_items(tmp_path):
    path = multiplied(small_store(tmp_path / "many", items=1, views=1, size=(64, 48)).path, 600)
    program_text = (
        "import sys, tracemalloc; from pathlib import Path\n"
        "from gltf_render_server.dataset.report.inspecting import inspect\n"
        "path, out = map(Path, sys.argv[1:]); peaks = {}\n"
        "def note(done, of):\n"
        "    if done in (150, 600): peaks[done] = tracemalloc.get_traced_memory()[1]\n"
        "tracemalloc.start(); inspect(path, out, progress=note); print(peaks[600] - peaks[150])\n"
    )
    command = [sys.executable, "-c", program_text, str(path), str(tmp_path / "page.html")]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 1.5e6, "what is kept of a view until its file is written"


def test_the_command_writes_the_page(good, tmp_path):
    found = CliRunner().invoke(program, ["inspect", str(good), "-o", str(tmp_path / "page.html")])
    assert found.exit_code == 0, found.output
    assert found.output.strip() == str(tmp_path / "page.html")
    assert CliRunner().invoke(program, ["inspect", str(tmp_path)]).exit_code == 2


def test_what_verify_finds_stands_with_its_picture(bad, tmp_path):
    page = tmp_path / "page.html"
    found = CliRunner().invoke(program, ["inspect", str(bad), "-o", str(page), "--verify"])
    assert found.exit_code == 0, found.output
    problems = {(row["index"], row["view"]): row["problems"] for row in views(page)}
    assert any(each.startswith("FAULT") and "color" in each for each in problems[0, "camera_1"])
    assert any(each.startswith("FAULT") and "depth" in each for each in problems[1, "camera_0"])
    assert any("000002" in each for each in content(page, "summary.js")["findings"])


@contextmanager
def opened(page, part="", **context):
    """The page in a browser; no word on its console, nothing asked of a network."""
    from playwright.sync_api import sync_playwright

    told, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=LIMIT_MS
        )
        tab = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context}).new_page()
        tab.set_default_timeout(LIMIT_MS)
        tab.on("console", lambda message: told.append(message.text))
        tab.on("pageerror", lambda error: told.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(f"{page.as_uri()}{part}")
        tab.wait_for_selector("html[data-ready]", state="attached")
        try:
            yield tab
        finally:
            browser.close()
    assert not told
    assert all(url.startswith(("file:", "data:")) for url in asked)


def loaded(tab, images):
    """Whether all of some pictures are there."""
    return tab.wait_for_function(
        "(which) => { const all = [...document.querySelectorAll(which)];"
        "return all.length && all.every((each) => each.complete && each.naturalWidth); }",
        arg=images,
    )


def tiles(tab, how_many):
    """Wait until there are so many pictures."""
    tab.wait_for_function(f"() => document.querySelectorAll('.tile').length {how_many}")


def wait_for_drawing(tab, how_much):
    """Wait until so many pixels of the layers are not transparent."""
    tab.wait_for_function(
        "() => { const canvas = document.querySelector('#large canvas'), { width, height } = canvas;"
        "const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);"
        f"return data.filter((value, at) => at % 4 === 3 && value).length {how_much}; }}"
    )


@needs_browser
def test_the_summary_tells_what_is_wrong_and_runs_nothing_of_it(bad):
    with opened(inspect(bad, findings=FINDINGS)) as tab:
        problems = tab.locator("#problems").inner_text()
        for word in ("SceneError", "it has no mesh", "the picture is black", "cannot be read", *FINDINGS):
            assert word in problems
        assert tab.evaluate("window.evil") is None
        assert tab.locator("#charts figure").count() == 7
        tab.locator("#problems a").first.click()
        tab.wait_for_selector("#viewer[open]")
        tab.wait_for_selector("#side table")
        assert "camera_1" in tab.locator("#viewer-title").inner_text()
        assert "the picture is black" in tab.locator("#side").inner_text()


@needs_browser
def test_broken_ones_come_first_and_filters_choose(bad):
    with opened(inspect(bad), "#pictures") as tab:
        loaded(tab, ".picture img:not(.mask)")
        tiles(tab, "=== 6")
        assert "black" in tab.locator(".tile").first.inner_text()
        tab.check("#only-broken")
        tiles(tab, "=== 2")
        tab.wait_for_function("location.hash === '#pictures?only-broken=1'")
        tab.uncheck("#only-broken")
        tab.select_option("#by-split", "val")
        assert "2 pictures of 1 item" in tab.locator("#found").inner_text()
        tab.fill("#find", "no such name")
        assert tab.locator("#nothing").is_visible()
        tab.click("#clear-too")
        tiles(tab, "=== 6")
        tab.evaluate("document.getElementById('visible-high').value = 5")
        tab.dispatch_event("#visible-high", "input")
        tiles(tab, "< 6")


@needs_browser
def test_layers_are_drawn_and_taken_away(good):
    with opened(inspect(good), "#item/1/camera_1") as tab:
        loaded(tab, "#large img")
        assert tab.locator("#large img.mask").count() == 1
        tab.wait_for_function("document.querySelector('#large canvas').width > 400")
        wait_for_drawing(tab, "> 0")
        tab.keyboard.press("b")
        tab.keyboard.press("m")
        tab.keyboard.press("k")
        tab.locator("#large img.mask").wait_for(state="detached")
        wait_for_drawing(tab, "=== 0")
        for key in "nack":
            tab.keyboard.press(key)
            wait_for_drawing(tab, "> 0")
            tab.keyboard.press(key)
            wait_for_drawing(tab, "=== 0")
        tab.keyboard.press("2")
        tab.wait_for_selector("#large img[src$='1.depth.jpg']")
        loaded(tab, "#large img")
        assert " m" in tab.locator("#large-told").inner_text()


@needs_browser
def test_the_keyboard_is_enough(good):
    with opened(inspect(good)) as tab:
        tab.keyboard.press("?")
        tab.locator("#help").wait_for()
        tab.keyboard.press("Escape")
        tab.keyboard.press("/")
        tab.wait_for_function("document.activeElement.id === 'find'")
        tab.keyboard.press("Escape")
        tab.locator(".tile button").first.focus()
        tab.keyboard.press("ArrowRight")
        tab.keyboard.press("Enter")
        tab.wait_for_function("location.hash === '#item/0/camera_1'")
        tab.keyboard.press("ArrowRight")
        tab.wait_for_function("location.hash === '#item/1/camera_0'")
        tab.keyboard.press("End")
        tab.wait_for_function("location.hash === '#item/3/camera_1'")
        tab.keyboard.press("Escape")
        tab.wait_for_function("!document.getElementById('viewer').open")
        tab.wait_for_function("document.activeElement.dataset.at === '7'")
        theme = "getComputedStyle(document.body).backgroundColor"
        light = tab.evaluate(theme)
        tab.keyboard.press("t")
        tab.keyboard.press("t")
        tab.wait_for_function(f"{theme} !== '{light}'")


@needs_browser
def test_a_tile_keeps_the_focus_while_the_page_changes_its_size(good):
    with opened(inspect(good), "#pictures") as tab:
        width = tab.evaluate("document.querySelector('.tile').style.width")
        tab.locator(".tile button").nth(1).focus()
        tab.set_viewport_size({"width": 700, "height": 800})
        tab.wait_for_function(f"document.querySelector('.tile').style.width !== '{width}'")
        assert tab.evaluate("document.activeElement.dataset.at") == "1"


@needs_browser
@pytest.mark.parametrize("part", ["#summary", "#pictures", "#item/0/camera_0"])
def test_a_phone_scrolls_down_only(good, part):
    with opened(inspect(good), part, viewport={"width": 360, "height": 740}) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        unnamed = tab.evaluate(
            "[...document.querySelectorAll('button, select, input')].filter((each) => !each.labels?.length"
            " && !each.ariaLabel && !each.textContent.trim()).map((each) => each.outerHTML)"
        )
        assert not unnamed


@needs_browser
def test_thousands_of_items_scroll(tmp_path):
    path = multiplied(small_store(tmp_path / "many", items=1, views=1, size=(64, 48)).path, 2000)
    with opened(inspect(path), "#pictures") as tab:
        assert "2,000 pictures" in tab.locator("#found").inner_text()
        for share in (0.5, 1.0, 0.0):
            tab.evaluate(
                "(share) => window.scrollTo(0, share * document.documentElement.scrollHeight)", share
            )
            tab.wait_for_function(
                """(wanted) => {
                  const tiles = [...document.querySelectorAll(".tile .told")];
                  const first = parseInt(tiles[0]?.innerText);
                  return 4 <= tiles.length && tiles.length < 80 && Math.abs(first - wanted) < 200;
                }""",
                arg=2000 * share,
            )
            loaded(tab, ".picture img")
        tab.evaluate("location.hash = '#item/1777/camera_0'")
        tab.wait_for_selector("#viewer[open]")
        loaded(tab, "#large img")
        assert tab.locator("#viewer-title").inner_text().startswith("1777")
        assert Path(tab.evaluate("document.querySelector('#large img').src")).parts[-3] == "001777"
