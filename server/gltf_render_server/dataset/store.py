"""The store: a folder that keeps each item of a dataset in a folder of its own, without loss.

::

    DIR/
      dataset.json                what all items share: `Manifest`
      items/000/000012/           an item; items/<index // 1000>/<index>
        item.json                 what it shows: `ItemRecord`
        <view>/<pass>.<suffix>    the array of a pass, encoded as the table of passes says
      .assets                     where this machine has the files that `ItemRecord.assets` names; a hint
      .lock                       held while formats are written
      quarantine/000017.json      why an item cannot be made: `QuarantineRecord`
      .running/                   who works on it, and on what, while anybody does; see `leases`

An item is written beside its place and renamed into it, so it is there as a whole or not at all. What is in
it depends on the specification, the seed and the index alone: neither times nor machines are told.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ..decode import decode
from ..errors import DatasetError
from ..frame import Lens
from ..passes import InstanceRow
from .records import FileRecord, ItemRecord, Manifest, QuarantineRecord, ViewRecord

__all__ = [
    "ASSETS_HINT",
    "LOCK",
    "MANIFEST",
    "RUNNING",
    "UNFINISHED",
    "Store",
    "StoredItem",
    "StoredView",
    "asset_folders",
    "digest_of",
    "link_or_copy",
    "write_whole",
]

MANIFEST = "dataset.json"
ASSETS_HINT, LOCK = ".assets", ".lock"
RUNNING = ".running"
_ITEMS, _QUARANTINE, UNFINISHED = "items", "quarantine", ".unfinished-"
_NOT_OF_IT = RUNNING, UNFINISHED
_PLACES = "", f"{_ITEMS}/*/", f"{_QUARANTINE}/"
"""Where something unfinished may be."""

_ITEM = "item.json"
_ITEMS_A_FOLDER = 1000


@dataclass(frozen=True)
class StoredView:
    """A view in the store.

    Attributes
    ----------
    folder : Path
        That of the item.
    record : ViewRecord
    """

    folder: Path
    record: ViewRecord

    @property
    def name(self) -> str:
        """Unique in the item."""
        return self.record.name

    @property
    def lens(self) -> Lens:
        """Intrinsics and clipping planes; the principal point is in px from the image's upper left corner."""
        return self.record.lens

    @property
    def camera_to_world(self) -> NDArray[np.float64]:
        """(4, 4), column vectors; the camera looks along -z, with y up."""
        return np.array(self.record.camera_to_world).reshape(4, 4)

    def path(self, name: str) -> Path:
        """Return the file of a pass.

        Raises
        ------
        DatasetError
            The view has no such pass.
        """
        return self.folder / self._file(name).file

    def array(self, name: str) -> Any:
        """Read the array of a pass; see the row of that name in the table of passes.

        Raises
        ------
        DatasetError
            The view has no such pass, or its file is missing or damaged.
        """
        record = self._file(name)
        try:
            return decode((self.folder / record.file).read_bytes(), record.dtype, record.count)
        except (OSError, ValueError, SyntaxError, RuntimeError) as error:
            raise DatasetError(f"{self.folder / record.file}: cannot be read: {error}") from error

    @cached_property
    def instances(self) -> list[InstanceRow]:
        """The table of objects as this view sees them, in the order of their numbers."""
        path = self.path("instances")
        try:
            return _ROWS.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise DatasetError(f"{path}: cannot be read: {error}") from error

    def _file(self, name: str) -> FileRecord:
        found = self.record.files.get(name)
        if found is None:
            raise DatasetError(
                f"{self.folder}: the view {self.name} has no pass {name!r}; it has "
                f"{', '.join(self.record.files) or 'none'}"
            )
        return found


@dataclass(frozen=True)
class StoredItem:
    """An item in the store.

    Attributes
    ----------
    folder : Path
    record : ItemRecord
    """

    folder: Path
    record: ItemRecord

    @property
    def index(self) -> int:
        """Number of the item in the dataset, from 0 on; those of quarantined items are left out."""
        return self.record.index

    @cached_property
    def views(self) -> tuple[StoredView, ...]:
        """In the order of the frame."""
        return tuple(StoredView(self.folder, view) for view in self.record.views)


