"""The server's address in the forms that clients need: reachable, with the token, as code.

Independent of Blender.
"""

from __future__ import annotations

import socket
from urllib.parse import quote, urlsplit

__all__ = ["drake_snippet", "reachable", "with_token"]

_ELSEWHERE = {4: ("192.0.2.1", 9), 6: ("2001:db8::1", 9)}
"""Addresses reserved for documentation (RFC 5737, RFC 3849).

Looking up the route to them sends no packets.
"""


def reachable(url: str) -> str:
    """Replace an address that means all addresses of this computer with one that clients can use.

    Parameters
    ----------
    url : str
        The address, such as ``http://0.0.0.0:8000``.

    Returns
    -------
    str
        The address for clients. Without a network, it can be reached only from this computer.
    """
    host = urlsplit(url).hostname or ""
    if host == "0.0.0.0":  # noqa: S104  it is what is replaced
        return url.replace(host, _outward(4), 1)
    if host == "::":
        own = _outward(6)
        return url.replace("[::]", f"[{own}]" if ":" in own else own, 1)
    return url


def with_token(url: str, token: str) -> str:
    """Add the token to an address, as the password of a user with an arbitrary name."""
    return url.replace("://", f"://blender:{quote(token, safe='')}@", 1) if token else url


def drake_snippet(url: str, token: str) -> str:
    """Return the Python code with which Drake uses the server.

    Drake's client cannot authenticate, so the token is part of its endpoint.
    """
    endpoint = f', render_endpoint="render?token={quote(token, safe="")}"' if token else ""
    return (
        "from pydrake.geometry import MakeRenderEngineGltfClient, RenderEngineGltfClientParams\n\n"
        f'params = RenderEngineGltfClientParams(base_url="{url}"{endpoint})\n'
        'scene_graph.AddRenderer("photo", MakeRenderEngineGltfClient(params))\n'
    )


def _outward(version: int) -> str:
    """Return this computer's address in its network."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE[version])
            return str(probe.getsockname()[0]).partition("%")[0]
    except OSError:
        return "127.0.0.1" if version == 4 else "::1"
