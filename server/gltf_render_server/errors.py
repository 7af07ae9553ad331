"""The exception classes of the server. Each class has the HTTP status of its response.

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

Code raises an error where its cause is known. ``http.responses`` is the only place that turns errors into
responses.
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
    """Base class of all errors that the server raises deliberately.

    Attributes
    ----------
    status : HTTPStatus
        The HTTP status that the client receives.
    reason : str or None
        A machine-readable reason, for errors that a client program can handle.
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    reason: str | None = None


class RequestError(RenderServerError):
    """The request is invalid. The message says what is wrong and where."""

    status = HTTPStatus.BAD_REQUEST


class SceneError(RequestError):
    """The scene document is invalid.

    Parameters
    ----------
    message : str
        A description of the error and, where it is not obvious, of the remedy.
    where : str
        The location in the document as a JSONPath, such as ``$.nodes[3].mesh``. It is empty if the error
        concerns the document as a whole.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"scene: {where}: {message}" if where else f"scene: {message}")
        self.message = message
        self.where = where

    def __reduce__(self) -> tuple[type[SceneError], tuple[str, str]]:
        """Support pickling. The default of `Exception` would add the location to the message twice."""
        return type(self), (self.message, self.where)


class TooLargeError(RequestError):
    """The request asks for more than the server's limits allow."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RequestTimeoutError(RequestError):
    """The request did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


class UnauthorizedError(RequestError):
    """The request lacks the server's token."""

    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(RequestError):
    """The request was sent by a web page of another site, in somebody's browser."""

    status = HTTPStatus.FORBIDDEN


class SceneNotFoundError(RequestError):
    """The server does not have the scene that the request names. The client has to upload it again."""

    status = HTTPStatus.NOT_FOUND
    reason = "scene_not_found"


class NotAcceptableError(RequestError):
    """The server cannot answer in any format that the client accepts."""

    status = HTTPStatus.NOT_ACCEPTABLE


class SceneNotKeptError(RequestError):
    """The scene is larger than the whole scene cache. The client has to send it with each request."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    reason = "scene_not_kept"


class MediaTypeError(RequestError):
    """The request body has a media type that the server does not support."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnavailableError(RenderServerError):
    """The server cannot handle the request now. The request itself may be valid."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class CheckTimeoutError(UnavailableError):
    """Checking the scene exceeded the time limit. It may succeed when the server is less busy."""


class QueueFullError(UnavailableError):
    """The queue of waiting requests is full."""


class NoRoomError(UnavailableError):
    """The in-memory file system through which image data passes is full."""


class NoWorkerError(UnavailableError):
    """No worker process can be started, or each one is killed before it has rendered anything."""


class ShuttingDownError(UnavailableError):
    """The server is shutting down and does not accept requests any more."""


class DatasetError(RenderServerError):
    """A dataset or a dataset specification is invalid. The message says what is wrong and where."""


class RecordingError(RenderServerError):
    """A recording, or one of its frames, cannot be read."""


class SettingsError(RenderServerError):
    """An option of the server or its .blend file is invalid."""


class SettingsScriptError(SettingsError):
    """The user's settings script fails. The user can fix the script without restarting the server."""


class RenderError(RenderServerError):
    """The back end failed to render a valid request."""


class WorkerLostError(RenderError):
    """The worker process crashed, or it exceeded its memory limit.

    Parameters
    ----------
    message : str
    is_foreign : bool
        Whether something outside the server ended the process, so that the request is unlikely to be the
        cause.
    """

    def __init__(self, message: str, *, is_foreign: bool = False) -> None:
        super().__init__(message)
        self.is_foreign = is_foreign


class RenderTimeoutError(RenderError):
    """Rendering exceeded the time limit."""

    status = HTTPStatus.GATEWAY_TIMEOUT