class Store:
    """A dataset on disk.

    Parameters
    ----------
    path : Path
    writer : str
        Names who writes: letters and digits. What is left unfinished tells whose it is; see `sweep`.

    Raises
    ------
    DatasetError
        There is none, or it is of another layout.
    """

    def __init__(self, path: Path, writer: str = "") -> None:
        self.path = path
        self.manifest = _read_manifest(path)
        self._writer = writer

    @staticmethod
    def begin(path: Path, manifest: Manifest, writer: str = "") -> Store:
        """Begin a dataset, or go on with one that was begun with the same manifest; several may at once.

        Raises
        ------
        DatasetError
            Another dataset is there, or other files are.
        OSError
        """
        if (path / MANIFEST).exists():
            store = Store(path, writer)
            if msgspec.json.encode(store.manifest) != msgspec.json.encode(manifest):
                raise DatasetError(f"{path}: {_difference(store.manifest, manifest)}; give another folder")
            return store
        path.mkdir(parents=True, exist_ok=True)
        if others := {each.name for each in path.iterdir() if not each.name.startswith(_NOT_OF_IT)}:
            if MANIFEST in others:  # somebody else has just begun it
                return Store.begin(path, manifest, writer)
            raise DatasetError(f"{path}: holds other files, and no {MANIFEST}; give a new or empty folder")
        write_whole(path / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1), writer)
        return Store(path, writer)

    def __iter__(self) -> Iterator[StoredItem]:
        """Yield the items that are there, by index; each is read when it is its turn."""
        for index in self.indices():
            yield self[index]

    def __len__(self) -> int:
        return len(self.indices())

    def note_asset_folder(self, folder: Path) -> None:
        """Note where assets are on this machine; that is a hint, and no part of the dataset."""
        write_whole(self.path / ASSETS_HINT, str(folder).encode())

    def watched(self, note: Callable[[], None]) -> Store:
        """Return the same store, whose iteration calls a function after each item."""
        return _WatchedStore(self.path, note)

    def __contains__(self, index: int) -> bool:
        return (self.folder(index) / _ITEM).is_file()

    def __getitem__(self, index: int) -> StoredItem:
        folder = self.folder(index)
        try:
            return StoredItem(folder, _RECORD.decode((folder / _ITEM).read_bytes()))
        except (OSError, msgspec.DecodeError) as error:
            raise DatasetError(f"{folder / _ITEM}: cannot be read: {error}") from error

    def folder(self, index: int) -> Path:
        """Return the folder of an item."""
        return self.path / _ITEMS / f"{index // _ITEMS_A_FOLDER:03d}" / f"{index:06d}"

    def indices(self) -> list[int]:
        """Return the indices of the items that are there, sorted."""
        found = (self.path / _ITEMS).glob("*/*")
        return sorted(int(path.name) for path in found if path.name.isdecimal())

    @cached_property
    def categories(self) -> list[str]:
        """The names of the categories of all items: first those known in advance, then others, sorted."""
        known = self.manifest.categories
        found = {each.category for item in self for each in item.record.objects if each.category is not None}
        return [*known, *sorted(found.difference(known))]

    def write(self, record: ItemRecord, files: Mapping[str, bytes]) -> None:
        """Write an item as a whole; one that is there already stays as it is.

        Parameters
        ----------
        record : ItemRecord
        files : mapping of str to bytes
            By their paths below the item's folder.

        Raises
        ------
        OSError
        """
        folder = self.folder(record.index)
        beside = folder.parent / _unfinished(self._writer)
        beside.mkdir(parents=True)
        try:
            for name, data in files.items():
                _make_folders(beside, name)
                (beside / name).write_bytes(data)
            (beside / _ITEM).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))
            with suppress(FileExistsError):
                _rename_folder(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def quarantine(self, record: QuarantineRecord) -> None:
        """Note that an item cannot be made."""
        self._quarantine_file(record.index).parent.mkdir(exist_ok=True)
        data = msgspec.json.format(msgspec.json.encode(record), indent=1)
        write_whole(self._quarantine_file(record.index), data, self._writer)

    def quarantined(self) -> list[QuarantineRecord]:
        """Return what cannot be made, by index."""
        paths = sorted((self.path / _QUARANTINE).glob("[0-9]*.json"))
        return [_QUARANTINED.decode(path.read_bytes()) for path in paths]

    def is_quarantined(self, index: int) -> bool:
        """Tell whether it was noted that an item cannot be made."""
        return self._quarantine_file(index).is_file()

    def release(self, indices: Iterable[int] | None = None) -> None:
        """Forget that items are quarantined, so that they are tried again; None = all of them."""
        for index in [each.index for each in self.quarantined()] if indices is None else indices:
            self._quarantine_file(index).unlink(missing_ok=True)

    def sweep(self, is_gone: Callable[[str], bool] = lambda _: True) -> None:
        """Remove what programs that were killed have left unfinished.

        Parameters
        ----------
        is_gone : callable
            Tells whether a writer will write no more. The default is for who knows that nobody else writes.
        """
        for path in [found for folder in _PLACES for found in self.path.glob(f"{folder}{UNFINISHED}*")]:
            writer = path.name.removeprefix(UNFINISHED).partition(".")[0]
            if is_gone(writer):
                _remove(path)

    def _quarantine_file(self, index: int) -> Path:
        return self.path / _QUARANTINE / f"{index:06d}.json"


class _WatchedStore(Store):
    def __init__(self, path: Path, note: Callable[[], None]) -> None:
        super().__init__(path)
        self._note = note

    def __iter__(self) -> Iterator[StoredItem]:
        for item in super().__iter__():
            yield item
            self._note()


def digest_of(data: bytes) -> str:
    """Return the BLAKE3 of a file, in hexadecimal."""
    return blake3(data).hexdigest()


def asset_folders(path: Path) -> list[Path]:
    """Return the folders that a dataset's paths of assets may be relative to, the likeliest first."""
    hint = path / ASSETS_HINT
    told = [Path(hint.read_text())] if hint.is_file() else []
    return list(dict.fromkeys([*told, Path.cwd(), path.absolute(), path.absolute().parent]))


def write_whole(path: Path, data: bytes, writer: str = "") -> None:
    """Write a file beside its place, and rename it: it is there as a whole or not at all."""
    beside = path.with_name(_unfinished(writer))
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, so that it takes no room again; where that is not possible, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _unfinished(writer: str) -> str:
    """Return a new name for what is not whole yet."""
    return f"{UNFINISHED}{writer}.{uuid4().hex}"


def _make_folders(beside: Path, name: str) -> None:
    """Make the folders that a file stands in, below one that is there and is not made again if it is not."""
    for folder in reversed(Path(name).parents[:-1]):
        (beside / folder).mkdir(exist_ok=True)


def _remove(path: Path) -> None:
    """Remove a file or a folder so that whoever still writes it cannot rename it any more."""
    taken = path.with_name(_unfinished("gone"))
    with suppress(FileNotFoundError):
        path.rename(taken)
        shutil.rmtree(taken) if taken.is_dir() else taken.unlink()


def _rename_folder(beside: Path, folder: Path) -> None:
    """Rename a folder; raise FileExistsError if there is one of that name."""
    try:
        beside.rename(folder)
    except OSError:
        if folder.is_dir():
            raise FileExistsError(folder) from None
        raise


def _read_manifest(path: Path) -> Manifest:
    try:
        return _MANIFEST.decode((path / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise DatasetError(f"{path}: is no dataset: it has no {MANIFEST}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise DatasetError(f"{path / MANIFEST}: cannot be read: {error}") from error


def _difference(old: Manifest, new: Manifest) -> str:
    """Tell in what two manifests differ."""
    names = [name for name in Manifest.__struct_fields__ if getattr(old, name) != getattr(new, name)]
    if "versions" in names:
        told = [f"{name} {old.versions.get(name)} -> {version}" for name, version in new.versions.items()]
        return f"it was begun by other versions ({', '.join(told)}), which may render other bytes"
    if "specification" in names:
        keys = {*old.specification, *new.specification}
        differ = sorted(key for key in keys if old.specification.get(key) != new.specification.get(key))
        more = "; export writes other formats of it" if differ == ["formats"] else ""
        return f"it was begun with another specification ({', '.join(differ)}){more}"
    if names == ["source"]:
        return "it was begun when the files that its source names were others, or of other sizes"
    return f"it was begun with other {', '.join(names)}"


_MANIFEST = msgspec.json.Decoder(Manifest)
_RECORD = msgspec.json.Decoder(ItemRecord)
_QUARANTINED = msgspec.json.Decoder(QuarantineRecord)
_ROWS = msgspec.json.Decoder(list[InstanceRow])
