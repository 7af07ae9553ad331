"""Whatever happens, the page says what, and everybody can use it: files, errors, token, a busy server."""

import io
import json
import struct
from threading import Thread

import numpy as np
import pytest
import requests
from drake_like import DrakeScene, box, look_at, translation
from pages import (
    choose_passes,
    drop,
    needs_browser,
    node_modules,
    opened,
    renewed,
    shown,
    values,
    wait_for_pictures,
)
from PIL import Image
from servers import wait_for

pytestmark = needs_browser

SMALL = DrakeScene([box((1, 1, 1), translation(0, 0, 0), 3)], look_at((3, 2, 2), (0, 0, 0))).document()
SMALL_SCENE = json.dumps(SMALL).encode()


def textured():
    """A glTF of a square with a picture, and the files beside it."""
    places = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32).tobytes()
    texcoords = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32).tobytes()
    corners = np.array([0, 1, 2, 0, 2, 3], np.uint16).tobytes()
    picture = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), (20, 200, 40), np.uint8)).save(picture, "PNG")
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "square"}],
        "meshes": [
            {"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "indices": 2, "material": 0}]}
        ],
        "materials": [
            {
                "name": "green",
                "doubleSided": True,
                "extensions": {"KHR_materials_unlit": {}},
                "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}},
            }
        ],
        "extensionsUsed": ["KHR_materials_unlit"],
        "textures": [{"source": 0}],
        "images": [{"uri": "a%20picture.png"}],
        "buffers": [
            {"uri": "places.bin", "byteLength": len(places)},
            {"uri": "others.bin", "byteLength": len(texcoords) + len(corners)},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": len(places)},
            {"buffer": 1, "byteLength": len(texcoords)},
            {"buffer": 1, "byteOffset": len(texcoords), "byteLength": len(corners)},
        ],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": 4,
                "type": "VEC3",
                "min": [-1, -1, 0],
                "max": [1, 1, 0],
            },
            {"bufferView": 1, "componentType": 5126, "count": 4, "type": "VEC2"},
            {"bufferView": 2, "componentType": 5123, "count": 6, "type": "SCALAR"},
        ],
    }
    return {
        "square__gltf": json.dumps(document).encode(),
        "places__bin": places,
        "others__bin": texcoords + corners,
        "a picture__png": picture.getvalue(),
    }


def test_a_gltf_and_its_files_are_put_together(page, server, tmp_path):
    with page() as tab:
        files = textured()
        drop(tab, **{name: data for name, data in files.items() if not name.startswith("a picture")})
        problem = tab.wait_for_selector("#scene-problem:not([hidden])").inner_text()
        assert "a picture.png" in problem
        drop(tab, **files)
        wait_for_pictures(tab)
        assert tab.locator("#scene-problem").is_hidden()
        assert shown(tab, "color")[240, 320].tolist() == [20, 200, 40]
        with renewed(tab):
            choose_passes(tab, "color", "instance", "material")
        tab.wait_for_selector("#tab-material")
        tab.focus("#picture")
        tab.keyboard.press("Shift+ArrowRight")
        told = values(tab)
        assert (told["instance"], told["material"]) == ("1 square", "1 green")
        assert "scene=@square.glb" in tab.inner_text("#snippet")
        with tab.expect_download() as download:
            tab.click("#save-scene")
        saved = tmp_path / download.value.suggested_filename
        download.value.save_as(saved)
        assert saved.name == "square.glb"
        magic, version, length = struct.unpack("<4sII", saved.read_bytes()[:12])
        assert (magic, version, length) == (b"glTF", 2, saved.stat().st_size)
        with tab.expect_download() as download:
            tab.click("#save")
        assert download.value.suggested_filename.startswith("color.")


