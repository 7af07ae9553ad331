"""What the runner promises: resume, quarantine, retries, shards, and an end that breaks nothing."""

import os
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures._base import _AcquireFutures
from contextlib import closing
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import pytest
from folders import contents
from plans import RingPlan, broken_documents
from servers import wait_for

from gltf_render_server.dataset.engines.engine import Failed, some_of
from gltf_render_server.dataset.engines.local import LocalEngine
from gltf_render_server.dataset.leases import Leases
from gltf_render_server.dataset.making import make
from gltf_render_server.dataset.progress import progress_on, report
from gltf_render_server.dataset.records import QuarantineRecord
from gltf_render_server.dataset.running import Shard, Summary, run
from gltf_render_server.dataset.store import Store
from gltf_render_server.errors import DatasetError, SettingsError
from gltf_render_server.process.interruption import interruption
from gltf_render_server.settings import ServerSettings


class Unreliable:
    """An engine that fails at some items so many times each, and then does what another does."""

    def __init__(self, engine, failures):
        self.versions = engine.versions
        self.asked = []
        self._engine, self._failures = engine, dict(failures)

    def run(self, plan, indices):
        for index in indices:
            self.asked.append(index)
            if self._failures.get(index, 0):
                self._failures[index] -= 1
                yield Failed(index, plan.name(index), "WorkerLostError", "a worker ended")
            else:
                yield from self._engine.run(plan, [index])


class Lines:
    """Progress that is kept."""

    def __init__(self, then=lambda summary: None):
        self.shown, self._then = [], then

    def update(self, summary):
        self._then(summary)

    def show(self, line):
        self.shown.append(line)


def test_a_run_makes_what_can_be_made_and_quarantines_the_rest(plan, undisturbed, tmp_path, engine):
    path = tmp_path / "store"
    summary = run(plan, path, engine)
    assert (summary.items, summary.made, summary.exit_code) == (8, 6, 0)
    assert sorted(record.index for record in summary.quarantined) == [2, 5]
    assert contents(path) == undisturbed
    assert sorted(each.name for each in path.iterdir()) == ["dataset.json", "items", "quarantine"]


def test_a_second_run_finds_everything_done(plan, undisturbed, tmp_path, engine):
    path = tmp_path / "store"
    run(plan, path, engine)
    again, counts = Unreliable(engine, {}), []
    summary = run(plan, path, again, progress=Lines(lambda summary: counts.append(summary.before)))
    assert (summary.before, summary.made, again.asked) == (8, 0, [])
    assert counts == [1, 2, 3, 4, 5, 6, 8], "the stored items are examined one after another, so they count"
    assert contents(path) == undisturbed


def test_items_that_a_loss_of_power_has_damaged_are_made_again(plan, undisturbed, tmp_path, engine):
    path = tmp_path / "store"
    run(plan, path, engine)
    [first, second, third, fourth, *_] = [item.folder for item in Store(path)]
    (first / "item.json").write_bytes(b"")
    (second / "item.json").unlink()
    pictures = [[*folder.glob("*/*.*")] for folder in (third, fourth)]
    pictures[0][0].write_bytes(b"")
    pictures[1][-1].unlink()
    lines = Lines()
    elsewhere = run(plan, path, engine, shard=Shard(8, 8), progress=lines)
    assert (elsewhere.made, lines.shown) == (0, [])
    summary = run(plan, path, engine, progress=lines)
    assert (summary.made, summary.exit_code) == (4, 0)
    assert sum("is damaged" in line for line in lines.shown) == 4
    assert contents(path) == undisturbed


def test_a_damaged_record_of_quarantine_is_told_by_name(plan, tmp_path, engine):
    run(plan, tmp_path / "store", engine)
    (tmp_path / "store" / "quarantine" / "000002.json").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"000002\.json: cannot be read: .*delete it"):
        run(plan, tmp_path / "store", engine)


def test_each_kind_of_broken_file_is_quarantined_with_its_reason(tmp_path, engine):
    kinds = [*broken_documents(), "missing"]
    plan = RingPlan(len(kinds) + 1, broken=dict(enumerate(kinds)), passes=("depth",))
    lines = Lines()
    summary = run(plan, tmp_path / "store", engine, progress=lines)
    assert (summary.made, summary.exit_code) == (1, 0)
    found = {record.name: record for record in Store(tmp_path / "store").quarantined()}
    assert found.keys() == set(kinds)
    for kind, words in (
        ("cut short", "send the whole file"),
        ("unknown", "X_unknown"),
        ("dangling", "$.scenes[0].nodes[0]"),
        ("missing", "there is no such file"),
    ):
        assert words in found[kind].reason
        assert any(kind in line and words in line for line in lines.shown)
    assert found["missing"].kind == "DatasetError"
    assert found["dangling"].kind == "SceneError"


