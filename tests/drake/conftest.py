import importlib.util

import pytest
from servers import running

BACKENDS = {"blender": ("bpy", "--samples", "4", "--no-denoise"), "vtk": ("vtkmodules", "--backend", "vtk")}


@pytest.fixture(scope="session", params=BACKENDS)
def server(request):
    """A server in a process of its own: Drake's client holds this one's GIL while it waits."""
    module, *options = BACKENDS[request.param]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the {module} package is not installed")
    with running(*options) as server:
        yield server
