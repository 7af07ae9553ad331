"""The program ends by a signal that comes before the server handles signals."""

import os
import signal
import subprocess
import sys

import pytest

IN_A_CALLBACK = """
import signal, sys, types, weakref
from gltf_render_server.__main__ import main

class Thing:
    pass

def run():
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    print("goes on")

sys.modules["gltf_render_server.cli"] = types.SimpleNamespace(main=run)
main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_ctrl_c_ends_the_start_wherever_it_comes():
    """Python drops errors that are raised in a callback, and each import has some."""
    done = subprocess.run([sys.executable, "-c", IN_A_CALLBACK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
