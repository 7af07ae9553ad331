"""The benchmark asks a real server, by HTTP, whose renderer is a fake."""

import json
import threading

import pytest
from waitress.server import create_server
from waitress.wasyncore import close_all

import benchmark
from benchmarking import scenes
from benchmarking.exchange import Server, play
from benchmarking.sequences import Moving
from gltf_render_server.errors import RenderError
from gltf_render_server.http.form import ImageType
from gltf_render_server.settings import ServerSettings


@pytest.fixture
def settings():
    return ServerSettings(max_pixels=1_000_000, max_scene_mb=20.0, max_queue=2)


@pytest.fixture
def url(app):
    """What threads write to, and what a client keeps open, is closed when no thread is left."""
    sockets, over = {}, threading.Event()
    server = create_server(app, sockets, host="127.0.0.1", port=0, max_request_body_size=2**30)

    def serve():
        while not over.is_set():
            server.asyncore.loop(0.05, map=sockets, count=1)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    over.set()
    thread.join(300)
    assert not thread.is_alive()
    server.task_dispatcher.shutdown()
    for connection in list(server.active_channels.values()):
        connection.handle_close()
    close_all(sockets)


@pytest.fixture
def shelf(tmp_path):
    still = scenes.small_scene(0)
    folder = tmp_path / "shelf"
    folder.mkdir()
    for image_type, data in still.documents.items():
        (folder / f"{image_type}.gltf").write_bytes(data)
        (folder / f"{image_type}.json").write_text(json.dumps(still.fields[image_type]))
    return folder


def run(*arguments):
    return benchmark.main([str(argument) for argument in arguments])


def asked(renderer):
    return [request.passes[0] for request in renderer.requests]


def test_one_server_and_nothing_else(url, renderer, capsys):
    assert run("--url", url, "--frames", 1) == 0
    out = capsys.readouterr().out
    assert "a furnished table" in out
    for word in ("color", "depth", "label", "frame", "check", "import", "transport", "total"):
        assert word in out
    assert "peer" not in out
    assert asked(renderer) == [*ImageType] * 2, "a frame for warming up, a frame that counts"
    camera = renderer.requests[0].views[0].lens
    assert (camera.width, camera.height) == (640, 480)
    assert len({request.views[0].camera_to_world.tobytes() for request in renderer.requests}) == 2


def test_two_servers_json_and_plot(url, shelf, renderer, tmp_path, capsys):
    kept, drawn = tmp_path / "result.json", tmp_path / "plot.png"
    options = ("--scenes", shelf, "--order", "label,depth", "--frames", 4, "--warm-up", 0, "--width", 64)
    assert run("--url", url, "--peer-url", url, *options, "--json", kept, "--plot", drawn) == 0
    assert "peer / server" in capsys.readouterr().out
    assert drawn.read_bytes().startswith(b"\x89PNG")
    record = json.loads(kept.read_text())
    assert record["servers"]["peer"]["url"] == url
    assert record["servers"]["server"]["about"]["fake_version"] == "1.2.3"
    [shelf_run] = record["runs"]
    assert shelf_run["name"] == "shelf"
    assert len(shelf_run["samples"]) == 4 * 2 * 2
    assert shelf_run["ratio"].keys() == {"label", "depth", "frame"}
    assert shelf_run["timing"]["server"]["frame"]["median_ms"] > 0
    assert list(shelf_run["stages_ms"]["server"]) == [*shelf_run["samples"][0]["stages_ms"], "transport"]
    assert asked(renderer) == [ImageType.LABEL] * 2 + [ImageType.DEPTH] * 2 + asked(renderer)[4:]
    assert renderer.requests[0].views[0].lens.width == 64


def test_servers_take_turns_in_being_first(url):
    servers = [Server("server", url, 300), Server("peer", url, 300)]
    samples = list(play(Moving(scenes.small_scene(0)), servers, [ImageType.DEPTH], frames=2, warm_up=1))
    assert [(sample.frame, sample.server) for sample in samples] == [
        (-1, "server"),
        (-1, "peer"),
        (0, "peer"),
        (0, "server"),
        (1, "server"),
        (1, "peer"),
    ]
    for sample in samples:
        assert {"import", "render"} < sample.stages_ms.keys(), "which the fake renderer makes up"
        measured = [ms for name, ms in sample.stages_ms.items() if name not in ("import", "render")]
        assert sample.elapsed_ms > sum(measured) > 0


