"""What signals do to a program, each in a process of its own, because some of them end it."""

import os
import signal
import subprocess
import sys

import pytest

BEGIN = """
import os, signal, threading
from signal import SIGINT, SIGTERM, raise_signal
from gltf_render_server.process.interruption import *
signal.signal(SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup and jobs in the background ignore them
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")


def run(code):
    """Return the exit status and the output of a process."""
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_first_signal_is_an_exception_and_the_handlers_come_back(name):
    code = f"""
former = signal.getsignal(signal.{name})
try:
    with interruption():
        raise_signal(signal.{name})
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.{name}) == former)
"""
    assert run(code) == (0, "interrupted True\n")


def test_a_second_signal_ends_the_process():
    code = """
with interruption():
    try:
        raise_signal(SIGINT)
    except KeyboardInterrupt:
        raise_signal(SIGTERM)
print("goes on")
"""
    assert run(code) == (-signal.SIGTERM, "")


def test_a_signal_that_the_process_ignores_stays_ignored():
    code = """
signal.signal(SIGINT, signal.SIG_IGN)
with interruption(), held_interruption(), instant_interruption():
    raise_signal(SIGINT)
print(signal.getsignal(SIGINT) == signal.SIG_IGN)
"""
    assert run(code) == (0, "True\n")


@pytest.mark.parametrize("around", ["interruption()", "nullcontext()"])
def test_a_held_signal_comes_at_the_end(around):
    code = f"""
from contextlib import nullcontext
try:
    with {around}:
        with held_interruption():
            raise_signal(SIGINT)
            print("whole")
        print("goes on")
except KeyboardInterrupt:
    print("interrupted")
"""
    assert run(code) == (0, "whole\ninterrupted\n")


def test_a_held_signal_counts_as_the_first():
    code = """
with interruption():
    try:
        with held_interruption():
            raise_signal(SIGINT)
    except KeyboardInterrupt:
        raise_signal(SIGINT)
print("goes on")
"""
    assert run(code) == (-signal.SIGINT, "")


def test_a_second_signal_ends_what_holds_the_first():
    code = """
with held_interruption():
    raise_signal(SIGINT)
    raise_signal(SIGINT)
    print("goes on")
"""
    assert run(code) == (-signal.SIGINT, "")


def test_a_signal_whose_default_is_to_end_the_process_is_not_held():
    code = """
with held_interruption():
    raise_signal(SIGTERM)
print("goes on")
"""
    assert run(code) == (-signal.SIGTERM, "")


def test_an_instant_interruption_ends_the_process_without_a_traceback():
    code = """
import weakref
class Thing:
    pass
thing = Thing()
kept = weakref.ref(thing, lambda _: raise_signal(SIGINT))
with instant_interruption():
    del thing
    print("goes on")
"""
    assert run(code) == (-signal.SIGINT, "")


def test_after_an_instant_interruption_ctrl_c_is_an_exception_again():
    code = """
with instant_interruption():
    pass
try:
    raise_signal(SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""
    assert run(code) == (0, "interrupted\n")


def test_another_thread_changes_nothing():
    code = """
def work():
    with interruption(), held_interruption(), instant_interruption():
        print(signal.getsignal(SIGINT) is signal.default_int_handler)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    assert run(code) == (0, "True\n")


START = """
begun, goes_on = threading.Event(), threading.Event()

def start():
    with process_start():
        begun.set()
        goes_on.wait(1)
        print("started", flush=True)

threading.Thread(target=start, daemon=True).start()
begun.wait()
"""


def test_an_end_waits_for_the_start_of_a_process():
    code = f"""
{START}
signal.signal(SIGINT, end_by)
raise_signal(SIGINT)
"""
    assert run(code) == (-signal.SIGINT, "started\n")


def test_a_fork_waits_for_no_start_in_the_other_process():
    code = f"""
import warnings
warnings.simplefilter("ignore")  # a fork beside threads
{START}
if os.fork() == 0:
    signal.alarm(30)
    with process_start():
        os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert run(code)[1].split()[0] == "7"


def test_blocked_ctrl_c_reaches_no_process_that_is_started():
    code = """
import subprocess
with blocked_interruption():
    child = subprocess.Popen(["sh", "-c", "kill -INT $$; echo lives"])
child.wait()
raise_signal(SIGINT)
"""
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "lives\n")
    assert "KeyboardInterrupt" in done.stderr
