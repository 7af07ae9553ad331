"""Recordings: exact bytes of whatever was sent, each payload once, and what is left of damaged files."""

import base64
import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from drake_like import DrakeScene, box, look_at, translation
from hypothesis import given
from hypothesis import strategies as st

from gltf_render_server.errors import RecordingError, SettingsError
from gltf_render_server.frame import Lens, Look, View
from gltf_render_server.recording import (
    Answer,
    Document,
    RecordedFrames,
    RecordedMoment,
    Recorder,
    Request,
    save_frame,
    unpack,
)
from gltf_render_server.recording import recorder as recorder_module
from gltf_render_server.recording.__main__ import main
from gltf_render_server.recording.blobs import FolderBlobs
from gltf_render_server.recording.documents import Splitter, join

SERVER = Path(__file__).resolve().parents[2] / "server"
PAYLOAD = bytes(np.random.default_rng(0).integers(0, 256, 9_000, np.uint8))
TEXT = base64.b64encode(PAYLOAD)
LENS = Lens(64, 48, 60.0, 60.1, 31.5, 23.5, 1e-7, 10.0)
DONE = Answer(200, 0.25)


def uri(payload):
    return b'{"buffers": [{"uri": "data:application/octet-stream;base64,' + payload + b'"}], "x": "\xc3\xa9"}'


def glb(text, binary, kind=0x004E4942):
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), kind) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


ODD = {
    "nothing": b"",
    "not JSON": b"\x00\xff\x00" * 5000,
    "plain": b'{"asset": {"version": "2.0"}}\r',
    "data URI": uri(TEXT),
    "the same twice": uri(TEXT) + uri(TEXT),
    "escaped slashes": uri(TEXT.replace(b"/", b"\\/")),
    "lines in base64": uri(TEXT[:5000] + b"\n" + TEXT[5000:]),
    "padding in base64": uri(TEXT[:5001] + b"=" + TEXT[5001:]),
    "bits after the end": uri(TEXT[:-2] + b"A9=="),
    "no base64": uri(b"\x80\xff" * 5000),
    "never ends": uri(TEXT).partition(b'"}')[0],
    "UTF-16": uri(TEXT).decode().encode("utf-16"),
    "GLB": glb(uri(TEXT), PAYLOAD),
    "GLB without an end": glb(uri(TEXT), PAYLOAD)[:-100],
    "GLB whose chunks are none": b"glTF" + b"\xff" * 9000,
    "GLB of empty chunks": b"glTF" + b"\0" * 90_000,
    "GLB with another chunk": glb(uri(TEXT), PAYLOAD, 7),
    "many marks": b";base64," * 50_000,
    "a payload with a line end": b'{"a": 1}\n;base64,' + b"\n" * 9000 + b'"',
}


def view(angle=0.0):
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return View(LENS, pose)


def request(data=None, **others):
    document = None if data is None else Document(data)
    return Request("drake", "127.0.0.1", {"image_type": ["color"]}, document, **others)


def record(folder, *documents):
    recorder = Recorder(folder)
    for data in documents:
        recorder.answered(request(data), DONE)
    recorder.close(300)


def files(folder, kind):
    return [path for path in sorted((folder / kind).rglob("*")) if path.is_file()]


def bytes_of(folder, kind):
    """Return how many bytes there are by now, while another process writes, names and removes files."""
    total = 0
    for path in files(folder, kind):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """No frame is lost because the machine is slow."""
    monkeypatch.setattr(recorder_module, "_PATIENCE_S", 300.0)


@pytest.mark.parametrize("data", ODD.values(), ids=list(ODD))
def test_exact_bytes_come_back(tmp_path, data):
    record(tmp_path, data, data + b" ", data)
    assert [frame.request.document.data for frame in RecordedFrames(tmp_path)] == [data, data + b" ", data]
    save_frame(request(data), DONE, tmp_path / "one.zip")
    [frame] = RecordedFrames(tmp_path / "one.zip")
    assert frame.request.document.data == data


