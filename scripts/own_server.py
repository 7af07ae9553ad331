"""A server of a script's own, on a free port, for as long as the script needs it."""

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
    """A server that runs, or is about to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @cached_property
    def client(self) -> RenderClient:
        """What asks it; waits until it is there.

        Raises
        ------
        ScriptError
            It does not start; it has said why on stderr.
        """
        for line in self._process.stdout or ():
            if line.startswith("Running on "):
                return RenderClient(line.split()[-1])
        raise ScriptError("the server did not start; what it says above tells why")

    def processor_s(self) -> float:
        """Return the processor time that it has taken until now, seconds, over all cores."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system


@contextmanager
def own_server(*options: str) -> Iterator[OwnServer]:
    """Run a server with these options until the block ends."""
    command = [sys.executable, "-m", "gltf_render_server", "--port", "0", "--log-level", "warning", *options]
    # a group of its own: what ends it is not a Ctrl-C, but this process
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)
    try:
        yield OwnServer(process)
    finally:
        process.terminate()
        process.wait()