def test_what_the_browser_cannot_show_is_rendered_all_the_same(page):
    """A texture that wants a decoder which the page lacks, and has a plain picture beside it."""
    files = textured()
    document = json.loads(files["square__gltf"])
    for key in ("extensionsUsed", "extensionsRequired"):
        document[key] = [*document.get(key, []), "KHR_texture_basisu"]
    document["textures"][0]["extensions"] = {"KHR_texture_basisu": {"source": 0}}
    with page() as tab:
        drop(tab, **{**files, "square__gltf": json.dumps(document).encode()})
        wait_for_pictures(tab)
        assert "cannot show the scene" in tab.inner_text("#scene-problem")
        green = (shown(tab, "color") == (20, 200, 40)).all(-1)
        assert 0.1 < green.mean() < 0.9


def test_wrong_files_are_told_as_they_are(page):
    broken = {**SMALL, "nodes": [{"mesh": 77}], "scenes": [{"nodes": [0]}]}
    with page(expected=["400"]) as tab:
        for files, words in [
            ({"notes__txt": b"hello"}, ["no scene", ".glb", "notes.txt"]),
            ({"one__glb": b"glTF", "two__glb": b"glTF"}, ["One scene at a time"]),
            ({"bad__gltf": b"{nothing"}, ["bad.gltf is neither a GLB nor JSON"]),
        ]:
            drop(tab, **files)
            problem = tab.wait_for_selector("#scene-problem:not([hidden])").inner_text()
            assert all(word in problem for word in words), problem
        drop(tab, broken__gltf=json.dumps(broken).encode())
        problem = tab.wait_for_selector("#problem:not([hidden])").inner_text()
        assert "$.nodes[0].mesh: there is no mesh 77" in problem, "the server's own words"
        assert tab.locator("#render").is_disabled()
        drop(tab, small__gltf=SMALL_SCENE)
        wait_for_pictures(tab)
        assert tab.locator("#problem").is_hidden()
        assert tab.locator("#scene-problem").is_hidden()
        choose_passes(tab)
        tab.click("#render")
        assert "at least one pass" in tab.inner_text("#problem")


def test_a_refused_frame_is_told(serving, browser):
    expected = ["413"]
    with (
        serving(max_pixels=100_000) as server,
        opened(browser, f"{server.url}/", expected=expected) as tab,
    ):
        drop(tab, small__gltf=SMALL_SCENE)
        problem = tab.wait_for_selector("#problem:not([hidden])").inner_text()
        assert "--max-pixels" in problem
        tab.select_option("#size", "320x240")
        wait_for_pictures(tab)
        assert tab.locator("#problem").is_hidden()


def test_the_token_is_asked_for_and_kept_in_the_tab(serving, browser):
    with (
        serving(token="a secret") as server,
        opened(browser, f"{server.url}/", expected=["401"]) as tab,
    ):
        tab.wait_for_selector("#token-dialog[open]")
        assert tab.evaluate("document.activeElement.id") == "token"
        assert "wants a token" in tab.inner_text("#token-message")
        tab.keyboard.type("another")
        tab.keyboard.press("Enter")
        tab.wait_for_function(
            "() => document.getElementById('token-message').textContent.includes('another token')"
        )
        tab.fill("#token", "a secret")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#passes input")
        drop(tab, small__gltf=SMALL_SCENE)
        wait_for_pictures(tab)
        assert "Authorization: Bearer $TOKEN" in tab.inner_text("#snippet")
        assert "a secret" not in tab.inner_text("body")
        tab.reload()
        tab.wait_for_selector("#passes input")
        assert tab.locator("#token-dialog").is_hidden()
    with serving(token="a secret") as server, opened(browser, f"{server.url}/?token=a+secret") as tab:
        tab.wait_for_selector("#passes input")
        assert tab.url == f"{server.url}/"


