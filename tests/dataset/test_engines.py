"""All engines make the same bytes: this process, one worker, two, and servers, which come and go."""

import json
import subprocess
from contextlib import ExitStack, closing, contextmanager
from http import HTTPStatus
from importlib.util import find_spec

import drill
import pytest
import requests
from folders import contents
from handlers import Handler, handling
from making import command
from plans import EXACT, RingPlan
from servers import free_port, running, wait_for
from stores import STILL_LIFE

from gltf_render_server.client import RenderClient
from gltf_render_server.dataset.engines.documents import Documents
from gltf_render_server.dataset.engines.engine import Failed
from gltf_render_server.dataset.engines.local import LocalEngine
from gltf_render_server.dataset.engines.servers import ServersEngine
from gltf_render_server.dataset.records import QuarantineRecord
from gltf_render_server.dataset.running import run
from gltf_render_server.dataset.shot import Document
from gltf_render_server.dispatch.machine import Machine
from gltf_render_server.errors import DatasetError, SettingsError
from gltf_render_server.frame import Look
from gltf_render_server.settings import ServerSettings

ALL = ("color", *EXACT, "flow_forward", "mask_amodal", "position")
PLAN = RingPlan(4, broken={1: "unknown", 2: "missing"}, passes=ALL, views=2, motion=True)


@pytest.fixture(scope="module")
def made(engine, tmp_path_factory):
    """All files of the plan, as this process makes them."""
    path = tmp_path_factory.mktemp("made") / "store"
    run(PLAN, path, engine)
    assert len(contents(path)) == 1 + 2 * (1 + 2 * len(ALL)) + 2
    return contents(path)


@pytest.fixture(scope="module")
def two_servers():
    with ExitStack() as stack:
        servers = [stack.enter_context(running("--backend", "vtk", "--workers", "1")) for _ in range(2)]
        wait_for(lambda: all(server.client.health()["ready"] for server in servers))
        yield servers


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_same_bytes(workers, made, tmp_path):
    with closing(LocalEngine(ServerSettings(backend="vtk", workers=workers))) as engine:
        run(PLAN, tmp_path / "store", engine)
    assert contents(tmp_path / "store") == made


def test_cores_are_shared_out_among_workers_that_are_all_busy(tmp_path, monkeypatch):
    notes = drill.notes(tmp_path, monkeypatch)
    there = Machine((tuple(range(8)),), 8.0, 10**12)
    monkeypatch.setattr("gltf_render_server.dispatch.sharing.this_machine", lambda: there)
    with closing(LocalEngine(ServerSettings(backend="drill", workers=2))) as engine:
        assert engine.versions
        wait_for(lambda: len((notes / "threads").read_text()) == len("4\n4\n"))
    assert (notes / "threads").read_text() == "4\n4\n"


@pytest.mark.parametrize("workers", [0, 1])
def test_each_render_is_told_with_where_its_time_went(workers, tmp_path):
    told = []
    settings = ServerSettings(backend="vtk", workers=workers)
    with closing(LocalEngine(settings, told.append)) as engine:
        run(PLAN, tmp_path / "store", engine)
    assert len(told) == 2
    assert all(frame.stages_ms["render"] > 0 for frame in told)


def test_servers_make_the_same_bytes(two_servers, made, tmp_path):
    urls = [server.url for server in two_servers]
    with closing(ServersEngine(urls, ServerSettings())) as engine:
        run(PLAN, tmp_path / "store", engine)
    assert contents(tmp_path / "store") == made


def test_a_server_that_is_down_is_left_out(two_servers, made, tmp_path):
    nobody = f"http://127.0.0.1:{free_port()}"
    with closing(ServersEngine([nobody, two_servers[0].url], ServerSettings())) as engine:
        run(PLAN, tmp_path / "store", engine)
    assert contents(tmp_path / "store") == made


def test_a_server_that_ends_in_the_middle_costs_no_item(two_servers, tmp_path, engine):
    plan = RingPlan(12, passes=("depth",))
    with ExitStack() as stack:
        ending = stack.enter_context(running("--backend", "vtk", "--workers", "1"))
        urls = [ending.url, two_servers[0].url]
        outcomes = stack.enter_context(closing(ServersEngine(urls, ServerSettings()))).run(plan, range(12))
        found = [next(outcomes)]
        ending.process.kill()
        found += outcomes
    assert sorted(outcome.record.index for outcome in found) == list(range(12))
    expected = {outcome.record.index: outcome.files for outcome in engine.run(plan, range(len(plan)))}
    assert {outcome.record.index: outcome.files for outcome in found} == expected


