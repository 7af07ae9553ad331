"""How much time of a processor something takes, whatever else the machine and the process do."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Spent:
    """The time of this thread in a block, seconds; known after it."""

    seconds = 0.0


@contextmanager
def spending() -> Iterator[Spent]:
    """Measure a block. Nothing is collected in it: that takes a second where much else is in memory."""
    spent = Spent()
    gc.disable()
    started_s = time.thread_time()
    try:
        yield spent
    finally:
        spent.seconds = time.thread_time() - started_s
        gc.enable()
