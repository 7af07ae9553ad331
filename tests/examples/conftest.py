import importlib.util

import pytest
from servers import running

QUICK = ("--samples", "1", "--no-denoise", "--workers", "0")


@pytest.fixture(scope="session")
def vtk_server():
    if importlib.util.find_spec("vtkmodules") is None:
        pytest.skip("the vtkmodules package is not installed")
    with running("--backend", "vtk", "--workers", "0") as server:
        yield server


@pytest.fixture
def blender_server(request):
    """A server with Blender, and with the options that a test gives as its parameter."""
    if importlib.util.find_spec("bpy") is None:
        pytest.skip("the bpy package is not for this Python")
    with running(*QUICK, *getattr(request, "param", ())) as server:
        yield server
