"""Payloads that are stored once each, by the SHA-256 of their content."""

from __future__ import annotations

import hashlib
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile, ZipFile
from zipfile import Path as ZipPath

from ..errors import RecordingError

__all__ = ["Blobs", "FolderBlobs", "ZipBlobs", "blob_path", "write_whole"]

_DIGEST = re.compile("[0-9a-f]{64}")


class Blobs(Protocol):
    """Where payloads are."""

    def __contains__(self, digest: str) -> bool:
        """Whether a payload is there."""
        ...

    def put(self, data: bytes) -> str:
        """Store a payload that may be there; return its SHA-256 in hex."""
        ...

    def get(self, digest: str) -> bytes:
        """Read a payload.

        Raises
        ------
        RecordingError
            It is gone.
        """
        ...


class FolderBlobs:
    """Payloads as files of a recording's folder, which other processes may fill at the same time.

    Parameters
    ----------
    root : Path or zipfile.Path
        The recording; a path in a zip can only be read.
    """

    def __init__(self, root: Path | ZipPath) -> None:
        self._root = root

    def __contains__(self, digest: str) -> bool:
        return (self._root / blob_path(digest)).exists()

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._root / blob_path(digest)
        if not isinstance(path, Path):
            raise TypeError("a recording in a zip cannot be changed")
        if not path.exists() or path.stat().st_size != len(data):  # as a crash of the machine may leave it
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        return digest

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        try:
            return (self._root / blob_path(digest)).read_bytes()
        except (OSError, KeyError, BadZipFile) as error:
            raise RecordingError(f"the recording is damaged: the blob {digest} cannot be read") from error


class ZipBlobs:
    """Payloads in a zip that is being written.

    Parameters
    ----------
    file : ZipFile
    """

    def __init__(self, file: ZipFile) -> None:
        self._file = file

    def __contains__(self, digest: str) -> bool:
        return blob_path(digest) in self._file.NameToInfo

    def put(self, data: bytes) -> str:
        """See `Blobs.put`."""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self:
            self._file.writestr(blob_path(digest), data)
        return digest

    def get(self, digest: str) -> bytes:
        """See `Blobs.get`."""
        return self._file.read(blob_path(digest))


def blob_path(digest: str) -> str:
    """Return where in a recording a payload is.

    Raises
    ------
    RecordingError
        The digest is none, and may lead anywhere.
    """
    if not _DIGEST.fullmatch(digest):
        raise RecordingError("the recording is damaged: a blob has no name")
    return f"blobs/{digest[:2]}/{digest[2:]}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there as a whole, or not at all."""
    partial = path.with_name(f".partial-{secrets.token_hex(8)}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
