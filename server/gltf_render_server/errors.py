"""The errors of the server; each knows the HTTP status that it becomes.

::

    RenderServerError                    500
    ├── RequestError                     400   a form field or the request as a whole
    │   ├── SceneError                   400   the glTF document; says where in it
    │   └── TooLargeError                413   more bytes or pixels than the server allows
    ├── UnavailableError                 503   the request is fine, but not now
    │   ├── QueueFullError               503
    │   └── ShuttingDownError            503
    ├── SettingsError                    500   an option or a .blend is wrong
    │   └── SettingsScriptError          500   the user's settings script fails
    └── RenderError                      500   Blender did not deliver

An error is raised where its cause is known and turned into a response in one place, ``app``.
"""

from __future__ import annotations

from http import HTTPStatus

__all__ = [
    "QueueFullError",
    "RenderError",
    "RenderServerError",
    "RequestError",
    "SceneError",
    "SettingsError",
    "SettingsScriptError",
    "ShuttingDownError",
    "TooLargeError",
    "UnavailableError",
]


class RenderServerError(Exception):
    """Base of all errors that the server raises on purpose.

    Attributes
    ----------
    status : HTTPStatus
        What the client gets.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR


class RequestError(RenderServerError):
    """The request is wrong; the message says what and where."""

    status = HTTPStatus.BAD_REQUEST


class SceneError(RequestError):
    """The scene document is wrong.

    Parameters
    ----------
    message : str
        What is wrong, and what to do about it where that is not plain.
    where : str
        The place in the document in JSON-path form, ``$.nodes[3].mesh``; empty for the document as a whole.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"scene: {where}: {message}" if where else f"scene: {message}")
        self.where = where


class TooLargeError(RequestError):
    """The request asks for more than the server allows."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnavailableError(RenderServerError):
    """The request may be fine, but the server cannot take it now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class QueueFullError(UnavailableError):
    """As many requests wait as may wait."""


class ShuttingDownError(UnavailableError):
    """The server is ending and renders nothing more."""


class SettingsError(RenderServerError):
    """An option or the .blend of the server's own user is wrong."""


class SettingsScriptError(SettingsError):
    """The user's settings script fails; editing it mends this without a restart."""


class RenderError(RenderServerError):
    """The back end could not deliver a picture of a valid request."""
