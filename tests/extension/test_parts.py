"""The parts of the add-on that know nothing of Blender: events, state, what is kept, the journal."""

import ast
import io
import json
import os
import re
import shutil
import signal
import sys
import zipfile
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from blender_addon.address import drake_snippet, reachable, with_token
from blender_addon.background import BackgroundServer
from blender_addon.comparison import difference, side_by_side
from blender_addon.events import Answered, Asked, Ended, Failed, Held, Ready, from_line, to_line
from blender_addon.gltf_render_server.false_colours import DARK
from blender_addon.gltf_render_server.recording import Answer, Document, RecordedFrames, Request
from blender_addon.journal import Journal
from blender_addon.kept_requests import NOT_KEPT, KeptRequestError, Shelf, export, read_kept
from blender_addon.last_pictures import LastPictures
from blender_addon.picture import decoded, describe, displayed
from blender_addon.sample_scene import LABELS, sample_scene
from blender_addon.state import Phase, ServerState
from forms import FIELDS, send
from frames import pose_of
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


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_line_that_is_cut_short_is_no_event(event):
    line = to_line(event).rstrip()
    assert {from_line(line[:length]) for length in range(len(line))} == {None}


def test_the_end_is_told_whatever_was_left_half_written_or_removed(tmp_path):
    half = to_line(EVENTS[0])[:20]
    program = f"import os, sys; os.unlink(sys.argv[1]); os.write(1, {half!r}); os.kill(os.getpid(), 9)"
    log = tmp_path / "child.log"
    server = BackgroundServer([sys.executable, "-c", program, log], os.environ, log)
    server.kill(grace_s=60)
    assert server.events() == [Ended(-signal.SIGKILL, "")]


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


SCENE = b'{"asset": {"version": "2.0"}}\r'


def keep(shelf, number=1, image_type="depth", passes=()):
    form = {"image_type": [image_type], "width": ["4"]}
    request = Request("drake", form=form, document=Document(SCENE), passes=passes)
    answered = Answered(number, image_type, 4, 0, "me", 200, 0.1, "", "")
    return shelf.keep(request, Answer(200, 0.1, "", "image/tiff", b"II"), answered)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_shelf_keeps_the_newest(tmp_path):
    shelf = Shelf(tmp_path / "kept", 2)
    for number in (1, 2, 3):
        keep(shelf, number)
    found = shelf.newest(9)
    assert [kept.path.name.split("-")[2] for kept in found] == ["000003", "000002"]
    assert found[0].fields == {"image_type": "depth", "width": "4"}
    assert found[0].scene == SCENE
    assert found[0].answer == b"II"
    assert "depth  4 x ?" in found[0].label
    assert shelf.clear() == 0
    assert not files(shelf.folder)


def test_shelf_takes_no_more_than_its_size(tmp_path, monkeypatch):
    shelf = Shelf(tmp_path / "kept", 9)
    size = keep(shelf).stat().st_size
    monkeypatch.setattr("blender_addon.kept_requests._MOST_BYTES", 2.5 * size)
    for number in (2, 3):
        keep(shelf, number)
    assert len(shelf.newest(9)) == 2
    monkeypatch.setattr("blender_addon.kept_requests._MOST_BYTES", 1)
    newest = keep(shelf, 4)
    assert [kept.path for kept in shelf.newest(9)] == [newest]


def foreign(path):
    """Make a folder and a file beside, which are called nearly as the add-on's."""
    folder = path.with_name("19990101-000000-000001-depth-00000000.zip")
    folder.mkdir()
    (folder / "about.json").write_text("{}")
    path.with_name("19990101-000000-000001-depth.zip").write_text("all of it")


def copied(path):
    shutil.copyfile(path, path.with_name("my favourite.zip"))


def renamed(path):
    path.rename(path.with_name(path.name.replace("depth", "label")))


def called_as_another(path):
    path.rename(path.with_name("19990101-000000-000001-depth-00000000.zip"))


def written_over(path):
    path.write_text("keep this")


def with_another_list_entry(path):
    with zipfile.ZipFile(path) as file:
        about = json.loads(file.read("about.json"))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("about.json", json.dumps({**about, "kept": "another"}))


