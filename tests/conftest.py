"""Makes a test run independent of others at the same time, of its machine's speed, and of chance.

- Temporary files of a run, also those that programs leave which are killed, are in a folder of its own, which
  goes with it. Pytest's folders stay where they are always.
- Hypothesis draws the same examples each time, and none of them has a time limit. It draws no constants of
  the project's sources: those differ with each change of the sources, and with the modules that are loaded.
- A run that has loaded Blender ends without Blender's own clean-up: the bpy package waits in a static
  destructor, now and then for ever, for a thread of its own (seen with 4.5.15). The server itself ends by a
  signal, and never gets there.
"""

import os
import shutil
import sys
import tempfile

import pytest
from drake_like import DrakeScene, box, look_at, sphere, translation
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
_FOLDER = tempfile.tempdir = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="gltf-tests-")

settings.register_profile(
    "same each time", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same each time")
assert hasattr(providers, "_get_local_constants"), "another Hypothesis calls it another name"
_nothing = Constants()
providers._get_local_constants = lambda: _nothing

_status = pytest.StashKey[int]()


def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    shutil.rmtree(_FOLDER, ignore_errors=True)
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
