"""What is switched off leaves nothing behind, and what happens to the session meanwhile is survived."""

import shutil

import pytest
from blenders import Home
from servers import free_port

NOTHING = {"modules": [], "threads": [], "handlers": [], "types": [], "properties": []}


def check(home, forms, tmp_path):
    own = tmp_path / "home"  # it will be removed from this one
    shutil.copytree(home.folder, own, symlinks=True)
    more = {"DRIVE_FORMS": str(forms), "DRIVE_PORT": str(free_port())}
    report = Home(own, home.blender).drive("comings_and_goings", tmp_path, **more)
    assert set(report["statuses"]) == {200}
    assert report["shown"], "the client's objects are there to be looked at"
    assert report["saved"] == [], "and in no file"
    assert report["after_load"][0] == "Running"
    assert report["after_load"][1] > 1
    assert report["left"] == NOTHING
    assert not report["files_left"]
    assert report["ticks"] == [True, False], "the timer goes with the add-on"
    assert report["left_again"] == NOTHING
    assert not report["port_is_open"]
    assert not any(report["data_left"].values()), report["data_left"]
    assert not report["wheels_left"]
    assert not report["installed"]
    return report


def test_in_the_package(package_home, forms, tmp_path):
    check(package_home, forms, tmp_path)


@pytest.mark.program
def test_in_the_program(program_home, forms, tmp_path):
    report = check(program_home, forms, tmp_path)
    assert report["undone"] == [0, []], "undo takes back the user's edit"
