"""The programs that the page writes run as they are, and give what the page shows."""

import io
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from pages import choose_passes, drop, needs_browser, opened, renewed, wait_for_pictures
from PIL import Image
from servers import running

pytestmark = needs_browser

TOKEN = "it's a/secret@2"


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("vtkmodules", reason="the vtk package is not installed")
    with running("--backend", "vtk", env={"GLTF_RENDER_SERVER_TOKEN": TOKEN}) as server:
        yield server


@pytest.fixture(scope="module")
def written(server, browser, tmp_path_factory):
    """A folder with the example's files, its depth as the page got it, and the three programs."""
    folder = tmp_path_factory.mktemp("programs")
    with opened(browser, f"{server.url}/#token={TOKEN}") as tab:
        tab.select_option("#size", "320x240")
        choose_passes(tab, "depth", "color", "mask_amodal", "instances")
        tab.click("#example")
        wait_for_pictures(tab)
        with renewed(tab):
            tab.focus("#canvas")
            for key in ("ArrowRight", "ArrowUp", "-"):
                tab.keyboard.press(key)
        tab.click("#tab-depth")
        programs = {}
        for language, button, part in (
            ("curl", "#save-scene", "curl"),
            ("python", None, "RenderClient"),
            ("drake", "#save-scene", "pydrake"),
        ):
            tab.click(f"#as-{language}")
            tab.wait_for_function(f"() => document.getElementById('snippet').textContent.includes('{part}')")
            programs[language] = tab.inner_text("#snippet")
            if button:
                download(tab, button, folder)
        download(tab, "#save", folder)
    with Image.open(folder / "depth.tiff") as image:
        depth = np.array(image)
    return folder, depth, programs


def download(tab, button, folder):
    with tab.expect_download() as found:
        tab.click(button)
    found.value.save_as(folder / found.value.suggested_filename)


def run(command, folder):
    environment = {**os.environ, "TOKEN": TOKEN}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs the program curl: apt-get install curl")
def test_curl(written):
    folder, depth, programs = written
    request, _, unpack = programs["curl"].rpartition("\n")
    assert unpack.startswith("unzip ")
    run(["bash", "-euc", request], folder)
    with zipfile.ZipFile(folder / "frame.zip") as archive:
        files = {"color.png", "depth.tiff", "mask_amodal.tiff", "instances.json"}
        assert {"frame.json", *(f"view/{name}" for name in files)} == set(archive.namelist())
        with Image.open(io.BytesIO(archive.read("view/depth.tiff"))) as image:
            np.testing.assert_array_equal(np.array(image), depth)


def test_python(written):
    folder, depth, programs = written
    text = f"{programs['python']}\nimport numpy as np\nnp.save('depth.npy', answer['view']['depth'])\n"
    told = run([sys.executable, "-c", text], folder)
    assert "depth (240, 320) float32" in told
    assert "mask_amodal (5, 240, 320) bool" in told
    assert "5 cone [" in told
    np.testing.assert_array_equal(np.load(folder / "depth.npy"), depth)


def test_drake_is_asked_for_what_its_protocol_has(written):
    _, _, programs = written
    first, *others = programs["drake"].splitlines()
    assert first.startswith("# Drake's protocol has no mask_amodal, instances:")
    assert not any(name in line for line in others for name in ("mask_amodal", "instances"))


@pytest.mark.drake
def test_drake(written):
    pytest.importorskip("pydrake", reason="the drake package is not installed")
    folder, depth, programs = written
    text = f"{programs['drake']}\nimport numpy as np\nnp.save('drake.npy', depth.data)\n"
    run([sys.executable, "-c", text], folder)
    seen = np.load(folder / "drake.npy")[..., 0]
    both = np.isfinite(seen) & np.isfinite(depth)
    assert (np.isfinite(seen) == np.isfinite(depth)).mean() > 0.999
    assert 0.1 < both.mean() < 0.9
    assert np.percentile(np.abs(seen[both] - depth[both]), 99) < 1e-4


def test_names_are_quoted(written, server, browser, tmp_path):
    del written
    name = 'it\'s; rm -rf "x", $(y) \\.gltf'
    scene = b'{"asset": {"version": "2.0"}, "scenes": [{"nodes": []}], "scene": 0}'
    with opened(browser, f"{server.url}/#token={TOKEN}", expected=["400"]) as tab:
        tab.wait_for_selector("#passes input")
        drop(tab, **{name: scene})
        tab.wait_for_function("() => document.getElementById('snippet').textContent.includes('rm -rf')")
        line = next(each for each in tab.inner_text("#snippet").splitlines() if "-F scene=" in each)
        (tmp_path / name).write_bytes(scene)
        options = f"--silent --show-error -o answer {line.strip().removesuffix(chr(92))}"
        run(["bash", "-c", f"curl {options} {server.url}/v1/frames"], tmp_path)  # fails without the file
        assert sorted(file.name for file in tmp_path.iterdir()) == ["answer", name]
        tab.click("#as-python")
        tab.wait_for_function("() => document.getElementById('snippet').textContent.includes('RenderClient')")
        call = next(each for each in tab.inner_text("#snippet").splitlines() if "client.render(" in each)
        assert eval(call.partition("client.render(")[2].partition(", view")[0]) == name
