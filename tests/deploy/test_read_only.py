"""The server needs no privilege, and no place to write but its temporary folder and shared memory."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from drake_like import DrakeScene, box, look_at, translation
from servers import PACKAGE, running

from gltf_render_server.frame import Lens
from gltf_render_server.http.form import DepthRange

SCRATCH = "/mnt"
SEALED = f"""
mount --make-rprivate /
mount -t tmpfs -o size=256m tmpfs {SCRATCH}
mount -t tmpfs -o size=256m,mode=1777 tmpfs /dev/shm
mount --bind /tmp /tmp
mount -o remount,bind,ro /tmp
mount -o remount,bind,ro /
for folder in / /tmp /usr; do
  if touch $folder 2>/dev/null; then echo "$folder is not read-only"; exit 1; fi
done
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \
    env -u BLENDER_USER_RESOURCES HOME={SCRATCH} TMPDIR={SCRATCH} "$@"
"""


def can_unshare():
    programs = [shutil.which(name) for name in ("unshare", "setpriv", "mount")]
    if os.name != "posix" or os.geteuid() != 0 or None in programs:
        return False
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", SCRATCH]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="needs root, and mount namespaces, to make the root read-only")
def test_a_read_only_root():
    camera = Lens(width=64, height=48, focal_x=60, focal_y=60, center_x=32, center_y=24, near=0.05, far=20)
    scene = DrakeScene([box((1, 1, 1), translation(0, 0, 0), 3)], look_at((3, 2, 2), (0, 0, 0)))
    sealed = ("unshare", "--mount", "sh", "-ec", SEALED, "sealed", *PACKAGE)
    with running("--samples", "1", command=sealed) as server:
        assert server.client.color(scene.to_bytes(), camera).std() > 1
        assert np.isfinite(server.client.depth(scene.to_bytes(), camera, DepthRange(0.1, 10))).any()
        assert 3 in server.client.label(scene.to_bytes("label"), camera)
