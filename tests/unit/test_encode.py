import io

import numpy as np
import pytest
from drake_like import DrakeScene
from PIL import Image, ImageSequence

from gltf_render_server.encode import _tiff, encode, encode_depth, encode_png
from gltf_render_server.gltf import parse_scene
from gltf_render_server.http.form import DepthRange
from gltf_render_server.passes import find_pass

DEPTH = np.array([[0.1, 0.5, 1.2345678], [3.0, 3.1, np.inf]], np.float32)


def decoded(encoded):
    with Image.open(io.BytesIO(encoded.data)) as image:
        return image.format, np.asarray(image)


def test_out_of_range_depths_are_marked():
    clamped = DepthRange(0.5, 3.0).clamp(DEPTH)
    np.testing.assert_array_equal(clamped, np.array([[0, 0.5, 1.2345678], [3.0, np.inf, np.inf]], np.float32))
    assert DEPTH[0, 0] == np.float32(0.1), "the renderer's array stays as it was"


def test_tiff_keeps_every_bit():
    encoded = encode_depth(DEPTH, "tiff32f")
    file_format, pixels = decoded(encoded)
    assert (encoded.mimetype, file_format) == ("image/tiff", "TIFF")
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, DEPTH)


def test_png16_is_millimetres():
    depth = np.array([[0.0, 0.0014, 0.0016], [65.534, 65.6, np.inf]], np.float32)
    encoded = encode_depth(depth, "png16")
    file_format, pixels = decoded(encoded)
    assert (encoded.mimetype, file_format) == ("image/png", "PNG")
    np.testing.assert_array_equal(pixels, [[0, 1, 2], [65534, 65535, 65535]])


@pytest.mark.parametrize("channels", [3, 4])
def test_png_keeps_every_bit(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, channels), np.uint8)
    encoded = encode_png(pixels)
    assert encoded.mimetype == "image/png"
    np.testing.assert_array_equal(decoded(encoded)[1], pixels)
    assert b"iCCP" not in encoded.data
    assert b"gAMA" not in encoded.data


def test_a_crop_can_be_encoded():
    canvas = np.arange(48, dtype=np.float32).reshape(6, 8)
    np.testing.assert_array_equal(decoded(encode_depth(canvas[:2, :3], "tiff32f"))[1], canvas[:2, :3])


@pytest.mark.parametrize("shape", [(3, 48, 64), (1, 5, 3), (40, 1, 1), (0, 7, 9)])
def test_a_stack_of_masks_is_a_tiff_of_pages_of_one_bit(shape):
    stack = np.random.default_rng(0).random(shape) < 0.3
    scene = parse_scene(DrakeScene([], np.eye(4)).to_bytes(), extensions=frozenset())
    encoded = encode(stack, find_pass("mask_amodal"), scene)
    assert encoded.mimetype == "image/tiff"
    with Image.open(io.BytesIO(encoded.data)) as image:
        assert image.info["compression"] == "group4"
        assert image.mode == "1"
        pages = [np.array(page) for page in ImageSequence.Iterator(image)]
    assert len(pages) == max(1, len(stack))
    np.testing.assert_array_equal(np.stack(pages)[: len(stack)], stack)
    assert any(page.any() for page in pages) == stack.any()


@pytest.mark.parametrize("shape", [(1, 1), (48, 64), (3, 7000)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_a_tiff_has_the_bytes_of_the_image_library(shape, dtype):
    canvas = np.random.default_rng(0).integers(-(2**31), 2**31, shape).astype(dtype)
    for pixels in (canvas, canvas[::-1], np.asfortranarray(canvas)):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "TIFF")
        assert _tiff(pixels) == buffer.getvalue()
