"""From a dropped file to pictures: what is asked, what is shown, and that both are the same view."""

import base64
import hashlib
import io
import json
import math

import numpy as np
import pytest
from compressed import with_draco, with_meshopt
from drake_like import DrakeScene, add_accessor, box, look_at, sphere, translation
from pages import (
    all_passes,
    choose_passes,
    drop,
    needs_browser,
    opened,
    renewed,
    shown,
    values,
    wait_for_pictures,
    wait_until,
)
from PIL import Image
from servers import ROOT

from gltf_render_server.client import RenderClient
from gltf_render_server.false_colours import false_colours
from gltf_render_server.settings import QUALITIES

pytestmark = needs_browser

STILL_LIFE = ROOT / "examples" / "still_life" / "still_life.glb"


def yard():
    """Some bodies, seen by a camera that is not upright; y is up, as in glTF."""
    camera = look_at((1.9, 1.4, 2.4), (0, 0.3, 0), (0.2, 1, 0))
    bodies = [
        box((0.7, 0.6, 0.5), translation(-0.5, 0.3, 0.1), 2, rgba=(0.8, 0.2, 0.1, 1)),
        sphere(0.35, translation(0.5, 0.4, -0.2), 5, rgba=(0.1, 0.5, 0.9, 1)),
        box((0.3, 0.9, 0.3), translation(0.2, 0.5, 0.6), 9),
    ]
    return DrakeScene(bodies, camera)


def moving():
    """The yard as a file, in which a body rises by 0.8 m in 2 s."""
    scene = yard().document()
    inputs = add_accessor(scene, np.array([0, 2], np.float32), "SCALAR")
    outputs = add_accessor(scene, np.array([[0, 0, 0], [0, 0.8, 0]], np.float32), "VEC3")
    scene["accessors"][inputs] |= {"min": [0], "max": [2]}
    node = next(index for index, each in enumerate(scene["nodes"]) if "mesh" in each)
    matrix = scene["nodes"][node].pop("matrix")
    scene["nodes"][node]["translation"] = matrix[12:15]
    scene["animations"] = [
        {
            "samplers": [{"input": inputs, "output": outputs}],
            "channels": [{"sampler": 0, "target": {"node": node, "path": "translation"}}],
        }
    ]
    return json.dumps(scene).encode()


class Requests:
    """What a tab asks of the server."""

    def __init__(self, tab):
        self.seen = []
        self.failed = []
        tab.on("request", lambda request: self.seen.append(request))
        tab.on("requestfailed", lambda request: self.failed.append(request))

    def of(self, method, part):
        return [each for each in self.seen if each.method == method and part in each.url]

    @property
    def frame(self):
        return json.loads(self.of("POST", "/v1/frames")[-1].post_data)


def rendered(server, scene, frame):
    """What the server answers to the page's own request, read by Python's client."""
    options = {name: value for name, value in frame.items() if name not in ("scene", "views", "passes")}
    return RenderClient(server.url, timeout_s=300).render(scene, frame["views"], frame["passes"], **options)


def silhouette(tab):
    """Where three.js shows something, (height, width) bool: its background lets through what is behind."""
    tab.evaluate("document.getElementById('stage').style.background = 'rgb(0 255 0)'")
    tab.evaluate("document.getElementById('scene-cross').hidden = true")
    with Image.open(io.BytesIO(tab.locator("#canvas").screenshot())) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    return np.abs(pixels - (0, 255, 0)).sum(-1) > 120


def overlap(one, other):
    """The share of what is in either that is in both, without the edges, where the page draws a line."""
    inner = (slice(3, -3), slice(3, -3))
    return (one & other)[inner].sum() / (one | other)[inner].sum()


def compare_with_the_server(tab, server, scene, requests):
    """The share that the silhouettes of three.js and of the server's instances have in common."""
    answer = rendered(server, scene, {**requests.frame, "passes": ["instance"]})
    exact = answer["view"]["instance"] > 0
    drawn = silhouette(tab)
    rows = (np.arange(drawn.shape[0]) + 0.5) * exact.shape[0] / drawn.shape[0]
    columns = (np.arange(drawn.shape[1]) + 0.5) * exact.shape[1] / drawn.shape[1]
    assert 0.02 < exact.mean() < 0.9
    return overlap(drawn, exact[np.ix_(rows.astype(int), columns.astype(int))])