PIECES = st.sampled_from(
    [
        TEXT,
        TEXT[:4099],
        PAYLOAD,
        b";base64,",
        b'"',
        b"data:",
        b"glTF",
        b"\n",
        b"=",
        b"\0",
        struct.pack("<II", 9000, 0x004E4942),
    ]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=12).map(b"".join))
def test_any_bytes_come_back(tmp_path_factory, data):
    blobs = FolderBlobs(tmp_path_factory.getbasetemp() / "any")
    recipe = Splitter(blobs).split(data)
    assert join(recipe, blobs) == data


def test_each_payload_is_stored_once_however_it_comes(tmp_path):
    record(tmp_path, uri(TEXT), uri(TEXT) + b" ", glb(b"{}", PAYLOAD), glb(uri(TEXT), PAYLOAD))
    [blob] = files(tmp_path, "blobs")
    assert blob.read_bytes() == PAYLOAD
    record(tmp_path, uri(TEXT))
    assert files(tmp_path, "blobs") == [blob]


def test_all_of_a_request_comes_back(tmp_path):
    pose = np.random.default_rng(0).normal(size=(4, 4)) * 1e-7
    asked = Request(
        "v1",
        "::1",
        {"image_type": ["depth", "twice"], "é": [""]},
        Document(uri(TEXT)),
        (view(0.1), View(LENS, pose, "left", 0.3)),
        ("color", "depth"),
        Look(environment="forest", exposure=0.1, transparent=True),
        {"arm": pose},
        0.1 + 0.2,
        alpha_threshold=0.25,
        time_s=1.7e9 + 1 / 3,
        moments={"after": RecordedMoment({"arm": 2 * pose}, 0.7, (pose, 3 * pose))},
    )
    recorder = Recorder(tmp_path)
    recorder.answered(asked, Answer(503, 0.12345, "é\nno", "application/json", b"{}"))
    recorder.answered(None, Answer(401, 0.1))
    recorder.close(300)
    [frame] = RecordedFrames(tmp_path)
    found = frame.request
    for name in ("protocol", "client", "form", "passes", "look", "scene_time_s", "alpha_threshold", "time_s"):
        assert getattr(found, name) == getattr(asked, name), name
    told = [(it.lens, it.name, it.amodal_margin) for it in found.views]
    assert told == [(LENS, "view", 0.0), (LENS, "left", 0.3)]
    np.testing.assert_array_equal(found.views[1].camera_to_world, pose)
    np.testing.assert_array_equal(found.poses["arm"], pose)
    [(when, moment)] = found.moments.items()
    assert (when, moment.scene_time_s) == ("after", 0.7)
    np.testing.assert_array_equal(moment.poses["arm"], 2 * pose)
    np.testing.assert_array_equal(moment.cameras, [pose, 3 * pose])
    assert frame.answer == Answer(503, 0.12345, "é\nno", "application/json")


def drake_scene():
    camera = look_at((1, 1, 1), (0, 0, 0))
    return DrakeScene([box((1, 1, 1), translation(0, 0, 0), 1)], camera).to_bytes("color")


def test_frames_are_made_again(tmp_path):
    recorder = Recorder(tmp_path)
    recorder.answered(request(drake_scene(), views=(view(),), passes=("depth",)), DONE)
    recorder.answered(request(drake_scene()), Answer(400, 0.0, "far: must be more"))
    recorder.answered(request(views=(view(),)), Answer(400, 0.0))
    recorder.close(300)
    whole, refused, without = RecordedFrames(tmp_path)
    frame = whole.frame(frozenset())
    assert (frame.views[0].lens, frame.passes, frame.look) == (LENS, ("depth",), Look())
    assert len(frame.scene.placements) == 1
    with pytest.raises(RecordingError, match="never became a frame: far: must be more"):
        refused.frame(frozenset())
    with pytest.raises(RecordingError, match="the answer was 400"):
        without.frame(frozenset())


def test_a_document_may_be_in_many_frames_and_is_not_held(tmp_path):
    recorder, document = Recorder(tmp_path), Document(uri(TEXT))
    for number in range(5):
        recorder.answered(Request("v1", document=document, views=(view(number),)), DONE)
    recorder.close(300)
    assert not isinstance(document._source, bytes)
    assert document.data == uri(TEXT)
    assert len(files(tmp_path, "blobs")) == 1
    assert {frame.request.document.data for frame in RecordedFrames(tmp_path)} == {uri(TEXT)}
    save_frame(Request("v1", document=document), DONE, tmp_path / "one.zip")
    assert RecordedFrames(tmp_path / "one.zip")[0].request.document.data == uri(TEXT)


