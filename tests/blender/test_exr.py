"""Channels of OpenEXR files: what is asked for, as the OpenEXR library reads it, and for no more memory."""

import os
import tracemalloc
from contextlib import contextmanager

import numpy as np
import OpenEXR
import pytest

from gltf_render_server.errors import RenderError
from gltf_render_server.frame import Lens

bpy = pytest.importorskip("bpy")

FLOATS = {"Layer.Depth.Z": np.float32, "Layer.Object Index.X": np.float32}
MIXED = {"Layer.A.X": np.float16, "Layer.B.X": np.uint32, "Layer.C.X": np.float32}
PLAIN, ZIP = OpenEXR.NO_COMPRESSION, OpenEXR.ZIP_COMPRESSION


def written(path, *parts, shape=(5, 7), compression=PLAIN, **header):
    """Write one part for each mapping of name to dtype; return all channels as the library reads them."""
    random = np.random.default_rng(0)
    header = {"compression": compression, "type": OpenEXR.scanlineimage, **header}
    made = []
    for number, dtypes in enumerate(parts):
        planes = {name: random.integers(0, 1000, shape).astype(dtype) for name, dtype in dtypes.items()}
        made.append(OpenEXR.Part(dict(header), planes, f"part {number}"))
    OpenEXR.File(made).write(str(path))
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: item.pixels for part in file.parts for name, item in part.channels.items()}


def read(path, *names, dtype=np.float32):
    from gltf_render_server.blender.exr import Channels

    channels = Channels(path)
    return [channels.read(name, dtype) for name in names]


@contextmanager
def peak_bytes(limit):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (33, 2)], ids=str)
@pytest.mark.parametrize("parts", [(FLOATS,), (MIXED,), (MIXED, FLOATS)], ids=["floats", "mixed", "parts"])
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"compression": ZIP},
        {"lineOrder": OpenEXR.DECREASING_Y},
        {"a name longer than the thirty-one letters of old": "and what it tells"},
    ],
    ids=["plain", "compressed", "bottom up", "long names"],
)
def test_as_the_library_reads_it(tmp_path, parts, shape, header):
    path = tmp_path / "image.exr"
    truth = written(path, *parts, shape=shape, **header)
    for name, pixels in zip(truth, read(path, *truth), strict=True):
        np.testing.assert_array_equal(pixels, truth[name].astype(np.float32))
    [index] = read(path, list(truth)[-1], dtype=np.uint16)
    assert (index.dtype, index.flags.c_contiguous, index.flags.writeable) == (np.uint16, True, True)


def test_a_window_that_does_not_begin_at_zero(tmp_path):
    path = tmp_path / "image.exr"
    window = (np.array([3, -2], np.int32), np.array([9, 2], np.int32))
    truth = written(path, FLOATS, dataWindow=window)
    np.testing.assert_array_equal(read(path, "Depth.Z")[0], truth["Layer.Depth.Z"])


def test_what_is_read_stays_when_the_file_goes(tmp_path):
    path = tmp_path / "image.exr"
    truth = written(path, FLOATS, shape=(300, 400))
    pixels = read(path, *FLOATS)
    os.truncate(path, 0)
    for name, plane in zip(FLOATS, pixels, strict=True):
        np.testing.assert_array_equal(plane, truth[name])


def test_a_channel_that_is_not_there(tmp_path):
    from gltf_render_server.blender.exr import Channels

    path = tmp_path / "image.exr"
    written(path, FLOATS)
    assert "Depth.Z" in Channels(path)
    assert "pth.Z" not in Channels(path)
    with pytest.raises(RenderError, match=r"no channel pth\.Z; its channels are Layer\.Depth\.Z, Layer"):
        read(path, "pth.Z")


@pytest.mark.parametrize("parts", [(MIXED,), (FLOATS, MIXED)], ids=["one part", "parts"])
def test_a_file_that_is_cut_short_is_an_error(tmp_path, parts):
    path = tmp_path / "image.exr"
    written(path, *parts)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises((OSError, RuntimeError, RenderError)):
            read(path, "C.X")


@pytest.mark.parametrize("number_of_parts", [1, 20])
def test_the_cost_is_that_of_the_channels_that_are_asked_for(tmp_path, number_of_parts):
    path, shape = tmp_path / "image.exr", (480, 640)
    names = [f"Layer.{index:02}.X" for index in range(20)]
    parts = [dict.fromkeys(some, np.float32) for some in np.array_split(names, number_of_parts)]
    truth = written(path, *parts, shape=shape)
    with peak_bytes(1.2 * truth[names[0]].nbytes):
        [pixels] = read(path, "07.X")
    np.testing.assert_array_equal(pixels, truth["Layer.07.X"])


def test_what_blender_writes_is_read_in_this_way(tmp_path):
    from gltf_render_server.blender import engines, rendering
    from gltf_render_server.blender.lens import blender_camera

    scene = bpy.data.scenes.new("Read Back")
    eye = bpy.data.objects.new("Eye", bpy.data.cameras.new("Eye"))
    try:
        scene.collection.objects.link(eye)
        scene.camera = eye
        engines.make_exact(scene)
        camera = blender_camera(Lens(320, 240, 300.0, 300.0, 160.0, 120.0, 0.1, 10.0))
        rendering.rendered_exact(scene, camera)
        with peak_bytes(320 * 240 * 3 * (4 + 4) * 1.2):  # the planes, and all of them side by side
            linear = rendering.linear_colour(scene, tmp_path)
        assert (linear.shape, linear.dtype) == ((240, 320, 3), np.float32)
        assert not linear.any()
    finally:
        bpy.data.batch_remove([eye.data, eye, scene])
