import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gltf_render_server.errors import RenderError, SceneError, SettingsError, WorkerLostError
from gltf_render_server.http.responses import error_response, message_of

SCRATCH = f"/dev/shm/gltf-render-server-{os.getpid()}-k3jx_9ab"


def told(error):
    return json.loads(error_response(error).get_data())["message"]


@pytest.mark.parametrize(
    ("message", "public"),
    [
        (
            f"cannot read {SCRATCH}/color.exr: [Errno 28] No space",
            "cannot read …/color.exr: [Errno 28] No space",
        ),
        (f"[Errno 2] No such file: '{SCRATCH}/a b.png'", "[Errno 2] No such file: '…/a b.png'"),
        (f"the folder {SCRATCH} is gone", "the folder …/scratch is gone"),
        (f"{Path(sys.prefix) / 'lib' / 'libdraco.so'}: cannot open", "…/libdraco.so: cannot open"),
        (f"{Path.home() / 'x' / 'settings.py'}, line 3: NameError", "…/settings.py, line 3: NameError"),
        (f"{Path(tempfile.gettempdir())}/a/b.c", "…/b.c"),
        (r"C:\Users\jane\AppData\x.blend: broken", "…/x.blend: broken"),
        ("process 1234 ended; pid=77, PID: 5", "process ended; pid, PID"),
        ("the worker with process id 1234 ended", "the worker with process ended"),
    ],
)
def test_no_folder_and_no_process_id_reaches_a_client(message, public):
    for error in (RenderError(message), SettingsError(message), WorkerLostError(message)):
        assert told(error) == public
        assert message_of(error) == message, "the log tells all"
    assert told(SceneError(message, "$.images[0]")) == f"scene: $.images[0]: {public}"


@pytest.mark.parametrize(
    "message",
    [
        "scene: $.nodes[3].mesh: there is no mesh 7",
        "$.nodes[0].name: '/World/robot/arm' is there twice",
        "Content-Type: must be multipart/form-data; got 'text/plain'",
        "http://127.0.0.1:1/x.bin is no data: URI; send POST /render or render?token=TOKEN",
        "a pixel is 2/3 of 4/5; 64 x 48 pixels; Kd/Ks",
        "processed 12 nodes in 3 processes",
    ],
)
def test_all_else_stays(message):
    assert told(RenderError(message)) == message


def test_a_user_without_a_home_in_a_folder_that_is_gone(tmp_path):
    """As in containers."""
    code = """
import os, pwd
os.rmdir(os.getcwd())
os.environ.pop("HOME", None)
pwd.getpwuid = {}.__getitem__  # a user whom no file of the system knows
import gltf_render_server.http.responses
"""
    gone = tmp_path / "gone"
    gone.mkdir()
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=gone, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_message_is_bounded_and_printable():
    body = error_response(SceneError("\N{PILE OF POO}\n" * 100_000)).get_data()
    assert len(body) < 8192
    assert "\\n" not in body.decode()
    assert len(message_of(SceneError("x" * 10**7))) < 2100
