"""Runs that are killed at any moment, all of their processes at once, and go on as if nothing had been.

``GLTF_RENDER_SERVER_KILLS=48`` kills as many.
"""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress

import psutil
from folders import contents
from making import command
from plans import RingPlan
from servers import wait_for

from gltf_render_server.dataset.running import run

KILLS = int(os.environ.get("GLTF_RENDER_SERVER_KILLS", "10"))
PLAN = RingPlan(60, broken={2: "cut short", 31: "missing"}, passes=("depth", "instance", "normal"))
LONGEST_S = 2.0


def started(path, plan=PLAN, workers=1):
    """A run in a process group of its own, which has just begun."""
    process = subprocess.Popen(
        command(path, plan, workers), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout.readline() == b"begins\n", process.stderr.read().decode()
    return process


def test_a_run_that_is_killed_again_and_again_makes_the_same_files(tmp_path, engine):
    seed = random.randrange(10**6)
    moments, found = random.Random(seed), []
    for _ in range(KILLS):
        process = started(tmp_path / "store")
        time.sleep(moments.uniform(0, LONGEST_S))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        found.append(len(contents(tmp_path / "store")))
    assert run(PLAN, tmp_path / "store", engine).exit_code == 0
    run(PLAN, tmp_path / "undisturbed", engine)
    assert contents(tmp_path / "store") == contents(tmp_path / "undisturbed"), f"seed {seed}: {found}"


def test_ctrl_c_ends_a_run_with_its_status_and_leaves_nothing_unfinished(tmp_path):
    process = started(tmp_path / "store", RingPlan(10**6, passes=("depth",)))  # hours
    wait_for((tmp_path / "store" / "items").exists)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    try:
        out, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Run the same command again" in out
    assert not any(".unfinished" in name or ".running" in name for name in contents(tmp_path / "store"))


def test_a_worker_that_is_killed_costs_no_item(tmp_path, engine):
    """The dispatcher starts another, which renders what the first had begun with."""
    plan = RingPlan(60, passes=("depth",))
    process = started(tmp_path / "store", plan)
    wait_for((tmp_path / "store" / "items").exists)
    for worker in children(process.pid):
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    assert b"60 of 60 items" in out
    run(plan, tmp_path / "undisturbed", engine)
    assert contents(tmp_path / "store") == contents(tmp_path / "undisturbed")


def children(pid):
    """The processes that a process has started to render."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):
            if any("spawn_main" in word for word in child.cmdline()):
                found.append(child.pid)
    return found
