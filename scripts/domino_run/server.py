"""The server that the client will ask: is it there? Its address may hold a token, which no message shows."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from benchmarking.errors import reason
from gltf_render_server.client import RenderClient, RenderClientError

from .errors import DemoError

__all__ = ["greet", "without_token"]

_TIMEOUT_S = 30.0
_REFUSALS = (401, 403)


def greet(url: str) -> None:
    """Ask the server how it is.

    Raises
    ------
    DemoError
        Nobody answers at `url`, or not without a token.
    """
    try:
        RenderClient(url, _TIMEOUT_S).health()
    except RenderClientError as error:
        if error.status in _REFUSALS:
            raise DemoError(_refused(url, error)) from error
        # it is there, and has no such page
    except requests.exceptions.JSONDecodeError:
        pass
    except requests.RequestException as error:
        raise DemoError(
            f"no server answers at {without_token(url, url)}: {reason(error)}\n"
            "Start it in another terminal (gltf-render-server --port 8000), or name another with "
            "--server_base_url; --render_engine vtk needs none."
        ) from error


def without_token(text: str, url: str) -> str:
    """Return `text` without the user and password of `url`."""
    user_info, at, _ = urlsplit(url).netloc.rpartition("@")
    return text.replace(user_info + at, "") if at else text


def _refused(url: str, error: RenderClientError) -> str:
    return (
        f"{without_token(url, url)} refuses: {error}\n"
        "Give its token in the address: --server_base_url http://drake:TOKEN@host:8000"
    )
