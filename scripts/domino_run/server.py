"""The render server for Drake's client: checks that it is running, and that Drake can use it."""

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
    """The address to which Drake's client sends requests: ``base_url/endpoint``.

    Attributes
    ----------
    base_url : str
    endpoint : str
        It may contain a query, such as ``render?token=TOKEN``.
    """

    base_url: str
    endpoint: str


def base_url(text: str) -> str:
    """Check an address given by a user, and return it in Drake's form, without a trailing slash.

    Raises
    ------
    ValueError
        Drake's client cannot use the address. The message says why.
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
    """Check that the server is running.

    Raises
    ------
    ScriptError
        No server responds, or the server requires a token.
    """
    try:
        RenderClient(server.base_url, _TIMEOUT_S).health()
    except requests.exceptions.InvalidJSONError:
        pass  # the server is running, but has another page there
    except RenderClientError as error:
        _check_refusal(server, error)
    except requests.RequestException as error:
        raise ScriptError(
            f"{error}\nStart it in another terminal (gltf-render-server --port 8000), or name another with "
            "--server_base_url; --render_engine vtk needs none."
        ) from error


def _check_refusal(server: ServerAddress, error: RenderClientError) -> None:
    """Accept a server without a health page, or one that requires the token that the endpoint contains."""
    if error.status in _REFUSALS and "token=" not in server.endpoint:
        raise ScriptError(
            f"{server.base_url} refuses: {error}\nA token goes into --render_endpoint 'render?token=TOKEN'."
        ) from error
