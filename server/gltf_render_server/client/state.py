"""What a server tells of itself: whether it is ready, and what it supports."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from requests.exceptions import InvalidJSONError

from .connection import Connection, raise_for_error

__all__ = ["read_description", "read_health"]

_HEALTH, _DESCRIPTION = "/healthz", "/v1/server"


def read_health(connection: Connection) -> dict[str, Any]:
    """Return the content of ``/healthz``, whether or not the server is ready."""
    response = connection.get(_HEALTH)
    is_own = response.headers.get("Content-Type", "").startswith("application/json")
    if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE or not is_own:
        raise_for_error(response)
    return _decoded(response.content, f"{connection.shown_url}{_HEALTH}")


def read_description(connection: Connection) -> dict[str, Any]:
    """Return the content of ``/v1/server``, as soon as the server has started."""
    return _decoded(connection.ask("GET", _DESCRIPTION).body, f"{connection.shown_url}{_DESCRIPTION}")


def _decoded(body: bytes, shown_url: str) -> dict[str, Any]:
    """Decode the JSON object that a glTF Render Server has at an address."""
    try:
        if isinstance(value := json.loads(body), dict):
            return value
    except ValueError:
        pass
    raise InvalidJSONError(f"{shown_url} is not that of a glTF Render Server")
