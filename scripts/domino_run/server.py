"""The server that Drake's client will ask: whether it is there, and whether Drake can ask it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from gltf_render_server.client import RenderClient, RenderClientError
from reporting import ScriptError

__all__ = ["ServerAddress", "base_url", "greet"]

_TIMEOUT_S = 30.0
_REFUSALS = (401, 403)


class ServerAddress(NamedTuple):
    """Where Drake's client asks: ``base_url/endpoint``.

    Attributes
    ----------
    base_url : str
    endpoint : str
        May bring a query, such as ``render?token=TOKEN``.
    """

    base_url: str
    endpoint: str


def base_url(text: str) -> str:
    """Check an address that a user gave; return it as Drake wants it, without a slash at its end.

    Raises
    ------
    ValueError
        Drake's client cannot ask there; the message says why.
    """
    if not text.startswith("http://"):
        raise ValueError(f"must begin with http:// (Drake's client has no TLS); got {text!r}")
    if "@" in urlsplit(text).netloc:
        raise ValueError(
            "must hold no user and password: Drake's client does not send them; "
            "a token goes into --render_endpoint 'render?token=TOKEN'"
        )
    return text.rstrip("/")


def greet(server: ServerAddress) -> None:
    """Ask the server how it is.

    Raises
    ------
    ScriptError
        Nobody answers there, or only who shows a token.
    """
    try:
        RenderClient(server.base_url, _TIMEOUT_S).health()
    except requests.exceptions.JSONDecodeError:
        pass  # it is there, and its page is another
    except RenderClientError as error:
        _check_refusal(server, error)
    except requests.RequestException as error:
        raise ScriptError(
            f"{error}\nStart it in another terminal (gltf-render-server --port 8000), or name another with "
            "--server_base_url; --render_engine vtk needs none."
        ) from error


def _check_refusal(server: ServerAddress, error: RenderClientError) -> None:
    """Let a server pass that has no page of its health, or wants for it the token that the endpoint has."""
    if error.status in _REFUSALS and "token=" not in server.endpoint:
        raise ScriptError(
            f"{server.base_url} refuses: {error}\nA token goes into --render_endpoint 'render?token=TOKEN'."
        ) from error
