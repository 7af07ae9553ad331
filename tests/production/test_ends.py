"""A server ends by its signal, however it was started: as a container's first process, without output."""

import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from servers import PACKAGE, ROOT, running, wait_for

pytest.importorskip("vtkmodules", reason="VTK is not for this Python")

VTK = ("--backend", "vtk")
CONTAINED = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")

WITH_MEMORY = ("sh", "-c", 'mount -t tmpfs tmpfs /dev/shm && exec "$@"', "sh")
"""As a container has: who would remove what is left there ends with the first process."""


def can_contain():
    return (
        shutil.which("unshare") and subprocess.run([*CONTAINED, "true"], capture_output=True).returncode == 0
    )


contained = pytest.mark.skipif(not can_contain(), reason="this user may make no namespaces")


def first_process(container):
    wait_for(lambda: bool(psutil.Process(container.pid).children()))
    return psutil.Process(container.pid).children()[0]


def scratch_of(first):
    """Its folder in memory, by what will remove it: the first process of every container has the number 1."""
    words = [word for child in first.children() for word in child.cmdline()]
    return [Path(word) for word in words if word.startswith("/dev/shm/gltf-render-server-1-")]


@contained
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_process_of_a_container_ends(number):
    with running(*VTK, command=(*CONTAINED, *PACKAGE)) as server:
        first = first_process(server.process)
        workers = [worker.pid for worker in first.children(recursive=True)]
        [folder] = scratch_of(first)
        first.send_signal(number)
        assert server.process.wait(300) == 128 + number
        assert not any(map(psutil.pid_exists, workers))
        assert not folder.exists()


@contained
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_process_of_a_container_ends_while_it_starts(number):
    command = [*CONTAINED, *WITH_MEMORY, *PACKAGE, *VTK, "--port", "0"]
    container = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    try:
        first = first_process(container)
        loaded = Path(f"/proc/{first.pid}/maps")
        wait_for(lambda: "numpy" in loaded.read_text())  # the program's own code runs
        first.send_signal(number)
        assert container.wait(300) == 128 + number
        assert b"Traceback" not in container.stderr.read()
    finally:
        if first.is_running():
            first.kill()
        container.communicate()


@pytest.mark.parametrize("output", [">&-", ">/dev/full", ">/dev/full 2>&1"])
def test_a_server_whose_output_leads_nowhere(output):
    command = " ".join(["exec", *PACKAGE, *VTK, "--port", "0", output])
    process = subprocess.Popen(["sh", "-c", command], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: answers(process.pid))
        process.terminate()
        _, log = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGTERM
    assert b"Traceback" not in log


def answers(pid):
    """Tell whether it answers at the port that it has chosen, which it can print nowhere."""
    time.sleep(0.1)
    found = [each for each in psutil.Process(pid).net_connections() if each.status == psutil.CONN_LISTEN]
    if not found:
        return False
    time.sleep(1.0)  # what fails after the start does so meanwhile
    address = f"http://127.0.0.1:{found[0].laddr.port}/healthz/live"
    with suppress(OSError), urlopen(address, timeout=300) as response:
        return response.status == 200
    return False
