"""What ends a measurement, said so that the reader knows what to do next."""

from __future__ import annotations

__all__ = ["BenchmarkError", "reason"]


class BenchmarkError(Exception):
    """A measurement cannot go on; the message says why, and what helps."""


def reason(error: BaseException) -> str:
    """Return the innermost cause, without the layers of the libraries."""
    if error.__context__ is not None:
        return reason(error.__context__)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
