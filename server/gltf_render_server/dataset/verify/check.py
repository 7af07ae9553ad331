"""What a check is, and the table of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from inspect import cleandoc
from typing import Any, TypeVar

from .seen import SeenPair, SeenScene, SeenView

__all__ = ["CHECKS", "Check", "Measured", "Scope", "add_check", "check_pair", "check_scene", "check_view"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured error.

    Attributes
    ----------
    figure : float
        The size of the error in the check's unit; NaN counts as beyond every tolerance.
    where : str
        The object, the file or the second view; empty = everything that the check was given.
    detail : str
        What was found, and what was expected.
    count : int
        How many measurements the figure summarises.
    """

    figure: float
    where: str = ""
    detail: str = ""
    count: int = 1


class Scope(StrEnum):
    """What a check is given."""

    READING = "reading"
    """Nothing: layouts or `Listing` report the findings while the dataset is read."""
    VIEW = "view"
    SCENE = "scene"
    PAIR = "pair"
    """Two views of the same objects."""


@dataclass(frozen=True)
class Check:
    """A row of the table.

    Attributes
    ----------
    name : str
    proves : str
        A sentence that is true of a dataset without faults.
    unit : str
        The unit of the figures; "1" = a number without unit; empty = a figure is 0 (right) or 1 (wrong).
    tolerance : float
        The largest figure that is not a fault.
    scope : Scope
    measure : callable
        Takes what `scope` names, and returns measurements; none if layouts report the findings.
    is_warning : bool
        Whether a finding may be intended, so that it does not fail the dataset.
    """

    name: str
    proves: str
    unit: str
    tolerance: float
    scope: Scope
    measure: Callable[[Any], Iterable[Measured]]
    is_warning: bool = False


CHECKS: dict[str, Check] = {}
"""The checks by name, in the order of the table."""

_Seen = TypeVar("_Seen", SeenView, SeenScene, SeenPair)
_Measure = Callable[[_Seen], Iterable[Measured]]


def add_check(name: str, proves: str, unit: str = "", tolerance: float = 0, **more: Any) -> None:
    """Add a check whose findings are reported while the dataset is read."""
    _add(Check(name, proves, unit, tolerance, Scope.READING, lambda _: (), **more))


def check_view(
    name: str, unit: str, tolerance: float, **more: Any
) -> Callable[[_Measure[SeenView]], _Measure[SeenView]]:
    """Add a check of single views; the function's docstring says what the check proves."""
    return _adder(name, unit, tolerance, Scope.VIEW, more)


def check_scene(
    name: str, unit: str, tolerance: float, **more: Any
) -> Callable[[_Measure[SeenScene]], _Measure[SeenScene]]:
    """Add a check of scenes; the function's docstring says what the check proves."""
    return _adder(name, unit, tolerance, Scope.SCENE, more)


def check_pair(
    name: str, unit: str, tolerance: float, **more: Any
) -> Callable[[_Measure[SeenPair]], _Measure[SeenPair]]:
    """Add a check of pairs of views; the function's docstring says what the check proves."""
    return _adder(name, unit, tolerance, Scope.PAIR, more)


def _adder(name: str, unit: str, tolerance: float, scope: Scope, more: dict[str, Any]) -> Any:
    def add(measure: Callable[[Any], Iterable[Measured]]) -> Callable[[Any], Iterable[Measured]]:
        proves = " ".join(cleandoc(measure.__doc__ or "").partition("\n\n")[0].split())
        _add(Check(name, proves, unit, tolerance, scope, measure, **more))
        return measure

    return add


def _add(check: Check) -> None:
    if check.name in CHECKS:
        raise ValueError(f"a check named {check.name!r} exists already")
    CHECKS[check.name] = check
