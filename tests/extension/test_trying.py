"""What the panel offers to who has no client: test requests, pictures of answers, changes, snippet, token."""

import re

import pytest

pytestmark = pytest.mark.program

SIZE = [480, 360]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("trying")


@pytest.fixture(scope="module")
def report(program_home, forms, out):
    return program_home.drive("trying", out, DRIVE_FORMS=str(forms))


def test_test_requests_are_answered_and_shown(report):
    texts = {name: text for name, (text, _) in report["tests"].items()}
    assert "color 480 x 360" in texts["COLOR"]
    assert re.search(r", [\d.]+ to [\d.]+ m", texts["DEPTH"])
    assert "labels 1, 2, 3" in texts["LABEL"]
    sizes = {name: size for name, (_, (size, _)) in report["tests"].items()}
    assert sizes == dict.fromkeys(("COLOR", "DEPTH", "LABEL"), SIZE)
    colours = {name: count for name, (_, (_, count)) in report["tests"].items()}
    assert colours["COLOR"] > 500, "not blank"
    assert colours["DEPTH"] > 100
    assert colours["LABEL"] == 4, "three labels, and grey for none"


def test_showing_a_picture_changes_nothing_of_the_users(report):
    assert report["scene_after"] == report["scene_before"]
    assert report["window_scene"] == "Scene"
    assert report["display"] == "WINDOW"
    assert report["windows"] == 2, "one for all pictures"
    assert report["zoom"] > 0.8


def test_pictures_of_answers_are_shown_again(report):
    assert report["answered"] == [["label", 200], ["depth", 200], ["color", 200]]
    assert [result for result, _ in report["shown_again"]] == [["FINISHED"]] * 3
    again = [statistics for _, statistics in report["shown_again"]]
    assert again == [report["tests"][name][1] for name in ("LABEL", "DEPTH", "COLOR")]


def test_update_is_marked_when_the_scene_has_changed(report):
    assert report["outdated"] == {
        "handed over": False,
        "selected": False,
        "moved": True,
        "updated": False,
        "samples": True,
        "energy": True,
        "updated again": False,
    }


def test_other_options_than_the_servers_are_told(report):
    assert report["other_options"] == [False, True, False, True, False]
    assert report["token_of_server"] == "a/b c", "what it was started with"


def test_the_snippet_is_code_with_the_token(report):
    compile(report["snippet"], "snippet", "exec")
    assert f'base_url="{report["url"]}"' in report["snippet"]
    assert 'render_endpoint="render?token=a%2Fb%20c"' in report["snippet"]
    assert report["url"].startswith("http://localhost:"), "spaces around the host do not count"


def test_a_generated_token_is_long_and_copied(report):
    token, clipboard, before = report["generated"]
    assert token == clipboard != before
    assert len(token) >= 32


def test_reasons_of_failures_stay(report):
    assert report["reasons"][0] == report["reasons"][2] == ""
    assert "focal_x" in report["reasons"][1]
    assert [failed for failed, _ in report["kept"]] == [False, True, False]
    assert report["kept"][1][1] == report["reasons"][1]
    assert report["show_kept"] == [["FINISHED"], SIZE]
    assert "focal_x" in report["show_failed"]


def test_an_import_is_selected_and_seen_through_its_camera(report):
    arrived = report["arrived"]
    assert arrived["selected"].count("MESH") == 3
    assert arrived["active"] == "MESH"
    assert arrived["camera"]
    assert not arrived["light"]
    assert set(arrived["views"]) == {"CAMERA"}


def test_what_is_over_is_not_told_any_more(report):
    assert report["stopped"] == ["", ""]


def test_the_panel_says_where_the_server_is_and_not_where_it_would_be(report):
    assert report["place"] == ["BACKGROUND", "This Window"]


def test_online_access_ends_what_others_reach(report):
    assert report["online"][:2] == [True, True]
    assert "Online Access is off" in report["online"][2]
    assert "0.0.0.0" not in report["outside_url"]


def test_there_is_an_entry_in_the_render_menu(report):
    assert report["menu"]