def test_a_dropped_file_is_rendered_and_told(page, server):
    scene = yard().to_bytes()
    with page() as tab:
        requests = Requests(tab)
        drop(tab, yard__gltf=scene)
        wait_for_pictures(tab)
        assert tab.locator("#tabs [role=tab]").all_inner_texts() == ["color", "depth", "normal", "instance"]
        assert "yard.gltf, 3 objects" in tab.inner_text("#scene-name")
        assert "VTK" in tab.inner_text("#renderer")
        tab.wait_for_selector("#state[data-state=ready]")  # it is asked for after the picture
        assert "Ready" in tab.inner_text("#state")
        assert " ms" in tab.inner_text("#times")
        assert "render" in tab.inner_text("#times")
        [put] = requests.of("PUT", "/v1/scenes/")
        assert put.url.endswith(hashlib.sha256(scene).hexdigest())
        frame = requests.frame
        assert len(requests.of("POST", "/v1/frames")) == 1
        answer = rendered(server, scene, frame)
        rows, columns = np.nonzero(answer["view"]["instance"] == 2)
        row, column = int(np.median(rows)), int(np.median(columns))
        tab.click("#tab-depth")
        place = tab.locator("#picture").bounding_box()
        scale = place["width"] / 640
        tab.mouse.move(place["x"] + (column + 0.5) * scale, place["y"] + (row + 0.5) * scale)
        told = values(tab)
        depth = float(answer["view"]["depth"][row, column])
        assert tab.inner_text("#pixel") == f"column {column}, row {row}"
        assert told["depth"].endswith(" m")
        assert float(told["depth"][:-2]) == pytest.approx(depth, rel=1e-3)
        normal = answer["view"]["normal"][row, column]
        assert [float(part) for part in told["normal"].split(",")] == pytest.approx(normal.tolist(), abs=6e-4)
        assert told["instance"].startswith("2 ")
        assert told["instance"].split(" ", 1)[1] == answer.instances[2]
        assert [int(part) for part in told["color"].split(",")] == answer["view"]["color"][
            row, column
        ].tolist()
        assert tab.locator("#legend .marker").is_visible()
        tab.mouse.move(place["x"] + 1, place["y"] + 1)
        assert (values(tab)["depth"], values(tab)["instance"]) == ("infinite", "nothing")


def test_the_pictures_are_exactly_of_the_view_that_is_turned(page, server):
    document = yard().document()
    camera = document["cameras"][0] = {
        "type": "perspective",
        "perspective": {"yfov": math.radians(37), "znear": 0.1, "zfar": 50},
    }
    scene = json.dumps(document).encode()
    with page() as tab:
        requests = Requests(tab)
        drop(tab, yard__gltf=scene)
        wait_for_pictures(tab)
        [view] = requests.frame["views"]
        assert view["fov_y_deg"] == pytest.approx(math.degrees(camera["perspective"]["yfov"]))
        np.testing.assert_allclose(
            np.reshape(view["camera_to_world"], (4, 4)), yard().camera_to_world, atol=1e-6
        )
        assert compare_with_the_server(tab, server, scene, requests) > 0.97, "the file's camera"
        with renewed(tab):
            tab.click("#frame-all")
        assert compare_with_the_server(tab, server, scene, requests) > 0.97, "all of it"
        with renewed(tab):
            tab.focus("#canvas")
            for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "+", "+", "Shift+ArrowRight"):
                tab.keyboard.press(key)
        place = tab.locator("#canvas").bounding_box()
        with renewed(tab):
            tab.mouse.move(place["x"] + 200, place["y"] + 200)
            tab.mouse.down()
            tab.mouse.move(place["x"] + 260, place["y"] + 170, steps=4)
            tab.mouse.up()
        with renewed(tab):
            tab.mouse.wheel(0, -120)
        assert compare_with_the_server(tab, server, scene, requests) > 0.97, "turned, moved and zoomed"
        with renewed(tab):
            tab.select_option("#size", "800x800")
            tab.select_option("#up-axis", "z")
        assert requests.frame["look"]["up_axis"] == "z"
        assert compare_with_the_server(tab, server, scene, requests) > 0.97, "square, with another axis up"
        assert len(requests.of("PUT", "/v1/scenes/")) == 1, "the scene is sent once"


