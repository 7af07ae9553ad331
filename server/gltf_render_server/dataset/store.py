"""The store: a folder that keeps each item of a dataset in a folder of its own, without loss.

::

    DIR/
      dataset.json                what all items share: `Manifest`
      items/000/000012/           an item; items/<index // 1000>/<index>
        item.json                 what the item shows: `ItemRecord`
        <view>/<pass>.<suffix>    the array of a pass, encoded as the table of passes says
      .assets                     a hint: where this machine has the files that `ItemRecord.assets` names
      .lock                       locked while formats are written
      quarantine/000017.json      why an item cannot be made: `QuarantineRecord`
      .running/                   which runners work on which items, while a run lasts; see `leases`

An item is written to a temporary folder and then renamed, so the store holds whole items only. The files of
an item depend on the specification, the seed and the index alone: they contain no times and no machine names.
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
from ..process.files import write_whole
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
]

MANIFEST = "dataset.json"
ASSETS_HINT, LOCK = ".assets", ".lock"
RUNNING = ".running"
_ITEMS, _QUARANTINE, UNFINISHED = "items", "quarantine", ".unfinished-"
_NOT_OF_IT = RUNNING, UNFINISHED
_PLACES = "", f"{_ITEMS}/*/", f"{_QUARANTINE}/"
"""Folders in which unfinished files may be left."""

_ITEM = "item.json"
_ITEMS_A_FOLDER = 1000


@dataclass(frozen=True)
class StoredView:
    """A view in the store.

    Attributes
    ----------
    folder : Path
        The folder of the item.
    record : ViewRecord
    """

    folder: Path
    record: ViewRecord

    @property
    def name(self) -> str:
        """Name of the view, unique in its item."""
        return self.record.name

    @property
    def lens(self) -> Lens:
        """Intrinsics and clipping planes; the principal point is in pixels from the upper left corner."""
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
        """Index of the item in the dataset, from 0; the indices of quarantined items are not used again."""
        return self.record.index

    @cached_property
    def views(self) -> tuple[StoredView, ...]:
        """Views of the item, in the order of its frame."""
        return tuple(StoredView(self.folder, view) for view in self.record.views)


class Store:
    """A dataset on disk.

    Parameters
    ----------
    path : Path
    writer : str
        Name of the program that writes, in letters and digits. Unfinished files contain it; see `sweep`.

    Raises
    ------
    DatasetError
        The folder holds no dataset, or one of another layout.
    """

    def __init__(self, path: Path, writer: str = "") -> None:
        self.path = path
        self.manifest = _read_manifest(path)
        self._writer = writer

    @staticmethod
    def begin(path: Path, manifest: Manifest, writer: str = "") -> Store:
        """Begin a dataset, or continue one with the same manifest; several programs may do so at once.

        Raises
        ------
        DatasetError
            The folder holds another dataset, or other files.
        OSError
        """
        if (path / MANIFEST).exists():
            store = Store(path, writer)
            if msgspec.json.encode(store.manifest) != msgspec.json.encode(manifest):
                raise DatasetError(f"{path}: {_difference(store.manifest, manifest)}; give another folder")
            return store
        path.mkdir(parents=True, exist_ok=True)
        if others := {each.name for each in path.iterdir() if not each.name.startswith(_NOT_OF_IT)}:
            if MANIFEST in others:  # another program has just begun the dataset
                return Store.begin(path, manifest, writer)
            raise DatasetError(
                f"{path}: the folder holds other files, but no {MANIFEST}; give a new or an empty folder"
            )
        _write(path / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1), writer)
        return Store(path, writer)

    def __iter__(self) -> Iterator[StoredItem]:
        """Yield the stored items in the order of their indices; each is read just before it is yielded."""
        for index in self.indices():
            yield self[index]

    def __len__(self) -> int:
        return len(self.indices())

    def note_asset_folder(self, folder: Path) -> None:
        """Note where this machine has the assets; the note is a hint and not part of the dataset."""
        _write(self.path / ASSETS_HINT, os.fsencode(folder))

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
        """Return the sorted indices of the stored items."""
        found = (self.path / _ITEMS).glob("*/*")
        return sorted(int(path.name) for path in found if path.name.isdecimal())

    @cached_property
    def categories(self) -> list[str]:
        """Names of all categories: first those of the specification, then all others, sorted."""
        known = self.manifest.categories
        found = {each.category for item in self for each in item.record.objects if each.category is not None}
        return [*known, *sorted(found.difference(known))]

    def write(self, record: ItemRecord, files: Mapping[str, bytes]) -> None:
        """Write an item as a whole; an item that is already stored is not changed.

        Parameters
        ----------
        record : ItemRecord
        files : mapping of str to bytes
            Contents of the files, by their paths below the item's folder.

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

    def is_damaged(self, index: int) -> bool:
        """Return whether a stored item lacks a file or its record, or has an empty one.

        A machine that loses its power leaves such items, although an item is renamed only when its files are
        written. The content of files is not read; `verify` compares it with the digests.
        """
        try:
            item = self[index]
        except DatasetError:
            return True
        names = (file.file for view in item.record.views for file in view.files.values())
        return not all(_has_content(item.folder / name) for name in names)

    def remove(self, index: int) -> None:
        """Remove an item, so that it can be made again."""
        _remove(self.folder(index))

    def quarantine(self, record: QuarantineRecord) -> None:
        """Note that an item cannot be made."""
        self._quarantine_file(record.index).parent.mkdir(exist_ok=True)
        data = msgspec.json.format(msgspec.json.encode(record), indent=1)
        _write(self._quarantine_file(record.index), data, self._writer)

    def quarantined(self) -> list[QuarantineRecord]:
        """Return the records of the quarantined items, sorted by index.

        Raises
        ------
        DatasetError
            A record is damaged.
        """
        paths = sorted((self.path / _QUARANTINE).glob("[0-9]*.json"))
        return [record for path in paths if (record := _read_quarantined(path)) is not None]

    def is_quarantined(self, index: int) -> bool:
        """Return whether an item is quarantined."""
        return self._quarantine_file(index).is_file()

    def release(self, indices: Iterable[int] | None = None) -> None:
        """Remove items from quarantine, so that they are tried again; None = all quarantined items."""
        for index in [each.index for each in self.quarantined()] if indices is None else indices:
            self._quarantine_file(index).unlink(missing_ok=True)

    def sweep(self, is_gone: Callable[[str], bool] = lambda _: True) -> None:
        """Remove the unfinished files of programs that were killed.

        Parameters
        ----------
        is_gone : callable
            Returns whether a writer has ended. The default suits callers that are the only writer.
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
    """Return the folders to which the paths of assets may be relative, the most likely one first."""
    hint = path / ASSETS_HINT
    hinted = [Path(os.fsdecode(hint.read_bytes()))] if hint.is_file() else []
    return list(dict.fromkeys([*hinted, Path.cwd(), path.absolute(), path.absolute().parent]))


def link_or_copy(source: Path, target: Path) -> None:
    """Link a file under a second name, which takes no disk space; copy it where links are not possible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write(path: Path, data: bytes, writer: str = "") -> None:
    write_whole(path, data, _prefix(writer), is_synced=True)


