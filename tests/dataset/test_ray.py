"""A Ray cluster of two nodes on this machine, of which one is lost in the middle."""

import shutil
import sys
import tempfile
from contextlib import closing

import pytest
from folders import contents
from plans import RingPlan
from servers import ROOT, wait_for

from gltf_render_server.dataset.engines.choosing import make_engine
from gltf_render_server.dataset.running import run
from gltf_render_server.errors import DatasetError
from gltf_render_server.settings import ServerSettings

ray = pytest.importorskip("ray", reason='needs Ray (pip install "gltf-render-server[ray]")')

# Ray leaves files and processes of its own open when it ends
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]

PATIENCE = {
    "gcs_server_port_wait_time_s": "300",
    "gcs_server_request_timeout_seconds": "300",
    "health_check_timeout_ms": "60000",
}
"""A busy machine may take long; a node whose processes have ended is noticed as soon all the same."""

PLAN = RingPlan(36, broken={5: "cut short", 20: "missing"}, passes=("color", "depth", "instances"))


@pytest.fixture
def cluster(monkeypatch, request):
    """A cluster whose files, with the addresses of running clusters among them, no other test run sees.

    Its head has two cores unless a test gives another number.
    """
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # paths of sockets are short
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    for name, limit in PATIENCE.items():
        monkeypatch.setenv(f"RAY_{name}", limit)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "support"))  # where the plan's class is
    from ray.cluster_utils import Cluster

    cores = getattr(request, "param", 2)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores, "include_dashboard": False})
    ray.init(cluster.address, log_to_driver=False, logging_level="error")
    yield cluster
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_node_is_lost_in_the_middle_and_nothing_is_missing(cluster, engine, tmp_path):
    second = cluster.add_node(wait=False, num_cpus=2)
    cluster.wait_for_nodes(timeout=300)

    class Progress:
        def __init__(self):
            self.nodes = [second]

        def update(self, summary):
            if summary.made >= 3 and self.nodes and second.node_id in nodes_of_actors():
                cluster.remove_node(self.nodes.pop(), allow_graceful=False)

        def show(self, line):
            pass

    def nodes_of_actors():
        actors = ray._private.state.actors().values()
        return {actor["Address"]["NodeID"] for actor in actors if actor["State"] == "ALIVE"}

    with closing(make_engine(ServerSettings(backend="vtk"), ray="auto")) as engine_on_ray:
        assert len(engine_on_ray._actors) == 2
        wait_for(lambda: second.node_id in nodes_of_actors())
        progress = Progress()
        summary = run(PLAN, tmp_path / "store", engine_on_ray, progress=progress)
    assert not progress.nodes, "the node was lost while items were made"
    assert (summary.made, len(summary.quarantined), summary.failed) == (34, 2, {})
    run(PLAN, tmp_path / "undisturbed", engine)
    assert contents(tmp_path / "store") == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("cluster", [0], indirect=True)
def test_a_head_without_cores_waits_for_the_nodes_that_a_cluster_adds(cluster):
    with closing(make_engine(ServerSettings(backend="vtk"), ray="auto")) as engine_on_ray:
        cluster.add_node(num_cpus=2)
        assert engine_on_ray.versions["engine"] == "OpenGL"


def test_who_lacks_ray_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "gltf_render_server.dataset.engines.ray_cluster", raising=False)
    with pytest.raises(DatasetError, match=r"gltf-render-server\[ray\]"):
        make_engine(ServerSettings(), ray="auto")


@pytest.mark.parametrize("address", ["", "auto", "10.0.0.1:6379"])
def test_ray_is_taken_with_and_without_an_address(monkeypatch, address):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "gltf_render_server.dataset.engines.ray_cluster", raising=False)
    with pytest.raises(DatasetError, match="--ray: "):
        make_engine(ServerSettings(), ray=address)
    with pytest.raises(DatasetError, match="give only one of the two"):
        make_engine(ServerSettings(), ray=address, server="http://127.0.0.1:1")
