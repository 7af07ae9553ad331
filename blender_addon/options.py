"""Converts the settings in Blender to the options of the server, as environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .gltf_render_server.settings import ENVIRONMENT_PREFIX
from .preferences import ServerPreferences
from .properties import AS_SCENE, ServerProperties

__all__ = ["HOST", "PORT", "TOKEN", "child_environment", "server_options"]

HOST, PORT, TOKEN = f"{ENVIRONMENT_PREFIX}HOST", f"{ENVIRONMENT_PREFIX}PORT", f"{ENVIRONMENT_PREFIX}TOKEN"
"""The variables for the address of the server and for its token."""


def server_options(
    properties: ServerProperties, preferences: ServerPreferences, blend_file: Path | None
) -> dict[str, str]:
    """Return the environment variables that configure the server.

    Parameters
    ----------
    properties : ServerProperties
        The settings of the scene.
    preferences : ServerPreferences
    blend_file : Path or None
        The file to render. None means the open scene, rendered on the device in the preferences of Cycles.
    """
    options = {
        "HOST": preferences.listens_on,
        "TOKEN": preferences.token.strip(),
        "UP_AXIS": properties.up_axis.lower(),
        "ENGINE": _chosen(properties.engine),
        "QUALITY": _chosen(properties.quality),
        "ENVIRONMENT": _chosen(properties.environment),
    }
    if blend_file is not None:
        options |= {"DEVICE": properties.device.lower(), "BLEND_FILE": str(blend_file)}
    return {PORT: str(preferences.port)} | {
        ENVIRONMENT_PREFIX + name: value for name, value in options.items() if value
    }


def child_environment(options: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment, with exactly these options of the server."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    return {**inherited, **options}


def _chosen(identifier: str) -> str:
    return "" if identifier == AS_SCENE else identifier.lower()