def ask_for_another(server, renderer, **headers):
    """Let somebody else ask for a frame, which is being rendered when this returns."""
    before = len(renderer.requests)
    frame = {"passes": ["depth"], "views": [{"width": 8, "height": 8, "camera": 0}]}
    fields = {"frame": json.dumps(frame)}
    sent = {"data": fields, "files": {"scene": SMALL_SCENE}, "headers": headers, "timeout": 300}
    other = Thread(target=requests.post, args=(f"{server.url}/v1/frames",), kwargs=sent)
    other.start()
    wait_for(lambda: len(renderer.requests) > before)
    return other


def test_a_busy_server_is_told_and_asked_again(serving, browser, renderer):
    with (
        serving(max_queue=0) as server,
        opened(browser, f"{server.url}/", expected=["503"]) as tab,
    ):
        tab.wait_for_selector("#passes input")
        renderer.gate.clear()
        other = ask_for_another(server, renderer)
        drop(tab, small__gltf=SMALL_SCENE)
        tab.wait_for_selector("#progress[data-state=busy]")
        assert "The server is busy" in tab.inner_text("#problem")
        assert "--max-queue" in tab.inner_text("#problem")
        tab.wait_for_function(
            "() => document.getElementById('progress').innerText.includes('Asking again in')"
        )
        tab.wait_for_selector("#state[data-state=rendering]")
        renderer.gate.set()
        other.join(300)
        tab.evaluate("document.getElementById('again').click()")  # unless it has asked by itself already
        wait_for_pictures(tab)
        assert tab.locator("#problem").is_hidden()


def test_a_server_that_is_gone_is_told(serving, browser):
    with serving() as server, opened(browser, f"{server.url}/", expected=["ERR_", "Failed to"]) as tab:
        drop(tab, small__gltf=SMALL_SCENE)
        wait_for_pictures(tab)
        tab.context.set_offline(True)
        tab.click("#render")
        assert "does not answer" in tab.wait_for_selector("#problem:not([hidden])").inner_text()
        tab.wait_for_selector("#state[data-state=away]")
        tab.context.set_offline(False)
        tab.click("#render")
        wait_for_pictures(tab)
        tab.wait_for_selector("#state[data-state=ready]")