def compare_colours(tab, answer, name):
    wanted = false_colours(answer["view"][name], name).astype(int)
    apart = np.abs(shown(tab, name).astype(int) - wanted)
    assert apart.max() <= 1, name
    assert (apart > 0).mean() < 1e-3, name


def point_at(tab, row, column, width=320):
    """Move the mouse to a pixel of the picture."""
    place = tab.locator("#picture").bounding_box()
    scale = place["width"] / width
    tab.mouse.move(place["x"] + (column + 0.5) * scale, place["y"] + (row + 0.5) * scale)


def still_life(tab, server, *passes):
    """Drop the still life; return the server's answer to what the page then asks for."""
    requests = Requests(tab)
    tab.select_option("#size", "320x240")
    choose_passes(tab, *passes)
    drop(tab, still__glb=STILL_LIFE)
    wait_for_pictures(tab)
    return rendered(server, STILL_LIFE, requests.frame)


def test_colours_are_those_of_the_package(page, server):
    """Every pass that the server makes, byte for byte but for what rounding does."""
    with page() as tab:
        answer = still_life(tab, server, *all_passes(tab))
        names = tab.locator("#tabs [role=tab]").all_inner_texts()
        assert {"color", "depth", "position", "normal", "uv", "label", "nocs", "material"} <= set(names)
        assert names == [name for name in answer["view"] if name != "instances"]
        for name in names:
            compare_colours(tab, answer, name)
            assert tab.inner_text("#legend").strip(), name
        assert "teapot" in (tab.click("#tab-instance"), tab.inner_text("#legend"))[1]


def test_whole_objects_are_told_and_shown_alone(page, server):
    with page() as tab:
        answer = still_life(tab, server, "instance", "mask_amodal")
        masks = answer["view"]["mask_amodal"]
        tab.click("#tab-mask_amodal")
        row, column = np.unravel_index(masks.sum(0).argmax(), masks.shape[1:])
        point_at(tab, int(row), int(column))
        covering = np.flatnonzero(masks[:, row, column]) + 1
        assert len(covering) > 1
        told = ", ".join(f"{number} {answer.instances[number]}" for number in covering.tolist())
        assert values(tab)["mask_amodal"] == told
        buttons = tab.locator("#legend button")
        assert buttons.count() == masks.any((1, 2)).sum()
        number = int(covering[-1])
        chosen = tab.locator(f'#legend button[data-number="{number}"]')
        together = shown(tab, "mask_amodal")
        chosen.focus()
        tab.keyboard.press("Enter")
        assert chosen.get_attribute("aria-pressed") == "true"
        alone = shown(tab, "mask_amodal")
        np.testing.assert_array_equal((alone != 64).any(-1), masks[number - 1])
        chosen = tab.locator('#legend button[aria-pressed="true"]')
        assert chosen.get_attribute("data-number") == str(number), "also after another tab"
        chosen.click()
        np.testing.assert_array_equal(shown(tab, "mask_amodal"), together)


def test_objects_stand_in_a_table(page, server, tmp_path):
    with page() as tab:
        answer = still_life(tab, server, "instance", "instances")
        table = answer["view"]["instances"]
        head = tab.locator("#objects thead th").all_inner_texts()
        rows = [row.locator("th, td").all_inner_texts() for row in tab.locator("#object-rows tr").all()]
        assert len(rows) == len(table) > 20
        for texts, row in zip(rows, table, strict=True):
            told = dict(zip(head, texts, strict=True))
            assert (int(told["number"]), told["name"]) == (row["number"], row["name"])
            assert int(told["pixels"]) == row["pixels"]
            assert float(told["visible_fraction"]) == pytest.approx(row["visible_fraction"], abs=6e-4)
            assert told["truncated"] == ("yes" if row["truncated"] else "no")
            box = row["box"]
            assert told["box"] == (", ".join(map(str, box)) if box else "\u2013")
        assert f"{len(table)} objects" in tab.inner_text("#objects-told")
        number = max(np.unique(answer["view"]["instance"]).tolist())
        rows, columns = np.nonzero(answer["view"]["instance"] == number)
        point_at(tab, int(rows[0]), int(columns[0]))
        current = tab.locator("#object-rows tr[aria-current=true]")
        assert current.count() == 1
        assert current.get_attribute("data-number") == str(number)
        seen, region = current.bounding_box(), tab.locator("#objects .scrolls").bounding_box()
        assert region["y"] <= seen["y"] <= region["y"] + region["height"] - seen["height"] + 1
        with tab.expect_download() as download:
            tab.click("#save-objects")
        download.value.save_as(tmp_path / "saved.json")
        assert download.value.suggested_filename == "instances.json"
        assert json.loads((tmp_path / "saved.json").read_text()) == table
        choose_passes(tab, "instances")
        tab.wait_for_selector("#picture", state="hidden")
        assert tab.locator("#objects").is_visible()
        assert "table" in tab.inner_text("#no-picture")
        choose_passes(tab, "depth")
        wait_for_pictures(tab)
        assert tab.locator("#objects").is_hidden()


