"""The room of examples/still_life, with the still life on its table, in every Blender."""

import numpy as np
import pytest
from defaults import ask
from servers import ROOT

import still_life
from gltf_render_server.http.form import RenderFields
from gltf_render_server.settings import ServerSettings

pytest.importorskip("bpy")

ROOM = ROOT / "examples" / "still_life" / "room.blend"
QUICK = {"samples": 4, "denoise": False}


def test_its_own_lights_fall_on_the_still_life(studio):
    form = {name: [value] for name, value in still_life.request_fields("color", 64, 48).items()}
    lens = RenderFields.from_form(form, max_pixels=10**6).lens
    scene = still_life.scene("color")
    in_the_room = ask(studio.renderer(ServerSettings(blend_file=ROOM, **QUICK)), scene, "color", lens)
    alone = ask(studio.renderer(ServerSettings(**QUICK)), scene, "color", lens)
    assert in_the_room.std() > 20
    assert np.abs(in_the_room[..., :3].astype(int) - alone[..., :3]).mean() > 20
