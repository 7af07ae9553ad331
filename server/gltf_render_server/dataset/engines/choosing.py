"""Chooses the engine that runs a plan from the options of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import DatasetError
from ...extras import brought_by
from ...settings import ServerSettings
from .engine import Engine
from .local import LocalEngine
from .servers import ServersEngine

if TYPE_CHECKING:
    from .ray_cluster import RayEngine

__all__ = ["make_engine"]

_AUTO = "auto"


def make_engine(settings: ServerSettings, *, ray: str | None = None, server: str | None = None) -> Engine:
    """Return the engine that the options ask for.

    Parameters
    ----------
    settings : ServerSettings
        Settings of the renderer on this machine, or on each node of a cluster.
    ray : str, optional
        Address of a Ray cluster; "" = the cluster in ``RAY_ADDRESS``, or a new one on this machine.
    server : str, optional
        Addresses of running servers, separated by commas.

    Raises
    ------
    DatasetError
        Both options are given, no server is named, or a package is missing.
    SettingsError
        The engine cannot start with these settings.
    """
    if ray is not None and server is not None:
        raise DatasetError("--ray, --server: give only one of the two options")
    if server is not None:
        urls = [url.strip() for url in server.split(",") if url.strip()]
        if not urls:
            raise DatasetError("--server: names no server; give an address such as http://127.0.0.1:8000")
        return ServersEngine(urls, settings)
    if ray is not None:
        return _load_ray()(None if ray in ("", _AUTO) else ray, settings)
    return LocalEngine(settings)


def _load_ray() -> type[RayEngine]:
    try:
        from .ray_cluster import RayEngine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise DatasetError(f"--ray: {error}; {brought_by('ray')}") from error
    return RayEngine