def test_what_is_quarantined_is_tried_again_when_asked(tmp_path, engine):
    path = tmp_path / "store"
    broken = RingPlan(3, broken={1: "missing"}, passes=("depth",))
    run(broken, path, engine)
    mended = replace(broken, broken={})
    assert run(mended, path, engine).made == 0
    summary = run(mended, path, engine, retry_quarantined=True)
    assert (summary.before, summary.made) == (2, 1)
    assert Store(path).quarantined() == []


def test_what_another_run_releases_meanwhile_is_no_damage(plan, tmp_path, engine, monkeypatch):
    run(plan, tmp_path / "store", engine)
    store, read = Store(tmp_path / "store"), Path.read_bytes

    def read_before_a_release(path):
        data = read(path)
        store.release([2, 5])
        return data

    monkeypatch.setattr(Path, "read_bytes", read_before_a_release)
    assert [record.index for record in store.quarantined()] == [2]


def test_what_failed_is_tried_again_after_all_others(plan, undisturbed, tmp_path, engine):
    unreliable, lines = Unreliable(engine, {0: 2, 3: 1}), Lines()
    summary = run(plan, tmp_path / "store", unreliable, progress=lines)
    assert unreliable.asked == [*range(8), 0, 3, 0]
    assert (summary.exit_code, summary.failed) == (0, {})
    assert contents(tmp_path / "store") == undisturbed
    assert sum("will be tried again" in line for line in lines.shown) == 3


def test_what_fails_too_often_is_told_and_made_by_the_next_run(plan, undisturbed, tmp_path, engine):
    path = tmp_path / "store"
    summary = run(plan, path, Unreliable(engine, {1: 9}), retries=1)
    assert (summary.made, summary.exit_code) == (5, 1)
    assert summary.failed[1].reason == "a worker ended"
    assert "a worker ended" in report(summary)
    assert "same command" in report(summary)
    assert run(plan, path, engine).made == 1
    assert contents(path) == undisturbed


def test_a_run_whose_items_all_fail_ends_early(tmp_path, engine):
    plan, failures = RingPlan(1000), dict.fromkeys(range(1000), 99)
    unreliable = Unreliable(engine, failures)
    summary = run(plan, tmp_path / "store", unreliable)
    assert summary.exit_code == 1
    assert len(unreliable.asked) < 100
    assert "one after another" in report(summary)


def test_another_dataset_is_not_mixed_with_it(plan, undisturbed, tmp_path, engine):
    path = tmp_path / "store"
    run(plan, path, engine)
    with pytest.raises(DatasetError, match="begun with other items"):
        run(replace(plan, items=9), path, engine)
    assert contents(path) == undisturbed
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("keep")
    with pytest.raises(DatasetError, match="other files"):
        run(plan, tmp_path / "mine", engine)
    assert contents(tmp_path / "mine") == {"notes": b"keep"}


def test_wrong_settings_end_the_run(plan, tmp_path):
    engine = LocalEngine(ServerSettings(backend="nobody", workers=1))
    with closing(engine), pytest.raises(SettingsError, match="nobody"):
        run(plan, tmp_path / "store", engine)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("of", [1, 3, 8, 11])
