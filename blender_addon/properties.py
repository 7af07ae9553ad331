"""The render settings of a scene, and the lists of the panel, which are not saved."""

from __future__ import annotations

from functools import cache
from typing import Any

import bpy

from .dataset_choices import DatasetProperties
from .gltf_render_server.environments import DEFAULT_ENVIRONMENT, ENVIRONMENTS, NO_ENVIRONMENT
from .gltf_render_server.options import options_of
from .gltf_render_server.settings import ServerSettings

__all__ = ["AS_SCENE", "Finding", "KeptEntry", "KeptView", "ServerProperties", "SessionLists", "described"]

AS_SCENE = "SCENE"
"""The choice to use the scene's own value for an option."""

_AS_SCENE = (AS_SCENE, "As the Scene", "What the scene's own render settings say")
_NAMES = {name.lower(): name for name in ("CPU", "CUDA", "EEVEE", "HIP", "OptiX", "oneAPI")}


def described(option: str) -> str:
    """Return the help text of a server option, in the style of Blender's descriptions."""
    text = options_of(ServerSettings)[option].help
    return text[0].upper() + text[1:]


def _item(choice: str) -> tuple[str, str, str]:
    return choice.upper(), _NAMES.get(choice, choice.title()), ""


def _choice(option: str, name: str, *first: tuple[str, str, str], more: str = "") -> Any:
    """Return an enum property with the values of a server option. The first choice is the default."""
    items = [*first, *map(_item, options_of(ServerSettings)[option].choices)]
    return bpy.props.EnumProperty(name=name, description=described(option) + more, items=items)


def _redraw(_self: object, context: bpy.types.Context) -> None:
    """Do nothing. If a property has an update function, Blender redraws everything after a change."""


class ServerProperties(bpy.types.PropertyGroup):
    """How the server renders a scene; saved with it."""

    mode: bpy.props.EnumProperty(
        name="Serve From",
        description="Which Blender renders the requests",
        items=[
            (
                "BACKGROUND",
                "Background",
                "A second Blender without a window renders a copy of the scene; this window stays free",
            ),
            (
                "WINDOW",
                "This Window",
                "This Blender renders the open scene, waits while it does, and shows what clients send",
            ),
        ],
    )
    engine: _choice("engine", "Engine", _AS_SCENE)
    device: _choice("device", "Device", more=". For this window, Preferences > System says it")
    quality: _choice("quality", "Quality", _AS_SCENE)
    environment: bpy.props.EnumProperty(
        name="Environment",
        description="Light from all around",
        items=[
            (AS_SCENE, "As the Scene", f"The scene's own light; the {DEFAULT_ENVIRONMENT} where it has none"),
            (NO_ENVIRONMENT.upper(), "None", "Only the light of the scene and of the client"),
            *((name.upper(), name.title(), "HDRI that Blender brings") for name in ENVIRONMENTS),
        ],
    )
    up_axis: _choice("up_axis", "Up")
    dataset: bpy.props.PointerProperty(type=DatasetProperties)


@cache
def _passes(asked: tuple[str, ...]) -> list[tuple[str, str, str, str, int]]:
    """Return the choice of all passes that can be displayed; requested ones come first and are marked.

    A motion pass is included only if it was requested, because other requests have only one moment. Blender
    keeps no references to the texts of dynamic enum items, so they are stored here.
    """
    from .gltf_render_server.passes import PASSES

    shown = [
        (row.name, row.name, row.summary, "CHECKMARK" if row.name in asked else "BLANK1", number)
        for number, row in enumerate(PASSES.values())
        if row.dtype != "json" and (row.moment is None or row.name in asked)
    ]
    return sorted(shown, key=lambda item: item[0] not in asked)


def _passes_to_show(session: Any, _context: object) -> list[tuple[str, str, str, str, int]]:
    return _passes(
        tuple(session.kept[session.kept_index].passes.split()) if session.has_kept_selection else ()
    )


class KeptView(bpy.types.PropertyGroup):
    """A view of a kept request. Its name is a built-in property."""


class KeptEntry(bpy.types.PropertyGroup):
    """An entry in the list of kept requests."""

    passes: bpy.props.StringProperty()
    views: bpy.props.CollectionProperty(type=KeptView)
    path: bpy.props.StringProperty()
    label: bpy.props.StringProperty()
    failed: bpy.props.BoolProperty()
    message: bpy.props.StringProperty()


class Finding(bpy.types.PropertyGroup):
    """An entry in the list of problems that the scene check has found."""

    text: bpy.props.StringProperty()
    kind: bpy.props.StringProperty()
    target: bpy.props.StringProperty()
    can_select: bpy.props.BoolProperty()
    mend: bpy.props.StringProperty()


class SessionLists(bpy.types.PropertyGroup):
    """The lists of the panel. They belong to the window manager, so they are not saved.

    Attributes
    ----------
    checked : bool
        Whether the scene has been checked.
    redraw : int
        Setting it makes Blender redraw every window, including the status bar.
    """

    kept: bpy.props.CollectionProperty(type=KeptEntry)
    kept_index: bpy.props.IntProperty(
        name="Kept Request", description="The kept request that the buttons are for"
    )
    shown_pass: bpy.props.EnumProperty(
        name="Pass",
        description="What Show Pass renders; what was asked for is marked",
        items=_passes_to_show,
    )
    shown_view: bpy.props.StringProperty(
        name="View", description="Which view of the request Show Pass renders; empty = the first"
    )
    findings: bpy.props.CollectionProperty(type=Finding)
    checked: bpy.props.BoolProperty()
    test_type: bpy.props.EnumProperty(
        name="Image",
        description="What the test request asks for",
        items=[
            ("COLOR", "Colour", "A picture, as a camera sees it"),
            ("DEPTH", "Depth", "Metres along the camera's axis; shown in false colours"),
            ("LABEL", "Label", "Which object each pixel shows; shown in false colours"),
        ],
    )

    @property
    def has_kept_selection(self) -> bool:
        """Whether a kept request is selected."""
        return 0 <= self.kept_index < len(self.kept)

    redraw: bpy.props.IntProperty(update=_redraw)
