"""Addresses to listen on.

This module imports nothing from the package, so start-up scripts can use it quickly.
"""

from __future__ import annotations

import ipaddress
import os
import socket

__all__ = ["is_loopback", "listen", "parse_address", "reason_of"]

_BACKLOG = 128


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on `host`."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(parse_address(entry[4][0]).is_loopback for entry in found)


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Port 0 chooses any free port. Raises OSError if that fails."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


def reason_of(error: OSError) -> str:
    """Return the system's error message, to which Python adds the address."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def parse_address(text: str | int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Parse an IP address, which may include its zone. Raises ValueError if it is invalid."""
    return ipaddress.ip_address(str(text).partition("%")[0])
