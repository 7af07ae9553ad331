"""Adds to the errors of a specification what helps: keys, words, and the names of keys that are wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..suggestions import STEP, Json, Spot

__all__ = ["helped"]

_LIMIT = re.compile(r"Expected `[^`]*` (?:[<>]=? |of length|matching regex)(?:(?!, got )[^`])*")
_TABLE_FOR_LIST = re.compile(r"Expected `array( \| null)?`, got `object`")
_LONGEST = 40


def helped(what: str, place: str, raw: Any, schema: Json, is_wrong: Callable[[Any], bool]) -> tuple[str, str]:
    """Return the text of an error with what helps, and its place with the names of all keys.

    Parameters
    ----------
    what, place : str
        See `mismatch.what_and_where`.
    raw : object
        The decoded data.
    schema : dict
        The JSON schema of the data.
    is_wrong : callable
        Whether data that are like the raw data, but with one key of a table only, have the same error.
    """
    spot = _Spot(raw, schema, [schema])
    for step in STEP.finditer(place):
        spot = spot.below(step["key"], step["index"], is_wrong)
    return what.replace(" | null`", "`") + spot.suggestion(what), spot.place


class _Spot(Spot):
    """A place in the data of a specification, with the value there."""

    def __init__(
        self,
        value: Any,
        schema: Json,
        nodes: Iterable[Json],
        place: str = "",
        put: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        super().__init__(schema, nodes)
        self.value, self.place, self._put = value, place, put

    def below(self, key: str | None, index: str | None, is_wrong: Callable[[Any], bool]) -> _Spot:
        """Return the place below; without key and index, that of the first entry of a table that is wrong."""
        nodes = self.nodes_below(key, index)
        if index is not None:
            return self._spot(int(index), nodes, f"[{index}]")
        if key is not None:
            return self._spot(key, nodes, f".{key}")
        wrong = (name for name, each in self.value.items() if is_wrong(self._put({name: each})))
        name = next(wrong, next(iter(self.value)))
        return self._spot(name, nodes, f".{name[:_LONGEST]}")

    def suggestion(self, what: str) -> str:
        if _LIMIT.fullmatch(what):
            about = self.description()
            return f", got {_shown(self.value)}" + (f". {about}".rstrip(".") if about else "")
        if _TABLE_FOR_LIST.fullmatch(what):
            return f"; write [[{self.place}]], with two brackets, for each table of a list"
        return super().suggestion(what)

    def suggestion_for_key(self, key: str) -> str:
        if self.place and key in self.resolve(self._schema)["properties"] and key not in self.keys():
            return f"; `{key}` is a key of the file itself, so write it above the first [table]"
        return super().suggestion_for_key(key)

    def tables(self) -> Iterator[Json]:
        """Yield the schemas of tables; if the data say which kind it is, only that of this kind."""
        tables = [*super().tables()]
        kind = self.value.get("kind") if isinstance(self.value, dict) else None
        named = [node for node in tables if kind in node["properties"].get("kind", {}).get("enum", ())]
        yield from named or tables

    def _spot(self, key: str | int, nodes: list[Json], step: str) -> _Spot:
        def put(value: Any) -> Any:
            if isinstance(key, str):
                return self._put({**self.value, key: value})
            return self._put([*self.value[:key], value, *self.value[key + 1 :]])

        value = self.value[key] if isinstance(key, int) else self.value.get(key)
        return _Spot(value, self._schema, nodes, (self.place + step).removeprefix("."), put)


def _shown(value: Any) -> str:
    if isinstance(value, list | dict):
        return str(len(value))
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
