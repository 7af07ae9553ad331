"""What was made of a scene's parts, by their content; what was not used for long gives way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["ContentCache"]

_Part = TypeVar("_Part")


class ContentCache(Generic[_Part]):
    """Remembers parts by all that they were made from, so no picture shows what is remembered.

    Parameters
    ----------
    size : callable of a part to int
        What a part takes, bytes.
    most_bytes : int
        What all of them may take; the last one is kept whatever it takes.
    """

    def __init__(self, size: Callable[[_Part], int], most_bytes: int) -> None:
        self._size = size
        self._most_bytes = most_bytes
        self._bytes = 0
        self._parts: OrderedDict[Hashable, _Part] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], _Part]) -> _Part:
        """Return the part of a key; make it if it is not there."""
        if key in self._parts:
            self._parts.move_to_end(key)
            return self._parts[key]
        part = self._parts[key] = make()
        self._bytes += self._size(part)
        while self._bytes > self._most_bytes and len(self._parts) > 1:
            _, oldest = self._parts.popitem(last=False)
            self._bytes -= self._size(oldest)
        return part