def test_motion_is_offered_where_something_moves(page, server):
    data = moving()
    with page() as tab:
        requests = Requests(tab)
        tab.select_option("#size", "320x240")
        choose_passes(tab, "flow_forward", "flow_backward", "visible_forward", "depth")
        drop(tab, yard__gltf=yard().to_bytes())
        wait_for_pictures(tab)
        assert requests.frame["passes"] == ["depth"]
        assert {"before", "after"}.isdisjoint(requests.frame)
        assert tab.locator("#step-field").is_hidden()
        drop(tab, moving__gltf=data)
        tab.wait_for_selector("#tab-flow_forward")
        assert (requests.frame["before"], requests.frame["after"]) == ({"time_s": 0}, {"time_s": 0.1})
        with renewed(tab):
            tab.evaluate("document.getElementById('time').value = 1.5")
            tab.dispatch_event("#time", "input")
            tab.fill("#step", "1")
            tab.keyboard.press("Tab")
        frame = requests.frame
        assert (frame["before"], frame["after"]) == ({"time_s": 0.5}, {"time_s": 2}), "2 s is the end"
        assert '"after": {"time_s":2}' in tab.inner_text("#snippet")
        tab.click("#as-python")
        tab.wait_for_function(
            "() => document.getElementById('snippet').textContent.includes('after={\"time_s\": 2}')"
        )
        answer = rendered(server, data, frame)
        for name in ("flow_forward", "flow_backward", "visible_forward"):
            compare_colours(tab, answer, name)
        assert "px" in (tab.click("#tab-flow_forward"), tab.inner_text("#legend"))[1]
        flow = answer["view"]["flow_forward"]
        row, column = np.unravel_index(np.nan_to_num(np.hypot(*flow.T)).T.argmax(), flow.shape[:2])
        point_at(tab, int(row), int(column))
        told = values(tab)["flow_forward"]
        assert told.endswith(" px")
        assert [float(part) for part in told[:-3].split(",")] == pytest.approx(
            flow[row, column].tolist(), abs=6e-4
        )


def test_light_and_values_of_materials(serving, browser):
    passes = ["color_linear", "albedo", "roughness", "metallic"]
    with serving() as server, opened(browser, f"{server.url}/") as tab:
        requests = Requests(tab)
        choose_passes(tab, *passes)
        drop(tab, yard__gltf=yard().to_bytes())
        wait_for_pictures(tab)
        answer = rendered(server, yard().to_bytes(), requests.frame)
        for name in passes:
            apart = np.abs(shown(tab, name).astype(int) - false_colours(answer["view"][name], name))
            assert apart.max() <= 1, name
        assert tab.locator("#quality option").all_inner_texts()[1:] == list(QUALITIES)
        assert requests.frame["look"] == {"up_axis": "y", "quality": next(iter(QUALITIES))}
        with renewed(tab):
            tab.select_option("#quality", "preview")
            tab.select_option("#environment", "studio")
            tab.check("#transparent")
            tab.fill("#exposure", "-1.5")
            tab.keyboard.press("Control+Enter")
        wait_until(tab, lambda: requests.frame["look"].get("exposure") == -1.5)
        wait_for_pictures(tab)
        assert requests.frame["look"] == {
            "up_axis": "y",
            "environment": "studio",
            "quality": "preview",
            "exposure": -1.5,
            "transparent": True,
        }