def test_shards_cover_all_items_once_and_keep_neighbours_together(of):
    blocks = [Shard(number, of).indices(8) for number in range(1, of + 1)]
    assert [index for block in blocks for index in block] == list(range(8))
    assert {len(block) for block in blocks} <= {8 // of, 8 // of + 1}


def test_shards_fill_one_folder_and_folders_that_are_put_together(plan, undisturbed, tmp_path, engine):
    for number in (3, 1, 2):
        assert run(plan, tmp_path / "one", engine, shard=Shard(number, 3)).exit_code == 0
        run(plan, tmp_path / f"part-{number}", engine, shard=Shard(number, 3))
    assert contents(tmp_path / "one") == undisturbed
    together = {}
    for number in (1, 2, 3):
        together |= contents(tmp_path / f"part-{number}")
    assert together == undisturbed


def test_runners_at_once_share_the_items(plan, undisturbed, tmp_path):
    """Each item is made once, though both began with nothing; neither goes on before both have made one."""
    plan = replace(plan, items=24)
    begun, both_have_made_one = threading.Barrier(2), threading.Barrier(2)

    def one():
        waiting = [both_have_made_one]
        lines = Lines(lambda summary: summary.made and waiting and waiting.pop().wait(300))
        with closing(LocalEngine(ServerSettings(backend="vtk", workers=1))) as engine:
            _ = engine.versions
            begun.wait(300)
            return run(plan, tmp_path / "store", engine, progress=lines)

    with ThreadPoolExecutor(2) as pool:
        summaries = [future.result() for future in [pool.submit(one) for _ in range(2)]]
    assert [summary.exit_code for summary in summaries] == [0, 0]
    assert sum(summary.made for summary in summaries) == 22
    assert all(summary.made for summary in summaries)
    found = contents(tmp_path / "store")
    assert {name: data for name, data in found.items() if name in undisturbed} == {
        **undisturbed,
        "dataset.json": found["dataset.json"],
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_and_the_next_goes_on(number, plan, undisturbed, tmp_path, engine):
    path = tmp_path / "store"
    before = signal.getsignal(number)
    kills = [number]
    lines = Lines(lambda summary: summary.made == 2 and kills and os.kill(os.getpid(), kills.pop()))
    summary = run(plan, path, engine, progress=lines)
    assert (summary.exit_code, summary.made) == (130, 2)
    assert "interrupted" in report(summary)
    assert signal.getsignal(number) is before
    assert not any(".unfinished" in name or ".running" in name for name in contents(path))
    assert run(plan, path, engine).before >= 2
    assert contents(path) == undisturbed


def test_a_signal_while_results_are_waited_for_keeps_no_thread_from_its_end(monkeypatch):
    """As long as a future is locked, the thread that sets its result waits, and the program waits for it."""
    lock = _AcquireFutures.__enter__

    def lock_and_get_a_signal(self):
        lock(self)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(_AcquireFutures, "__enter__", lock_and_get_a_signal)
    future = Future()
    with interruption(), pytest.raises(KeyboardInterrupt):
        some_of({future})
    thread = threading.Thread(target=future.set_result, args=(None,), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_the_bar_and_the_lines_tell_rate_and_time_left():
    class Terminal(StringIO):
        def isatty(self):
            return True

    summary = Summary(100, before=20, made=30, elapsed_s=60.0)
    summary.quarantined.append(QuarantineRecord(7, "a[b].glb", "SceneError", "is not JSON"))
    with progress_on(terminal := Terminal()) as progress:
        progress.update(summary)
        progress.show("item 7 (a[b].glb) cannot be made")
    assert "30 a minute" in terminal.getvalue()
    assert "51/100" in terminal.getvalue()
    assert "0:01:35 left" in terminal.getvalue()
    assert "item 7 (a[b].glb) cannot be made" in terminal.getvalue()
    with progress_on(lines := StringIO()) as progress:
        progress._shown_s = float("-inf")
        progress.update(summary)
    assert lines.getvalue() == "51 of 100 items, 30 a minute, 0:01:35 left, 1 cannot be made\n"
    assert report(summary).startswith("51 of 100 items after 0:01:00: 30 made, 20 already there, 1 cannot")


def test_a_lease_is_one_runners_until_it_is_given_back(tmp_path):
    with Leases(tmp_path) as one, Leases(tmp_path) as other:
        assert one.take(3)
        assert one.take(3)
        assert not other.take(3)
        assert other.take(4)
        one.give_back(3)
        assert other.take(3)
    assert contents(tmp_path) == {}


def test_the_lease_of_a_runner_that_is_gone_is_taken_over_at_once_on_its_machine(tmp_path):
    lost = Leases(tmp_path)
    assert lost.take(3)
    _die(lost)
    with Leases(tmp_path) as other, Leases(tmp_path) as third:
        assert other.is_gone(lost.name)
        assert other.take(3)
        assert not third.take(3)
    assert contents(tmp_path) == {}, "the last runner has cleaned up"


def test_a_runner_of_another_machine_is_gone_when_it_was_not_heard_of(tmp_path, monkeypatch):
    """Told by the times of its file, whatever the clocks of the machines say."""
    monkeypatch.setattr("gltf_render_server.dataset.leases._this_machine", lambda: "there")
    away = Leases(tmp_path, lease_s=0.6)
    assert away.take(3)
    monkeypatch.setattr("gltf_render_server.dataset.leases._this_machine", lambda: "here")
    file = tmp_path / ".running" / away.name
    with Leases(tmp_path, lease_s=3600) as here:
        os.utime(file, (0, 0))
        wait_for(lambda: file.stat().st_mtime > 0)  # it touches its file
        assert not here.take(3)
        _die(away)
        assert not here.take(3)
        os.utime(file, (0, 0))
        assert here.take(3)


def test_a_lease_without_a_name_is_free_after_a_while(tmp_path):
    """Its runner was killed before it wrote its name."""
    with Leases(tmp_path, lease_s=3600) as runner:
        lease = tmp_path / ".running" / "000003.0"
        lease.touch()
        assert not runner.take(3)
        os.utime(lease, (0, 0))
        assert runner.take(3)


def test_what_a_dead_writer_left_is_swept_and_what_a_living_one_writes_is_not(plan, tmp_path, engine):
    path = tmp_path / "store"
    store = Store.begin(path, plan.manifest(engine.versions))
    lost, living = Leases(path), Leases(path)
    folder = store.folder(0).parent
    for name in (lost.name, living.name):
        (folder / f".unfinished-{name}.1" / "view").mkdir(parents=True)
        (path / f".unfinished-{name}.2").touch()
    _die(lost)
    with living, Leases(path) as other:
        store.sweep(other.is_gone)
        names = {each.name for each in path.rglob(".unfinished*")}
        assert names == {f".unfinished-{living.name}.1", f".unfinished-{living.name}.2"}


def test_a_writer_that_was_taken_for_gone_publishes_no_half_of_an_item(plan, tmp_path, engine, monkeypatch):
    """Its folder is swept between two of its files: the write fails, and the item is made again."""
    path = tmp_path / "store"
    made = next(outcome for outcome in engine.run(plan, [0]))
    store = Store.begin(path, plan.manifest(engine.versions))

    class Files(dict):
        def items(self):
            for count, pair in enumerate(super().items()):
                if count == 2:
                    store.sweep()
                yield pair

    with pytest.raises(FileNotFoundError):
        store.write(made.record, Files({**made.files, "other/late": b""}))
    assert 0 not in store
    assert contents(path).keys() == {"dataset.json"}


def _die(leases):
    """End as a process does that is killed: nothing is given back but the lock."""
    leases._ended.set()
    leases._thread.join()
    leases._file.close()


def test_a_signal_before_the_first_item_is_an_interruption_too(plan, tmp_path, engine):
    class Starting:
        @property
        def versions(self):
            os.kill(os.getpid(), signal.SIGINT)
            return engine.versions

    for begin in (run, make):
        summary = begin(plan, tmp_path / "store", Starting())
        assert (summary.exit_code, summary.items, summary.finished) == (130, 8, 0)
        assert contents(tmp_path) == {}


@dataclass(frozen=True)
class HopelessPlan(RingPlan):
    """No item can be made, for a reason that names the item."""

    def name(self, index):
        return f"ring#{index}"

    def item(self, index, read):
        raise DatasetError(f"passes: {self.name(index)} cannot be like that")


def test_a_run_ends_early_where_the_first_items_all_cannot_be_made_for_one_reason(tmp_path, engine):
    path, plan = tmp_path / "store", HopelessPlan(30, passes=("depth",), width=16)
    summary = run(plan, path, engine)
    assert (summary.exit_code, summary.made, summary.finished) == (1, 0, 0)
    assert "cannot be like that" in report(summary)
    assert Store(path).quarantined() == [], "they are tried again when that is mended"
    assert run(RingPlan(30, passes=("depth",), width=16), path, engine).made == 30


def test_broken_files_among_others_or_for_several_reasons_end_no_run(tmp_path, engine):
    broken = dict.fromkeys(range(1, 31), "no glTF")
    plan = RingPlan(32, broken=broken, passes=("depth",), width=16)
    summary = run(plan, tmp_path / "one", engine)
    assert (summary.made, len(summary.quarantined), summary.exit_code) == (2, 30, 0)
    broken |= {0: "glTF 1"}
    summary = run(replace(plan, broken=broken), tmp_path / "two", engine)
    assert (summary.made, len(summary.quarantined), summary.exit_code) == (1, 31, 0)


def test_a_dataset_of_nothing_is_no_success(tmp_path, engine):
    plan = RingPlan(2, broken={0: "empty", 1: "no glTF"}, passes=("depth",))
    for _ in range(2):
        summary = run(plan, tmp_path / "store", engine)
        assert summary.exit_code == 1
        assert "none of the items can be made" in report(summary)
