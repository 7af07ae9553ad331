"""The runner: lets an engine make the missing items of a plan, and writes them into the store.

Any number of runners may work on one folder, on one machine or on many. The runner that holds the lease of an
item makes it. A runner that is killed leaves nothing broken, and the same command continues its work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import DatasetError
from ..process.interruption import held_interruption, interruption
from .engines import Engine, Failed, Outcome, Plan
from .item import MadeItem
from .leases import LEASE_S, Leases
from .records import QuarantineRecord
from .store import Store

__all__ = ["Progress", "Shard", "Summary", "run"]

RETRIES = 2
_MOST_IN_A_ROW = 25  # items that fail or are impossible for one reason: no item is to blame then
_LOOK_S = 0.5  # between two looks at items that other runners make
_STATUS_OF_SIGINT = 130


@dataclass(frozen=True)
class Shard:
    """One of ``of`` blocks of a dataset's indices; ``number`` counts from 1. Neighbours share scenes."""

    number: int = 1
    of: int = 1

    def indices(self, items: int) -> range:
        """Return the indices of the block."""
        return range((self.number - 1) * items // self.of, self.number * items // self.of)


@dataclass
class Summary:
    """The results of a run for the items of its shard.

    Attributes
    ----------
    items : int
        Number of items in the shard.
    before : int
        Number of items that were stored or quarantined when the run began.
    made : int
        Number of items that this run made.
    by_others : int
        Number of items that other runners made or quarantined during the run.
    quarantined : list of QuarantineRecord
        Items that this run quarantined, because they cannot be made.
    failed : dict of int to Failed
        Items that failed each time they were tried, by their indices.
    elapsed_s : float
    ended : str
        Why the run ended before all items were tried; empty = all were tried.
    is_interrupted : bool
        Whether a signal ended the run.
    """

    items: int
    before: int = 0
    made: int = 0
    by_others: int = 0
    quarantined: list[QuarantineRecord] = field(default_factory=list)
    failed: dict[int, Failed] = field(default_factory=dict)
    elapsed_s: float = 0.0
    ended: str = ""
    is_interrupted: bool = False

    @property
    def finished(self) -> int:
        """Number of items that are stored or quarantined."""
        return self.before + self.made + self.by_others + len(self.quarantined)

    @property
    def exit_code(self) -> int:
        """0 = all possible items are stored, 1 = items are missing, 130 = interrupted."""
        if self.is_interrupted:
            return _STATUS_OF_SIGINT
        return int(self.finished < self.items or bool(self.ended))


class Progress(Protocol):
    """Shows the progress of a run."""

    def update(self, summary: Summary) -> None:
        """Show a summary, which changes as the run goes on."""
        ...

    def show(self, line: str) -> None:
        """Show a line that stays visible."""
        ...


class _Silence:
    def update(self, summary: Summary) -> None:
        """Show nothing."""

    def show(self, line: str) -> None:
        """Show nothing."""


_ALL, _SILENCE = Shard(), _Silence()


def run(
    plan: Plan,
    path: Path,
    engine: Engine,
    *,
    shard: Shard = _ALL,
    retries: int = RETRIES,
    retry_quarantined: bool = False,
    lease_s: float = LEASE_S,
    progress: Progress = _SILENCE,
) -> Summary:
    """Make the items of a plan that are not stored yet.

    Parameters
    ----------
    plan : Plan
    path : Path
        The dataset's folder: a new one, or one that was begun with the same plan.
    engine : Engine
        The caller closes it.
    shard : Shard
        The items that this runner makes.
    retries : int
        How often a failed item is tried again, each time after all other items.
    retry_quarantined : bool
        Whether quarantined items are tried again.
    lease_s : float
        See `leases.LEASE_S`.
    progress : Progress

    Returns
    -------
    Summary
        It is returned as well if a signal ended the run.

    Raises
    ------
    DatasetError
        The folder holds another dataset, or other files, or it is a file.
    SettingsError
        The engine cannot make any item.
    OSError
        The folder cannot be written.
    """
    if path.exists() and not path.is_dir():
        raise DatasetError(f"{path}: is a file; give a new or an empty folder")
    summary = Summary(len(shard.indices(len(plan))))
    with interruption():
        try:
            with Leases(path, lease_s) as leases:
                store = Store.begin(path, plan.manifest(engine.versions), leases.name)
                store.sweep(leases.is_gone)
                _examine(store, shard.indices(len(plan)), leases, progress, summary)
                if retry_quarantined:
                    store.release(shard.indices(len(plan)))
                _Run(plan, store, engine, leases, progress, shard, retries, summary).finish()
        except KeyboardInterrupt:
            summary.ended = "it was interrupted"
            summary.is_interrupted = True
        progress.update(summary)
        return summary


def _examine(store: Store, indices: range, leases: Leases, progress: Progress, summary: Summary) -> None:
    """Count the stored items. Remove those that are not whole, unless another runner works on them."""
    for index in store.indices():
        if index not in indices:
            continue
        if store.is_damaged(index) and leases.take(index):
            if store.folder(index).is_dir() and store.is_damaged(index):
                progress.show(
                    f"item {index} is damaged, perhaps because the machine stopped; it is made again"
                )
                store.remove(index)
            leases.give_back(index)
        else:
            summary.before += 1
            progress.update(summary)


class _Run:
    def __init__(
        self,
        plan: Plan,
        store: Store,
        engine: Engine,
        leases: Leases,
        progress: Progress,
        shard: Shard,
        retries: int,
        summary: Summary,
    ) -> None:
        self._plan = plan
        self._store = store
        self._engine = engine
        self._leases = leases
        self._progress = progress
        self._most_tries = retries + 1
        self._tries: Counter[int] = Counter()
        self._failures_in_a_row = 0
        self._reasons: set[str] | None = None if store.indices() else set()
        self._first: set[int] = set()  # the first items that were begun, in whatever order they end
        self._indices = shard.indices(len(plan))
        self._is_left = np.ones(len(self._indices), bool)
        for index in (*store.indices(), *(each.index for each in store.quarantined())):
            if index in self._indices:
                self._is_left[self._indices.index(index)] = False
        self.summary = summary
        summary.before = len(self._indices) - int(self._is_left.sum())
        self._started_s = time.monotonic()

    def finish(self) -> None:
        """Make all items; failed items, and items that other runners had leased, are tried again."""
        while self._is_left.any() and not self.summary.ended:
            if not self._make_some():
                time.sleep(_LOOK_S)  # other runners have leased all items that are left
            self._show()
        if not self.summary.ended and not len(self._store) and len(self._indices) == len(self._plan):
            self.summary.ended = "none of the items can be made"

    def _make_some(self) -> bool:
        """Make all items whose leases are free; return whether there were any."""
        was_any = False
        with closing(self._engine.run(self._plan, self._leased())) as outcomes:
            for outcome in outcomes:
                was_any = True
                with held_interruption():
                    self._note(outcome)
                self._show()
                if self.summary.ended:
                    break
        return was_any

    def _leased(self) -> Iterator[int]:
        """Lease one item after another; beside other runners, begin at a place that depends on the name."""
        left = np.flatnonzero(self._is_left)
        if self._leases.others():
            left = np.roll(left, -(int(self._leases.name, 16) % len(left)))
        for index in (self._indices[place] for place in left):
            if not self._leases.take(index):
                continue
            if index in self._store or self._store.is_quarantined(index):
                self.summary.by_others += 1
                self._settle(index)
            else:
                if len(self._first) < _MOST_IN_A_ROW:
                    self._first.add(index)
                yield index

    def _note(self, outcome: Outcome) -> None:
        if isinstance(outcome, MadeItem):
            outcome = self._written(outcome)
        if isinstance(outcome, Failed):
            self._note_failure(outcome)
            return
        self._failures_in_a_row = 0
        if isinstance(outcome, QuarantineRecord):
            self._store.quarantine(outcome)
            self.summary.quarantined.append(outcome)
            self._progress.show(f"{_named(outcome)} cannot be made: {outcome.reason}")
            self._settle(outcome.index)
            self._note_reason(outcome)
        else:
            self._reasons = None
            self.summary.made += 1
            self._settle(outcome.record.index)

    def _note_reason(self, outcome: QuarantineRecord) -> None:
        """End the run if none of the first items can be made for one reason: the items are not to blame."""
        if self._reasons is None:
            return
        self._reasons.add(outcome.reason.replace(outcome.name, ""))
        if len(self._reasons) > 1:
            self._reasons = None
            return
        found = self.summary.quarantined
        if len(self._first) == _MOST_IN_A_ROW and self._first <= {each.index for each in found}:
            self._store.release([each.index for each in found])
            found.clear()
            self.summary.ended = (
                f"the first {_MOST_IN_A_ROW} items cannot be made, all for the same reason, so the "
                f"specification may be wrong; they are not quarantined: {outcome.reason}"
            )

    def _written(self, made: MadeItem) -> MadeItem | Failed:
        try:
            self._store.write(made.record, made.files)
        except FileNotFoundError as error:  # other runners assumed that this one had ended
            return Failed(made.record.index, made.record.name, type(error).__name__, str(error))
        return made

    def _note_failure(self, failure: Failed) -> None:
        index = failure.index
        self._tries[index] += 1
        is_over = self._tries[index] >= self._most_tries
        self._progress.show(
            f"{_named(failure)} failed{'' if is_over else ' and will be tried again'}: {failure.reason}"
        )
        if is_over:
            self.summary.failed[index] = failure
            self._settle(index)
        self._failures_in_a_row += 1
        if self._failures_in_a_row == _MOST_IN_A_ROW:
            self.summary.ended = f"{_MOST_IN_A_ROW} items failed one after another"

    def _settle(self, index: int) -> None:
        self._is_left[self._indices.index(index)] = False
        self._leases.give_back(index)

    def _show(self) -> None:
        self.summary.elapsed_s = time.monotonic() - self._started_s
        self._progress.update(self.summary)


def _named(outcome: QuarantineRecord | Failed) -> str:
    return f"item {outcome.index} ({outcome.name})"