def linked(path):
    """Move it elsewhere, and leave a link in its place."""
    elsewhere = path.parents[1] / "elsewhere" / path.name
    elsewhere.parent.mkdir()
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def a_folder(path):
    path.unlink()
    path.mkdir()
    (path / "thesis.txt").write_text("all of it")


BESIDE = (foreign, copied)
CHANGED = (renamed, called_as_another, written_over, with_another_list_entry, linked, a_folder)


@pytest.mark.parametrize("change", [*BESIDE, *CHANGED])
@pytest.mark.parametrize("let_go", [Shelf.clear, lambda shelf: keep(shelf, 2)], ids=["clear", "keep"])
def test_shelf_removes_nothing_that_is_not_its_own(tmp_path, change, let_go):
    shelf = Shelf(tmp_path / "kept", 1)
    first = keep(shelf)
    change(first)
    before = set(files(tmp_path))
    let_go(shelf)
    gone = before - set(files(tmp_path))
    assert gone == ({f"kept/{first.name}"} if change in BESIDE else set())


def test_shelf_says_what_it_could_not_remove(tmp_path):
    shelf = Shelf(tmp_path / "kept", 5)
    written_over(keep(shelf))
    keep(shelf, 2)
    assert shelf.clear() == 1


UNREADABLE = [
    "",
    "{}",
    "[]",
    "null",
    '{"image_type": "../x"}',
    '{"image_type": "depth", "status": "x"}',
    "[" * 99999,
]


@pytest.mark.parametrize("about", UNREADABLE)
def test_shelf_survives_what_cannot_be_read(tmp_path, about):
    shelf = Shelf(tmp_path / "kept", 5)
    keep(shelf)
    with zipfile.ZipFile(keep(shelf, 2), "w") as file:
        file.writestr("about.json", about)
    keep(shelf, 3).write_bytes(b"PK\x05\x06")
    (shelf.folder / "folder").mkdir()
    assert len(shelf.newest(9)) == 1
    assert shelf.clear() == 2
    assert len(files(shelf.folder)) == 3


def test_shelf_leaves_nothing_of_what_could_not_be_kept(tmp_path, monkeypatch):
    shelf = Shelf(tmp_path / "kept", 5)

    def full(file, *_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "_write_end_record", full)
        with pytest.raises(OSError, match="No space"):
            keep(shelf)
    assert not files(shelf.folder)


def test_shelf_removes_what_a_crash_has_left(tmp_path):
    shelf = Shelf(tmp_path / "kept", 5)
    kept = keep(shelf)
    partial = kept.rename(kept.with_name(f".partial-{kept.name}"))
    keep(shelf, 2)
    assert partial.exists(), "somebody may be writing it"
    os.utime(partial, (0, 0))
    keep(shelf, 3)
    assert not partial.exists()
    assert len(shelf.newest(9)) == 2


def test_two_may_keep_the_same_at_once(tmp_path):
    shelf = Shelf(tmp_path / "kept", 5)
    assert keep(shelf) != keep(shelf)


def test_export_is_somebody_elses(tmp_path):
    shelf = Shelf(tmp_path / "kept", 5)
    kept = read_kept(keep(shelf))
    exported = [export(kept, tmp_path / "out" / "here") for _ in range(2)]
    assert [folder.name for folder in exported] == [kept.path.stem, f"{kept.path.stem}-2"]
    expected = ["about.json", "answer.tiff", "depth.gltf", "depth.json"]
    assert files(exported[0]) == files(exported[1]) == expected
    assert (exported[1] / "answer.tiff").read_bytes() == b"II"
    assert (exported[1] / "depth.gltf").read_bytes() == SCENE
    assert json.loads((exported[1] / "depth.json").read_text()) == kept.fields
    elsewhere = Shelf(tmp_path / "out" / "here", 1)
    keep(elsewhere)
    elsewhere.clear()
    assert all(folder.exists() for folder in exported)


def test_a_kept_request_is_a_recording_that_can_be_sent_to_somebody(tmp_path):
    kept = keep(Shelf(tmp_path / "kept", 5))
    sent = shutil.copyfile(kept, tmp_path / "mail.zip")
    [frame] = RecordedFrames(sent)
    assert (frame.request.document.data, frame.answer.body) == (SCENE, b"II")


