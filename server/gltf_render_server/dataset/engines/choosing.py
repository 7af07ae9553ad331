"""Which engine runs a plan, as options of the command line say."""

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
    """Return what renders.

    Parameters
    ----------
    settings : ServerSettings
        Of what renders here, or on each node of a cluster.
    ray : str, optional
        Address of a Ray cluster; "" = the one that ``RAY_ADDRESS`` names, or a new one on this machine.
    server : str, optional
        Addresses of servers that are running, with commas between them.

    Raises
    ------
    DatasetError
        Both are given, or a package is missing.
    SettingsError
        It cannot start like that.
    """
    if ray is not None and server is not None:
        raise DatasetError("--ray, --server: give only one of the two")
    if server is not None:
        return ServersEngine([url.strip() for url in server.split(",") if url.strip()], settings)
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
