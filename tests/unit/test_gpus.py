"""GPUs that the user names are there, or the server says so at its start."""

import sys

import pytest

from gltf_render_server.dispatch.gpus import gpu_ids, pinned
from gltf_render_server.errors import SettingsError


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it cannot be told which there are")
def test_a_gpu_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._WINDOWS_HOST", tmp_path / "none")
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._GRAPHICS", tmp_path / "none")
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._NVIDIA", tmp_path)
    with pytest.raises(SettingsError, match="--gpus 0: there is no such GPU; this machine has none"):
        gpu_ids(("0",), {})
    for number in range(2):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    assert gpu_ids(("1", "GPU-a"), {}) == ("1", "GPU-a")
    with pytest.raises(SettingsError, match="--gpus 7: there is no such GPU; this machine has 0 to 1"):
        gpu_ids(("0", "7"), {})


def test_gpus_are_taken_in_turn(tmp_path, monkeypatch):
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._count", lambda: None)
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._NVIDIA", tmp_path / "none")
    assert gpu_ids((), {}) == ()
    assert pinned((), 3) == {}
    assert gpu_ids((), {"CUDA_VISIBLE_DEVICES": "2, 3"}) == ("2", "3")
    assert gpu_ids(("GPU-a",), {"CUDA_VISIBLE_DEVICES": "2"}) == ("GPU-a",)
    for number in range(2):
        (tmp_path / f"0000:0{number}:00.0").mkdir()
    monkeypatch.setattr("gltf_render_server.dispatch.gpus._NVIDIA", tmp_path)
    assert gpu_ids((), {}) == ("0", "1")
    for hidden in ("", "-1", "NoDevFiles"):
        assert gpu_ids((), {"CUDA_VISIBLE_DEVICES": hidden}) == ()
    assert gpu_ids((), {"CUDA_VISIBLE_DEVICES": "1,-1,0"}) == ("1",)
    assert gpu_ids((), {"CUDA_VISIBLE_DEVICES": "MIG-1/2/3, GPU-a"}) == ("MIG-1/2/3", "GPU-a")
    assert [pinned(("0", "1"), worker)["CUDA_VISIBLE_DEVICES"] for worker in range(3)] == ["0", "1", "0"]
