"""Access control by the token and by the Host and Origin headers, independent of Flask."""

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
"""A Host header as in RFC 9110: an IP address in brackets or a name, and a port.

``user@host`` does not match.
"""


class Access:
    """Decides from a request's headers whether it is allowed.

    Parameters
    ----------
    settings : ServerSettings
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._token = settings.token
        self._hosts = {"localhost", socket.gethostname().lower(), settings.host.lower()}
        self._hosts |= {name.lower() for name in settings.allowed_hosts}

    def check_place(self, headers: Mapping[str, str]) -> None:
        """Reject requests that a web page of another site could have made a browser send.

        Raises
        ------
        ForbiddenError
            The Host is not one of this server's names, as after DNS rebinding, or the Origin is another site.
        """
        host = headers.get("Host", "")
        self._check_host(host)
        _check_origin(headers.get("Origin"), host)

    def check_token(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Reject requests without the token, if the server has one.

        Drake's client cannot authenticate. Its user can only choose the endpoint, ``render?token=TOKEN``.

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
        """Accept hosts that DNS rebinding cannot abuse: IP addresses, and the known names of this server."""
        if self._token is not None or _ANY_HOST in self._hosts:
            return
        name = _host_name(host)
        if name not in self._hosts and not _is_address(name):
            advice = f"; if it should, start it with --allowed-hosts {name[:100]}" if name else ""
            raise ForbiddenError(f"Host: this server does not answer as {host[:100]!r}{advice}")


def check_exposure(settings: ServerSettings) -> None:
    """Refuse to listen on a public address without a token.

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
    """Reject requests by a page of another site. Programs send no Origin header."""
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        raise ForbiddenError(f"Origin: pages of {origin[:100]!r} may not use this server")


def _is_equal(given: str | bytes, token: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode() if isinstance(given, str) else given, token.encode())


def _credentials(header: str) -> bytes:
    """Return a bearer token, or the password of basic authentication with any user name."""
    try:
        sent = Authorization.from_header(header.strip())
    except ValueError:  # the Base64 text is not ASCII
        return b""
    if sent is not None and sent.type == "basic":
        return (sent.password or "").encode()
    # taken from the header itself, because werkzeug parses a token that contains = as parameters
    if sent is not None and sent.type == "bearer":
        # undoes the decoding by WSGI
        return header.strip().partition(" ")[2].strip().encode("latin-1", "replace")
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
