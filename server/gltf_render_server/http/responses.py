"""The error responses: JSON of limited length that reveals nothing about the server's machine."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import flask
from werkzeug.exceptions import HTTPException

from ..errors import RenderServerError, UnauthorizedError, UnavailableError

__all__ = ["error_body", "error_response", "message_of", "printable", "status_of"]

# the client displays a body only if it is shorter than 8192 bytes, and JSON may escape a character with six
_MESSAGE_CHARACTERS = 2000
_RETRY_AFTER_S = 1


def _own_roots() -> set[str]:
    """Return this process's own folders.

    The process may have no home, and its working folder may be deleted.
    """
    folders = [Path(__file__), Path(sys.prefix), Path(tempfile.gettempdir())]
    for find in (Path.cwd, Path.home):
        with suppress(OSError, RuntimeError):
            folders.append(find())
    return {path.parts[1] for path in folders if len(path.parts) > 1}


_ROOTS = {
    *("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "nix", "opt", "private", "proc"),
    *("root", "run", "sbin", "snap", "srv", "sys", "tmp", "usr", "var"),
    *("Applications", "Library", "System", "Users", "Volumes"),
    *_own_roots(),
}
_ROOT = (
    rf"(?:(?<![\w.:/\\])/(?:{'|'.join(map(re.escape, sorted(_ROOTS)))})/"
    r"|\bfile:/+|\b[A-Za-z]:[\\/]|(?<![\w\\])\\\\)"
)
_SECRETS = (
    (re.compile(rf"""(['"]){_ROOT}(?:[^'"\n]*[/\\])?([^'"/\\\n]*)\1"""), r"\1…/\2\1"),
    (re.compile(rf"""{_ROOT}(?:[^\s'"<>:;,()]*[/\\])?([^\s'"<>:;,()/\\]*)"""), r"…/\1"),
    (re.compile(r"gltf-render-server-\d+-\w+"), "scratch"),
    (re.compile(r"\b(pid|process)(?:\s*[=:#]\s*|\s+(?:id\s+)?)\d+", re.IGNORECASE), r"\1"),
)
"""Patterns for this machine's folders and for process ids, with their replacements. The list of root folders
is fixed, so that a response does not reveal whether a path exists here."""


def error_response(error: Exception) -> flask.Response:
    """Return the response for an error."""
    status = status_of(error)
    body = error_body(status, message_of(error), getattr(error, "reason", None))
    response = flask.Response(body, status, mimetype="application/json")
    if isinstance(error, UnavailableError):
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    if isinstance(error, UnauthorizedError):
        response.headers["WWW-Authenticate"] = 'Basic realm="glTF Render Server", charset="UTF-8"'
    if isinstance(error, HTTPException):
        response.headers.extend(
            (name, value) for name, value in error.get_headers() if name != "Content-Type"
        )
    return response


def error_body(status: int, message: str, reason: str | None = None) -> bytes:
    """Return the JSON body of an error response, always shorter than 8192 bytes.

    An error's message may contain a file name. All error responses are made here, where the names of this
    machine's folders are removed.
    """
    body = {"error": True, "message": printable(_without_secrets(message)), "code": int(status)}
    if reason is not None:
        body["reason"] = reason
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")[:8191]


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, RenderServerError):
        return int(error.status)
    if isinstance(error, HTTPException):
        return error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.INTERNAL_SERVER_ERROR


def message_of(error: Exception) -> str:
    """Return the message of an error for the log, which may contain the server's folders."""
    if isinstance(error, RenderServerError):
        return printable(str(error))
    if isinstance(error, HTTPException):
        return printable(f"{error.name}: {error.description}")
    return "the server failed; its log has the reason"


def printable(text: str, characters: int = _MESSAGE_CHARACTERS) -> str:
    """Make text from a client safe for the log: without line breaks, and of limited length."""
    shown = text if len(text) <= characters else text[:characters] + "…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in shown)


def _without_secrets(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
