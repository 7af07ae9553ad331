"""Segments: files of some thousand payloads, each compressed as the difference from an earlier one."""

from __future__ import annotations

import os
import struct
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from ..errors import RecordingError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Record", "SegmentReader", "SegmentWriter", "records", "segment_of_one"]

_MAGIC = b"glTF Render Server frames 1\n"
# number of following bytes, their CRC-32, offset of the base (-1: none), time
_HEADER = struct.Struct("<IIqd")
_NO_BASE = -1
_LEVEL = 9
_SHORTEST_MATCH = 6  # shorter matches occur by chance among digits, and cost more than they save
_LARGEST_BASE = 2**24
_LARGEST_PAYLOAD = 2**31 - 1
_MOST_BASES = 16  # number of cameras times number of image types, in a typical simulation
_RENEWED_AFTER = 32  # frames; afterwards, what has stopped moving costs nothing again
_GAIN = 4  # how much smaller a difference from an unrelated payload must be than the compressed payload
_MOST_RECORDS = 4096
_MOST_BYTES = 2**26
_DIGITS = b"0123456789.+-abcdefABCDEF"  # of decimal numbers and of digests


@dataclass(frozen=True)
class Record:
    """The location of a payload in a segment.

    Attributes
    ----------
    offset, size : int
        Of the compressed data.
    base : int
        The offset of the record on which the difference is based; -1 = none.
    time_s : float
        In seconds since 1970.
    """

    offset: int
    size: int
    base: int
    time_s: float


@dataclass
class _Base:
    offset: int
    payload: bytes
    uses: int = 0


class SegmentWriter:
    """Appends payloads to a new segment.

    Parameters
    ----------
    path : Path
        A file that does not exist yet.

    Raises
    ------
    OSError
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("xb", buffering=0)
        self._size = self._count = 0
        self._bases: OrderedDict[int, _Base] = OrderedDict()
        self._write(_MAGIC)

    @property
    def is_over(self) -> bool:
        """Whether a new segment is needed, because this one is full or was removed."""
        is_full = self._count >= _MOST_RECORDS or self._size >= _MOST_BYTES
        return is_full or not self._path.exists()

    def append(self, payload: bytes, time_s: float) -> None:
        """Append a payload. After an error, nothing was appended.

        Raises
        ------
        OSError
        """
        offset = self._size + _HEADER.size
        shape = hash(payload.translate(None, _DIGITS))  # stays the same if only numbers change
        base = self._bases.pop(shape, None)
        self._write(_record(*self._packed(payload, base), time_s))
        self._count += 1
        if base is None or base.uses >= _RENEWED_AFTER:
            base = _Base(offset, payload)
        base.uses += 1
        self._keep(shape, base)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def discard(self) -> None:
        """Remove the file."""
        self.close()
        self._path.unlink()

    def _packed(self, payload: bytes, base: _Base | None) -> tuple[bytes, int]:
        """Compress a payload, and return the data and the offset of the base."""
        if base is not None:
            return _compressed(payload, base.payload), base.offset
        whole = _compressed(payload, b"")
        if self._bases:
            latest = next(reversed(self._bases.values()))
            difference = _compressed(payload, latest.payload)
            if len(difference) * _GAIN < len(whole):
                return difference, latest.offset
        return whole, _NO_BASE

    def _keep(self, shape: int, base: _Base) -> None:
        """Remember a payload as a base for later ones."""
        if len(base.payload) > _LARGEST_BASE:
            return
        self._bases[shape] = base
        while len(self._bases) > _MOST_BASES or self._held_bytes() > 4 * _LARGEST_BASE:
            self._bases.popitem(last=False)

    def _held_bytes(self) -> int:
        return sum(len(base.payload) for base in self._bases.values())

    def _write(self, data: bytes) -> None:
        try:
            written = self._file.write(data)
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes could be written")
        except OSError:
            os.ftruncate(self._file.fileno(), self._size)
            self._file.seek(self._size)
            raise
        self._size += len(data)


class SegmentReader:
    """Reads the payloads of a segment.

    Parameters
    ----------
    data : bytes
        The content of the file, as far as it is written.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = {record.offset: record for record in records(data)}
        self._bases: OrderedDict[int, bytes] = OrderedDict()
        self._shared = {record.base for record in self._records.values()}

    def payload(self, offset: int) -> bytes:
        """Read a payload.

        Raises
        ------
        RecordingError
            The record, or one on which it is based, is damaged.
        """
        chain = []
        while offset != _NO_BASE and offset not in self._bases:
            record = self._records.get(offset)
            if record is None or record.base >= offset:
                raise RecordingError("the recording is damaged: a frame, or one that it refers to, is lost")
            chain.append(record)
            offset = record.base
        payload = self._bases.get(offset, b"")
        for record in reversed(chain):
            packed = self._data[record.offset : record.offset + record.size]
            payload = _decompressed(packed, payload)
            if record.offset in self._shared:
                self._keep(record.offset, payload)
        return payload

    def _keep(self, offset: int, payload: bytes) -> None:
        self._bases[offset] = payload
        while len(self._bases) > 1 and sum(map(len, self._bases.values())) > 4 * _LARGEST_BASE:
            self._bases.popitem(last=False)


def segment_of_one(payload: bytes, time_s: float) -> bytes:
    """Return a segment with a single payload."""
    return _MAGIC + _record(_compressed(payload, b""), _NO_BASE, time_s)


def records(data: bytes) -> Iterator[Record]:
    """Yield the complete records of a segment. Damaged records and an incomplete end are skipped."""
    if not data.startswith(_MAGIC):
        return
    end = len(_MAGIC)
    while end + _HEADER.size <= len(data):
        size, checksum, base, time_s = _HEADER.unpack_from(data, end)
        offset = end + _HEADER.size
        end = offset + size
        if 0 < size <= len(data) - offset and crc32(memoryview(data)[offset:end]) == checksum:
            yield Record(offset, size, base, time_s)


def _record(packed: bytes, base_offset: int, time_s: float) -> bytes:
    return _HEADER.pack(len(packed), crc32(packed), base_offset, time_s) + packed


def _compressed(payload: bytes, base: bytes) -> bytes:
    window = max(10, min(30, (len(payload) + len(base)).bit_length()))
    parameter = zstd.CompressionParameter
    options: dict[int, int] = {
        parameter.compression_level: _LEVEL,
        parameter.min_match: _SHORTEST_MATCH,
        parameter.window_log: window,
    }
    return zstd.compress(payload, options=options, zstd_dict=_prefix(base))


def _decompressed(packed: bytes, base: bytes) -> bytes:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 31}
    decompressor = zstd.ZstdDecompressor(zstd_dict=_prefix(base), options=options)
    try:
        payload = decompressor.decompress(packed, _LARGEST_PAYLOAD)
    except zstd.ZstdError as error:
        raise RecordingError(f"the recording is damaged: {error}") from error
    if not decompressor.eof:
        raise RecordingError("the recording is damaged: a frame is cut short, or too large")
    return payload


def _prefix(base: bytes) -> Any:
    return zstd.ZstdDict(base, is_raw=True).as_prefix if len(base) >= 8 else None