def simulation(frames, bodies=12):
    """Documents in which bodies tumble, each a large buffer and numbers in full precision."""
    rng = np.random.default_rng(1)
    buffers = [{"uri": "data:;base64," + base64.b64encode(rng.bytes(50_000)).decode()} for _ in range(4)]
    static = [{"name": f"static {number}", "matrix": rng.normal(size=16).tolist()} for number in range(100)]
    for _ in range(frames):
        moving = [
            {"name": f"body {number}", "matrix": rng.normal(size=16).tolist()} for number in range(bodies)
        ]
        yield json.dumps({"nodes": [*static, *moving], "buffers": buffers}).encode()


def test_a_simulation_takes_little_more_than_its_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("gltf_render_server.recording.segments._MOST_RECORDS", 128)
    documents = list(simulation(300))
    record(tmp_path, *documents)
    segments = files(tmp_path, "frames")
    assert len(segments) == 3
    assert len(files(tmp_path, "blobs")) == 4
    each = sum(path.stat().st_size for path in segments) / len(documents)
    assert each < 12 * 16 * 8 * 1.25 + 400, "8 bytes hold a number"
    frames = RecordedFrames(tmp_path)
    for number in (299, 0, 150, 33, 31, 64, -2):
        assert frames[number].request.document.data == documents[number]
    assert [frame.request.document.data for frame in frames] == documents
    assert len(frames[10:20]) == 10


def test_names_that_change_each_time_are_small_too(tmp_path):
    documents = [data.replace(b"body", os.urandom(16).hex().encode()) for data in simulation(20, 1)]
    documents += [data.replace(b"static", b"xyz" * number) for number, data in enumerate(documents, 1)]
    record(tmp_path, *documents)
    [segment] = files(tmp_path, "frames")
    assert segment.stat().st_size < 4 * len(documents[0]) / 10
    assert [frame.request.document.data for frame in RecordedFrames(tmp_path)] == documents


def test_a_torn_end_costs_the_last_frame_only(tmp_path):
    documents = list(simulation(5, 1))
    record(tmp_path, *documents)
    [segment] = files(tmp_path, "frames")
    whole = segment.read_bytes()
    for cut in [*range(1, 60), 300, 500]:
        segment.write_bytes(whole[:-cut])
        frames = [frame.request.document.data for frame in RecordedFrames(tmp_path)]
        assert frames == documents[: len(frames)]
        assert len(frames) >= 3
    segment.write_bytes(whole + b"\0" * 100)
    assert len(RecordedFrames(tmp_path)) == 5
    segment.write_bytes(b"")
    assert len(RecordedFrames(tmp_path)) == 0
    record(tmp_path, documents[0])
    assert len(RecordedFrames(tmp_path)) == 1


def test_what_is_damaged_says_so(tmp_path):
    documents = list(simulation(40, 1))
    record(tmp_path, *documents)
    [segment] = files(tmp_path, "frames")
    data = bytearray(segment.read_bytes())
    data[200] ^= 1  # in the first frame, on which others rest
    segment.write_bytes(data)
    frames = RecordedFrames(tmp_path)
    assert len(frames) == 39
    with pytest.raises(RecordingError, match="damaged"):
        frames[0]
    record(tmp_path / "other", uri(TEXT), uri(TEXT))
    [blob] = files(tmp_path / "other", "blobs")
    blob.write_bytes(PAYLOAD[:-1] + b"x")
    first = RecordedFrames(tmp_path / "other")[0]
    with pytest.raises(RecordingError, match="not what was recorded"):
        _ = first.request.document.data
    blob.unlink()
    with pytest.raises(RecordingError, match="cannot be read"):
        _ = first.request.document.data


