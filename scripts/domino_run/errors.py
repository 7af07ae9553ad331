"""What ends the demo, said so that the reader knows what to do next."""

from __future__ import annotations

__all__ = ["DemoError"]


class DemoError(Exception):
    """The demo cannot go on; the message says why, and what helps."""
