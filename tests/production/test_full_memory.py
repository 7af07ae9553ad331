"""A server whose file system in memory is full: who waits for a picture is told to come back, and nothing
stays behind; depth takes no room there."""

import shutil
import subprocess

import pytest
from servers import PACKAGE, running

from gltf_render_server.client import RenderClientError
from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange

pytest.importorskip("bpy", reason="the bpy package is not for this Python")

IN_LITTLE_MEMORY = ("unshare", "--map-root-user", "--mount", "sh", "-c")
MOUNT = 'mount -t tmpfs -o size=3m tmpfs /dev/shm && exec "$@"'
LARGE = Lens(1600, 1200, 1500.0, 1500.0, 800.0, 600.0, 0.05, 20.0)
SMALL = Lens(96, 72, 90.0, 90.0, 47.5, 35.5, 0.05, 20.0)
RANGE = DepthRange(0.05, 20.0)


def can_mount():
    if not shutil.which("unshare"):
        return False
    return subprocess.run([*IN_LITTLE_MEMORY, MOUNT, "sh", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="this user may mount nothing")
@pytest.mark.parametrize("workers", ["0", "1"])
def test_full_memory_is_told_and_given_back(table, workers):
    command = (*IN_LITTLE_MEMORY, MOUNT, "sh", *PACKAGE)
    options = ("--workers", workers, "--samples", "1", "--no-denoise")
    with running(*options, command=command) as server:
        memory = f"/proc/{server.process.pid}/root/dev/shm"
        client, depth, color = server.client, table.to_bytes("depth"), table.to_bytes()
        client.depth(depth, SMALL, RANGE)
        client.color(color, SMALL)
        free = shutil.disk_usage(memory).free
        with pytest.raises(
            RenderClientError, match="no space left for temporary render files; try again"
        ) as caught:
            client.color(color, LARGE)
        assert caught.value.status == 503
        assert "/dev" not in str(caught.value)
        assert shutil.disk_usage(memory).free == free
        assert client.depth(depth, LARGE, RANGE).shape == (1200, 1600)
        assert client.depth(depth, SMALL, RANGE).shape == (72, 96)
        assert client.color(color, SMALL).shape == (72, 96, 3)
        assert all(worker["restarts"] == 0 for worker in client.health()["workers"])