def test_a_blob_that_is_gone_or_cut_short_is_stored_again(tmp_path):
    recorder = Recorder(tmp_path)
    for harm in (Path.unlink, lambda path: path.write_bytes(b"")):
        recorder.answered(request(uri(TEXT)), DONE)
        recorder.close(300)
        [blob] = files(tmp_path, "blobs")
        harm(blob)
        record(tmp_path, uri(TEXT))
        assert blob.read_bytes() == PAYLOAD


def test_a_folder_that_is_removed_meanwhile_is_made_again(tmp_path):
    recorder = Recorder(tmp_path / "here")
    recorder.answered(request(uri(TEXT)), DONE)
    recorder.close(300)
    shutil.rmtree(tmp_path / "here")
    recorder.answered(request(uri(TEXT)), DONE)
    recorder.close(300)
    [frame] = RecordedFrames(tmp_path / "here")
    assert frame.request.document.data == uri(TEXT)


@pytest.mark.parametrize("blob", ["../../../../etc/passwd", "..", "A" * 64, 7])
def test_a_recording_from_elsewhere_leads_nowhere(tmp_path, monkeypatch, blob):
    monkeypatch.setattr(Splitter, "_stored", lambda *_: ("raw", blob))
    record(tmp_path, uri(TEXT))
    with pytest.raises(RecordingError, match="damaged"):
        _ = RecordedFrames(tmp_path)[0].request.document.data


def test_what_is_no_recording_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("nothing")
    for path in (tmp_path, tmp_path / "file", tmp_path / "gone"):
        with pytest.raises(RecordingError, match=f"{path.name}"):
            RecordedFrames(path)
    with ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("frames/1", "glTF Render Server frames 1\n")
    assert not RecordedFrames(tmp_path / "other.zip")
    with ZipFile(tmp_path / "bomb.zip", "w", ZIP_DEFLATED) as file:
        file.writestr("frames/1", bytes(2**20))
    monkeypatch.setattr("gltf_render_server.recording.frames._LARGEST_ZIP", 2**19)
    with pytest.raises(RecordingError, match="so much room"):
        RecordedFrames(tmp_path / "bomb.zip")
    with pytest.raises(SettingsError, match="--record"):
        Recorder(tmp_path / "file" / "below")


