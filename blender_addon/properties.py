"""What belongs to a scene: how the server renders it. And what the panel lists, which is saved nowhere."""

from __future__ import annotations

import bpy

__all__ = ["Finding", "KeptEntry", "ServerProperties", "SessionLists"]

_AS_SCENE = ("SCENE", "As the Scene", "What the scene's own render settings say")


def _redraw(_self: object, context: bpy.types.Context) -> None:
    """Do nothing: that there is something to call makes Blender draw everything again."""


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
    engine: bpy.props.EnumProperty(
        name="Engine",
        description="What renders colour; depth and labels are always exact",
        items=[_AS_SCENE, ("CYCLES", "Cycles", "Cycles"), ("EEVEE", "EEVEE", "EEVEE")],
    )
    device: bpy.props.EnumProperty(
        name="Device",
        description="What Cycles renders on in the background; for this window, Preferences > System says it",
        items=[
            ("AUTO", "Best", "The best that this computer has"),
            ("CPU", "CPU", "The processor"),
            ("CUDA", "CUDA", "NVIDIA"),
            ("OPTIX", "OptiX", "NVIDIA, with ray tracing cores"),
            ("HIP", "HIP", "AMD"),
            ("ONEAPI", "oneAPI", "Intel"),
            ("METAL", "Metal", "Apple"),
        ],
    )
    quality: bpy.props.EnumProperty(
        name="Quality",
        description="A preset of samples and denoising for colour",
        items=[
            _AS_SCENE,
            ("PREVIEW", "Preview", "Few samples, denoised: the fastest"),
            ("BALANCED", "Balanced", "As good as 256 plain samples in a sixth of their time"),
            ("FINAL", "Final", "As good as it gets"),
        ],
    )
    environment: bpy.props.EnumProperty(
        name="Environment",
        description="Light from all around",
        items=[
            ("SCENE", "As the Scene", "The scene's own light; the forest where it has none"),
            ("NONE", "None", "Only the light of the scene and of the client"),
            ("CITY", "City", "HDRI that Blender brings"),
            ("COURTYARD", "Courtyard", "HDRI that Blender brings"),
            ("FOREST", "Forest", "HDRI that Blender brings"),
            ("INTERIOR", "Interior", "HDRI that Blender brings"),
            ("NIGHT", "Night", "HDRI that Blender brings"),
            ("STUDIO", "Studio", "HDRI that Blender brings"),
            ("SUNRISE", "Sunrise", "HDRI that Blender brings"),
            ("SUNSET", "Sunset", "HDRI that Blender brings"),
        ],
    )
    up_axis: bpy.props.EnumProperty(
        name="Up",
        description="Which axis points up in the files that clients send",
        items=[("Z", "Z", "As Drake writes them"), ("Y", "Y", "As glTF lays down")],
    )


class KeptEntry(bpy.types.PropertyGroup):
    """A line in the list of kept requests."""

    path: bpy.props.StringProperty()
    label: bpy.props.StringProperty()
    failed: bpy.props.BoolProperty()
    message: bpy.props.StringProperty()


class Finding(bpy.types.PropertyGroup):
    """A line in the list of what the scene check has found."""

    text: bpy.props.StringProperty()
    kind: bpy.props.StringProperty()
    target: bpy.props.StringProperty()
    can_select: bpy.props.BoolProperty()
    mend: bpy.props.StringProperty()


class SessionLists(bpy.types.PropertyGroup):
    """What the panel lists; of the window manager, so that no .blend holds it.

    Attributes
    ----------
    checked : bool
        Whether the scene has been checked.
    redraw : int
        Setting it makes Blender draw every window again, the status bar included.
    """

    kept: bpy.props.CollectionProperty(type=KeptEntry)
    kept_index: bpy.props.IntProperty(
        name="Kept Request", description="The kept request that the buttons are for"
    )
    findings: bpy.props.CollectionProperty(type=Finding)
    checked: bpy.props.BoolProperty()
    test_type: bpy.props.EnumProperty(
        name="Image",
        description="What the test request asks for",
        items=[
            ("COLOR", "Colour", "A picture, as a camera sees it"),
            ("DEPTH", "Depth", "Metres along the camera's axis; shown as greys"),
            ("LABEL", "Label", "Which object each pixel shows; shown in colours"),
        ],
    )

    @property
    def has_kept_selection(self) -> bool:
        """Whether a kept request is selected."""
        return 0 <= self.kept_index < len(self.kept)

    redraw: bpy.props.IntProperty(update=_redraw)
