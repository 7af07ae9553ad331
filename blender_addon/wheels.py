"""The modules that the extension's wheels provide, and advice if they are missing."""

from __future__ import annotations

import sys

__all__ = ["advice"]


def advice(error: ImportError) -> str:
    """Explain in plain words why an import has failed."""
    version = ".".join(map(str, sys.version_info[:2]))
    return (
        f"This Blender's Python {version} lacks what the server needs: {error}. The extension brings it for "
        "Python 3.11 and 3.13, on Linux for 3.14, too: install the zip of this platform"
    )
