"""Render engines: quality presets, devices, and the settings of the exact pass."""

from __future__ import annotations

import logging
import re
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import bpy

from ..errors import SettingsError
from ..settings import DEFAULT_QUALITY, Device, Quality, ServerSettings
from . import compat

__all__ = [
    "PRESETS",
    "Preset",
    "apply_preset",
    "apply_settings",
    "choose_device",
    "describe_device",
    "engine_name",
    "has_gpu",
    "make_exact",
    "may_persist",
    "rendered_view_layer",
    "reset_look",
    "set_samples",
    "set_view_transform",
]

_logger = logging.getLogger(__name__)

_GPUS_BEST_FIRST = ("OPTIX", "CUDA", "HIP", "ONEAPI", "METAL")
_MOST_HOLES = 1024  # surfaces that a ray may pass through, one behind another; Blender's maximum
# Blender's minimum, with which the sample is at most 4e-7 px from the pixel's centre
_PIXEL_FILTER_WIDTH_PX = 0.01
_SAMPLES_FOR_WANT_OF_A_DENOISER = 8
_THRESHOLD_FOR_WANT_OF_A_DENOISER = 0.05
_SHAPING = {
    "render": {
        "fps",
        "fps_base",
        "frame_map_new",
        "frame_map_old",
        "simplify_child_particles_render",
        "simplify_subdivision_render",
        "simplify_volumes",
        "threads",
        "threads_mode",
        "use_simplify",
    },
    "cycles": {
        "camera_cull_margin",
        "dicing_camera",
        "dicing_rate",
        "distance_cull_margin",
        "feature_set",
        "max_subdivisions",
        "offscreen_dicing_scale",
        "use_camera_cull",
        "use_distance_cull",
        "denoiser",  # without one, Blender prints a warning whenever it is read
    },
}
"""The render settings that `reset_look` leaves alone."""


@dataclass(frozen=True)
class Preset:
    """A trade-off between render time and noise.

    Attributes
    ----------
    samples : int
        The maximum number of samples per pixel.
    noise_threshold : float
        The estimated error at which Cycles stops sampling a pixel; 0 = never.
    prefilter : {"NONE", "FAST", "ACCURATE"}
        How the denoiser treats its guides, albedo and normals. NONE assumes that they are free of noise. FAST
        expects noise in them. ACCURATE denoises them first, which takes as long as denoising the image.
    denoiser : {"FAST", "HIGH"}
        The denoiser's quality.
    eevee_samples : int
    """

    samples: int
    noise_threshold: float
    prefilter: str
    denoiser: str
    eevee_samples: int


PRESETS: dict[Quality, Preset] = {
    "draft": Preset(2, noise_threshold=0.0, prefilter="FAST", denoiser="FAST", eevee_samples=8),
    "preview": Preset(8, noise_threshold=0.0, prefilter="FAST", denoiser="HIGH", eevee_samples=16),
    "balanced": Preset(24, noise_threshold=0.0, prefilter="NONE", denoiser="HIGH", eevee_samples=32),
    "final": Preset(128, noise_threshold=0.01, prefilter="ACCURATE", denoiser="HIGH", eevee_samples=64),
}


def choose_device(device: Device) -> None:
    """Select the device on which Cycles renders.

    Raises
    ------
    SettingsError
        The machine does not have the device. The message lists the available devices.
    """
    preferences = _cycles_preferences()
    # if the user names a device, the messages about its missing drivers are useful
    with compat.without_chatter() if device in ("auto", "cpu") else nullcontext():
        found = [kind for kind in _GPUS_BEST_FIRST if _devices(preferences, kind)]
    wanted = found[:1] if device == "auto" else [device.upper()] if device != "cpu" else []
    if not set(wanted) <= set(found):
        there = ", ".join(["cpu", *(kind.lower() for kind in found)])
        raise SettingsError(f"--device {device}: this machine has no such device; it has {there}")
    preferences.compute_device_type = wanted[0] if wanted else "NONE"
    for item in preferences.devices:
        item.use = bool(wanted) and item.type == wanted[0]


