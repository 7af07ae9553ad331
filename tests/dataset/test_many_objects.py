"""Objects by the hundred, some of them broken: the good ones are made, and memory stays as it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import measured
from object_files import write_objects

from gltf_render_server.dataset.store import Store

OBJECTS = int(os.environ.get("GLTF_RENDER_SERVER_OBJECTS", "200"))
NOISE_BYTES = 4 * 2**20  # what the allocators of two processes keep varies from run to run
REASONS = {
    "truncated": "is a GLB of",
    "empty": "it is empty",
    "not a GLB": "it is no glTF file",
    "not JSON": "(byte 1)",
    "a buffer that is not there": "$.buffers[0].uri: ",
    "an index of no vertex": "$.meshes[0].primitives[0].indices: ",
    "a position that is no number": "$.meshes[0].primitives[0].attributes.POSITION: ",
    "an extension that nobody knows": "$.extensionsRequired: ",
    "nothing to see": "shows nothing",
    "nodes in a circle": "$.nodes[1].children: ",
}
"""What the reason of each kind says of what is wrong, and where."""

SPECIFICATION = """
passes = ["color", "depth", "instance", "instances"]

[source]
kind = "objects"
files = "models/*"

[[cameras]]
name = "around"
width = 64
height = 64
fov_y_deg = 40
count = 1
poses = { kind = "sphere" }

[renderer]
backend = "vtk"
"""


def test_all_good_ones_are_made_and_memory_does_not_grow(tmp_path):
    broken = write_objects(tmp_path / "models", OBJECTS, OBJECTS // 10)
    (tmp_path / "objects.toml").write_text(SPECIFICATION)
    command = [sys.executable, measured.__file__, tmp_path / "objects.toml", tmp_path / "store", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])

    store = Store(tmp_path / "store")
    assert (told["made"], told["failed"]) == (OBJECTS - len(broken), 0)
    assert len(store) == OBJECTS - len(broken)
    records = {Path(record.name).name: record for record in store.quarantined()}
    assert records.keys() == broken.keys()
    for file, record in records.items():
        assert record.kind == "SceneError"
        assert REASONS[broken[file]] in record.reason
    assert told["memory"][str(OBJECTS)] <= 1.05 * told["memory"]["100"] + NOISE_BYTES
