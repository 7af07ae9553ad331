"""Ends a test run that has loaded Blender without Blender's own clean-up.

The bpy package waits in a static destructor, now and then for ever, for a thread of its own (seen with
4.5.15); the server itself ends by a signal, and never gets there.
"""

import os
import sys

import pytest
from drake_like import DrakeScene, box, look_at, sphere, translation

_status = pytest.StashKey[int]()


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    if "bpy" in sys.modules and _status in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_status])


@pytest.fixture
def table():
    """A floor, a box and a ball, seen from above."""
    return DrakeScene(
        [
            box((4, 4, 0.1), translation(0, 0, -0.05), 1, rgba=(0.6, 0.6, 0.6, 1)),
            box((0.5, 0.4, 0.6), translation(-0.5, 0.1, 0.3), 2),
            sphere(0.35, translation(0.5, -0.2, 0.35), 300, rgba=(0.1, 0.5, 0.9, 1)),
        ],
        look_at((1.6, -1.9, 1.5), (0, 0, 0.2)),
    )