def test_many_threads(tmp_path):
    documents = list(simulation(60, 1))
    recorder = Recorder(tmp_path)

    def send(part):
        for data in part:
            recorder.answered(request(data), DONE)

    threads = [threading.Thread(target=send, args=(documents[start::6],)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close(300)
    assert sorted(frame.request.document.data for frame in RecordedFrames(tmp_path)) == sorted(documents)


def run(script, folder):
    """Run a script in a process of its own, with all that the tests import."""
    lines = textwrap.dedent(script)
    header = (
        f"import sys; sys.path[:0] = {[str(SERVER), *map(str, (Path(__file__).parent,)), *sys.path]!r}\n"
        f"from pathlib import Path; folder = Path({str(folder)!r})\n"
        "from test_recording import *\n"
        "recorder_module._PATIENCE_S = 300.0\n"
    )
    return subprocess.Popen([sys.executable, "-c", header + lines], stderr=subprocess.PIPE, text=True)


def test_many_processes(tmp_path):
    script = "record(folder, *simulation(30, 1))"
    processes = [run(script, tmp_path) for _ in range(3)]
    for process in processes:
        assert process.wait(300) == 0, process.stderr.read()
        process.stderr.close()
    frames = RecordedFrames(tmp_path)
    assert len(frames) == 90
    assert {frame.request.document.data for frame in frames} == set(simulation(30, 1))
    assert len(files(tmp_path, "blobs")) == 4


def test_a_process_that_is_killed_leaves_whole_frames(tmp_path):
    process = run("while True: record(folder, *simulation(30, 1))", tmp_path)
    end_s = time.monotonic() + 300
    try:
        while time.monotonic() < end_s and not bytes_of(tmp_path, "frames") > 5e4:
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    frames = RecordedFrames(tmp_path)
    assert len(frames) > 30
    assert {frame.request.document.data for frame in frames} <= set(simulation(30, 1))


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as Unix does")
def test_a_full_disk_costs_frames_and_one_line_of_the_log(tmp_path):
    script = """
        import logging, resource
        logging.basicConfig(level="INFO")
        documents = list(simulation(60, 12))
        recorder = Recorder(folder)
        def send(part):
            for data in part:
                recorder.answered(request(data), DONE)
            recorder.close(300)
        send(documents[:20])
        resource.setrlimit(resource.RLIMIT_FSIZE, (51_000, -1))
        send(documents[20:40])
        send([uri(base64.b64encode(bytes(99_999)))])
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
        send(documents[40:])
    """
    process = run(script, tmp_path)
    _, log = process.communicate(timeout=300)
    assert process.returncode == 0, log
    assert log.count("frames are lost from now on: ") == 1
    assert log.count("goes on") == 1
    assert "Traceback" not in log
    documents = list(simulation(60, 12))
    found = [frame.request.document.data for frame in RecordedFrames(tmp_path)]
    assert found == documents[: len(found) - 20] + documents[40:]
    assert not [path for path in tmp_path.rglob("*") if "partial" in path.name]


def test_a_frame_as_plain_files(tmp_path):
    answer = Answer(200, 0.1, "", "image/png", b"PNG")
    fields = {"image_type": ["label"], "width": ["4"]}
    save_frame(Request("drake", form=fields, document=Document(uri(TEXT))), answer, tmp_path / "1.zip")
    unpack(RecordedFrames(tmp_path / "1.zip")[0], tmp_path / "out")
    assert files(tmp_path, "out") == [
        tmp_path / "out" / name for name in ("about.json", "answer.png", "label.gltf", "label.json")
    ]
    assert json.loads((tmp_path / "out" / "label.json").read_text()) == {"image_type": "label", "width": "4"}
    assert (tmp_path / "out" / "label.gltf").read_bytes() == uri(TEXT)
    assert (tmp_path / "out" / "answer.png").read_bytes() == b"PNG"
    hostile = Request("drake", form={"image_type": ["../../x"]}, document=Document(glb(b"{}", PAYLOAD)))
    save_frame(hostile, DONE, tmp_path / "2.zip")
    unpack(RecordedFrames(tmp_path / "2.zip")[0], tmp_path / "other")
    assert [path.name for path in files(tmp_path, "other")] == ["about.json", "scene.glb", "scene.json"]


def test_the_command_lists_and_unpacks(tmp_path, capsys, monkeypatch):
    recorder = Recorder(tmp_path / "kept")
    recorder.answered(request(uri(TEXT), views=(view(),), passes=("color", "depth")), DONE)
    recorder.answered(request(uri(TEXT)), Answer(400, 0.0, "far: is wrong"))
    recorder.close(300)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["recording", str(tmp_path / "kept"), *arguments])
        main()

    command()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("0 20")
    assert first.endswith("drake color+depth 64x48 -> 200 in 0.25 s")
    assert second.endswith("drake refused -> 400 in 0.00 s far: is wrong")
    command("1", str(tmp_path / "out"))
    assert (tmp_path / "out" / "color.gltf").read_bytes() == uri(TEXT)
    for wrong in [("2", str(tmp_path / "more")), ("1", str(tmp_path / "out")), ("1",)]:
        with pytest.raises(SystemExit) as caught:
            command(*wrong)
        assert caught.value.code


def test_a_recorder_that_is_closed_leaves_nothing_and_may_go_on(tmp_path):
    before = set(threading.enumerate())
    recorder = Recorder(tmp_path)
    for _ in range(2):
        recorder.answered(request(), Answer(200, 0.1))
        recorder.close(300)
        assert set(threading.enumerate()) <= before
    assert len(RecordedFrames(tmp_path)) == 2


def test_a_held_document_is_stored_again_where_the_folder_was_emptied(tmp_path):
    data = json.dumps({"buffers": [{"uri": uri(b"payload" * 1000).decode()}]}).encode()
    document = Document(data, is_held=True)
    blobs = FolderBlobs(tmp_path)
    splitter = Splitter(blobs)
    document.store(splitter)
    shutil.rmtree(tmp_path)
    recipe = document.store(splitter)
    assert join(recipe, blobs) == data
