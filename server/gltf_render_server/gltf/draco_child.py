"""The child process that decodes Draco streams. A stream that crashes it does not harm the server.

The server runs this file by its path, and the file imports nothing from this package. It reads a list of
``[stream, [unique id, ...]]`` in MessagePack. It writes an empty response when it is ready, and then one
response for each stream: a MessagePack object with the indices and the requested attributes, or an error
message. Each response is preceded by its length in 8 bytes, little-endian.

usage: draco_child.py MEMORY_BYTES
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import DracoPy
import msgspec

Json = dict[str, Any]


def main() -> None:
    """Decode the streams from the standard input."""
    memory_bytes = int(sys.argv[1])
    streams = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[tuple[bytes, list[int]]])
    _limit_memory(memory_bytes)
    _answer(b"")
    too_much = msgspec.msgpack.encode(f"takes more than {memory_bytes // 2**20} MB of memory to decode")
    for stream, ids in streams:
        try:
            answer = msgspec.msgpack.encode(_decode(stream, ids))
        except MemoryError:
            answer = too_much
        _answer(answer)
        del answer  # free the memory before the next response is made


def _answer(data: bytes) -> None:
    sys.stdout.buffer.write(len(data).to_bytes(8, "little"))
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _limit_memory(size_bytes: int) -> None:
    """Limit the memory that may be allocated in addition to the current use. This works on Linux only."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size_bytes += pages * resource.getpagesize()
    _, hard_bytes = resource.getrlimit(resource.RLIMIT_AS)
    if hard_bytes != resource.RLIM_INFINITY:
        size_bytes = min(size_bytes, hard_bytes)
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes, size_bytes))


def _decode(stream: bytes, ids: list[int]) -> Json | str:
    try:
        mesh = DracoPy.decode(stream)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  the library raises many, and its texts tell nothing
        return "cannot be decoded"
    if not isinstance(mesh, DracoPy.DracoMesh):
        return "is a point cloud"
    return {
        "indices": mesh.faces.astype("<u4").tobytes(),
        "attributes": {
            item["unique_id"]: [item["data"].dtype.str, item["num_components"], item["data"].tobytes()]
            for item in mesh.attributes
            if item["unique_id"] in ids
        },
    }


main()
