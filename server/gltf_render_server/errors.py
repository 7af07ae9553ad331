"""The errors of the server; each knows the HTTP status that it becomes.

::

    RenderServerError                    500
    ├── RequestError                     400   a form field or the request as a whole
    │   ├── SceneError                   400   the glTF document; says where in it
    │   ├── TooLargeError                413   more bytes or pixels than the server allows
    │   ├── RequestTimeoutError          408   the request did not arrive in time
    │   ├── UnauthorizedError            401   the token is missing or another one
    │   ├── ForbiddenError               403   it comes from a foreign web page
    │   ├── SceneNotFoundError           404   a scene is named that is not kept, or no longer
    │   ├── NotAcceptableError           406   the answer has no such form
    │   ├── SceneNotKeptError            413   a scene is larger than all that is kept
    │   └── MediaTypeError               415   the body has another form than those that are read
    ├── UnavailableError                 503   the request is fine, but not now
    │   ├── CheckTimeoutError            503   the scene's check took too long
    │   ├── QueueFullError               503
    │   ├── NoRoomError                  503   the memory for files is full
    │   ├── NoWorkerError                503   no process that renders lasts, or can be started
    │   └── ShuttingDownError            503
    ├── DatasetError                     500   a dataset, or its specification, is wrong
    ├── RecordingError                   500   a recording cannot be read
    ├── SettingsError                    500   an option or a .blend is wrong
    │   └── SettingsScriptError          500   the user's settings script fails
    └── RenderError                      500   the back end did not deliver
        ├── WorkerLostError              500   its process crashed, or grew too large
        └── RenderTimeoutError           504   it took too long

An error is raised where its cause is known and turned into a response in one place, ``http.responses``.
"""

from __future__ import annotations

from http import HTTPStatus

__all__ = [
    "CheckTimeoutError",
    "DatasetError",
    "ForbiddenError",
    "MediaTypeError",
    "NoRoomError",
    "NoWorkerError",
    "NotAcceptableError",
    "QueueFullError",
    "RecordingError",
    "RenderError",
    "RenderServerError",
    "RenderTimeoutError",
    "RequestError",
    "RequestTimeoutError",
    "SceneError",
    "SceneNotFoundError",
    "SceneNotKeptError",
    "SettingsError",
    "SettingsScriptError",
    "ShuttingDownError",
    "TooLargeError",
    "UnauthorizedError",
    "UnavailableError",
    "WorkerLostError",
]


class RenderServerError(Exception):
    """Base of all errors that the server raises on purpose.

    Attributes
    ----------
    status : HTTPStatus
        What the client gets.
    reason : str or None
        A word for programs, where they can do something about it.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    reason: str | None = None


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
        self.message = message
        self.where = where

    def __reduce__(self) -> tuple[type[SceneError], tuple[str, str]]:
        """Travel between processes; what `Exception` would do applies the prefix twice."""
        return type(self), (self.message, self.where)


class TooLargeError(RequestError):
    """The request asks for more than the server allows."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RequestTimeoutError(RequestError):
    """The request did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


class UnauthorizedError(RequestError):
    """The request lacks the server's token."""

    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(RequestError):
    """The request was made by a foreign web page in somebody's browser."""

    status = HTTPStatus.FORBIDDEN


class SceneNotFoundError(RequestError):
    """The scene that the request names is not kept, or no longer; the client sends it again."""

    status = HTTPStatus.NOT_FOUND
    reason = "scene_not_found"


class NotAcceptableError(RequestError):
    """The answer cannot have the form that the client accepts."""

    status = HTTPStatus.NOT_ACCEPTABLE


class SceneNotKeptError(RequestError):
    """The scene is larger than all that may be kept; the client sends it with each request."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    reason = "scene_not_kept"


class MediaTypeError(RequestError):
    """The body has none of the forms that are read here."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnavailableError(RenderServerError):
    """The request may be fine, but the server cannot take it now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class CheckTimeoutError(UnavailableError):
    """Checking the scene took longer than it may; on a server that has less to do, it may not."""


class QueueFullError(UnavailableError):
    """As many requests wait as may wait."""


class NoRoomError(UnavailableError):
    """The file system in memory, which pictures pass through, is full."""


class NoWorkerError(UnavailableError):
    """No process that renders can be started, or each is killed before it has rendered."""


class ShuttingDownError(UnavailableError):
    """The server is ending and renders nothing more."""


class DatasetError(RenderServerError):
    """A dataset on disk, or the specification of one, is wrong; the message says what and where."""


class RecordingError(RenderServerError):
    """A recording, or a frame of it, cannot be read."""


class SettingsError(RenderServerError):
    """An option or the .blend of the server's own user is wrong."""


class SettingsScriptError(SettingsError):
    """The user's settings script fails; editing it mends this without a restart."""


class RenderError(RenderServerError):
    """The back end could not deliver a picture of a valid request."""


class WorkerLostError(RenderError):
    """The process that rendered crashed, or took more memory than it may.

    Parameters
    ----------
    message : str
    is_foreign : bool
        Whether somebody else ended it, so that the request is hardly to blame.
    """

    def __init__(self, message: str, *, is_foreign: bool = False) -> None:
        super().__init__(message)
        self.is_foreign = is_foreign


class RenderTimeoutError(RenderError):
    """The render took longer than it may."""

    status = HTTPStatus.GATEWAY_TIMEOUT