def test_what_is_no_longer_wanted_is_given_up(serving, browser, renderer):
    with serving() as server, opened(browser, f"{server.url}/") as tab:
        requests = Requests(tab)
        drop(tab, yard__gltf=yard().to_bytes())
        wait_for_pictures(tab)
        renderer.gate.clear()
        before = len(requests.of("POST", "/v1/frames"))
        tab.focus("#canvas")
        for count in range(1, 4):
            tab.keyboard.press("ArrowLeft")
            wait_until(tab, lambda count=count: len(requests.of("POST", "/v1/frames")) == before + count)
        assert tab.locator("#picture[data-stale]").count() == 1
        assert "Rendering, " in tab.inner_text("#progress")
        wait_until(tab, lambda: len(requests.failed) == 2)  # the two older ones
        tab.wait_for_selector("#state[data-state=busy]")
        tab.wait_for_function("() => document.getElementById('state').innerText.endsWith('1 waiting')")
        renderer.gate.set()
        wait_for_pictures(tab)
        tab.uncheck("#follow")
        tab.focus("#canvas")
        tab.keyboard.press("ArrowLeft")
        tab.wait_for_timeout(600)
        assert len(requests.of("POST", "/v1/frames")) == before + 3, "only when it is told to"
        with renewed(tab):
            tab.click("#render")
        assert len(requests.of("POST", "/v1/frames")) == before + 4
        renderer.gate.clear()
        tab.click("#render")
        tab.click("#cancel")
        tab.wait_for_selector("#progress", state="hidden")
        wait_until(tab, lambda: len(requests.failed) == 3)


def test_a_picture_of_an_earlier_view_is_no_picture_of_this_one(serving, browser, renderer):
    """The view is turned while its picture is on the way."""
    with serving() as server, opened(browser, f"{server.url}/") as tab:
        drop(tab, yard__gltf=yard().to_bytes())
        wait_for_pictures(tab)
        tab.uncheck("#follow")
        renderer.gate.clear()
        tab.click("#render")
        tab.focus("#canvas")
        tab.keyboard.press("ArrowLeft")
        renderer.gate.set()
        tab.wait_for_selector("#progress", state="hidden")
        assert tab.locator("#picture[data-stale]").count() == 1
        tab.click("#render")
        wait_for_pictures(tab)


def test_a_scene_that_the_server_let_go_is_sent_again(page, server):
    scene = yard().to_bytes()
    with page(expected=["404"]) as tab:
        requests = Requests(tab)
        drop(tab, yard__gltf=scene)
        wait_for_pictures(tab)
        digest = hashlib.sha256(scene).hexdigest()
        tab.evaluate("(path) => fetch(path, { method: 'DELETE' })", f"/v1/scenes/{digest}")
        tab.click("#render")
        tab.wait_for_selector("#progress", state="hidden")
        assert tab.locator("#problem").is_hidden()
        sent = requests.of("POST", "/v1/frames")[-1].headers["content-type"]
        assert sent.startswith("multipart/form-data")


def test_an_animation_has_a_time(page, server):
    data = moving()
    with page() as tab:
        requests = Requests(tab)
        drop(tab, moving__gltf=data)
        wait_for_pictures(tab)
        with renewed(tab):
            tab.evaluate("document.getElementById('time').value = 1.5")
            tab.dispatch_event("#time", "input")
        assert requests.frame["time_s"] == 1.5
        assert compare_with_the_server(tab, server, data, requests) > 0.97


def beside(document):
    """The files that a document's buffers are, and the document that names them."""
    files = {}
    for number, buffer in enumerate(document["buffers"]):
        if buffer.get("uri", "").startswith("data:"):
            files[f"part {number}__bin"] = base64.b64decode(buffer["uri"].partition(",")[2])
            buffer["uri"] = f"part%20{number}.bin"
    return {"compressed__gltf": json.dumps(document).encode(), **files}


@pytest.mark.parametrize("compress", [with_draco, with_meshopt])
def test_compressed_scenes_are_shown_as_well(page, server, compress):
    plain = yard().document()
    compressed = compress(plain)
    assert compressed["extensionsRequired"]
    with page() as tab:
        requests = Requests(tab)
        choose_passes(tab, "instance")
        drop(tab, **beside(compressed))
        wait_for_pictures(tab)
        assert tab.locator("#scene-problem").is_hidden(), tab.inner_text("#scene-problem")
        share = compare_with_the_server(tab, server, json.dumps(plain).encode(), requests)
        assert share > 0.97
