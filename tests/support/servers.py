"""Starts real servers, in processes of their own."""

from __future__ import annotations

import os
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
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            if process.stdout:
                process.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.005)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    timer = threading.Timer(180, process.kill)
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
