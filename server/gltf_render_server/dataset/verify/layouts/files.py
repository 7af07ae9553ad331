"""How layouts read files, and tell what is wrong with them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from PIL import Image

from ..check import Measured
from ..report import Report

__all__ = ["decode_image", "read_file", "read_json", "tell", "tell_unnamed"]

T = TypeVar("T")


def tell(report: Report, check: str, where: str, is_wrong: bool, detail: str = "") -> bool:
    """Tell whether something holds; return it."""
    report.add(check, where, Measured(1.0 * is_wrong, detail=detail if is_wrong else ""))
    return not is_wrong


def read_file(report: Report, path: Path, where: str) -> bytes | None:
    """Read a file; None = it is not there, which is told."""
    try:
        data = path.read_bytes()
    except OSError as error:
        tell(report, "files.there", where, True, error.strerror or str(error))
        return None
    tell(report, "files.there", where, False)
    return data


def read_json(report: Report, path: Path, where: str, of: type[T] | Any = Any) -> T | None:
    """Read a JSON file; None = it cannot be read as what it must be, which is told."""
    data = read_file(report, path, where)
    if data is None:
        return None
    try:
        found = msgspec.json.decode(data, type=of)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        tell(report, "files.readable", where, True, str(error))
        return None
    tell(report, "files.readable", where, False)
    return found


def decode_image(report: Report, data: bytes, where: str) -> np.ndarray[Any, Any] | None:
    """Decode a picture whole; None = it cannot be, which is told."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            pixels = np.array(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        tell(report, "files.decode", where, True, str(error))
        return None
    tell(report, "files.decode", where, False)
    return pixels


def tell_unnamed(report: Report, folder: Path, root: Path, named: Iterable[str]) -> None:
    """Tell of files below a folder that are not named; names are relative to it."""
    known = set(named)
    for path in folder.rglob("*"):
        if path.is_file():
            is_named = path.relative_to(folder).as_posix() in known
            tell(report, "files.unnamed", str(path.relative_to(root)), not is_named, "nothing names it")
