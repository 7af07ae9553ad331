"""docs/passes.md: every pass has its section and its line, both are right, and all of its code runs."""

import re

import numpy as np
import pytest
from defaults import CAMERA
from frames import frame_of
from servers import ROOT, running

from gltf_render_server.gltf import parse_scene
from gltf_render_server.passes import PASSES, table

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

PAGE = (ROOT / "docs" / "passes.md").read_text()
ASKED = re.compile(r'(?<=[ (])\[("\w+"(?:, "\w+")*)\]')  # a list of passes
PLAIN = parse_scene(b'{"asset": {"version": "2.0"}}', extensions=frozenset())


def sections():
    """The text below each heading of the second and third order."""
    parts = re.split(r"^#{2,3} (.+)\n", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def lines():
    """The cells of the table of all passes, by the pass's link."""
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| [`")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def blocks():
    """The code, in order; where it asks for passes, only if they are in the table."""
    found = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [code for code in found if asked_in(code) <= PASSES.keys()]


def asked_in(code):
    return {name for names in ASKED.findall(code) for name in re.findall(r"\w+", names)}


def shape_of(row):
    size = "(objects, h, w)" if row.dtype == "bool" else "(h, w)"
    channels = " or ".join(map(str, row.channels))
    return size if channels == "1" else f"(h, w, {channels})"


def nothing_of(row):
    if row.nothing is None:
        return "the background"
    return {"nan": "NaN"}.get(str(row.nothing), str(row.nothing))


@pytest.mark.parametrize("row", PASSES.values(), ids=lambda row: row.name)
def test_every_pass_has_a_section_and_a_picture(row):
    assert f"](images/passes/{row.name}.jpg)" in sections()[row.name]


@pytest.mark.parametrize("row", PASSES.values(), ids=lambda row: row.name)
def test_the_line_of_every_pass_is_right(row):
    array, unit, nothing, file, made_from = lines()[f"[`{row.name}`](#{row.name})"]
    assert (unit, file.lower()) == (row.unit, row.storage(PLAIN))
    if row.dtype == "json":
        assert (array, nothing) == ("a table", "null")
    else:
        assert (array, nothing) == (f"{shape_of(row)} {row.dtype}", nothing_of(row))
    if row.render == "exact" and not row.name.endswith(("_forward", "_backward")):
        assert ("with triangles" in made_from) == row.needs_triangles


def test_pictures_are_small():
    pictures = (ROOT / "docs" / "images" / "passes").iterdir()
    assert sum(picture.stat().st_size for picture in pictures) < 2**20


def test_its_code_runs(tmp_path, monkeypatch, studio):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(table, "PASSES", dict(PASSES))
    names: dict = {}
    with running("--samples", "1", "--no-denoise", "--workers", "0") as server:
        for code in blocks():
            exec(code.replace("http://127.0.0.1:8000", server.url), names)
    answered = names["answer"]["eye"]
    for name in ("depth", "normal", "instance"):
        np.testing.assert_array_equal(names[name], answered[name])
        assert names[name].dtype == answered[name].dtype
    assert {"teapot", "half_orange", "wall"} <= names["shown"]
    assert_opencv_agrees(names)
    assert ((names["opencv_normal"] * opencv_rays(names)).sum(-1) < 0).mean() > 0.99, "towards the camera"
    assert_own_pass_works(studio.renderer())


def opencv_rays(names):
    """The rays of the pixels in OpenCV's axes, by the centre that OpenCV gets."""
    (center_x, center_y), eye = names["principal_point"], names["eye"]
    row, column = np.mgrid[:360, :480]
    x, y = (column - center_x) / eye["focal_x"], (row - center_y) / eye["focal_y"]
    return np.stack([x, y, np.ones_like(x)], -1)


def assert_opencv_agrees(names):
    """The points of the page, brought to OpenCV's axes, lie on its rays, at their depths."""
    matrix = names["opencv_from_world"]
    points = names["points"] @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(points, opencv_rays(names) * names["depth"][..., None], atol=1e-6)


def assert_own_pass_works(renderer):
    document = (ROOT / "examples" / "still_life" / "still_life.glb").read_bytes()
    scene = parse_scene(document, extensions=renderer.extensions)
    [arrays] = renderer.render(frame_of(scene, CAMERA, "disparity", "depth")).views
    np.testing.assert_allclose(arrays["disparity"], 0.1 * CAMERA.focal_x / arrays["depth"], rtol=1e-5)


def test_its_pictures_are_made(monkeypatch):
    """By the script that the page names, of every pass that is there."""
    import passes_page

    assert "`scripts/passes_page.py docs/images/passes`" in PAGE
    small = {**passes_page._VIEW, "width": 96, "height": 72}
    monkeypatch.setattr(passes_page, "_VIEW", small)
    with running("--samples", "1", "--no-denoise", "--workers", "0") as server:
        arrays = passes_page.render(server.client, [*PASSES])
    pictures = passes_page.pictures(arrays)
    assert pictures.keys() == PASSES.keys()
    for name, picture in pictures.items():
        assert picture.dtype == np.uint8, name
        assert np.ptp(picture[:72, :96]) > 50, f"{name} shows something"
