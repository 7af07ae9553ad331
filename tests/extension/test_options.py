"""What the panel and the preferences offer is what the server's options take."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from gltf_render_server.environments import ENVIRONMENTS, NO_ENVIRONMENT
from gltf_render_server.options import options_of
from gltf_render_server.settings import ServerSettings

bpy = pytest.importorskip("bpy", reason="the bpy package is not for this Python")
OPTIONS = options_of(ServerSettings)


@pytest.fixture(
    params=[
        "dataset_choices.DatasetProperties properties.ServerProperties",
        "preferences.ServerPreferences",
    ]
)
def registered(request):
    """The properties of the last of some classes; it holds those before it."""
    names = [name.split(".") for name in request.param.split()]
    classes = [getattr(importlib.import_module(f"blender_addon.{module}"), name) for module, name in names]
    for cls in classes:
        bpy.utils.register_class(cls)
    yield classes[-1].bl_rna.properties
    for cls in reversed(classes):
        bpy.utils.unregister_class(cls)


def test_what_is_offered(registered):
    for name in OPTIONS.keys() & registered.keys():
        assert OPTIONS[name].help[1:20] in registered[name].description or name == "environment"
        if choices := OPTIONS[name].choices:
            offered = [key.lower() for key in registered[name].enum_items.keys() if key != "SCENE"]  # noqa: SIM118
            assert tuple(offered) == choices
    if "port" in registered:
        port = registered["port"]
        assert ((port.hard_min, port.hard_max), port.default) == (OPTIONS["port"].bounds, ServerSettings.port)
        assert registered["host"].default == ServerSettings.host
    else:
        shown = [key.lower() for key in registered["environment"].enum_items.keys()]  # noqa: SIM118
        assert shown == ["scene", NO_ENVIRONMENT, *ENVIRONMENTS]


def test_every_choice_is_one_that_the_server_takes():
    from blender_addon.options import server_options
    from blender_addon.properties import AS_SCENE

    own = SimpleNamespace(listens_on="127.0.0.1", port=0, token=" ")
    names = ("engine", "quality", "environment", "up_axis", "device")
    choices = {name: OPTIONS[name].choices for name in names} | {
        "environment": (*ENVIRONMENTS, NO_ENVIRONMENT)
    }
    properties = dict.fromkeys(names, AS_SCENE) | {"up_axis": "Z", "device": "AUTO"}
    for name in names:
        for choice in choices[name]:
            chosen = SimpleNamespace(**{**properties, name: choice.upper()})
            options = server_options(chosen, own, Path(__file__))
            assert getattr(ServerSettings.from_environment(options), name) == choice
    left = ServerSettings.from_environment(server_options(SimpleNamespace(**properties), own, None))
    assert left == ServerSettings(port=0)
