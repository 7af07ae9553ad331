"""Functions that read the files of a dataset and report what is wrong with them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from PIL import Image

from ....mismatch import what_and_where
from ..report import Report

__all__ = ["check_unnamed", "convert_value", "decode_image", "json_fault", "read_file", "read_json"]

T = TypeVar("T")


def read_file(report: Report, path: Path, where: str) -> bytes | None:
    """Read a file; if it cannot be read, report this and return None."""
    try:
        data = path.read_bytes()
    except OSError as error:
        report.check("files.there", where, True, error.strerror or str(error))
        return None
    report.check("files.there", where, False)
    return data


def read_json(report: Report, path: Path, where: str, of: type[T] | Any = Any) -> T | None:
    """Read a JSON file of a type; if its content is not of that type, report this and return None."""
    data = read_file(report, path, where)
    if data is None:
        return None
    try:
        found = msgspec.json.decode(data, type=of)
    except (ValueError, RecursionError) as error:
        report.check("files.readable", where, True, json_fault(error))
        return None
    report.check("files.readable", where, False)
    return found


def convert_value(
    report: Report, value: object, where: str, of: type[T] | Any, what: str = "", is_strict: bool = False
) -> T | None:
    """Convert a decoded value to a type; if it is of another type, report this after `what`; return None.

    Unless `is_strict`, numbers may be texts, and integers may be floats.
    """
    try:
        return msgspec.convert(value, of, strict=is_strict)
    except msgspec.ValidationError as error:
        report.check("files.readable", where, True, f"{what}{json_fault(error)}")
        return None


def json_fault(error: Exception) -> str:
    """Say what is wrong with JSON, and where, given the error of decoding or converting it."""
    if isinstance(error, msgspec.ValidationError):
        what, where = what_and_where(error)
        return f"{where}: {what}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"it is not JSON: {error}"


def decode_image(report: Report, data: bytes, where: str) -> np.ndarray[Any, Any] | None:
    """Decode an image completely; if that fails, report this and return None."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            pixels = np.array(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        report.check("files.decode", where, True, str(error))
        return None
    report.check("files.decode", where, False)
    return pixels


def check_unnamed(report: Report, folder: Path, root: Path, named: Iterable[str]) -> None:
    """Report the files below a folder that are not in `named`, which has paths relative to the folder."""
    known = set(named)
    for path in folder.rglob("*"):
        if path.is_file():
            is_named = path.relative_to(folder).as_posix() in known
            report.check(
                "files.unnamed",
                str(path.relative_to(root)),
                not is_named,
                "no record of the item names this file",
            )
