"""The add-on survives whatever is done with it, and nothing of the user's is changed by that.

``ADDON_USE_S=1800`` uses it for half an hour, ``ADDON_USE_SEED`` in another order.
"""

import os

import pytest

SECONDS = float(os.environ.get("ADDON_USE_S", "45"))
SEED = os.environ.get("ADDON_USE_SEED", "1")

pytestmark = pytest.mark.timeout(SECONDS + 600)


def check(home, forms, tmp_path):
    report = home.drive(
        "long_use",
        tmp_path,
        limit_s=SECONDS + 500,
        DRIVE_FORMS=str(forms),
        DRIVE_SECONDS=str(SECONDS),
        DRIVE_SEED=SEED,
    )
    print(report["counts"], report["memory_mb"][:: max(1, len(report["memory_mb"]) // 20)])  # noqa: T201
    assert report["problems"] == []
    assert report["left"] == []
    assert report["foreign"] == ["about.json", "beach.png"]
    assert sum(report["counts"].values()) > 10


def test_in_the_package(package_home, forms, tmp_path):
    check(package_home, forms, tmp_path)


@pytest.mark.program
def test_in_the_program(program_home, forms, tmp_path):
    check(program_home, forms, tmp_path)
