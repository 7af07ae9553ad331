"""Addresses to listen on. Imports nothing of the package: what only starts a server can ask at once."""

from __future__ import annotations

import ipaddress
import socket

__all__ = ["is_loopback", "listen", "parse_address"]

_BACKLOG = 128


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens on `host`."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(parse_address(entry[4][0]).is_loopback for entry in found)


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes any free one. OSError if that cannot be."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def parse_address(text: str | int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address, which may name its zone; ValueError if it is none."""
    return ipaddress.ip_address(str(text).partition("%")[0])
