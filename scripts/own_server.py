"""Runs a server for a script, on a free port, as long as the script needs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import psutil

from gltf_render_server.client import RenderClient
from reporting import ScriptError

__all__ = ["OwnServer", "own_server"]


class OwnServer:
    """A server that is running or starting."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @cached_property
    def client(self) -> RenderClient:
        """The client of the server. Waits until the server is ready.

        Raises
        ------
        ScriptError
            The server does not start. Its error message was printed to stderr.
        """
        for line in self._process.stdout or ():
            if line.startswith("Running on "):
                return RenderClient(line.split()[-1])
        raise ScriptError("the server did not start; what it says above tells why")

    def processor_s(self) -> float:
        """Return the processor time of the server up to now, seconds, over all cores, without workers."""
        return _processor_s(psutil.Process(self._process.pid))

    def workers_processor_s(self) -> float:
        """Return the processor time of its workers up to now, seconds, over all cores."""
        return sum(map(_processor_s, psutil.Process(self._process.pid).children()))


@contextmanager
def own_server(*options: str) -> Iterator[OwnServer]:
    """Run a server with these options until the end of the block."""
    command = [sys.executable, "-m", "gltf_render_server", "--port", "0", "--log-level", "warning", *options]
    # in a separate process group, so that Ctrl-C does not end it, but this process does
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)
    try:
        yield OwnServer(process)
    finally:
        process.terminate()
        process.wait()


def _processor_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
