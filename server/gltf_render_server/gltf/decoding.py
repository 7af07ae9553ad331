"""Decodes bytes to JSON, keeping only the members that the schema names, and converts JSON to types."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError
from ..mismatch import what_and_where, what_is_no_json
from . import schema

__all__ = [
    "BYTES_OF_AN_OBJECT",
    "convert",
    "count_values",
    "decode",
    "decode_nodes",
    "decode_whole",
    "find_nodes",
    "has_few_values",
    "schema_error",
    "split_nodes",
]

BYTES_OF_AN_OBJECT = 12
"""The memory that decoded JSON takes for each byte of its text, measured with nodes and accessors."""

_MARK = b"\xef\xbb\xbf"  # the byte order mark of UTF-8
_DEEPEST = 100  # nesting levels in the parts that the schema leaves open; glTF itself needs ten
_MOST_VALUES = 2_000_000  # enough for 100,000 nodes with matrices; each value takes about 100 bytes
_LARGEST_WHOLE = 2**53  # larger floats are always integral, so they need not be meant as integers
_CHUNK_BYTES = 2**18  # fits into the processor's cache
_LARGE_BYTES = 2**24  # below this size, scanning all is as fast as searching for data: URIs
_MOST_URIS = 10_000  # the number of URIs that are searched for
# the extensions of materials are copied, digested and written without conversion
_KEPT_WHOLE = (schema.Material,)
# where some exporters write 8.0 instead of 8
_OF_INTEGERS = ("accessors", "bufferViews", "buffers", "textures")
_OPEN = ("extensions", "materials", "textures", "cameras", "skins", "animations", "bufferViews", "buffers")

Json = dict[str, Any]


def decode(data: bytes) -> Json:
    """Decode a document without its extras and other members that the schema does not name.

    Raises
    ------
    SceneError
        The data is not a JSON object, is nested too deeply, or has too many values.
    """
    _check_size(data)
    text = data.removeprefix(_MARK)
    try:
        kept = _DECODER.decode(text)
        json = msgspec.to_builtins(kept)
    except msgspec.ValidationError as error:
        raise schema_error(error) from None
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SceneError(f"is not JSON: {what_is_no_json(error, text)}") from None
    _check_depth(list(_open_parts(json)))
    _repair_integers(json)
    return json


def decode_whole(data: bytes) -> Json:
    """Decode a document with all its members. The members that `decode` keeps have the same types.

    Raises
    ------
    SceneError
        As for `decode`.
    """
    decode(data)
    json = msgspec.json.decode(data.removeprefix(_MARK))
    _repair_integers(json)
    return json


def find_nodes(data: bytes) -> slice | None:
    """Return the location of the array of nodes in the text of a valid document; None if it has none."""
    text = data.removeprefix(_MARK)
    nodes = _MEMBERS.decode(text).get("nodes")
    if nodes is None:
        return None
    whole, part = (np.frombuffer(each, np.uint8).__array_interface__["data"][0] for each in (text, nodes))
    begin = part - whole + len(data) - len(text)
    return slice(begin, begin + len(memoryview(nodes)))


def split_nodes(text: bytes | memoryview) -> list[msgspec.Raw]:
    """Split an array of nodes without decoding them.

    Raises
    ------
    msgspec.MsgspecError
        The text is not an array.
    """
    return _ITEMS.decode(text)


def decode_nodes(texts: Iterable[msgspec.Raw]) -> list[Json]:
    """Decode some nodes like `decode`, but without the checks of size and depth.

    Raises
    ------
    msgspec.MsgspecError, UnicodeDecodeError
        A node is not a JSON object.
    """
    return [msgspec.to_builtins(_NODE.decode(text)) for text in texts]


def convert(json: Json) -> schema.Document:
    """Convert a decoded document to types. Whole numbers written as 8.0 are changed to 8 in the JSON, too.

    Raises
    ------
    SceneError
        The document does not match the schema.
    """
    try:
        return msgspec.convert(json, schema.Document)
    except msgspec.ValidationError as error:
        if "got `float`" not in str(error):
            raise schema_error(error) from None
    _write_whole_numbers(json)
    try:
        return msgspec.convert(json, schema.Document)
    except msgspec.ValidationError as error:
        raise schema_error(error) from None


def _check_size(data: bytes) -> None:
    """Limit the number of values, by counting separators and brackets. Strings may add a few to the count."""
    if len(data) <= _LARGE_BYTES and has_few_values(count_values(data)):
        return
    if not has_few_values(sum(map(_separators, _without_uris(data)))):
        raise SceneError(f"has more than {_MOST_VALUES} values; send simpler nodes, or no extras")


def count_values(text: bytes | memoryview) -> int:
    """Return an upper bound of the number of values in a text."""
    return _separators(np.frombuffer(text, np.uint8))


def has_few_values(count: int) -> bool:
    """Return whether a document with so many values may be decoded."""
    return count <= _MOST_VALUES


def _without_uris(data: bytes) -> Iterator[NDArray[np.uint8]]:
    """Yield the text between the ``data:`` URIs, which make up most of a large scene."""
    array = np.frombuffer(data, np.uint8)
    end = 0
    for _ in range(_MOST_URIS):
        begin, end = end, data.find(b'"data:', end)
        if end < 0:
            yield array[begin:]
            return
        yield array[begin:end]
        end = data.find(b'"', end + 1)
        if end < 0:
            return
    yield array[end:]


def _separators(array: NDArray[np.uint8]) -> int:
    count = 0
    for begin in range(0, len(array), _CHUNK_BYTES):
        chunk = array[begin : begin + _CHUNK_BYTES]
        # with bit 32 set, [ becomes {, too
        count += int(np.count_nonzero(chunk == ord(",")) + np.count_nonzero((chunk | 32) == ord("{")))
    return count


def _open_parts(json: Json) -> Iterator[Any]:
    """Yield the parts whose content the schema leaves open."""
    yield from (json.get(name) for name in _OPEN)
    yield from (node.get("extensions") for node in json.get("nodes") or ())
    for mesh in json.get("meshes") or ():
        yield from (primitive.get("extensions") for primitive in mesh.get("primitives") or ())


def _check_depth(level: list[Any]) -> None:
    """Limit the depth for recursive functions, here and in the importer."""
    for _ in range(_DEEPEST):
        level = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> SceneError:
    return SceneError("is nested too deeply")


def schema_error(error: msgspec.ValidationError, root: str = "$") -> SceneError:
    """Convert msgspec's error to a SceneError. `root` is the location of the converted value."""
    what, where = what_and_where(error)
    return SceneError(what[:200], root + where[1:200])


