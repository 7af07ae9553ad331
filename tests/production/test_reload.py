"""``--debug``: the server starts anew when its code changes."""

import shutil
import time

import pytest
import requests
from servers import ROOT, free_port, running

pytest.importorskip("vtkmodules", reason="the extra 'vtk' is not installed")


def version(server):
    try:
        return server.client.health()["version"]
    except requests.RequestException:
        return None


def test_debug_starts_anew_when_the_code_changes(tmp_path):
    package, changed = tmp_path / "gltf_render_server", tmp_path / "changed.py"
    shutil.copytree(ROOT / "server" / "gltf_render_server", package)
    port = str(free_port())
    with running("--debug", "--backend", "vtk", "--port", port, env={"PYTHONPATH": str(tmp_path)}) as server:
        assert version(server) != "7.7.7"
        deadline_s = time.monotonic() + 300
        while version(server) != "7.7.7":  # it may begin to watch a moment after it answers
            assert time.monotonic() < deadline_s, server.log_text()
            if "changed" not in server.log_text():
                changed.write_text('__version__ = "7.7.7"\n')
                changed.replace(package / "__init__.py")  # at once, as it may be starting anew already
            time.sleep(0.5)
        assert server.process.poll() is None
        assert "__init__.py changed" in server.log_text()
