"""Several windows, each with a scene: the first one's is served, a dataset is of the one at hand."""

import pytest


@pytest.fixture(scope="module")
def report(program_home, forms, tmp_path_factory):
    return program_home.drive("windows", tmp_path_factory.mktemp("windows"), DRIVE_FORMS=str(forms))


pytestmark = pytest.mark.program


def test_the_first_windows_scene_is_served_with_its_own_settings(report):
    assert report["handed_over"] == "First"
    assert report["quality"] == "draft"
    assert report["pending"] == [False, False], "in each window"


def test_clients_objects_come_into_the_served_scene(report):
    assert report["status"] == 200
    assert report["shown_in"] == ["First"]


def test_a_dataset_is_of_the_scene_whose_button_was_pressed(report):
    assert "wrote" in report["told"]
    assert report["exported"] == ["Only here"]
    assert report["lit_by"] == "Second"
