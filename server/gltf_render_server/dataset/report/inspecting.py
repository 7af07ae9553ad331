"""Writes a page that shows a dataset in a browser without a server or a network.

The folder ``page_files`` beside ``page.html`` holds small pictures and data. The data are scripts, because a
page that is opened from a file can load nothing else. The page links to the dataset's own pictures.
"""

from __future__ import annotations

import html
import os
import re
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from ...errors import DatasetError
from ..records import ItemRecord, QuarantineRecord
from ..store import Store, StoredItem
from .figures import Figures
from .objects import Colour, category_colours
from .records import InspectedItem, ViewDetails, ViewRow, inspect_item

__all__ = ["inspect"]

_PAGE = Path(__file__).parent / "page"
_PROGRAM = "tools", "files", "picture", "filters", "gallery", "viewer", "overview", "main"
"""The parts of the page's program, in the order in which they are put together."""

_SUMMARY = "summary.js"
_VIEWS_A_FILE = 4000
_DETAILS_A_FILE = 64
_ITEM = re.compile(r"\bitems?/(?:\d+/)?0*(\d+)\b|\bitem 0*(\d+)\b")

Progress = Callable[[int, int], None]


def inspect(
    path: Path,
    out: Path | None = None,
    *,
    findings: Iterable[str] = (),
    progress: Progress = lambda _done, _of: None,
) -> Path:
    """Write a page that shows a dataset.

    Parameters
    ----------
    path : Path
        The dataset's folder. The page lists items that cannot be read, and shows all others.
    out : Path or None
        The page; None = ``report/index.html`` in the dataset's folder. A page that this function wrote before
        is replaced.
    findings : iterable of str
        Problems that `verify` has found. A finding that names an item is shown with that item.
    progress : callable
        Called with the number of finished items and the number of all items.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DatasetError
        The folder holds no dataset, or the folder for the page's files holds other files.
    OSError
        The page cannot be written.
    """
    store = Store(path)
    out = path / "report" / "index.html" if out is None else out
    files = out.with_name(f"{out.stem}_files")
    _clear(files)
    findings = list(findings)
    report = _Report(store, files, findings)
    indices = store.indices()
    for done, found in enumerate(report.inspected(indices), start=1):
        report.add(found)
        progress(done, len(indices))
    report.finish(_address(store.path, out.parent))
    out.write_text(_page(store.path.resolve().name, files.name), encoding="utf-8")
    return out


