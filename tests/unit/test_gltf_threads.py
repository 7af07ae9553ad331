"""The first scenes of a server may come all at once."""

import os
import subprocess
import sys

import pytest

FIRST_SCENES = """
import sys, threading
from drake_like import DrakeScene, box, look_at, translation
from gltf_render_server.gltf.decoding import convert
document = DrakeScene([box((1, 1, 1), translation(0, 0, 0), 3)], look_at((3, 2, 2), (0, 0, 0))).document()
sys.setswitchinterval(1e-6)
start = threading.Barrier(8)
def first():
    start.wait()
    convert(document)
threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.parametrize("attempt", range(8))
def test_first_scenes_on_many_threads(attempt):
    done = subprocess.run(
        [sys.executable, "-c", FIRST_SCENES],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), "half of the attempts crashed before"