def test_the_keyboard_is_enough(page):
    with page() as tab:
        tab.wait_for_selector("#passes input")
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.className") == "skip"
        reached = set()
        for _ in range(12):
            tab.keyboard.press("Tab")
            reached.add(tab.evaluate("document.activeElement.id"))
            if tab.evaluate("document.activeElement.id") == "example":
                break
        assert {"token-open", "theme", "help-open", "choose", "choose-too", "example"} <= reached
        tab.keyboard.press("Enter")
        wait_for_pictures(tab)
        tab.focus("#tab-color")
        tab.keyboard.press("ArrowRight")
        assert tab.evaluate("document.activeElement.id") == "tab-depth"
        assert tab.get_attribute("#tab-depth", "aria-selected") == "true"
        tab.focus("#picture")
        tab.keyboard.press("ArrowRight")
        assert tab.inner_text("#pixel") == "column 321, row 240"
        tab.keyboard.press("Shift+ArrowUp")
        assert tab.inner_text("#pixel") == "column 321, row 230"
        assert "depth" in tab.inner_text("#announcement")
        tab.focus("#as-curl")
        tab.keyboard.press("End")
        tab.wait_for_function("() => document.getElementById('snippet').textContent.includes('pydrake')")
        tab.focus("#help-open")
        tab.keyboard.press("Enter")
        assert tab.locator("#help").is_visible()
        tab.keyboard.press("Escape")
        assert tab.evaluate("document.activeElement.id") == "help-open"
        theme = "getComputedStyle(document.body).backgroundColor"
        light = tab.evaluate(theme)
        tab.focus("#theme")
        tab.keyboard.press("Enter")
        tab.keyboard.press("Enter")
        assert tab.evaluate(theme) != light


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_no_barrier_is_found(serving, browser, renderer, width, scheme):
    """In each state, axe finds nothing, and the page scrolls down only."""
    axe = (node_modules() / "axe-core" / "axe.min.js").read_text()
    is_phone = width < 700
    context = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}

    def check(tab, state):
        found = tab.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        told = [(each["id"], [node["html"][:160] for node in each["nodes"][:4]]) for each in found]
        assert not told, (state, told)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, state

    with (
        serving(token="a secret", max_queue=0) as server,
        opened(browser, f"{server.url}/", expected=["401", "400", "503"], **context) as tab,
    ):
        tab.wait_for_selector("#token-dialog[open]")
        tab.evaluate(axe)
        check(tab, "token")
        tab.fill("#token", "a secret")
        tab.keyboard.press("Enter")
        names = ["color", "depth", "normal", "instance", "albedo", "mask_amodal"]
        choose_passes(tab, *names, "uv", "instances")
        check(tab, "empty")
        tab.click("#example")
        wait_for_pictures(tab)
        tab.focus("#picture")
        tab.keyboard.press("ArrowRight")
        tab.locator("#passes summary").click()
        assert tab.locator("#object-rows tr").count() == 5
        for name in ("depth", "mask_amodal") if is_phone else names:
            tab.click(f"#tab-{name}")
            check(tab, name)
        assert tab.locator("#object-rows [aria-current=true]").count() == 1
        tab.click("#tab-mask_amodal")
        tab.locator("#legend button").first.click()
        check(tab, "a mask alone")
        tab.click("#help-open")
        check(tab, "help")
        tab.keyboard.press("Escape")
        renderer.gate.clear()
        tab.click("#render")
        tab.wait_for_selector("#progress:not([hidden])")
        check(tab, "rendering")
        renderer.gate.set()
        wait_for_pictures(tab)
        renderer.gate.clear()
        other = ask_for_another(server, renderer, Authorization="Bearer a secret")
        tab.click("#render")
        tab.wait_for_selector("#progress[data-state=busy]")
        tab.wait_for_selector("#problem:not([hidden])")
        check(tab, "busy")
        renderer.gate.set()
        other.join(300)
        tab.evaluate("document.getElementById('again').click()")
        tab.wait_for_selector("#problem", state="hidden")
        wait_for_pictures(tab)
        drop(tab, bad__gltf=b'{"asset": {"version": "1.0"}}')
        tab.wait_for_selector("#problem:not([hidden])")
        check(tab, "error")


def test_nothing_is_left_of_the_scenes_before(serving, browser):
    """Of ten scenes, WebGL and the browser hold the last one's textures, buffers and addresses."""
    counting = """
      window.held = { textures: 0, buffers: 0, urls: 0 };
      const count = (kind, owner, create, remove) => {
        const made = owner[create], gone = owner[remove];
        owner[create] = function (...given) { held[kind]++; return made.apply(this, given); };
        owner[remove] = function (each) { held[kind] -= each ? 1 : 0; return gone.call(this, each); };
      };
      count("textures", WebGL2RenderingContext.prototype, "createTexture", "deleteTexture");
      count("buffers", WebGL2RenderingContext.prototype, "createBuffer", "deleteBuffer");
      count("urls", URL, "createObjectURL", "revokeObjectURL");
    """
    twenty_frames_later = """() => new Promise((resolve) => {
      let frames = 0;
      const look = () => (++frames < 20 ? requestAnimationFrame(look) : resolve({ ...held }));
      look();
    })"""
    with serving() as server, opened(browser, f"{server.url}/", init_script=counting) as tab:
        held = []
        for number in range(5):
            files = textured()
            document = json.loads(files["square__gltf"])
            document["nodes"][0]["name"] = f"square {number}"
            with renewed(tab):
                drop(tab, **{**files, "square__gltf": json.dumps(document).encode()})
            held.append(tab.evaluate(twenty_frames_later))
        assert held[1] == held[4], held
        assert held[4]["urls"] == 0
