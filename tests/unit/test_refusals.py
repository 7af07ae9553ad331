"""Each HTTP status becomes the error that says whether waiting, another request or another server helps."""

from http import HTTPStatus

import pytest

from gltf_render_server.client import RenderClientError
from gltf_render_server.errors import (
    CheckTimeoutError,
    MediaTypeError,
    NoRoomError,
    NotAcceptableError,
    QueueFullError,
    RenderError,
    RenderTimeoutError,
    RequestError,
    RequestTimeoutError,
    SceneError,
    SceneNotFoundError,
    SceneNotKeptError,
    SettingsError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    WorkerLostError,
)
from gltf_render_server.http.responses import message_of, status_of
from gltf_render_server.refusals import is_temporary, own_error

URL = "http://127.0.0.1:8000"
TEMPORARY = {404, 408, 409, 425, 429, 502, 503}
KINDS = {
    SettingsError: {401, 403, 407},
    UnavailableError: TEMPORARY,
    RequestError: {400, 406, 415, 422},
    TooLargeError: {413, 414, 431},
    RenderTimeoutError: {504},
}


def expected_kind(status):
    found = [kind for kind, statuses in KINDS.items() if status in statuses]
    return found[0] if found else RenderError if status >= 500 else UnavailableError


@pytest.mark.parametrize("status", [*(int(each) for each in HTTPStatus if each >= 300), 418, 499, 520, 530])
def test_every_status(status):
    error = RenderClientError(status, "such is it")
    found = own_error(error, URL)
    assert type(found) is expected_kind(status)
    assert "such is it" in str(found)
    assert is_temporary(error) == (status in TEMPORARY)
    is_of_the_request = isinstance(found, RequestError)
    assert (URL in str(found)) != is_of_the_request, "all servers refuse the same request in the same words"


@pytest.mark.parametrize(
    ("raised", "kind", "waits"),
    [
        (RequestError("$.look.samples: 0 is too few"), RequestError, False),
        (SceneError("there is no mesh 3", "$.nodes[2].mesh"), SceneError, False),
        (TooLargeError("scene: has 9 vertices; this server takes at most 3"), TooLargeError, False),
        (SceneNotKeptError("scene: too large to keep"), TooLargeError, False),
        (NotAcceptableError("no such form"), RequestError, False),
        (MediaTypeError("no such body"), RequestError, False),
        (UnauthorizedError("no token"), SettingsError, False),
        (RequestTimeoutError("it came too slowly"), UnavailableError, True),
        (SceneNotFoundError("no such scene"), UnavailableError, True),
        (QueueFullError("the queue is full"), UnavailableError, True),
        (CheckTimeoutError("the check took long"), UnavailableError, True),
        (NoRoomError("the memory is full"), UnavailableError, True),
        (RenderError("it fails"), RenderError, False),
        (WorkerLostError("it crashed"), RenderError, False),
        (RenderTimeoutError("it took too long"), RenderTimeoutError, False),
    ],
)
def test_what_our_own_server_raises(raised, kind, waits):
    error = RenderClientError(status_of(raised), message_of(raised), raised.reason)
    assert type(own_error(error, URL)) is kind
    assert is_temporary(error) == waits


def test_a_scene_error_arrives_as_it_was_raised():
    raised = SceneError("there is no mesh 3", "$.nodes[2].mesh")
    assert str(own_error(RenderClientError(400, str(raised)), URL)) == str(raised)


def test_where_the_token_goes_is_said():
    told = str(own_error(RenderClientError(401, "no token"), URL))
    assert "--server http://:TOKEN@127.0.0.1:8000" in told
