"""Tells from the text of msgspec's errors, which have no other members, what is wrong and where."""

from __future__ import annotations

import re

import msgspec

__all__ = ["what_and_where", "what_is_no_json"]

_BYTE = re.compile(r"\(byte (\d+)\)")
_SHOWN_BYTES = 20
_PLACE = re.compile(r"(?P<what>.*) - at (?P<key>`key` in )?`(?P<where>\$[^`]*)`", re.DOTALL)


def what_and_where(error: msgspec.ValidationError) -> tuple[str, str]:
    """Split the text of an error into what is wrong and where.

    Parameters
    ----------
    error : msgspec.ValidationError

    Returns
    -------
    what : str
        Such as ``Expected `int`, got `str```.
    where : str
        The place in JSON-path form, such as ``$.nodes[3].mesh``; ``$`` = the value as a whole. For a key, it
        is the place of the object that has this key.
    """
    text = str(error)
    found = _PLACE.fullmatch(text)
    if found is None:
        return text, "$"
    return found["what"] + (" as a key" if found["key"] else ""), found["where"]


def what_is_no_json(error: msgspec.DecodeError | UnicodeDecodeError, data: bytes) -> str:
    """Return what is wrong with bytes that are not JSON, and the text there, such as NaN."""
    what = str(error).removeprefix("JSON is malformed: ")[:200]
    found = _BYTE.search(what)
    if found is None:
        return what
    begin = int(found[1])
    return f"{what} at {data[begin : begin + _SHOWN_BYTES].decode(errors='replace')!r}"
