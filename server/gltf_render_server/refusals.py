"""Maps the error answers of a render server to the errors of this package, for programs that use servers."""

from __future__ import annotations

from http import HTTPStatus

from .client import RenderClientError
from .errors import (
    RenderError,
    RenderServerError,
    RenderTimeoutError,
    RequestError,
    SceneError,
    SettingsError,
    TooLargeError,
    UnavailableError,
)

__all__ = ["is_temporary", "own_error"]

_SCENE = "scene: "  # what the text of each SceneError begins with
_TEMPORARY = {
    HTTPStatus.NOT_FOUND,  # some proxies answer this while the server behind them restarts
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
}
_NO_ACCESS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}
_WRONG_REQUEST = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_ACCEPTABLE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_TOO_LARGE = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}


def is_temporary(error: RenderClientError) -> bool:
    """Return whether the same request may succeed in a while: the server is busy, or it restarts."""
    return error.status in _TEMPORARY


def own_error(error: RenderClientError, shown_url: str) -> RenderServerError:
    """Return the error of this package that says the same as an answer of a server.

    Parameters
    ----------
    error : RenderClientError
    shown_url : str
        The server's address without its token.

    Returns
    -------
    RenderServerError
        `RequestError`, `SceneError` or `TooLargeError` only where the request itself is at fault, so that no
        server would take it. Their texts do not name the server, because all servers would say the same.
        `SettingsError` where the server demands another token; `UnavailableError` where the answer is
        temporary, or none of a render server; `RenderError` where the server failed.
    """
    status, server = error.status, f"the server at {shown_url}"
    if status in _NO_ACCESS:
        return SettingsError(
            f"--server {shown_url}: this server wants a token, or another one ({error}). Give the token in "
            f"the address: --server {_with_token(shown_url)}"
        )
    if status in _TEMPORARY:
        return UnavailableError(f"{server} is busy or restarting ({error}). Try again later")
    if status in _TOO_LARGE:
        return TooLargeError(f"the request is too large for the server: {error.message}")
    if status in _WRONG_REQUEST:
        if error.message.startswith(_SCENE):
            return SceneError(error.message.removeprefix(_SCENE))
        return RequestError(f"the server refuses the request: {error.message}")
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        return RenderTimeoutError(f"{server} did not finish in time ({error})")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RenderError(f"{server} failed ({error})")
    return UnavailableError(
        f"{server} gives an answer that no glTF Render Server gives ({error}). Check the address"
    )


def _with_token(url: str) -> str:
    scheme, _, rest = url.partition("//")
    return f"{scheme}//:TOKEN@{rest}"
