"""What may be used of a machine, read from a tree of the kernel's files that the tests write."""

import os
from types import SimpleNamespace

import psutil
import pytest

from gltf_render_server.dispatch.machine import this_machine

GB = 10**9
NODES = "sys/devices/system/node"
GROUPS = "sys/fs/cgroup"
OF_THIS_PROCESS = {"proc/self/cgroup": "1:cpu:/of/version/1\n0::/jobs/mine"}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a machine of which some processors are allowed, where the kernel's files say this."""

    def read(allowed, files):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(allowed), raising=False)
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return this_machine(tmp_path)

    return read


def test_this_one():
    found = this_machine()
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    assert sorted(sum(found.nodes, ())) == sorted(allowed)
    assert 0 < found.cores <= len(allowed)
    assert 0 < found.memory_bytes <= psutil.virtual_memory().total


def test_a_machine_that_tells_nothing_is_one_node(read):
    found = read({0, 1, 2}, {})
    assert (found.nodes, found.cores) == (((0, 1, 2),), 3)


def test_nodes_have_what_is_allowed_of_them(read):
    lists = {"node0": "0-3,8-11", "node1": "4-7,12-15", "node10": "16", "node2": ""}
    files = {f"{NODES}/{node}/cpulist": text for node, text in lists.items()}
    found = read({1, 2, 8, 12, 16, 20}, files)  # others are offline, or another program's
    assert found.nodes == ((1, 2, 8), (12,), (16,), (20,))
    assert found.cores == 6


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({}, 8),
        ({".": "max 100000"}, 8),
        ({".": "250000 100000"}, 2.5),
        ({".": "1600000 100000"}, 8),
        ({".": "600000 100000", "jobs/mine": "max 100000", "jobs": "300000 100000"}, 3),
    ],
)
def test_a_quota_of_time_holds_for_all_below_it(read, quotas, cores):
    files = {f"{GROUPS}/{folder}/cpu.max": text for folder, text in quotas.items()}
    assert read(range(8), OF_THIS_PROCESS | files).cores == cores


@pytest.mark.parametrize(("used_gb", "free_gb"), [(1, 1.3), (3, 0)])
def test_memory_is_what_the_cgroup_leaves_and_can_take_back(read, used_gb, free_gb, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=7 * GB))
    group = {
        "memory.max": 2 * GB,
        "memory.current": used_gb * GB,
        "memory.stat": f"anon 5\nactive_file {GB // 10}\ninactive_file {GB // 5}",
    }
    files = {f"{GROUPS}/jobs/{name}": text for name, text in group.items()}
    assert read({0}, OF_THIS_PROCESS | files).memory_bytes == free_gb * GB
    files[f"{GROUPS}/jobs/memory.max"] = "max"
    assert read({0}, OF_THIS_PROCESS | files).memory_bytes == 7 * GB
