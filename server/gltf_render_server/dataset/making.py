"""Makes a dataset from its specification: first all items, then the formats."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ..errors import DatasetError, RenderServerError
from ..settings import ServerSettings
from .engines import Engine
from .formats import export
from .leases import alone
from .planning import Plan
from .running import Summary, run
from .specification import read_specification
from .store import LOCK, MANIFEST, UNFINISHED, Store

__all__ = [
    "FORMATS_FOLDER",
    "make",
    "missing_formats",
    "read_plan",
    "renderer_settings",
    "write_format",
    "write_formats",
]

FORMATS_FOLDER = "formats"
"""Name of the folder, in that of the dataset, that holds the formats of the specification."""


def read_plan(path: Path) -> Plan:
    """Read a specification; its paths are relative to its own folder.

    Raises
    ------
    DatasetError
        The file cannot be read, or is wrong; the message says what is wrong and where.
    """
    return Plan(read_specification(path), path.parent)


def renderer_settings(plan: Plan, **options: Any) -> ServerSettings:
    """Return the settings with which this machine renders a plan.

    Parameters
    ----------
    plan : Plan
    **options
        Settings of `ServerSettings` that do not change pictures, such as `workers` and `device`.

    Raises
    ------
    DatasetError, SettingsError
    """
    wanted = plan.specification.renderer
    blend_file = None if wanted.blend_file is None else plan.folder / wanted.blend_file
    if blend_file is not None and not blend_file.is_file():
        raise DatasetError(f"renderer.blend_file: {blend_file}: there is no such file")
    settings = ServerSettings(
        backend=wanted.backend,
        engine=wanted.engine,
        blend_file=blend_file,
        number_blend_objects=wanted.number_blend_objects,
        up_axis=plan.specification.up_axis,
        **options,
    )
    settings.check()
    return settings


def make(plan: Plan, out: Path, engine: Engine, **options: Any) -> Summary:
    """Make or continue a dataset; then write the formats that its specification names.

    Parameters
    ----------
    plan : Plan
    out : Path
        The dataset's folder.
    engine : Engine
        The caller closes it.
    **options
        See `running.run`.

    Raises
    ------
    DatasetError
        The folder holds another dataset or other files, or a format cannot be written.
    SettingsError
        The engine cannot make any item.
    OSError
    """
    summary = run(plan, out, engine, **options)
    if not (out / MANIFEST).exists():
        return summary  # a signal came before the dataset was begun
    store = Store(out)
    store.note_asset_folder(plan.folder)
    failures = [] if summary.exit_code else write_formats(store)
    if failures:
        raise DatasetError("\n".join(failures))
    return summary


def write_formats(
    store: Store,
    watched: Callable[[Store, str], AbstractContextManager[Store]] = lambda store, _: nullcontext(store),
    notify: Callable[[Path], None] = lambda _: None,
) -> list[str]:
    """Write the missing formats of a dataset; if one cannot be written, the others still are.

    Parameters
    ----------
    store : Store
    watched : callable
        Takes the store and the name of a format. Returns a context manager that shows the progress of this
        format, and gives the store to read from.
    notify : callable
        Called with the folder of each format that was written.

    Returns
    -------
    list of str
        For each format that cannot be written, the reason.
    """
    failures = []
    for name in missing_formats(store):
        try:
            with watched(store, name) as items:
                notify(write_format(items, name))
        except (RenderServerError, OSError) as error:
            failures.append(f"formats: {name}: {error}")
    return failures


def missing_formats(store: Store) -> list[str]:
    """Return the formats that are still to be written; empty until all items of the dataset are done."""
    if len(store) + len(store.quarantined()) < store.manifest.items:
        return []  # the run that makes the last item writes them
    names = store.manifest.specification.get("formats", ())
    return [name for name in names if not (store.path / FORMATS_FOLDER / name).exists()]


def write_format(store: Store, name: str) -> Path:
    """Write a format into the dataset's folder, unless another run has, and return the format's folder.

    Raises
    ------
    DatasetError
        The format cannot be written.
    """
    formats = store.path / FORMATS_FOLDER
    formats.mkdir(exist_ok=True)
    with alone(store.path / LOCK):
        for left in formats.glob(f"{UNFINISHED}*"):  # left by a run that was killed
            shutil.rmtree(left)
        if not (formats / name).exists():
            export(store, name, formats / name)
    return formats / name