def test_a_busy_server_is_asked_again_when_it_says(tmp_path):
    plan = RingPlan(6, passes=("depth",))
    with ExitStack() as stack:
        busy = stack.enter_context(running("--backend", "vtk", "--workers", "1", "--max-queue", "0"))
        servers = stack.enter_context(closing(ServersEngine([busy.url], ServerSettings())))
        found = list(servers.run(plan, range(len(plan))))
    assert sorted(outcome.record.index for outcome in found) == list(range(6))


@contextmanager
def proxy(server, answers):
    """A proxy before a server; the first requests for frames get these statuses, the others get through."""
    answers = list(answers)

    class Proxy(Handler):
        def serve(self, body):
            if self.command == "POST" and answers:
                self.answer(answers.pop(), {"Content-Type": "text/html"}, b"<h1>Oh</h1>")
                return
            kind = {"Content-Type": self.headers.get("Content-Type", "")}
            url = server.url + self.path
            told = requests.request(self.command, url, data=body, headers=kind, timeout=300)
            self.answer(told.status_code, {"Content-Type": told.headers["Content-Type"]}, told.content)

    with handling(Proxy) as url:
        yield url


@pytest.mark.parametrize("status", [404, 408, 502, 503])
def test_an_item_waits_for_a_server_behind_a_proxy_that_restarts(two_servers, status):
    plan = RingPlan(1, passes=("depth",))
    with (
        proxy(two_servers[0], [status]) as url,
        closing(ServersEngine([url], ServerSettings())) as servers,
    ):
        assert [outcome.record.index for outcome in servers.run(plan, [0])] == [0]


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "RequestError"), (413, "TooLargeError"), (405, "UnavailableError")]
)
def test_only_a_request_that_no_server_takes_is_quarantined(two_servers, status, kind):
    plan = RingPlan(1, passes=("depth",))
    with (
        proxy(two_servers[0], [status]) as url,
        closing(ServersEngine([url], ServerSettings())) as servers,
    ):
        [outcome] = servers.run(plan, [0])
    assert isinstance(outcome, Failed if status == 405 else QuarantineRecord)
    assert outcome.kind == kind
    assert "<h1>" not in outcome.reason
    assert HTTPStatus(status).phrase in outcome.reason


def test_a_token_stands_in_the_address_and_a_wrong_one_is_told_without_it(tmp_path, monkeypatch):
    plan = RingPlan(1, passes=("depth",))
    with running("--backend", "vtk", "--workers", "1", "--token", "right") as server:
        address = server.url.partition("//")[2]
        with closing(ServersEngine([f"http://:right@{address}"], ServerSettings())) as servers:
            assert [outcome.record.index for outcome in servers.run(plan, [0])] == [0]
        with pytest.raises(SettingsError, match="token") as raised:
            ServersEngine([f"http://:wrong@{address}"], ServerSettings())
    assert "wrong" not in str(raised.value)
    with pytest.raises(SettingsError, match="is no address"):
        ServersEngine(["127.0.0.1"], ServerSettings())


def test_servers_of_several_versions_are_refused(two_servers, monkeypatch):
    urls = [server.url for server in two_servers]
    told = iter(["9.1", "9.2"])
    health = RenderClient.health
    monkeypatch.setattr(RenderClient, "health", lambda self: {**health(self), "vtk_version": next(told)})
    with pytest.raises(DatasetError, match=r"vtk 9\.1.*vtk 9\.2"):
        ServersEngine(urls, ServerSettings())


def test_no_server_at_all_is_told():
    with pytest.raises(DatasetError, match="no server is ready"):
        ServersEngine([f"http://127.0.0.1:{free_port()}"], ServerSettings(), start_s=0)


def test_few_documents_are_kept_however_small_they_are():
    """A dataset of many objects shows each once."""
    documents = Documents(ServerSettings())
    data = STILL_LIFE.read_bytes()
    first = Document(data)
    kept = documents.asset(first, None)
    assert documents.asset(first, None) is kept
    for number in range(20):
        small = {"asset": {"version": "2.0", "generator": str(number)}}
        documents.asset(Document(json.dumps(small).encode()), None)
    assert documents.asset(first, None) is not kept


def test_blender_makes_the_same_bytes_by_itself_and_by_two_workers(tmp_path):
    if not find_spec("bpy"):
        pytest.skip("the bpy package is not for this Python")
    look = Look(up_axis="y", samples=4)
    plan = RingPlan(3, broken={1: "dangling"}, passes=("color", "depth", "instance"), width=40, look=look)
    for workers in (0, 2):
        subprocess.run(command(tmp_path / str(workers), plan, workers, "blender"), check=True, timeout=300)
    assert len(contents(tmp_path / "0")) == 1 + 2 * (1 + 3) + 1
    assert contents(tmp_path / "0") == contents(tmp_path / "2")
