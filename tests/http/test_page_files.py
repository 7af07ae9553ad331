"""How the page and its files are served; tests/page tells what a browser makes of them."""

import gzip
import re

import pytest
from fake_server import FakeRenderer

from gltf_render_server.compose import make_app
from gltf_render_server.frame import LOOKS
from gltf_render_server.http.page import PAGE
from gltf_render_server.passes import PASSES, Render
from gltf_render_server.settings import QUALITIES, ServerSettings


def test_the_page_runs_nothing_but_its_own_files(client):
    response = client.get("/")
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    policy = dict(
        part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", response.text)
    for address in re.findall(r'(?:src|href)="(/[^"]*)"', response.text):
        assert client.get(address).status_code == 200, address


def test_the_page_is_open_and_tells_nothing_of_the_server():
    app = make_app(ServerSettings(token="secret"), (), FakeRenderer())[0]
    client = app.test_client()
    for path in ("/", f"{PAGE}page.js", f"{PAGE}page.css"):
        response = client.get(path)
        assert response.status_code == 200
        assert "1.2.3" not in response.text
        assert "Fake" not in response.text
    for path in ("/healthz", "/v1/server", "/page", "/pages", "/v1/openapi.json"):
        assert client.get(path).status_code == 401, path


def test_a_script_that_lacks_the_token_does_not_make_the_browser_ask():
    client = make_app(ServerSettings(token="secret"), (), FakeRenderer())[0].test_client()
    asked = client.get("/healthz", headers={"Sec-Fetch-Dest": "empty"})
    assert (asked.status_code, asked.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
    opened = client.get("/healthz", headers={"Sec-Fetch-Dest": "document"})
    assert opened.headers["WWW-Authenticate"].startswith("Basic")


def test_files_are_sent_small_and_once(client):
    plain = client.get(f"{PAGE}page.js")
    packed = client.get(f"{PAGE}page.js", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3
    assert plain.content_type == "text/javascript; charset=utf-8"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    known = {"If-None-Match": packed.headers["ETag"], "Accept-Encoding": "gzip"}
    again = client.get(f"{PAGE}page.js", headers=known)
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(f"{PAGE}draco_decoder.wasm").content_type == "application/wasm"


@pytest.mark.parametrize("name", ["nothing.js", "../page.py", "..%2fpage.py", "%2e%2e/page.py", "", "a/b"])
def test_no_other_file_is_served(client, name):
    assert client.get(f"{PAGE}{name}").status_code == 404


def test_licences_come_along(client):
    notice = client.get(f"{PAGE}NOTICE.txt").text
    for word in ("three 0.", "fflate", "@noble/hashes", "Draco", "meshoptimizer", "MIT", "Apache"):
        assert word in notice


def test_the_server_tells_what_it_can_do(clients, renderer):
    renderer.renders = frozenset({Render.COLOUR, Render.EXACT})
    renderer.looks = LOOKS - {"environment", "quality"}
    told = clients(up_axis="y", max_pixels=1000, max_scene_mb=2.0).get("/v1/server").json
    assert told["renderer"]["name"] == "Fake"
    by_name = {row["name"]: row for row in told["passes"]}
    assert by_name.keys() == {row.name for row in PASSES.values() if row.render in renderer.renders}
    assert (by_name["depth"]["nothing"], by_name["normal"]["nothing"]) == ("inf", "nan")
    assert (by_name["instance"]["nothing"], by_name["color"]["nothing"]) == (0, None)
    assert (by_name["normal"]["span"], by_name["depth"]["span"]) == ([-1, 1], None)
    kinds = {name: by_name[name]["kind"] for name in ("color", "mask_amodal", "instances")}
    assert kinds == {"color": "image", "mask_amodal": "stack", "instances": "table"}
    assert by_name["flow_forward"]["moment"] == "after"
    assert (told["environments"], told["qualities"]) == ([], [])
    assert "exposure" in told["looks"]
    assert (told["up_axis"], told["max_pixels"], told["max_scene_bytes"]) == ("y", 1000, 2_000_000)
    renderer.looks = LOOKS
    more = clients().get("/v1/server").json
    assert "studio" in more["environments"]
    assert more["qualities"] == list(QUALITIES)
