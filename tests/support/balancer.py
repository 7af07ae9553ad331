"""Starts the real HAProxy with the project's configuration, in front of real servers."""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
import pytest
import requests
from servers import ROOT, Server, free_port, wait_for

from gltf_render_server.client import RenderClient

DEPLOY = ROOT / "scripts" / "deploy"
CONFIGURATION = DEPLOY / "haproxy.cfg"
PROGRAM = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

needs_haproxy = pytest.mark.skipif(
    PROGRAM is None or os.geteuid() != 0,
    reason="needs HAProxy (apt install haproxy), started as root, as it drops its privileges",
)


@dataclass
class Balancer:
    url: str
    metrics_url: str

    @property
    def client(self) -> RenderClient:
        return RenderClient(self.url, timeout_s=300)

    def statistics(self, server: str) -> dict[str, str]:
        """What HAProxy counts for a server, or for all of them as BACKEND."""
        text = requests.get(f"{self.metrics_url}/;csv", timeout=300).text
        rows = csv.DictReader(text.removeprefix("# ").splitlines())
        return next(row for row in rows if (row["pxname"], row["svname"]) == ("servers", server))

    def wait_until(self, server: str, state: str) -> None:
        wait_for(lambda: self.statistics(server)["status"].startswith(state))


@contextmanager
def balancing(addresses: Sequence[str], **env: str) -> Iterator[Balancer]:
    """Run HAProxy before servers at host:port until the block ends; `env` is added to haproxy.env."""
    assert PROGRAM
    bind, metrics_bind = (f"127.0.0.1:{free_port()}" for _ in range(2))
    servers = {f"RENDER_SERVER_{index}": address for index, address in enumerate(addresses, 1)}
    env = {**_environment(), "RENDER_BIND": bind, "RENDER_METRICS_BIND": metrics_bind, **servers, **env}
    process = subprocess.Popen([PROGRAM, "-db", "-f", str(CONFIGURATION)], env={**os.environ, **env})
    try:
        _wait_until_listening(process, metrics_bind)
        yield Balancer(f"http://{bind}", f"http://{metrics_bind}")
    finally:
        process.kill()
        process.wait(300)


def _environment() -> dict[str, str]:
    lines = (DEPLOY / "haproxy.env").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def _wait_until_listening(process: subprocess.Popen[bytes], address: str) -> None:
    def is_listening() -> bool:
        assert process.poll() is None, "HAProxy ended"
        with socket.socket() as probe:
            return probe.connect_ex(_split(address)) == 0

    wait_for(is_listening)


def kill(server: Server) -> None:
    """End a server and its workers at once. The shells that then remove their files live on."""
    main = psutil.Process(server.process.pid)
    for process in [main, *main.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            if "gltf-render-server-remover" not in process.cmdline():
                process.kill()
    server.process.wait(300)


def address(server: Server) -> str:
    return server.url.removeprefix("http://")


def port(server: Server) -> str:
    return server.url.rpartition(":")[2]


def _split(text: str) -> tuple[str, int]:
    host, _, number = text.rpartition(":")
    return host, int(number)
