"""The page reads every mask that the server writes."""

import base64

import numpy as np
import pytest
from pages import SOURCES, needs_browser, node_modules, npm

from gltf_render_server.encode import encode
from gltf_render_server.passes import find_pass
from gltf_render_server.scene import Scene

pytestmark = needs_browser

_READ = """(text) => {
  const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const { width, height, masks } = decoding.decode(data, "bool");
  return [width, height, masks.map(({ number, pixels, bits }) => [number, pixels, [...bits]])];
}"""


@pytest.fixture(scope="module")
def reader(browser, tmp_path_factory):
    """The page's decoder alone, in a browser."""
    node_modules()
    built = tmp_path_factory.mktemp("decoder") / "decoding.js"
    options = ("--bundle", "--global-name=decoding", f"--outfile={built}")
    done = npm("exec", "--offline", "--", "esbuild", str(SOURCES / "src" / "decoding.ts"), *options)
    assert done.returncode == 0, done.stderr
    tab = browser.new_page()
    tab.add_script_tag(path=built)

    def read(data):
        width, height, masks = tab.evaluate(_READ, base64.b64encode(data).decode())
        bits = {
            number: np.unpackbits(np.array(each, np.uint8))[: width * height].reshape(height, width)
            for number, _, each in masks
        }
        return bits, {number: pixels for number, pixels, _ in masks}

    yield read
    tab.close()


def blobs(rng, shape, size):
    """Noise in squares of a size: short runs, or long ones."""
    small = rng.random((shape[0], *(-(-side // size) for side in shape[1:]))) < 0.4
    return np.kron(small, np.ones((1, size, size), bool))[:, : shape[1], : shape[2]]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((3, 40, 1), 1),
        ((4, 33, 61), 1),
        ((3, 64, 97), 7),
        ((2, 30, 1000), 80),
        ((2, 700, 1920), 100),
        ((3, 20, 7001), 2900),
    ],
)
def test_masks_are_read_exactly(reader, shape, size):
    rng = np.random.default_rng(size)
    masks = np.concatenate(
        [blobs(rng, shape, size), np.zeros((1, *shape[1:]), bool), np.ones((1, *shape[1:]), bool)]
    )
    read, counts = reader(encode(masks, find_pass("mask_amodal"), Scene).data)
    assert list(read) == [index + 1 for index, mask in enumerate(masks) if mask.any()]
    for number, mask in read.items():
        np.testing.assert_array_equal(mask, masks[number - 1])
        assert counts[number] == mask.sum()


def test_of_no_objects_there_are_no_masks(reader):
    masks = np.zeros((0, 20, 30), bool)
    assert reader(encode(masks, find_pass("mask_amodal"), Scene).data) == ({}, {})
