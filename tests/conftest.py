"""Ends a test run that has loaded Blender without Blender's own clean-up.

The bpy package waits in a static destructor, now and then for ever, for a thread of its own (seen with
4.5.15); the server itself ends by a signal, and never gets there.
"""

import os
import sys

import pytest

_status = pytest.StashKey[int]()


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    if "bpy" in sys.modules and _status in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_status])
