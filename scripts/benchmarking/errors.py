"""What ends a measurement, said so that the reader knows what to do next."""

from __future__ import annotations

__all__ = ["BenchmarkError"]


class BenchmarkError(Exception):
    """A measurement cannot go on; the message says why, and what helps."""
