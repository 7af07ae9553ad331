"""The runner: has an engine make the items of a plan that are not there yet, and writes them into the store.

Any number of runners may work on one folder, on one machine or on many: each item is made by whoever has its
lease. A runner that is killed leaves nothing broken, and the same command goes on where it was.
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

from .engines import Engine, Failed, Outcome, Plan
from .interruption import Interruption
from .item import MadeItem
from .leases import LEASE_S, Leases
from .records import QuarantineRecord
from .store import Store

__all__ = ["Progress", "Shard", "Summary", "run"]

RETRIES = 2
_MOST_IN_A_ROW = 25  # that fail, or cannot be made for one reason: then it is no item's fault
_LOOK_S = 0.5  # between two looks at items that others have
_STATUS_OF_SIGINT = 130


@dataclass(frozen=True)
class Shard:
    """A block of a dataset's indices: the number-th of so many, from 1 on. Neighbours share scenes."""

    number: int = 1
    of: int = 1

    def indices(self, items: int) -> range:
        """Return the block's indices."""
        return range((self.number - 1) * items // self.of, self.number * items // self.of)


@dataclass
class Summary:
    """What has become of the items of a shard.

    Attributes
    ----------
    items : int
        In the shard.
    before : int
        Those that were there, or quarantined, when the run began.
    made : int
    by_others : int
        Those that other runners made, or quarantined, meanwhile.
    quarantined : list of QuarantineRecord
        Those that this run found that cannot be made.
    failed : dict of int to Failed
        Those that failed in each of their tries.
    elapsed_s : float
    ended : str
        Why the run ended before all items were tried; empty = it did not.
    is_interrupted : bool
        Whether that was a signal.
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
        """How many items are there, or quarantined."""
        return self.before + self.made + self.by_others + len(self.quarantined)

    @property
    def exit_code(self) -> int:
        """0 = all that can be made is there, 1 = something is missing, 130 = interrupted."""
        if self.is_interrupted:
            return _STATUS_OF_SIGINT
        return int(self.finished < self.items or bool(self.ended))


class Progress(Protocol):
    """Is told how far a run is."""

    def update(self, summary: Summary) -> None:
        """Show a summary, which changes as the run goes on."""
        ...

    def tell(self, line: str) -> None:
        """Show a line that stays."""
        ...


class _Silence:
    def update(self, summary: Summary) -> None:
        """Show nothing."""

    def tell(self, line: str) -> None:
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
    """Make the items of a plan that are not there yet.

    Parameters
    ----------
    plan : Plan
    path : Path
        The dataset's folder: a new one, or one that was begun with the same plan.
    engine : Engine
        Stays open.
    shard : Shard
        The items that are this runner's business.
    retries : int
        How often an item is tried again that failed, after all others were tried.
    retry_quarantined : bool
        Whether items are tried, too, that were found impossible before.
    lease_s : float
        See `leases.LEASE_S`.
    progress : Progress

    Returns
    -------
    Summary
        Also where a signal ended the run.

    Raises
    ------
    DatasetError
        The folder holds something else.
    SettingsError
        No item can be made with this engine.
    OSError
        The folder cannot be written.
    """
    summary = Summary(len(shard.indices(len(plan))))
    with Interruption() as interruption:
        try:
            with Leases(path, lease_s) as leases:
                store = Store.begin(path, plan.manifest(engine.versions), leases.name)
                store.sweep(leases.is_gone)
                if retry_quarantined:
                    store.release(shard.indices(len(plan)))
                _Run(plan, store, engine, leases, interruption, progress, shard, retries, summary).finish()
        except KeyboardInterrupt:
            summary.ended = "it was interrupted"
            summary.is_interrupted = True
        progress.update(summary)
        return summary


class _Run:
    def __init__(
        self,
        plan: Plan,
        store: Store,
        engine: Engine,
        leases: Leases,
        interruption: Interruption,
        progress: Progress,
        shard: Shard,
        retries: int,
        summary: Summary,
    ) -> None:
        self._plan = plan
        self._store = store
        self._engine = engine
        self._leases = leases
        self._interruption = interruption
        self._progress = progress
        self._most_tries = retries + 1
        self._tries: Counter[int] = Counter()
        self._failures_in_a_row = 0
        self._reasons: set[str] | None = None if store.indices() else set()
        self._first: set[int] = set()  # those that were begun first, whichever is done first
        self._indices = shard.indices(len(plan))
        self._is_left = np.ones(len(self._indices), bool)
        for index in (*store.indices(), *(each.index for each in store.quarantined())):
            if index in self._indices:
                self._is_left[self._indices.index(index)] = False
        self.summary = summary
        summary.before = len(self._indices) - int(self._is_left.sum())
        self._started_s = time.monotonic()

    def finish(self) -> None:
        """Try all items, and those again that failed or that others had."""
        while self._is_left.any() and not self.summary.ended:
            if not self._make_some():
                time.sleep(_LOOK_S)  # others have all that is left
            self._show()
        if not self.summary.ended and not len(self._store) and len(self._indices) == len(self._plan):
            self.summary.ended = "none of its items can be made"

    def _make_some(self) -> bool:
        """Make all items whose leases are free; tell whether there was any."""
        was_any = False
        with closing(self._engine.run(self._plan, self._leased())) as outcomes:
            for outcome in outcomes:
                was_any = True
                with self._interruption.held():
                    self._note(outcome)
                self._show()
                if self.summary.ended:
                    break
        return was_any

    def _leased(self) -> Iterator[int]:
        """Take the lease of one item after another; who is not alone begins where hardly anybody does."""
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
            self._progress.tell(f"{_told(outcome)} cannot be made: {outcome.reason}")
            self._settle(outcome.index)
            self._note_reason(outcome)
        else:
            self._reasons = None
            self.summary.made += 1
            self._settle(outcome.record.index)

    def _note_reason(self, outcome: QuarantineRecord) -> None:
        """End the run where the first items all cannot be made for one reason: they are not to blame."""
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
                f"specification may be to blame; none of them is quarantined: {outcome.reason}"
            )

    def _written(self, made: MadeItem) -> MadeItem | Failed:
        try:
            self._store.write(made.record, made.files)
        except FileNotFoundError as error:  # this runner was taken for gone
            return Failed(made.record.index, made.record.name, type(error).__name__, str(error))
        return made

    def _note_failure(self, failure: Failed) -> None:
        index = failure.index
        self._tries[index] += 1
        is_over = self._tries[index] >= self._most_tries
        self._progress.tell(
            f"{_told(failure)} failed{'' if is_over else ', and is tried again later'}: {failure.reason}"
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


def _told(outcome: QuarantineRecord | Failed) -> str:
    return f"item {outcome.index} ({outcome.name})"