def _unfinished(writer: str) -> str:
    """Return a new name for a file or folder that is still being written."""
    return f"{_prefix(writer)}{uuid4().hex}"


def _prefix(writer: str) -> str:
    return f"{UNFINISHED}{writer}."


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _make_folders(beside: Path, name: str) -> None:
    """Make the folders of a file below an existing folder, which is never made anew."""
    for folder in reversed(Path(name).parents[:-1]):
        (beside / folder).mkdir(exist_ok=True)


def _remove(path: Path) -> None:
    """Remove a file or folder in such a way that a program that still writes it cannot rename it."""
    taken = path.with_name(_unfinished("gone"))
    with suppress(FileNotFoundError):
        path.rename(taken)
        shutil.rmtree(taken) if taken.is_dir() else taken.unlink()


def _rename_folder(beside: Path, folder: Path) -> None:
    """Rename a folder; raise FileExistsError if a folder of that name exists."""
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
        raise DatasetError(f"{path}: the folder is not a dataset, because it has no {MANIFEST}") from None
    except (OSError, msgspec.DecodeError) as error:
        raise DatasetError(f"{path / MANIFEST}: cannot be read: {error}") from error


def _read_quarantined(path: Path) -> QuarantineRecord | None:
    try:
        return _QUARANTINED.decode(path.read_bytes())
    except FileNotFoundError:  # another run has just released the item
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}; delete it to try the item again") from error


def _difference(old: Manifest, new: Manifest) -> str:
    """Describe how two manifests differ."""
    names = [name for name in Manifest.__struct_fields__ if _differ(getattr(old, name), getattr(new, name))]
    if "versions" in names:
        changes = [f"{name} {old.versions.get(name)} -> {version}" for name, version in new.versions.items()]
        return f"the dataset was begun with other versions ({', '.join(changes)}), which may make other files"
    if "specification" in names:
        keys = {*old.specification, *new.specification}
        differ = sorted(
            key for key in keys if _differ(old.specification.get(key), new.specification.get(key))
        )
        more = "; use export to write other formats" if differ == ["formats"] else ""
        return f"the dataset was begun with another specification ({', '.join(differ)}){more}"
    if names == ["source"]:
        return "the dataset was begun with other source files, or with source files of other sizes"
    return f"the dataset was begun with other {', '.join(names)}"


def _differ(old: Any, new: Any) -> bool:
    """Whether values differ in a file: lists and tuples do not, other orders of the keys of a table do."""
    return msgspec.json.encode(old) != msgspec.json.encode(new)


_MANIFEST = msgspec.json.Decoder(Manifest)
_RECORD = msgspec.json.Decoder(ItemRecord)
_QUARANTINED = msgspec.json.Decoder(QuarantineRecord)
_ROWS = msgspec.json.Decoder(list[InstanceRow])
