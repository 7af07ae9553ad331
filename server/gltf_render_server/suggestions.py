"""Adds to msgspec's errors what helps: the keys and words that the JSON schema of the type allows there."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["STEP", "Json", "Spot", "with_suggestion"]

Json = dict[str, Any]

STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>[0-9]+)\]|\[\.\.\.\]")
"""A step of the place of an error; without key and index, it is some entry of a table."""

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_WORD = re.compile(r"Invalid (?P<enum>enum )?value '?(?P<value>.*?)'?", re.DOTALL)
_TYPES = {"number": "a number", "integer": "a whole number", "array": "a list", "object": "a table"}


def with_suggestion(what: str, place: str, schema: Json) -> str:
    """Return the text of an error with the keys or words that were probably meant, or all that are valid.

    Parameters
    ----------
    what, place : str
        See `mismatch.what_and_where`.
    schema : dict
        The JSON schema of the type, as msgspec makes it.
    """
    spot = Spot(schema, [schema])
    for step in STEP.finditer(place):
        spot = Spot(schema, spot.nodes_below(step["key"], step["index"]))
    return what + spot.suggestion(what)


class Spot:
    """A place in data, with the schemas that it may match."""

    def __init__(self, schema: Json, nodes: Iterable[Json]) -> None:
        self._schema = schema
        self._nodes = [*self._resolved(nodes)]

    def nodes_below(self, key: str | None, index: str | None) -> list[Json]:
        """Return the schemas of a key, of an item of a list or, without both, of the entries of a table."""
        if index is not None:
            found: Iterator[Any] = (_item(node, int(index)) for node in self._nodes)
        elif key is not None:
            found = (node["properties"].get(key) for node in self.tables())
        else:
            found = (node.get("additionalProperties") for node in self._nodes)
        return [node for node in found if isinstance(node, dict)]

    def suggestion(self, what: str) -> str:
        """Return what is added to the text of an error."""
        if found := _UNKNOWN.fullmatch(what):
            return self.suggestion_for_key(found[1])
        if found := _MISSING.fullmatch(what):
            nodes = [node["properties"].get(found[1], {}) for node in self.tables()]
            kinds = _kinds(self._resolved(nodes))
            return f"; it can be {_listed(kinds)}" if kinds else ""
        if found := _WORD.fullmatch(what):
            return _choice(found["value"], _words(self._nodes) if found["enum"] else _kinds(self._nodes))
        return ""

    def suggestion_for_key(self, key: str) -> str:
        """Return what is added about a key that does not exist."""
        return _choice(key, self.keys(), "the key can be")

    def keys(self) -> list[str]:
        """Return the names of all keys that the place can have."""
        return [*dict.fromkeys(name for node in self.tables() for name in node["properties"])]

    def tables(self) -> Iterator[Json]:
        """Yield the schemas of tables with known keys."""
        return (node for node in self._nodes if "properties" in node)

    def description(self) -> str:
        """Return the description of the pattern that a text must match, or ""."""
        return next((node["description"] for node in self._nodes if "pattern" in node), "")

    def _resolved(self, nodes: Iterable[Json]) -> Iterator[Json]:
        """Yield schemas without references and alternatives."""
        for node in nodes:
            found = self.resolve(node)
            if "anyOf" in found:
                about = {"description": found["description"]} if "description" in found else {}
                yield from self._resolved({**about, **each} for each in found["anyOf"])
            else:
                yield found

    def resolve(self, node: Json) -> Json:
        """Return what a schema refers to."""
        while "$ref" in node:
            node = self._schema["$defs"][node["$ref"].rpartition("/")[2]]
        return node


def _item(node: Json, number: int) -> Any:
    first = node.get("prefixItems", ())
    return first[number] if number < len(first) else node.get("items")


def _words(nodes: Iterable[Json]) -> list[str]:
    """Return the words that schemas allow, and what else they allow."""
    words: list[str] = []
    others: list[str] = []
    for node in nodes:
        words += [word if isinstance(word, str) else json.dumps(word) for word in node.get("enum", ())]
        others += [_TYPES[node["type"]]] if node.get("type") in _TYPES else []
    return [*dict.fromkeys(words + others)]


def _kinds(nodes: Iterable[Json]) -> list[str]:
    """Return the kinds of tables that schemas allow."""
    kinds: list[str] = []
    for node in nodes:
        kinds += node.get("properties", {}).get("kind", {}).get("enum", ()) or node.get("enum", ())
    return [*dict.fromkeys(kinds)]


def _choice(value: str, words: list[str], introduction: str = "it can be") -> str:
    close = difflib.get_close_matches(value.lower(), words, 1)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; {introduction} {_listed(words)}" if words else ""


def _listed(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
