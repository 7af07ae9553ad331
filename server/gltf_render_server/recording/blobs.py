"""Content-addressed storage: each payload is stored once, under the SHA-256 digest of its content."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile, ZipFile
from zipfile import Path as ZipPath

from ..errors import RecordingError
from ..process.files import write_whole

__all__ = ["Blobs", "FolderBlobs", "ZipBlobs", "blob_path"]

_DIGEST = re.compile("[0-9a-f]{64}")


class Blobs(Protocol):
    """A store of payloads."""

    def __contains__(self, digest: str) -> bool:
        """Return whether the store contains a payload."""
        ...

    def put(self, data: bytes) -> str:
        """Store a payload, unless it is stored already. Return its SHA-256 digest in hex."""
        ...

    def get(self, digest: str) -> bytes:
        """Read a payload.

        Raises
        ------
        RecordingError
            The payload is missing.
        """
        ...


class FolderBlobs:
    """Payloads as files in a recording's folder, to which several processes may write at the same time.

    Parameters
    ----------
    root : Path or zipfile.Path
        The recording. A path in a zip is read-only.
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
        # a crash of the machine may leave a truncated file
        if not path.exists() or path.stat().st_size != len(data):
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
    """Return the path of a payload in a recording.

    Raises
    ------
    RecordingError
        The digest is invalid, so it could be any path.
    """
    if not _DIGEST.fullmatch(digest):
        raise RecordingError("the recording is damaged: a blob has no name")
    return f"blobs/{digest[:2]}/{digest[2:]}"
