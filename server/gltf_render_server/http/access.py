"""Who may ask: the token, the Host header, the Origin header. Knows headers, nothing of Flask."""

from __future__ import annotations

import hmac
import re
import socket
from collections.abc import Mapping

from werkzeug.datastructures import Authorization

from ..errors import ForbiddenError, SettingsError, UnauthorizedError
from ..settings import ServerSettings
from .addresses import is_loopback, parse_address

__all__ = ["Access", "check_exposure"]

_ANY_HOST = "*"
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.~-]+)?)\]|([\w.~-]*))(?::[0-9]*)?", re.ASCII)
"""A Host header, RFC 9110: an address in brackets or a name, and a port; nothing like ``user@host``."""


class Access:
    """Decides by a request's headers.

    Parameters
    ----------
    settings : ServerSettings
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._token = settings.token
        self._hosts = {"localhost", socket.gethostname().lower(), settings.host.lower()}
        self._hosts |= {name.lower() for name in settings.allowed_hosts}

    def check_place(self, headers: Mapping[str, str]) -> None:
        """Refuse what a foreign web page could have made a browser send.

        Raises
        ------
        ForbiddenError
            The Host is none of this server's, as after DNS rebinding, or the Origin is another site.
        """
        host = headers.get("Host", "")
        self._check_host(host)
        _check_origin(headers.get("Origin"), host)

    def check_token(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Refuse what lacks the token, where there is one.

        Drake's client cannot authenticate; its endpoint, ``render?token=TOKEN``, is all its user chooses.

        Raises
        ------
        UnauthorizedError
        """
        if self._token is None or _is_equal(query.get("token", ""), self._token):
            return
        if not _is_equal(_credentials(headers.get("Authorization", "")), self._token):
            is_other = query.get("token") or headers.get("Authorization")
            wanted = "another token than the one that was sent" if is_other else "a token"
            raise UnauthorizedError(
                f"this server wants {wanted}: send Authorization: Bearer TOKEN, or ask for "
                "render?token=TOKEN (in Drake, render_endpoint)"
            )

    def _check_host(self, host: str) -> None:
        """Let pass what cannot be rebound, an address, and the names that are known to be this server's."""
        if self._token is not None or _ANY_HOST in self._hosts:
            return
        name = _host_name(host)
        if name not in self._hosts and not _is_address(name):
            advice = f"; if it should, start it with --allowed-hosts {name[:100]}" if name else ""
            raise ForbiddenError(f"Host: this server does not answer as {host[:100]!r}{advice}")


def check_exposure(settings: ServerSettings) -> None:
    """Refuse to listen to the world without a token.

    Raises
    ------
    SettingsError
    """
    if settings.token is None and not settings.insecure and not is_loopback(settings.host):
        raise SettingsError(
            f"--host {settings.host} lets other machines in: give a token that they must send "
            "(GLTF_RENDER_SERVER_TOKEN, or --token), or say --insecure where only friends can reach it"
        )


def _check_origin(origin: str | None, host: str) -> None:
    """Refuse a page of another site; a program sends no Origin."""
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        raise ForbiddenError(f"Origin: pages of {origin[:100]!r} may not use this server")


def _is_equal(given: str | bytes, token: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode() if isinstance(given, str) else given, token.encode())


def _credentials(header: str) -> bytes:
    """Return a bearer's token, or the password of basic authentication, whoever the user."""
    try:
        sent = Authorization.from_header(header.strip())
    except ValueError:  # what stands for Base64 is not ASCII
        return b""
    if sent is not None and sent.type == "basic":
        return (sent.password or "").encode()
    if sent is not None and sent.type == "bearer":  # as it is: with a = in it, werkzeug sees parameters
        return header.strip().partition(" ")[2].strip().encode("latin-1", "replace")  # as WSGI has decoded it
    return b""


def _host_name(host: str) -> str:
    match = _HOST.fullmatch(host)
    return (match[1] or match[2]).lower() if match else ""


def _is_address(name: str) -> bool:
    try:
        parse_address(name)
    except ValueError:
        return False
    return True