class _Report:
    def __init__(self, store: Store, files: Path, findings: list[str]) -> None:
        self._store, self._files = store, files
        self._findings = [(_item_of(finding), finding) for finding in findings]
        self._added: set[int] = set()
        self._figures = Figures()
        self._categories = {name: place for place, name in enumerate(store.manifest.categories)}
        self._colours = category_colours(self._categories)
        self._broken: list[QuarantineRecord] = []
        self._rows: list[ViewRow] = []
        self._details: list[ViewDetails] = []
        self._items = self._views = self._files_of_views = self._files_of_details = 0

    def inspected(self, indices: Iterable[int]) -> Iterator[InspectedItem]:
        """Yield the inspected items in order; threads read a few of them ahead."""
        workers = min(8, os.cpu_count() or 1)
        with ThreadPoolExecutor(workers, "inspect") as pool:
            running: deque[Future[InspectedItem]] = deque()
            for index in indices:
                running.append(pool.submit(self._inspect, *self._opened(index)))
                if len(running) > 2 * workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()

    def add(self, found: InspectedItem) -> None:
        """Collect an inspected item, and write a file whenever one is full."""
        if found.rows:
            self._items += 1
            self._add_findings(found.rows)
        for row, details, shown in zip(found.rows, found.details, found.shown, strict=True):
            self._views += 1
            self._figures.add(shown)
            self._rows.append(row)
            self._details.append(details)
            if len(self._details) == _DETAILS_A_FILE:
                self._write_details()
            if len(self._rows) == _VIEWS_A_FILE:
                self._write_rows()

    def finish(self, address: str) -> None:
        """Write the last files and the summary."""
        self._write_details()
        self._write_rows()
        manifest = self._store.manifest
        quarantined = self._store.quarantined()
        broken = [*quarantined, *self._broken]
        summary = {
            "name": self._store.path.resolve().name,
            "address": address,
            "named": manifest.items,
            "items": self._items,
            "quarantined": len(quarantined),
            "views": self._views,
            "up": manifest.up_axis,
            "seed": manifest.seed,
            "versions": manifest.versions,
            "passes": [[each.name, each.dtype, each.unit, each.summary] for each in manifest.passes],
            "specification": manifest.specification,
            "categories": [[name, f"#{bytes(self._colours[name]).hex()}"] for name in self._categories],
            "labels": dict(self._figures.labels),
            "truncated": dict(self._figures.truncated),
            "figures": self._figures.histograms(),
            "broken": [[each.index, each.name, each.kind, each.reason] for each in broken],
            "findings": [finding for item, finding in self._findings if item not in self._added],
            "viewFiles": self._files_of_views,
            "detailsAFile": _DETAILS_A_FILE,
        }
        self._write(_SUMMARY, "summary", summary)

    def _opened(self, index: int) -> tuple[StoredItem | None, dict[str, int], dict[str, Colour]]:
        """Read the record of an item, and number its new categories in the order of the items."""
        try:
            item = self._store[index]
        except DatasetError as error:
            self._broken.append(QuarantineRecord(index, "", type(error).__name__, str(error)))
            return None, {}, {}
        self._know_categories(item.record)
        return item, self._categories, self._colours

    def _know_categories(self, record: ItemRecord) -> None:
        found = dict.fromkeys(each.category for each in record.objects if each.category is not None)
        if new := [name for name in found if name not in self._categories]:
            names = [*self._categories, *new]
            self._categories = {name: place for place, name in enumerate(names)}
            self._colours = category_colours(names)

    def _inspect(
        self, item: StoredItem | None, categories: dict[str, int], colours: dict[str, Colour]
    ) -> InspectedItem:
        if item is None:
            return InspectedItem()
        folder = self._files / "pictures" / _folder_of(item.index)
        return inspect_item(item, categories, colours, folder)

    def _add_findings(self, rows: list[ViewRow]) -> None:
        """Add findings to the problems of the view that they name, or else of the item's first view."""
        index = rows[0].index
        self._added.add(index)
        for finding in (finding for item, finding in self._findings if item == index):
            named = (row for row in rows if f", {row.view}" in finding)
            next(named, rows[0]).problems.append(finding)

    def _write_rows(self) -> None:
        if self._rows:
            self._write(f"views-{self._files_of_views:04d}.js", "views", self._rows)
            self._files_of_views += 1
            self._rows = []

    def _write_details(self) -> None:
        if self._details:
            number = self._files_of_details
            self._write(f"details-{number:05d}.js", "details", [number, self._details])
            self._files_of_details += 1
            self._details = []

    def _write(self, name: str, function: str, content: Any) -> None:
        """Write a script that passes data to the page."""
        data = b"dataset.%s(%s);\n" % (function.encode(), msgspec.json.encode(content))
        (self._files / name).write_bytes(data)


def _folder_of(index: int) -> str:
    return f"{index // 1000:03d}/{index:06d}"


def _clear(files: Path) -> None:
    """Make the folder of the page's files; only the folder of an earlier page is replaced."""
    if files.exists():
        if any(files.iterdir()) and not (files / _SUMMARY).is_file():
            raise DatasetError(
                f"{files}: the folder holds files of something else; choose another name for the page"
            )
        shutil.rmtree(files)
    files.mkdir(parents=True)
    (files / _SUMMARY).write_bytes(b"")  # marks the folder, so that an unfinished page can be replaced too


def _item_of(finding: str) -> int | None:
    """Return the index of the item that a finding names; None = it names no item."""
    found = _ITEM.search(finding)
    return int(found[1] or found[2]) if found else None


def _address(target: Path, start: Path) -> str:
    """Return the relative address of a folder; its full address if it is on another drive."""
    try:
        return Path(os.path.relpath(target.resolve(), start.resolve())).as_posix()
    except ValueError:
        return target.resolve().as_uri()


def _page(title: str, files: str) -> str:
    """Return the page, with its style and its program embedded."""
    page, style, *program = (
        (_PAGE / name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", *(f"{part}.js" for part in _PROGRAM))
    )
    parts = {
        "TITLE": html.escape(title),
        "FILES": html.escape(files),
        "STYLE": style,
        "PROGRAM": "\n".join(program),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)
