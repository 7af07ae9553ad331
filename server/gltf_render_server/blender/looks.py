"""Applies the look of a frame to a scene. What a look does not set is as in the original scene."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from ..environments import NO_ENVIRONMENT
from ..errors import RequestError
from ..frame import Frame, Look
from ..settings import ServerSettings
from . import engines, lighting

__all__ = ["Looks"]

_CHANGED_BY_LOOKS = {
    "cycles": (
        "samples",
        "use_adaptive_sampling",
        "adaptive_threshold",
        "use_denoising",
        "denoiser",
        "denoising_input_passes",
        "denoising_prefilter",
        "denoising_quality",
        "use_light_tree",
    ),
    "eevee": ("taa_render_samples",),
    "render": ("film_transparent",),
    # the order matters, because a view transform may not support a look
    "view_settings": ("view_transform", "look", "exposure"),
}
_NOT_RENDERED = {"exposure": None, "view_transform": None, "up_axis": None}
"""Fields that affect only the finished image, or the poses."""


class Looks:
    """Captures the original look of a scene, and applies the look of each frame to it.

    Parameters
    ----------
    scene : bpy.types.Scene
        The scene, with the .blend, the settings and the settings script applied.
    settings : ServerSettings
    environment : Path or None
        The file of the settings' environment; see `lighting.find_environment`.

    Raises
    ------
    SettingsError
        The settings' environment cannot be read.
    """

    def __init__(self, scene: bpy.types.Scene, settings: ServerSettings, environment: Path | None) -> None:
        self._scene = scene
        self._settings = settings
        self._environment = environment
        self._environments = lighting.Environments()
        if environment is not None and settings.environment is not None:
            self._environments.world(environment)
        self._brings_light = lighting.brings_light(scene)
        self._own_world = scene.world
        self._own = {
            (holder, name): getattr(getattr(scene, holder), name)
            for holder, names in _CHANGED_BY_LOOKS.items()
            for name in names
        }
        self._applied: tuple[Look, int] | None = None
        self._rendered: tuple[Look, int] | None = None

    def apply(self, frame: Frame) -> bool:
        """Apply the look of a frame to the scene.

        Returns
        -------
        bool
            Whether Cycles must reset its data, so that the image equals that of a new process.

        Raises
        ------
        RequestError
            The look names something that does not exist, or sets something that this scene's own world does
            not support.
        """
        look, lights = wanted = (frame.look, min(len(frame.scene.lights), 2))
        if wanted == self._applied:
            return False
        self._applied = None  # stays None if this fails
        world = self._world(look, lights > 0)
        self._restore()
        self._scene.world = world
        has_choice = lights + (world is not None) > 1 or self._brings_light
        self._scene.cycles.use_light_tree &= has_choice  # with a single light, the light tree only takes time
        self._override(look)
        self._applied = wanted
        last, self._rendered = self._rendered, (replace(look, **_NOT_RENDERED), lights)
        return last != self._rendered

    def is_metered(self, frame: Frame) -> bool:
        """Return whether the exposure is metered, which is the case if all light is the client's own."""
        is_given = frame.look.exposure is not None or self._settings.exposure is not None
        return bool(frame.scene.lights) and not self._brings_light and not is_given

    def _wants_default(self, has_lights: bool) -> bool:
        return not (has_lights or self._brings_light)

    def _world(self, look: Look, has_lights: bool) -> bpy.types.World | None:
        """Return the world of a look, for a client's scene with or without its own lights."""
        path = self._environment
        if look.environment is not None:
            path = _environment_named(look.environment)
        elif self._settings.environment is None and not self._wants_default(has_lights):
            if self._own_world is not None and (look.rotation_deg is not None or look.strength is not None):
                raise RequestError(
                    "look: rotation_deg and strength apply to an environment, but this server's scene "
                    "has a world of its own; name an environment as well: "
                    f"{', '.join(lighting.environment_names())}"
                )
            return self._own_world
        if path is None:
            return None
        strength = 1.0 if look.strength is None else look.strength
        return self._environments.world(path, look.rotation_deg or 0.0, strength)

    def _restore(self) -> None:
        for (holder, name), value in self._own.items():
            owner: Any = getattr(self._scene, holder)
            if getattr(owner, name) != value:
                setattr(owner, name, value)

    def _override(self, look: Look) -> None:
        scene = self._scene
        if look.view_transform is not None:
            try:
                engines.set_view_transform(scene, look.view_transform)
            except ValueError as error:
                raise RequestError(f"look.view_transform: {error}") from None
        if look.quality is not None:
            preset = engines.PRESETS.get(look.quality)  # type: ignore[call-overload]
            if preset is None:
                raise RequestError(f"look.quality: must be one of {', '.join(engines.PRESETS)}")
            engines.apply_preset(scene, preset)
        if look.samples is not None:
            engines.set_samples(scene, look.samples)
        if look.exposure is not None:
            scene.view_settings.exposure = look.exposure
        if look.transparent is not None:
            scene.render.film_transparent = look.transparent


def _environment_named(name: str) -> Path | None:
    """Return a shipped HDRI by its name. A value from a client is never treated as a path."""
    names = lighting.environment_names()
    if name not in (NO_ENVIRONMENT, *names):
        raise RequestError(f"look.environment: must be one of {', '.join(names)}, or {NO_ENVIRONMENT}")
    return lighting.find_environment(name)
