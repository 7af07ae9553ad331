"""One request, one answer: from the background, from the window, and from scripts/serve.py."""

import json

import pytest
from servers import PACKAGE, running

from gltf_render_server.client import RenderClient

TYPES = ("color", "depth", "label")


def served(command, blend, forms, env=None):
    """What the server without an add-on answers for the same scene."""
    with running("--blend-file", str(blend), command=command, env=env) as server:
        client: RenderClient = server.client
        return {
            kind: client.post(
                (forms / f"{kind}.gltf").read_bytes(), json.loads((forms / f"{kind}.json").read_text())
            ).body
            for kind in TYPES
        }


def assert_served(report, mode):
    told = report[mode]
    assert told["start"] == ["FINISHED"]
    assert [told[kind] for kind in TYPES] == [200, 200, 200]
    assert told["refused"][0] == 400
    assert "focal_x" in told["refused"][1]
    assert [line[0] for line in told["answered"]][:4] == ["color", "label", "depth", "color"]
    assert told["state"] == {
        "camera": "Own Camera",
        "selected": ["Wall"],
        "samples": 3,
        "resolution": [1920, 1080],
        "world": told["state"]["world"],
        "scenes": ["Scene"],
        "client": ["glTF Client"] if mode == "WINDOW" else [],
    }
    if mode == "WINDOW":
        status, message = told["failed"]
        assert status == 500
        assert "Blender could not render" in message
        assert told["state_after_failure"] == {**told["state"], "client": []}
    assert not told["left"]


def test_this_window_serves_like_the_server(package_home, forms, tmp_path):
    report = package_home.drive("both_modes", tmp_path, DRIVE_FORMS=str(forms))
    assert_served(report, "WINDOW")
    expected = served(PACKAGE, tmp_path / "room.blend", forms)
    for kind in TYPES:
        assert (tmp_path / f"WINDOW_{kind}").read_bytes() == expected[kind], kind


@pytest.mark.program
def test_both_modes_serve_alike_in_the_program(program_home, forms, tmp_path):
    report = program_home.drive("both_modes", tmp_path, DRIVE_FORMS=str(forms))
    for mode in ("BACKGROUND", "WINDOW"):
        assert_served(report, mode)
    for kind in TYPES:
        answers = {(tmp_path / f"{mode}_{kind}").read_bytes() for mode in ("BACKGROUND", "WINDOW")}
        assert len(answers) == 1, kind