def describe_device() -> str:
    """Return the name of the device on which Cycles renders."""
    used = [item.name for item in _cycles_preferences().devices if item.use]
    return ", ".join(used) or "CPU"


def engine_name(scene: bpy.types.Scene) -> str:
    """Return the name of a scene's engine, as in the settings if they know it."""
    names = {"CYCLES": "cycles", compat.EEVEE: "eevee"}
    return names.get(scene.render.engine, scene.render.engine.lower())


def has_gpu() -> bool:
    """Return whether the preferences allow Cycles to use anything but the CPU."""
    return _cycles_preferences().compute_device_type != "NONE"


def apply_settings(scene: bpy.types.Scene, settings: ServerSettings, *, is_own: bool) -> None:
    """Apply the explicit settings to a scene. A scene of the server's own gets the default look first."""
    if is_own or settings.engine is not None:
        scene.render.engine = compat.EEVEE if settings.engine == "eevee" else "CYCLES"
    if is_own or settings.quality is not None:
        has_denoiser = apply_preset(scene, PRESETS[settings.quality or DEFAULT_QUALITY])
        if not has_denoiser:
            _logger.warning(
                "this Blender was built without a denoiser; colour is rendered with more samples instead"
            )
    if is_own:
        _apply_defaults(scene)
    _apply_explicit(scene, settings)


def make_exact(scene: bpy.types.Scene) -> None:
    """Set up a new scene for depth and indices: one sample through each pixel's centre, nothing else."""
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.samples = 1
    cycles.use_adaptive_sampling = False
    cycles.use_denoising = False
    cycles.pixel_filter_type = "BLACKMAN_HARRIS"  # BOX is always one pixel wide, whatever width is set
    cycles.filter_width = _PIXEL_FILTER_WIDTH_PX
    cycles.max_bounces = 0
    cycles.transparent_max_bounces = _MOST_HOLES
    cycles.use_light_tree = False
    cycles.use_auto_tile = False  # with tiles, a large image would be written to temporary files
    scene.render.use_compositing = False
    scene.render.use_sequencer = False
    view_layer = scene.view_layers[0]
    view_layer.use_pass_combined = False
    view_layer.use_pass_z = True
    view_layer.use_pass_object_index = True


def may_persist(scene: bpy.types.Scene) -> bool:
    """Return whether Cycles may keep its data of a scene between renders.

    It must not if that data depends on the camera or on previous renders: with adaptive subdivision and with
    motion blur.
    """
    return (
        scene.render.engine == "CYCLES"
        and not scene.render.use_motion_blur
        and not any(_subdivides_adaptively(item) for item in bpy.data.objects)
    )


def reset_look(scene: bpy.types.Scene) -> None:
    """Set the render settings of a scene to their default values, except those that shape or hide objects."""
    plain = bpy.data.scenes.new("Plain")
    try:
        for holder, kept in _SHAPING.items():
            settings, defaults = getattr(scene, holder), getattr(plain, holder)
            for option in defaults.bl_rna.properties:
                name = option.identifier
                if not (option.is_readonly or name in kept or name.startswith("preview_")):
                    setattr(settings, name, getattr(defaults, name))
    finally:
        bpy.data.scenes.remove(plain)


def rendered_view_layer(scene: bpy.types.Scene) -> bpy.types.ViewLayer:
    """Return the first view layer that is enabled for rendering."""
    return next((layer for layer in scene.view_layers if layer.use), scene.view_layers[0])