@pytest.mark.parametrize(
    ("measure", "values", "points"),
    [
        ("objects", "3,9", [3, 9]),
        ("scene-size", "0.2,0.4", [0.2, 0.4]),
        ("image-size", "16x12,32x24", [192, 768]),
    ],
)
def test_growth(url, shelf, tmp_path, capsys, measure, values, points):
    kept, drawn = tmp_path / "result.json", tmp_path / "plot.svg"
    recorded = ("--scenes", shelf) if measure == "image-size" else ()
    options = ("--measure", measure, "--values", values, "--frames", 2, "--json", kept, "--plot", drawn)
    assert run("--url", url, *options, *recorded) == 0
    assert f"how cost grows with {measure}" in capsys.readouterr().out
    assert [each["value"] for each in json.loads(kept.read_text())["runs"]] == points
    assert "<svg" in drawn.read_text()


def test_growth_goes_on_after_a_failure(url, tmp_path, capsys):
    kept = tmp_path / "result.json"
    options = ("--measure", "scene-size", "--values", "0.2,25,0.4", "--frames", 1, "--types", "depth")
    assert run("--url", url, *options, "--json", kept) == 0
    out = capsys.readouterr().out
    assert "failed" in out
    assert "25 MB: " in out
    assert "--max-scene-mb" in out
    runs = json.loads(kept.read_text())["runs"]
    assert [bool(each["samples"]) for each in runs] == [True, False, True]


def test_memory(url, tmp_path, capsys):
    kept, drawn = tmp_path / "result.json", tmp_path / "plot.pdf"
    assert run("--url", url, "--measure", "memory", "--frames", 5, "--json", kept, "--plot", drawn) == 0
    assert "resident memory over 18 requests" in capsys.readouterr().out
    [memory] = json.loads(kept.read_text())["runs"]
    assert memory["readings"][-1]["requests"] == 18
    assert memory["memory"]["server"]["last_mb"] > 10
    assert drawn.read_bytes().startswith(b"%PDF")


def test_what_does_not_work_is_told(url, shelf, renderer, tmp_path, capsys):
    def message(*arguments):
        assert run(*arguments) == 1
        return " ".join(capsys.readouterr().err.split())

    nobody = ("--url", "http://127.0.0.1:1")
    assert "cannot be reached: Connection refused Start it in another terminal" in message(*nobody)
    assert "leave --peer-url out" in message("--url", url, "--peer-url", "http://127.0.0.1:1")
    assert "there is no such folder" in message("--url", url, "--scenes", tmp_path / "nothing")
    assert "make it first" in message("--url", url, "--json", tmp_path / "no" / "result.json")
    elsewhere = ("--url", url, "--measure", "memory", "--values", "1")
    assert "has no --values" in message(*elsewhere)
    renderer.error = RenderError("no such lamp")
    told = message("--url", url, "--scenes", shelf)
    assert "does not render color of frame -1 (0.1 MB): 500: no such lamp" in told
    assert "leave it out of --types" in told
    renderer.error = None


def test_a_picture_of_another_size_is_no_answer(url, shelf, renderer, monkeypatch, capsys):
    answer = renderer.render
    monkeypatch.setattr(renderer, "render", lambda request: smaller(answer(request)))

    def smaller(image):
        [arrays] = image.views
        return type(image)(({name: array[:2, :2] for name, array in arrays.items()},), image.stages_ms)

    assert run("--url", url, "--scenes", shelf) == 1
    assert "(2, 2) pixels, where (640, 480) were asked" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "127.0.0.1:8000"),
        ("--types", "colour"),
        ("--frames", "0"),
        ("--plot", "plot.doc"),
        ("--measure", "everything"),
    ],
)
def test_options_that_are_wrong(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err
