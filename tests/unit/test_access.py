import base64

import pytest

from gltf_render_server.errors import ForbiddenError, SettingsError, UnauthorizedError
from gltf_render_server.http.access import Access, check_exposure, is_loopback
from gltf_render_server.settings import ServerSettings


def place(host, origin=None, **settings):
    headers = {"Host": host} | ({"Origin": origin} if origin is not None else {})
    Access(ServerSettings(**settings)).check_place(headers)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8000", "localhost", "LocalHost:9", "[::1]:8000", "192.168.0.7:80", "[fe80::1%25eth0]:8"],
)
def test_hosts_that_no_name_server_can_redirect(host):
    place(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example:8000", "", "localhost.evil.example", "127.0.0.1.evil.example", "[::", "::1]"),
        *("evil.example@127.0.0.1", "evil.example@localhost:8000", "127.0.0.1:80@evil.example"),
        *("evil.example/@127.0.0.1", "127.0.0.1/evil.example", "evil.example#@127.0.0.1", "127.0.0.1?x"),
        *("127.0.0.1, evil.example", "127.0.0.1:x", "[::1]evil.example", "[::1]:8:9", "127.0.0.1\\evil", " "),
    ],
)
def test_foreign_hosts(host):
    with pytest.raises(ForbiddenError, match="Host"):
        place(host)


def test_hosts_that_the_user_names():
    place("render.lab:8000", allowed_hosts=("render.lab",))
    place("anything", allowed_hosts=("*",))
    place("render.lab", token="secret")
    with pytest.raises(ForbiddenError, match=r"--allowed-hosts other\.lab"):
        place("other.lab", allowed_hosts=("render.lab",))


def test_pages_of_the_server_itself_may_ask():
    place("localhost:8000", "http://localhost:8000")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9000", "", "file://", "http://["]
)
def test_foreign_pages(origin):
    with pytest.raises(ForbiddenError, match="Origin"):
        place("localhost:8000", origin)
    with pytest.raises(ForbiddenError, match="Origin"):
        place("localhost:8000", origin, token="secret")


def on_the_wire(text):
    """What a WSGI server makes of a header's bytes."""
    return text.encode().decode("latin-1")


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "sent",
    [
        on_the_wire("Bearer s3:crét"),
        on_the_wire("bearer  s3:crét "),
        basic("anybody:s3:crét"),
        basic(":s3:crét"),
    ],
)
def test_the_token(sent):
    Access(ServerSettings(token="s3:crét")).check_token({"Authorization": sent}, {})


@pytest.mark.parametrize(
    "sent",
    [
        *(None, "", "Bearer", "Bearer s3", "Digest s3:crét", basic("s3:crét"), "Basic ?", basic("a:b")),
        *("s3:crét", "Basic é", "Basic", "Basic //4=", "Digest password=s3:crét", "Bearer token=s3:crét"),
    ],
)
def test_another_token(sent):
    headers = {} if sent is None else {"Authorization": sent}
    with pytest.raises(UnauthorizedError, match="Bearer"):
        Access(ServerSettings(token="s3:crét")).check_token(headers, {"token": "another"})


@pytest.mark.parametrize("token", ["a=b", "a=b, c=d", "YWJj==", "=", "realm=x"])
def test_a_token_may_look_like_parameters(token):
    for sent in (f"Bearer {token}", basic(f"anybody:{token}")):
        Access(ServerSettings(token=token)).check_token({"Authorization": sent}, {})
    with pytest.raises(UnauthorizedError):
        Access(ServerSettings(token=token)).check_token({"Authorization": f"Bearer {token}x"}, {})


def test_a_wrong_token_is_another_than_none():
    access = Access(ServerSettings(token="secret"))
    with pytest.raises(UnauthorizedError, match="wants a token: send"):
        access.check_token({}, {})
    for headers, query in (({"Authorization": "Bearer wrong"}, {}), ({}, {"token": "wrong"})):
        with pytest.raises(UnauthorizedError, match="wants another token than the one that was sent: send"):
            access.check_token(headers, query)


def test_the_token_in_the_address():
    Access(ServerSettings(token="s3:crét")).check_token({}, {"token": "s3:crét"})


def test_no_token_no_check():
    Access(ServerSettings()).check_token({}, {})


def test_the_world_is_let_in_by_a_decision_only():
    check_exposure(ServerSettings())
    check_exposure(ServerSettings(host="localhost"))
    check_exposure(ServerSettings(host="::1"))
    check_exposure(ServerSettings(host="0.0.0.0", token="secret"))
    check_exposure(ServerSettings(host="0.0.0.0", insecure=True))
    for host in ("0.0.0.0", "::", "", "192.168.0.7"):
        with pytest.raises(SettingsError, match="GLTF_RENDER_SERVER_TOKEN"):
            check_exposure(ServerSettings(host=host))


def test_loopback():
    assert is_loopback("127.0.0.2")
    assert not is_loopback("no.such.host.invalid")


def test_the_token_is_not_shown():
    assert "secret" not in repr(ServerSettings(token="secret"))