def apply_preset(scene: bpy.types.Scene, preset: Preset) -> bool:
    """Set samples, noise threshold and denoising. Return whether a denoiser is available.

    Without a denoiser, as in Debian's Blender, colour uses more samples instead.
    """
    cycles = scene.cycles
    cycles.samples = preset.samples
    cycles.use_adaptive_sampling = preset.noise_threshold > 0
    cycles.adaptive_threshold = preset.noise_threshold
    scene.eevee.taa_render_samples = preset.eevee_samples
    if not _set_denoiser(cycles):
        cycles.samples *= _SAMPLES_FOR_WANT_OF_A_DENOISER
        cycles.use_adaptive_sampling = True
        cycles.adaptive_threshold = preset.noise_threshold or _THRESHOLD_FOR_WANT_OF_A_DENOISER
        return False
    cycles.use_denoising = True
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = preset.prefilter
    cycles.denoising_quality = preset.denoiser
    return True


def set_samples(scene: bpy.types.Scene, samples: int) -> None:
    """Set the maximum number of samples per pixel."""
    scene.cycles.samples = samples
    scene.eevee.taa_render_samples = samples


def set_view_transform(scene: bpy.types.Scene, name: str) -> None:
    """Set the view transform.

    Raises
    ------
    ValueError
        The view transform does not exist. The message lists the existing ones.
    """
    try:
        scene.view_settings.view_transform = name
    except TypeError as error:
        # they depend on the colour configuration, and only this message lists them
        there = re.findall(r"'([^']+)'", str(error).partition("not found in")[2])
        raise ValueError(f"must be one of {', '.join(there)}") from error


def _set_denoiser(cycles: Any) -> bool:
    """Select Open Image Denoise. Return false if Blender was built without it, as in Debian."""
    try:
        cycles.denoiser = "OPENIMAGEDENOISE"
    except TypeError:
        return False
    return True


def _apply_defaults(scene: bpy.types.Scene) -> None:
    """Give a scene without a look of its own the default look, which docs/colour.md explains."""
    scene.view_settings.view_transform = "Khronos PBR Neutral"
    scene.cycles.max_bounces = 8
    scene.cycles.sample_clamp_indirect = 10.0  # avoids fireflies
    scene.cycles.caustics_reflective = False  # saves a tenth of the time, for light that is mostly noise
    eevee = scene.eevee
    eevee.use_raytracing = True
    eevee.use_fast_gi = True
    eevee.fast_gi_method = "GLOBAL_ILLUMINATION"
    eevee.fast_gi_distance = 0.0  # 0 means no limit
    eevee.use_shadows = True
    eevee.shadow_ray_count = 2


def _apply_explicit(scene: bpy.types.Scene, settings: ServerSettings) -> None:
    if settings.samples is not None:
        set_samples(scene, settings.samples)
    if settings.noise_threshold is not None:
        scene.cycles.use_adaptive_sampling = settings.noise_threshold > 0
        scene.cycles.adaptive_threshold = settings.noise_threshold
    if settings.denoise is not None:
        if settings.denoise and not _set_denoiser(scene.cycles):
            raise SettingsError("--denoise: this Blender was built without a denoiser")
        scene.cycles.use_denoising = settings.denoise
    if isinstance(settings.threads, int):
        scene.render.threads_mode = "FIXED"
        scene.render.threads = settings.threads
    if settings.exposure is not None:
        scene.view_settings.exposure = settings.exposure
    if settings.view_transform is not None:
        try:
            set_view_transform(scene, settings.view_transform)
        except ValueError as error:
            raise SettingsError(f"--view-transform {settings.view_transform}: {error}") from error


def _cycles_preferences() -> Any:
    return bpy.context.preferences.addons["cycles"].preferences


def _devices(preferences: Any, kind: str) -> list[Any]:
    try:
        return list(preferences.get_devices_for_type(kind))
    except (TypeError, ValueError):  # a device type that this build of Blender does not have
        return []


def _subdivides_adaptively(item: bpy.types.Object) -> bool:
    """Return whether Cycles dices an object.

    In 4.5 this is a property of the object, since 5.0 of its modifier.
    """
    holders = (item.cycles, *item.modifiers)
    return any(getattr(holder, "use_adaptive_subdivision", False) for holder in holders)
