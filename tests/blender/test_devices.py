"""What Cycles renders on, on machines whose devices the tests make up."""

from types import SimpleNamespace

import pytest

from gltf_render_server.errors import RenderError, SettingsError

bpy = pytest.importorskip("bpy")

CPU = ("CPU", "EPYC")
CARDS = (("CUDA", "H200"), ("CUDA", "A4000"), ("OPTIX", "H200 RT"), ("OPTIX", "A4000 RT"))


@pytest.fixture
def machine(monkeypatch):
    """Makes Cycles' preferences of a machine, all of whose devices are in use at first."""
    from gltf_render_server.blender import engines

    def make(*devices):
        items = [SimpleNamespace(type=kind, name=name, use=True) for kind, name in devices]

        def of_type(kind):
            if kind == "METAL":
                raise ValueError("this Blender was built without it")
            return [item for item in items if item.type == kind]

        preferences = SimpleNamespace(devices=items, compute_device_type="NONE", get_devices_for_type=of_type)
        monkeypatch.setattr(engines, "_cycles_preferences", lambda: preferences)
        return engines

    return make


@pytest.mark.parametrize(
    ("devices", "wanted", "used"),
    [
        ([CPU], "auto", "CPU"),
        ([CPU], "cpu", "CPU"),
        ([CPU, *CARDS], "auto", "H200 RT, A4000 RT"),
        ([CPU, *CARDS], "cuda", "H200, A4000"),
        ([CPU, *CARDS], "cpu", "CPU"),
        ([CPU, ("HIP", "W7900")], "auto", "W7900"),
        ([CPU, ("ONEAPI", "Arc"), ("HIP", "W7900")], "auto", "W7900"),
    ],
)
def test_the_best_kind_that_is_there_or_the_one_that_is_named(machine, devices, wanted, used):
    engines = machine(*devices)
    engines.choose_device(wanted)
    assert engines.describe_device() == used
    assert engines.has_gpu() == (used != "CPU")


@pytest.mark.parametrize("wanted", ["hip", "metal"])
def test_another_kind_is_refused_with_those_that_are_there(machine, wanted):
    engines = machine(CPU, *CARDS)
    with pytest.raises(
        SettingsError, match=f"--device {wanted}: .* no such device; it has cpu, optix, cuda$"
    ):
        engines.choose_device(wanted)


@pytest.fixture
def new_studio(studio):
    """The studio without a renderer: what is made here is not for the tests that follow."""
    studio.close()
    yield studio
    studio.close()


@pytest.mark.parametrize(("devices", "pictures"), [([CPU], 0), ([CPU, *CARDS], 1)])
def test_a_gpu_has_rendered_before_the_first_client_asks(machine, devices, pictures, new_studio, monkeypatch):
    """What the made-up GPU renders comes from the processor, because Cycles finds no other."""
    from gltf_render_server.blender import BlenderRenderer

    machine(*devices)
    rendered = []
    render = BlenderRenderer.render
    monkeypatch.setattr(
        BlenderRenderer, "render", lambda *asked: rendered.append(render(*asked)) or rendered[-1]
    )
    new_studio.renderer()
    assert [frame.views[0]["color"].shape[:2] for frame in rendered] == [(8, 8)] * pictures


def test_a_gpu_that_fails_at_once_is_told_and_the_server_starts(machine, new_studio, monkeypatch, caplog):
    from gltf_render_server.blender import BlenderRenderer

    machine(CPU, *CARDS)

    def fail(*_):
        raise RenderError("out of memory")

    monkeypatch.setattr(BlenderRenderer, "render", fail)
    new_studio.renderer()
    assert "the first render on H200 RT, A4000 RT failed: out of memory" in caplog.text
