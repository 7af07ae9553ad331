"""What the user holds in hand, and what fails, disturbs neither the user nor the server."""

import pytest


@pytest.fixture(scope="module")
def report(program_home, forms, tmp_path_factory):
    out = tmp_path_factory.mktemp("disturbances")
    return program_home.drive("disturbances", out, simulates_events=True, DRIVE_FORMS=str(forms))


pytestmark = pytest.mark.program


def test_a_request_waits_for_a_brush(report):
    assert report["modal"] == ["WM_OT_radial_control"]
    assert report["brush"] == [0, 200]


def test_a_request_does_not_wait_for_a_file_browser(report):
    assert report["choosing"] == ["WM_OT_save_as_mainfile"]
    assert set(report["statuses"]) == {200}


def test_a_slider_of_a_clients_object_may_be_held(report):
    assert report["held"] == ["Render Camera", "location"]
    assert report["cameras"] == 2, "the user's and the client's: what was held is gone"


def test_failures_are_told_and_stop_works(report):
    assert "Failed to" in report["told"]
    assert "KeyError" in report["told"]
    assert report["stopped"]


def test_a_token_may_hold_any_character(report):
    assert report["again"] == ["Render Again: The same, byte for byte", ""]
