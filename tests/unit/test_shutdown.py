"""The end by a signal, in a process of its own."""

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")

AT_ONCE = """
import signal
from gltf_render_server.process.shutdown import ShutdownWatch

class Work:
    def close(self): pass
    def wait_until_idle(self, timeout_s): return True
    def give_up_running(self): pass
    def shut_down(self): pass

install = signal.signal

def install_and_get(number, handler):
    install(number, handler)
    if number == signal.SIGTERM:
        signal.raise_signal(number)

signal.signal = install_and_get
ShutdownWatch(Work(), lambda timeout_s: None)._thread.join(30)
print("the signal is lost")
"""


def test_a_signal_that_comes_while_its_handler_is_installed_is_not_lost():
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, ""), done.stderr
