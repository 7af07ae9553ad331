import pytest
from folders import contents
from plans import RingPlan

from gltf_render_server.dataset.engines.local import LocalEngine
from gltf_render_server.dataset.running import run
from gltf_render_server.settings import ServerSettings


@pytest.fixture(scope="session")
def plan():
    """A plan with items that cannot be made."""
    return RingPlan(8, broken={2: "cut short", 5: "missing"}, passes=("depth", "instance", "normal"))


@pytest.fixture(scope="session")
def engine():
    """A renderer in this process."""
    engine = LocalEngine(ServerSettings(backend="vtk", workers=0))
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def undisturbed(plan, engine, tmp_path_factory):
    """All files of the plan, made at one go by one renderer."""
    path = tmp_path_factory.mktemp("undisturbed") / "store"
    assert run(plan, path, engine).exit_code == 0
    return contents(path)