def test_what_was_asked_for_is_told_without_reading_the_recording(tmp_path):
    path = keep(Shelf(tmp_path / "kept", 5), passes=("depth", "label"))
    assert (read_kept(path).passes, read_kept(path).views) == (("depth", "label"), ())
    with zipfile.ZipFile(path) as file:
        about = json.loads(file.read("about.json"))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            "about.json", json.dumps({k: v for k, v in about.items() if k not in ("passes", "views")})
        )
    assert read_kept(path).passes == (), "a file of an earlier version"


def test_a_kept_request_that_is_gone_says_so(tmp_path):
    with pytest.raises(KeptRequestError, match="is gone"):
        read_kept(tmp_path / "nowhere")


def encoded(pixels, file_format):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format)
    return buffer.getvalue()


def test_comparison_of_colours():
    red = encoded(np.full((2, 3, 3), (255, 0, 0), np.uint8), "PNG")
    other = encoded(np.full((2, 3, 3), (255, 0, 51), np.uint8), "PNG")
    both = side_by_side("color", red, other)
    assert both.shape == (2, 3 + 4 + 3, 4)
    np.testing.assert_allclose(both[0, 0], (1, 0, 0, 1))
    np.testing.assert_allclose(both[0, -1], (1, 0, 0.2, 1))
    assert difference("color", red, red) == "The same, byte for byte"
    assert difference("color", red, other) == "6 of 6 pixels differ"
    clear = encoded(np.full((2, 3, 4), 0, np.uint8), "PNG")
    assert difference("color", red, clear) == "The stored picture is 3 x 2, the new one 3 x 2 with alpha"
    assert "no stored picture" in difference("color", None, red)
    np.testing.assert_array_equal(side_by_side("color", None, red)[0, [0, -1]], [(0, 0, 0, 1), (1, 0, 0, 1)])


def test_comparison_of_depths_shows_both_on_one_scale():
    near = encoded(np.array([[1.0, 2.0, np.inf]], np.float32), "TIFF")
    far = encoded(np.array([[1.0, 3.0, 0.0]], np.float32), "TIFF")
    both = side_by_side("depth", near, far)[0, [0, 1, 2, 7, 8, 9], :3] * 255
    low, middle, high = ((68, 1, 84), (33, 145, 140), (253, 231, 37))
    expected = [low, middle, (255,) * 3, low, high, (DARK,) * 3]
    np.testing.assert_allclose(both, expected, atol=3, err_msg="inf is white, too close is dark")
    assert difference("depth", near, far) == "2 of 3 pixels differ"
    too_close = encoded(np.array([[0.0, 2.0]], np.float32), "TIFF")
    other = encoded(np.array([[0.0, 3.0]], np.float32), "TIFF")
    assert difference("depth", too_close, other) == "1 of 2 pixels differ"


def shown(name, array):
    [picture] = displayed(name, array)
    assert (picture.shape, picture.dtype) == ((*array.shape[:2], 4), np.float32)
    np.testing.assert_array_equal(picture[..., 3], 1)
    return picture[0, :, :3]


def test_depths_are_read_and_described():
    metres = decoded("depth", encoded(np.array([[1.0, 2.0, np.inf, 0.0]], np.float32), "TIFF"))
    np.testing.assert_array_equal(metres, [[1, 2, np.inf, np.nan]])
    assert describe("depth", metres) == "depth 4 x 1, 1.00 to 2.00 m"
    assert describe("depth", np.full((3, 2), np.inf, np.float32)) == "depth 2 x 3, empty"
    millimetres = decoded("depth", encoded(np.array([[1000, 2000, 65535, 0]], np.uint16), "PNG"))
    np.testing.assert_array_equal(millimetres, metres)


