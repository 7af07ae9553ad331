"""Starts real servers, in processes of their own."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gltf_render_server.client import RenderClient

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = (sys.executable, "-m", "gltf_render_server")

_MEMORY = Path("/dev/shm")
_claims: list[socket.socket] = []
_EARLIER = frozenset(_MEMORY.glob("gltf-render-server-*"))  # of other runs, whose process IDs come again


def program() -> tuple[str, ...]:
    """The command that serves from inside the real Blender that BLENDER names."""
    blender = os.environ.get("BLENDER")
    if not blender:
        pytest.skip("BLENDER does not name a real Blender program")
    return (blender, "-b", "--factory-startup", "-P", str(ROOT / "scripts" / "serve.py"), "--")


@dataclass
class Server:
    process: subprocess.Popen[str]
    url: str
    log: Path

    @property
    def client(self) -> RenderClient:
        return RenderClient(self.url, timeout_s=300)

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def running(
    *options: str, command: Sequence[str] = PACKAGE, env: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run a server on a free port until the block ends."""
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        log = Path(folder) / "stderr"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [*command, "--port", "0", *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                env={**os.environ, "BLENDER_USER_RESOURCES": folder, **(env or {})},
            )
        try:
            yield Server(process, _address(process, log), log)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def free_port() -> int:
    """A port for a program that has to be told one; nobody else is given it until this process ends.

    It lies below those that systems choose from by themselves, for servers and for clients. Other test runs
    leave it out, because the UDP port of its number is taken.
    """
    for number in random.sample(range(10_000, 32_768), 1000):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", number))
            with socket.create_server(("127.0.0.1", number)):
                _claims.append(claim)
                return number
        except OSError:
            claim.close()
    raise RuntimeError("no port is free")


def in_memory(*pids: int) -> list[Path]:
    """The scratch folders of these processes in memory, which may have ended, since the tests began."""
    found = [path for pid in pids for path in _MEMORY.glob(f"gltf-render-server-{pid}-*")]
    return [path for path in found if path not in _EARLIER]


def wait_for(condition: Callable[[], bool], timeout_s: float = 300) -> None:
    """Wait until something is so. The limit is for what never will be: a busy machine may take long."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.005)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    timer = threading.Timer(400, process.kill)
    timer.start()
    try:
        printed = []
        for line in process.stdout or ():
            printed.append(line)
            if line.startswith("Running on "):
                threading.Thread(target=_drain, args=(process,), daemon=True).start()
                return line.split()[-1]
    finally:
        timer.cancel()
    raise RuntimeError(f"the server did not start\n{''.join(printed)}\n{log.read_text(errors='replace')}")


def _drain(process: subprocess.Popen[str]) -> None:
    try:
        for _ in process.stdout or ():
            pass
    except ValueError:  # closed at the end of the test
        pass
