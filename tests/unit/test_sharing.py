"""How machines are shared out: made-up ones, of 1 to 128 cores."""

import pytest

from gltf_render_server.dispatch import gpus
from gltf_render_server.dispatch.machine import Machine
from gltf_render_server.dispatch.sharing import Needs, Share, share_out, shares_of
from gltf_render_server.settings import ServerSettings

GB = 10**9
NEEDS = Needs(GB)
COUNTS = [1, 2, 4, 64, 128]


def machine(*sizes, cores=None, memory_gb=1000):
    """A machine with nodes of so many processors, numbered on."""
    starts = [sum(sizes[:node]) for node in range(len(sizes))]
    nodes = tuple(tuple(range(first, first + size)) for first, size in zip(starts, sizes, strict=True))
    return Machine(nodes, float(cores or sum(sizes)), memory_gb * GB)


def threads(shares):
    return [share.threads for share in shares]


def cores_of(there, share):
    """How many threads a share stands for."""
    return share.threads or len(share.cpus) or sum(map(len, there.nodes))


MACHINES = {
    **{f"{size}": machine(size) for size in (1, 2, 3, 5, 8, 16, 64, 128)},
    **{f"{cores} of {size}": machine(size, cores=cores) for size in (8, 64) for cores in (0.5, 1.5, 7)},
    **{str(sizes): machine(*sizes) for sizes in ((32, 32), (8,) * 4, (1, 3), (64, 32), (16,) * 8)},
    "12 of (32, 32)": machine(32, 32, cores=12),
}


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 64, 200])
@pytest.mark.parametrize("name", MACHINES)
def test_cores_are_dealt_out_and_each_worker_has_one(name, workers):
    there = MACHINES[name]
    shares = share_out(there, workers, "share", NEEDS)
    assert len(shares) == workers
    dealt = [cores_of(there, share) for share in shares]
    assert min(dealt) >= 1
    if workers <= there.cores:
        assert there.cores - len(there.nodes) < sum(dealt) <= there.cores
    for cpus in {share.cpus for share in shares}:
        alike = [number for number, share in zip(dealt, shares, strict=True) if share.cpus == cpus]
        assert max(alike) - min(alike) <= 1


def test_a_worker_alone_has_all_of_it():
    for there in (machine(1), machine(2), machine(32, 32)):
        for how in ("all", "share"):
            assert share_out(there, 1, how, NEEDS) == (Share(frozenset(), None),)
    assert threads(share_out(machine(64, cores=4.5), 1, "all", NEEDS)) == [4]


def test_each_may_have_all_that_the_others_leave():
    assert share_out(machine(8), 3, "all", NEEDS) == 3 * (Share(frozenset(), None),)
    assert threads(share_out(machine(8, cores=4), 3, "all", NEEDS)) == [4, 4, 4]
    assert threads(share_out(machine(8), 3, 5, NEEDS)) == [5, 5, 5]
    assert share_out(machine(2, 2), 2, "all", NEEDS) == (
        Share(frozenset({0, 1}), None),
        Share(frozenset({2, 3}), None),
    )


def test_workers_stay_on_nodes_where_there_are_enough_of_them():
    four = machine(8, 8, 8, 8)
    assert {share.cpus for share in share_out(four, 3, "all", NEEDS)} == {frozenset()}
    shares = share_out(four, 6, "share", NEEDS)
    assert [min(share.cpus) for share in shares] == [0, 8, 16, 24, 0, 8]
    assert threads(shares) == [4, 4, None, None, 4, 4]
    shares = share_out(machine(12, 4), 4, "share", NEEDS)
    assert [(min(share.cpus), share.threads) for share in shares] == [(0, 4), (12, None), (0, 4), (0, 4)]


def test_auto_follows_cores_memory_and_gpus():
    def count(*there, needs=NEEDS, **more):
        return len(share_out(machine(*there, **more), "auto", "all", needs))

    assert [count(size) for size in (1, 2, 4, 64, 128)] == COUNTS
    assert count(32, 32) == count(64)
    assert count(64, cores=2) == count(2)
    assert count(64, cores=0.5) == 1
    assert count(64, memory_gb=4) == 3, "one is for the server"
    assert count(64, memory_gb=0) == 1
    assert count(64, needs=Needs(4 * GB), memory_gb=9) == 2
    assert [count(64, needs=Needs(GB, gpus=number)) for number in (1, 3)] == [2, 6]
    assert count(64, needs=Needs(GB, gpus=8), memory_gb=4) == 3


def test_what_a_worker_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(gpus, "_NVIDIA", tmp_path)
    (tmp_path / "0000:00:00.0").mkdir()

    def gpus_of(**settings):
        return Needs.of(ServerSettings(**{"workers": "auto", **settings})).gpus

    assert gpus_of() == 1
    assert gpus_of(gpus=("0", "0")) == 2
    assert gpus_of(device="cpu") == gpus_of(backend="vtk") == gpus_of(workers=3) == 0
    assert Needs.of(ServerSettings(worker_max_rss=2500.0)).memory_bytes == 2.5 * GB
    assert len(shares_of(ServerSettings(workers=3))) == 3
