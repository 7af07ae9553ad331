"""The parts of the add-on that know nothing of Blender: events, state, what is kept, the journal."""

import ast
import io
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from blender_addon.address import drake_snippet, reachable, with_token
from blender_addon.comparison import difference, side_by_side
from blender_addon.events import Answered, Asked, Ended, Failed, Held, Ready, from_line, to_line
from blender_addon.journal import Journal, WatchedQueue
from blender_addon.kept_requests import Shelf
from blender_addon.last_pictures import LastPictures
from blender_addon.picture import describe, displayed
from blender_addon.sample_scene import LABELS, sample_scene
from blender_addon.state import Phase, ServerState
from forms import FIELDS, send
from PIL import Image

EVENTS = [
    Ready("http://127.0.0.1:8000", "5.2", "cycles", "CPU"),
    Failed("no \x1e\n way"),
    Asked(1, "color", 64, 48, "127.0.0.1"),
    Answered(1, "color", 64, 48, "127.0.0.1", 500, 0.5, "it failed", "/kept", "/picture.png"),
    Held(True),
    Ended(-11, "last words"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_cross_a_pipe(event):
    assert to_line(event).count(b"\n") == 1
    assert from_line(b"Blender says something first" + to_line(event)) == event


def test_other_lines_are_no_events():
    assert from_line(b"Blender 5.2.2 LTS\n") is None


def test_state_follows_events():
    state = ServerState()
    state.starting("12:00:00")
    assert (state.phase, state.is_on, state.url) == (Phase.STARTING, True, "")
    for event in (EVENTS[0], EVENTS[2]):
        state.apply(event)
    assert state.url == "http://127.0.0.1:8000"
    assert state.is_busy
    state.apply(EVENTS[3])
    assert not state.is_busy
    assert state.message == "it failed"
    state.apply(EVENTS[4])
    assert state.is_held
    state.apply(EVENTS[1])
    assert (state.phase, state.url) == (Phase.FAILED, "")
    state.stopped()
    assert (state.message, state.note) == ("", ""), "what is over is not told any more"


def test_an_address_that_means_all_becomes_one_that_can_be_asked():
    state = ServerState()
    state.apply(Ready("http://0.0.0.0:8000", "5.2", "cycles", "CPU"))
    assert re.fullmatch(r"http://\d+\.\d+\.\d+\.\d+:8000", state.url)
    assert "0.0.0.0" not in state.url
    assert "[::]" not in reachable("http://[::]:8000")
    for url in ("http://127.0.0.1:8000", "http://localhost:80", "http://[::1]:8000", "http://10.0.0.0:1"):
        assert reachable(url) == url


def test_the_token_is_quoted():
    assert with_token("http://host:8000", "a/b@c") == "http://blender:a%2Fb%40c@host:8000"
    assert with_token("http://host:8000", "") == "http://host:8000"


@pytest.mark.drake
@pytest.mark.parametrize("token", ["", 'quotes " / and &'])
def test_drake_takes_the_snippet(token):
    geometry = pytest.importorskip("pydrake.geometry")
    names = {"scene_graph": geometry.SceneGraph()}
    exec(drake_snippet("http://127.0.0.1:8000", token), names)
    assert names["scene_graph"].HasRenderer("photo")
    assert names["params"].base_url == "http://127.0.0.1:8000"
    endpoint = urlsplit(names["params"].render_endpoint)
    assert endpoint.path == "render"
    assert dict(parse_qsl(endpoint.query)) == ({"token": token} if token else {})


def test_shelf_keeps_the_newest(tmp_path):
    shelf = Shelf(tmp_path / "kept", 2)
    for number in (1, 2, 3):
        about = {"number": number, "status": 200, "seconds": 0.1, "client": "me", "message": ""}
        shelf.keep(b"{}", {"image_type": "depth", "width": "4"}, b"II", "image/tiff", about)
    found = shelf.newest(9)
    assert [kept.folder.name.split("-")[2] for kept in found] == ["000003", "000002"]
    assert found[0].fields["width"] == "4"
    assert found[0].answer.name == "answer.tiff"
    assert "depth  4 x ?" in found[0].label
    shelf.clear()
    assert not shelf.newest(9)


def encoded(pixels, file_format):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format)
    return buffer.getvalue()


def test_comparison_of_colours():
    red = encoded(np.full((2, 3, 3), (255, 0, 0), np.uint8), "PNG")
    other = encoded(np.full((2, 3, 3), (255, 0, 51), np.uint8), "PNG")
    both = side_by_side(red, other)
    assert both.shape == (2, 3 + 4 + 3, 4)
    np.testing.assert_allclose(both[0, 0], (1, 0, 0, 1))
    np.testing.assert_allclose(both[0, -1], (1, 0, 0.2, 1))
    assert difference(red, red) == "The same, byte for byte"
    assert difference(red, other) == "6 of 6 pixels differ"
    assert "no stored picture" in difference(None, red)


def test_comparison_of_depths_shows_both_on_one_scale():
    near = encoded(np.array([[1.0, 2.0, np.inf]], np.float32), "TIFF")
    far = encoded(np.array([[1.0, 3.0, 0.0]], np.float32), "TIFF")
    both = side_by_side(near, far)[0, :, 0]
    np.testing.assert_allclose(both[[0, 1, 2, 7, 8, 9]], [1, 0.55, 0, 1, 0.1, 0], atol=1e-6)


def test_depths_are_shown_as_greys_and_described():
    metres = encoded(np.array([[1.0, 2.0, np.inf, 0.0]], np.float32), "TIFF")
    np.testing.assert_allclose(displayed(metres, "depth")[0, :, 0], [1, 0.1, 0, 0], atol=1e-6)
    assert describe(metres, "depth") == "depth 4 x 1, 1.00 m (white) to 2.00 m"
    millimetres = encoded(np.array([[1000, 2000, 65535, 0]], np.uint16), "PNG")
    np.testing.assert_array_equal(displayed(millimetres, "depth"), displayed(metres, "depth"))


def test_labels_are_shown_in_colours_of_their_own():
    labels = [1, 2, 300, 32766]
    pixels = np.array([[(label % 256, label // 256, 0) for label in labels] + [(255, 255, 255)]], np.uint8)
    shown = displayed(encoded(pixels, "PNG"), "label")[0, :, :3]
    assert len(np.unique(shown, axis=0)) == 5
    assert shown.max(1).min() > 0.5, "none looks black"
    np.testing.assert_array_equal(shown[-1], 1)
    assert "labels 1, 2, 300, 32766," in describe(encoded(pixels, "PNG"), "label")


def test_last_pictures_are_few(tmp_path):
    pictures = LastPictures(tmp_path / "last", 2)
    files = [pictures.put(number, b"%d" % number, "image/png") for number in (1, 2, 3)]
    assert [Path(file).exists() for file in files] == [False, True, True]
    assert Path(files[2]).read_bytes() == b"3"
    assert LastPictures(tmp_path / "last", 2).put(1, b"new", "image/tiff") not in files
    assert pictures.put(4, b"{}", "application/json") == ""


@pytest.mark.parametrize("image_type", ["color", "depth", "label"])
def test_the_sample_scene_is_one_scene_whichever_axis_is_up(image_type):
    from gltf_render_server.gltf import parse_scene

    z_up, y_up = (parse_scene(sample_scene(image_type, axis), extensions=frozenset()) for axis in "zy")
    turned = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(y_up.camera_to_world, turned @ z_up.camera_to_world, atol=1e-9)
    assert len(z_up.primitives) == len(LABELS)


class Grey:
    """A renderer that paints everything grey."""

    from gltf_render_server.renderer import RendererInfo

    info = RendererInfo("Grey", "1", "none", "none")
    extensions = frozenset()

    def render(self, request):
        from gltf_render_server.renderer import RenderedImage

        return RenderedImage(np.full((request.camera.height, request.camera.width, 3), 127, np.uint8))

    def close(self):
        pass


@pytest.fixture
def watched(tmp_path):
    """A client of an application that is watched, the events, and the shelf."""
    import threading

    from blender_addon.gltf_render_server.app import create_app
    from blender_addon.gltf_render_server.settings import ServerSettings

    events = []
    shelf = Shelf(tmp_path / "kept", 5)
    journal = Journal(events.append, shelf, LastPictures(tmp_path / "last", 5))
    queue = WatchedQueue(Grey(), 2, journal)
    app = create_app(ServerSettings(token="secret"), queue)
    journal.watch(app)
    thread = threading.Thread(target=queue.run)
    thread.start()
    yield app.test_client(), events, shelf
    queue.close()
    thread.join()


def ask(client, fields, scene, token="secret"):
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return send(client, fields, scene)


def test_journal_tells_and_keeps(watched, forms):
    client, events, shelf = watched
    scene = (forms / "color.gltf").read_bytes()
    answer = ask(client, FIELDS, scene)
    assert answer.status_code == 200
    asked, answered = events
    assert asked == Asked(1, "color", 64, 48, "127.0.0.1")
    assert (answered.number, answered.status, answered.message) == (1, 200, "")
    assert Path(answered.picture).read_bytes() == answer.data
    [kept] = shelf.newest(9)
    assert kept.scene == scene
    assert kept.answer.read_bytes() == answer.data
    assert str(kept.folder) == answered.kept


def test_journal_tells_and_keeps_failures(watched, forms):
    client, events, shelf = watched
    ask(client, {**FIELDS, "far": "0"}, (forms / "color.gltf").read_bytes())
    [answered] = events
    assert (answered.status, answered.image_type, answered.width) == (400, "color", 64)
    assert answered.picture == ""
    assert "far" in answered.message
    [kept] = shelf.newest(9)
    assert kept.answer is None
    assert kept.message == answered.message


def test_journal_reads_nothing_of_strangers(watched, forms):
    client, events, shelf = watched
    assert ask(client, FIELDS, (forms / "color.gltf").read_bytes(), token="wrong").status_code == 401
    [answered] = events
    assert (answered.status, answered.image_type, answered.kept) == (401, "", "")
    assert not shelf.newest(9)


def test_journal_ignores_pages(watched):
    client, events, _ = watched
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer secret"
    assert client.get("/healthz").status_code == 200
    assert not events


ROOT = Path(__file__).resolve().parents[2] / "blender_addon"
WITHOUT_BLENDER = {
    "address",
    "background",
    "child",
    "comparison",
    "events",
    "journal",
    "kept_requests",
    "last_pictures",
    "options",
    "picture",
    "sample_scene",
    "state",
    "wheels",
}


def absolute_imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=lambda path: path.stem)
def test_imports_are_relative_and_blender_stays_in_its_rooms(path):
    imported = set(absolute_imports(path))
    assert not imported & {"gltf_render_server", "blender_addon", "bl_ext"}
    if path.stem in WITHOUT_BLENDER:
        assert "bpy" not in imported
    if path.stem != "child_main":  # a script of a process of its own
        assert "sys.path." not in path.read_text()
