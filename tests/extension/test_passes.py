"""Passes of kept requests, in false colours."""

import re

import pytest
from blender_addon.gltf_render_server.passes import PASSES

pytestmark = pytest.mark.program


@pytest.fixture(scope="module")
def report(program_home, forms, tmp_path_factory):
    return program_home.drive("passes", tmp_path_factory.mktemp("passes"), DRIVE_FORMS=str(forms))


def test_every_pass_is_shown_without_a_server(report):
    pictures = [name for name, row in PASSES.items() if row.dtype != "json" and row.moment is None]
    assert report["choices"] == pictures
    assert {size == [160, 120] for _, size, _ in report["passes"].values()} == {True}
    for name, (text, _, colours) in report["passes"].items():
        assert text.startswith(f"Show Pass: {name} 160 x 120"), text
        assert (colours > 1) != text.endswith(", empty"), text
    assert re.fullmatch(r".*, [\d.]+ to [\d.]+ m", report["passes"]["depth"][0])
    assert "instances 1, 2, in" in report["passes"]["instance"][0]
    assert report["passes"]["normal"][0].endswith("-1.00 to 1.00")


def test_what_was_asked_for_comes_first_and_is_marked(report):
    assert report["asked"] == [["depth normal", 2], ["color", 1], ["", 0]]
    assert report["marked"] == ["color"]
    assert report["marked_of_two"] == ["depth", "normal"]
    assert report["first_choices"][:3] == ["depth", "normal", "color"]


def test_a_view_can_be_chosen_and_the_first_is_shown_otherwise(report):
    first, right, unknown = report["views"]
    assert (first[1], right[1]) == ([160, 120], [100, 120])
    assert unknown == first


def test_nothing_of_the_users_changes(report):
    assert report["changed"] == {}
    assert not report["outdated"]
    assert report["collections"] == ["Collection"]


def test_failures_are_told(report):
    assert report["refused"].startswith("Show Pass: the request never became a frame: ")
    assert "focal_x" in report["refused"]
    assert "is gone" in report["gone"]


def test_the_window_waits_no_longer_than_for_render_again(report):
    again, shown = (min(report["frozen_s"][name][1:]) for name in ("render_again", "show_pass"))
    assert report["beside_a_server"].startswith("Show Pass: color")
    assert shown < 2 * again + 0.5, report["frozen_s"]
