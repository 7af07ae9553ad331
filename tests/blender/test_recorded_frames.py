"""What a server has recorded, rendered again by another process, gives the bytes of the answers."""

import pytest
import recorded
from defaults import FAST
from servers import running

from gltf_render_server.encode import encode_depth, encode_png
from gltf_render_server.http.form import ImageType, RenderFields
from gltf_render_server.recording import RecordedFrames

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

SHRUNK = 4
LENGTHS = ("focal_x", "focal_y", "center_x", "center_y")
SIZES = ("width", "height")


def small(fields):
    """The same view with fewer pixels."""
    lengths = {name: repr(float(fields[name]) / SHRUNK) for name in LENGTHS}
    return {**fields, **lengths, **{name: str(int(fields[name]) // SHRUNK) for name in SIZES}}


@recorded.needs_recorded
def test_recorded_frames_render_again_to_the_same_bytes(studio, tmp_path):
    asked = [(name, kind) for name in recorded.NAMES for kind in ImageType]
    answers = []
    with running("--samples", "4", "--no-denoise", "--record", str(tmp_path / "recording")) as server:
        for name, kind in asked:
            fields = small(recorded.fields(name, kind))
            answers.append(server.client.post(recorded.scene_bytes(name, kind), fields).body)
    frames = RecordedFrames(tmp_path / "recording")
    assert len(frames) == len(asked), "those of the last moment are written before the server ends"
    renderer = studio.renderer(FAST)
    for (name, kind), frame, answer in zip(asked, frames, answers, strict=True):
        assert frame.request.document.data == recorded.scene_bytes(name, kind)
        [arrays] = renderer.render(frame.frame(renderer.extensions)).views
        fields = RenderFields.from_form(frame.request.form, max_pixels=FAST.max_pixels)
        array = fields.measured(arrays[kind])
        is_depth = kind is ImageType.DEPTH
        encoded = encode_depth(array, FAST.depth_format) if is_depth else encode_png(array)
        assert encoded.data == answer, (name, kind)
