"""The server's address as its clients need it: to be asked, with the token, as code. Knows no Blender."""

from __future__ import annotations

import socket
from urllib.parse import quote, urlsplit

__all__ = ["drake_snippet", "reachable", "with_token"]

_ELSEWHERE = {4: ("192.0.2.1", 9), 6: ("2001:db8::1", 9)}
"""Addresses that nobody has (RFC 5737, RFC 3849): to ask which way packets would go, and send none."""


def reachable(url: str) -> str:
    """Put this computer's address in the place of one that means all of its addresses.

    Parameters
    ----------
    url : str
        Such as ``http://0.0.0.0:8000``.

    Returns
    -------
    str
        What a client can ask; without a network, what this computer alone can.
    """
    host = urlsplit(url).hostname or ""
    if host == "0.0.0.0":  # noqa: S104  it is what is replaced
        return url.replace(host, _outward(4), 1)
    if host == "::":
        own = _outward(6)
        return url.replace("[::]", f"[{own}]" if ":" in own else own, 1)
    return url


def with_token(url: str, token: str) -> str:
    """Write the token into an address, as the password of a user whose name does not matter."""
    return url.replace("://", f"://blender:{quote(token, safe='')}@", 1) if token else url


def drake_snippet(url: str, token: str) -> str:
    """Return the Python code with which Drake uses the server.

    Drake's client cannot authenticate: the token goes into its endpoint.
    """
    endpoint = f', render_endpoint="render?token={quote(token, safe="")}"' if token else ""
    return (
        "from pydrake.geometry import MakeRenderEngineGltfClient, RenderEngineGltfClientParams\n\n"
        f'params = RenderEngineGltfClientParams(base_url="{url}"{endpoint})\n'
        'scene_graph.AddRenderer("photo", MakeRenderEngineGltfClient(params))\n'
    )


def _outward(version: int) -> str:
    """Return the address from which this computer would speak to others."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE[version])
            return str(probe.getsockname()[0]).partition("%")[0]
    except OSError:
        return "127.0.0.1" if version == 4 else "::1"