def _repair_integers(json: Json) -> None:
    """Convert integral floats to integers, if any stand where only integers are valid."""
    items = (item for name in _OF_INTEGERS for item in json.get(name) or ())
    if any(type(value) is float for item in items for value in item.values()):
        _write_whole_numbers(json)


def _write_whole_numbers(json: Json) -> None:
    """Convert every float such as 8.0 to an integer; in JSON, both are the same."""
    pending: list[Any] = [json]
    while pending:
        item = pending.pop()
        for key, value in item.items() if isinstance(item, dict) else enumerate(item):
            if isinstance(value, (dict, list)):
                pending.append(value)
            elif type(value) is float and value.is_integer() and abs(value) < _LARGEST_WHOLE:
                item[key] = int(value)


def _loose(kind: Any) -> Any:
    """Return a type that accepts any value, but keeps only the members that the schema names."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _loose(arguments[0])
    if origin in (Union, types.UnionType):
        [inner] = [argument for argument in arguments if argument is not types.NoneType]
        return Union[_loose(inner), None]  # noqa: UP007  inner is known only now
    if origin is list and (item := _loose(arguments[0])) is not Any:
        return list[item] | None
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return dict[str, Any] if kind in _KEPT_WHOLE else _loose_struct(kind)
    return Any


@cache
def _loose_struct(kind: type[msgspec.Struct]) -> Any:
    fields = [
        (field.name, Union[_loose(field.type), msgspec.UnsetType], msgspec.UNSET)  # noqa: UP007
        for field in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(f"Loose{kind.__name__}", fields, rename="camel")


# msgspec inspects a class at its first use, and crashes if two threads do so at the same time (version 0.22).
for _kind in (schema.Document, schema.Light):
    msgspec.json.Decoder(_kind)
_DECODER = msgspec.json.Decoder(_loose_struct(schema.Document))
_NODE = msgspec.json.Decoder(_loose_struct(schema.Node))
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