def test_labels_are_read_from_colours_and_described():
    labels = [1, 2, 300, 32766]
    pixels = np.array([[(label % 256, label // 256, 0) for label in labels] + [(255, 255, 255)]], np.uint8)
    numbers = decoded("label", encoded(pixels, "PNG"))
    np.testing.assert_array_equal(numbers, [[*labels, 32764]])
    colours = shown("label", numbers)
    assert len(np.unique(colours, axis=0)) == 5
    assert colours[:-1].max(1).min() > 0.5, "none looks black"
    assert describe("label", numbers) == "label 5 x 1, labels 1, 2, 300, 32766, in colours of their own"
    narrow = np.array([[7, 32764, 7]], np.uint16)
    np.testing.assert_array_equal(decoded("label", encoded(narrow, "PNG")), narrow)


def test_colours_are_shown_as_they_are():
    pixels = np.arange(15, dtype=np.uint8).reshape(1, 5, 3)
    np.testing.assert_allclose(shown("color", decoded("color", encoded(pixels, "PNG"))), pixels[0] / 255)
    assert describe("color", pixels) == "color 5 x 1"


def test_wide_numbers_are_read():
    numbers = np.array([[0, 1, 2, 2**32 - 1, 2]], np.uint32)
    sent = decoded("instance", encoded(numbers.view(np.int32), "TIFF"))
    np.testing.assert_array_equal(sent, numbers)
    assert describe("instance", sent) == "instance 5 x 1, instances 1, 2, 4294967295, in colours of their own"


def test_last_pictures_are_few(tmp_path):
    pictures = LastPictures(tmp_path / "last", 2)
    files = [pictures.put(number, b"%d" % number, "image/png") for number in (1, 2, 3)]
    assert [Path(file).exists() for file in files] == [False, True, True]
    assert Path(files[2]).read_bytes() == b"3"
    assert LastPictures(tmp_path / "last", 2).put(1, b"new", "image/tiff") not in files
    assert pictures.put(4, b"{}", "application/json") == ""


@pytest.mark.parametrize("in_labels", [False, True])
def test_the_sample_scene_is_one_scene_whichever_axis_is_up(in_labels):
    from gltf_render_server.gltf import parse_scene

    z_up, y_up = (
        parse_scene(sample_scene(axis, in_labels=in_labels), extensions=frozenset()) for axis in "zy"
    )
    turned = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(pose_of(y_up), turned @ pose_of(z_up), atol=1e-9)
    assert len(z_up.primitives) == len(LABELS)


class Grey:
    """A renderer that paints everything grey."""

    from gltf_render_server.renderer import RendererInfo

    info = RendererInfo("Grey", "1", "none", "none")
    extensions = renders = looks = frozenset()

    def render(self, frame):
        from gltf_render_server.renderer import RenderedFrame

        lens = frame.views[0].lens
        return RenderedFrame(({"color": np.full((lens.height, lens.width, 3), 127, np.uint8)},))

    def close(self):
        pass


@pytest.fixture
def watched(tmp_path):
    """A client of an application that is watched, the events, and the shelf."""
    import threading

    from blender_addon.gltf_render_server.compose import make_app
    from blender_addon.gltf_render_server.settings import ServerSettings

    events = []
    shelf = Shelf(tmp_path / "kept", 5)
    journal = Journal(events.append, shelf, LastPictures(tmp_path / "last", 5))
    app, dispatcher = make_app(ServerSettings(token="secret"), (), Grey(), journal)
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    yield app.test_client(), events, shelf
    dispatcher.close()
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
    assert kept.answer == answer.data
    assert (kept.answered.width, kept.answered.height) == (64, 48)
    assert str(kept.path) == answered.kept


def test_journal_keeps_nothing_that_is_not_to_be_kept(watched, forms):
    client, events, shelf = watched
    client.environ_base[f"HTTP_{NOT_KEPT.upper().replace('-', '_')}"] = "1"
    assert ask(client, FIELDS, (forms / "color.gltf").read_bytes()).status_code == 200
    assert events[-1].kept == ""
    assert not shelf.newest(9)


def test_journal_tells_and_keeps_failures(watched, forms):
    client, events, shelf = watched
    ask(client, {**FIELDS, "far": "0"}, (forms / "color.gltf").read_bytes())
    [answered] = events
    assert (answered.status, answered.image_type, answered.width) == (400, "color", 64)
    assert answered.picture == ""
    assert "far" in answered.message
    [kept] = shelf.newest(9)
    assert kept.answer is None
    assert kept.answered.message == answered.message
    assert kept.scene == (forms / "color.gltf").read_bytes()


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
