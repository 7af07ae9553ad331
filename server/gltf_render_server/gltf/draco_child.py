"""The program that decodes Draco streams: a crash over one of them ends this process, not the server.

It is run by its path, and imports nothing of this package. It reads a list of ``[stream, [unique id, ...]]``
in MessagePack, and writes for each the indices and the asked attributes, or what is wrong with it.

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
    """Decode what stands on the standard input."""
    streams = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=list[tuple[bytes, list[int]]])
    _limit_memory(int(sys.argv[1]))
    sys.stdout.buffer.write(msgspec.msgpack.encode([_decode(stream, ids) for stream, ids in streams]))


def _limit_memory(size_bytes: int) -> None:
    """Bound what may come to what is there; elsewhere than on Linux, systems do not count it."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size_bytes += pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size_bytes, size_bytes))


def _decode(stream: bytes, ids: list[int]) -> Json | str:
    try:
        mesh = DracoPy.decode(stream)
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
    except MemoryError:
        return "takes more memory than what it says of itself explains"
    except Exception:  # noqa: BLE001  the library raises many, and its texts tell nothing
        return "cannot be decoded"


main()
