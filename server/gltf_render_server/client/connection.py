"""The connection to one server: it sends requests, and reads answers and errors.

It does not know what is requested. Its messages show the address without the token.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import uuid4

import numpy as np
import requests
from numpy.typing import NDArray
from PIL import Image
from requests.exceptions import ChunkedEncodingError, InvalidSchema, InvalidURL, MissingSchema

__all__ = ["Connection", "RenderAnswer", "RenderClientError", "innermost_reason", "raise_for_error"]

_PIECE_BYTES = 2**20  # chunk size for reading a response; requests reads only 10 KiB at a time by default


class RenderClientError(Exception):
    """The server answered a request with an error.

    Attributes
    ----------
    status : int
        The HTTP status code.
    reason : str or None
        A machine-readable reason, such as ``scene_not_found``.
    message : str
        The error message of the server.
    retry_after_s : float or None
        The number of seconds after which to retry, if the server gave one.
    """

    def __init__(
        self, status: int, message: str, reason: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class RenderAnswer:
    """The server's response as it was received: an image, or an archive with a frame.

    Attributes
    ----------
    body : bytes
        The response body: a PNG or a TIFF; for a frame, a ZIP archive.
    mimetype : str
    stages_ms : dict of str to float
        The milliseconds that the server spent in each stage.
    """

    body: bytes
    mimetype: str
    stages_ms: dict[str, float] = field(default_factory=dict)

    def pixels(self) -> NDArray[Any]:
        """Decode the image without conversion: (height, width) or (height, width, channels)."""
        with Image.open(io.BytesIO(self.body)) as image:
            return np.asarray(image)


class Connection:
    """The connection to one server.

    Parameters
    ----------
    base_url : str
        The address of the server. It may contain a token.
    timeout_s : float or None
        How long to wait for a response. None means no timeout.

    Attributes
    ----------
    shown_url : str
        The address without its token, for messages.
    """

    def __init__(self, base_url: str, timeout_s: float | None) -> None:
        self._base_url = base_url.rstrip("/")
        self.shown_url = re.sub(r"^([^/@]*//)?.*@", r"\1", self._base_url)
        self._timeout_s = timeout_s

    def ask(self, method: str, path: str, **options: Any) -> RenderAnswer:
        """Send a request over a connection that stays open, and return the answer.

        Parameters
        ----------
        method, path : str
        **options
            What `requests.Session.request` takes, such as ``data``.

        Raises
        ------
        RenderClientError
            The server answered with an error.
        requests.RequestException
            No server responded. The message gives the address and the reason.
        """
        with self._plainly():
            response = self._session.request(
                method, f"{self._base_url}{path}", timeout=self._timeout_s, stream=True, **options
            )
            return _read_answer(response)

    def get(self, path: str) -> requests.Response:
        """Get a path over a new connection, and return the response even if it is an error."""
        with self._plainly():
            return requests.get(f"{self._base_url}{path}", timeout=self._timeout_s)

    def prepare(self, method: str, path: str, **options: Any) -> requests.PreparedRequest:
        """Prepare a request, with the options of `requests.Request`, to be sent with `send`."""
        request = requests.Request(method, f"{self._base_url}{path}", **options)
        with requests.Session() as session, self._plainly():
            return session.prepare_request(request)

    def send(self, request: requests.PreparedRequest) -> RenderAnswer:
        """Send a prepared request over a new connection; the errors are those of `ask`."""
        with requests.Session() as session, self._plainly():
            options = session.merge_environment_settings(request.url, {}, True, None, None)
            return _read_answer(session.send(request, timeout=self._timeout_s, **options))

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        # lets a load balancer send this client always to the server that keeps its scene
        session.headers["X-Render-Client"] = uuid4().hex
        return session

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        """Replace the HTTP library's connection errors, which show the token, with a one-line message."""
        try:
            yield
        # without a limit of the client, it is the system that gives up
        except (requests.Timeout, requests.ConnectionError) as error:
            if isinstance(error, requests.Timeout) and self._timeout_s is not None:
                message = f"the server at {self.shown_url} did not answer within {self._timeout_s:g} s"
                raise type(error)(message) from error
            message = f"no server answers at {self.shown_url}: {innermost_reason(error)}"
            raise type(error)(message) from error
        except ChunkedEncodingError as error:
            message = f"the server at {self.shown_url} broke off its answer: {innermost_reason(error)}"
            raise requests.ConnectionError(message) from error
        # the text of the original error contains the token
        except (InvalidSchema, InvalidURL, MissingSchema) as error:
            message = f"{self.shown_url!r} is no address such as http://127.0.0.1:8000"
            raise type(error)(f"{message} ({type(error).__name__})") from None


def raise_for_error(response: requests.Response) -> None:
    """Raise a `RenderClientError` if a response is an error."""
    if response.ok:
        return
    try:
        body = response.json()
        message, reason = str(body["message"]), body.get("reason")
    except (ValueError, KeyError, TypeError):
        is_page = "html" in response.headers.get("Content-Type", "")  # a proxy's, for people
        message, reason = response.reason if is_page else response.text[:500], None
    header = response.headers.get("Retry-After", "")
    retry_after_s = float(header) if header.isdecimal() else None
    raise RenderClientError(response.status_code, message, reason, retry_after_s)


def innermost_reason(error: BaseException) -> str:
    """Return the reason of the error that caused another, without the layers of the libraries."""
    if error.__context__ is not None:
        return innermost_reason(error.__context__)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _read_answer(response: requests.Response) -> RenderAnswer:
    """Read the rest of a response's body."""
    raise_for_error(response)
    body = b"".join(response.iter_content(_PIECE_BYTES))
    timing = _server_timing(response.headers.get("Server-Timing", ""))
    return RenderAnswer(body, response.headers.get("Content-Type", ""), timing)


def _server_timing(header: str) -> dict[str, float]:
    entries = (entry.strip().partition(";dur=") for entry in header.split(",") if entry.strip())
    return {name: float(duration) for name, _, duration in entries if duration}
