"""What a check is, and the table of checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from inspect import cleandoc
from typing import Any, TypeVar

from .seen import SeenPair, SeenScene, SeenView

__all__ = ["CHECKS", "Check", "Measured", "Scope", "add_told", "check_pair", "check_scene", "check_view"]


@dataclass(frozen=True, slots=True)
class Measured:
    """How far something is off.

    Attributes
    ----------
    figure : float
        In the check's unit; NaN counts as too much.
    where : str
        The object, the file or the second view; empty = all of what the check looks at.
    detail : str
        What is expected, and what is there.
    count : int
        How many things the figure stands for.
    """

    figure: float
    where: str = ""
    detail: str = ""
    count: int = 1


class Scope(StrEnum):
    """What a check looks at."""

    TOLD = "told"
    """A layout tells of it while it reads."""
    VIEW = "view"
    SCENE = "scene"
    PAIR = "pair"
    """Two views of the same things."""


@dataclass(frozen=True)
class Check:
    """A row of the table.

    Attributes
    ----------
    name : str
    proves : str
        What holds if nothing is found, in a sentence.
    unit : str
        Of the figures; empty = 1 says that something is wrong.
    tolerance : float
        The largest figure that is right.
    scope : Scope
    measure : callable
        Returns figures of what it is given; of a check that layouts tell, none.
    is_warning : bool
        Whether what is found may be meant, so that it does not fail the dataset.
    """

    name: str
    proves: str
    unit: str
    tolerance: float
    scope: Scope
    measure: Callable[[Any], Iterable[Measured]]
    is_warning: bool = False


CHECKS: dict[str, Check] = {}
"""By name, in the order of the table."""

_Seen = TypeVar("_Seen", SeenView, SeenScene, SeenPair)
_Measure = Callable[[_Seen], Iterable[Measured]]


def add_told(name: str, proves: str, unit: str = "", tolerance: float = 0, **more: Any) -> str:
    """Add a check that layouts tell of; return its name."""
    _add(Check(name, proves, unit, tolerance, Scope.TOLD, lambda _: (), **more))
    return name


def check_view(
    name: str, unit: str, tolerance: float, **more: Any
) -> Callable[[_Measure[SeenView]], _Measure[SeenView]]:
    """Add a function that measures a view; its docstring says what the check proves."""
    return _adder(name, unit, tolerance, Scope.VIEW, more)


def check_scene(
    name: str, unit: str, tolerance: float, **more: Any
) -> Callable[[_Measure[SeenScene]], _Measure[SeenScene]]:
    """Add a function that measures a scene; its docstring says what the check proves."""
    return _adder(name, unit, tolerance, Scope.SCENE, more)


def check_pair(
    name: str, unit: str, tolerance: float, **more: Any
) -> Callable[[_Measure[SeenPair]], _Measure[SeenPair]]:
    """Add a function that measures two views; its docstring says what the check proves."""
    return _adder(name, unit, tolerance, Scope.PAIR, more)


def _adder(name: str, unit: str, tolerance: float, scope: Scope, more: dict[str, Any]) -> Any:
    def add(measure: Callable[[Any], Iterable[Measured]]) -> Callable[[Any], Iterable[Measured]]:
        proves = " ".join(cleandoc(measure.__doc__ or "").partition("\n\n")[0].split())
        _add(Check(name, proves, unit, tolerance, scope, measure, **more))
        return measure

    return add


def _add(check: Check) -> None:
    if check.name in CHECKS:
        raise ValueError(f"there is a check {check.name} already")
    CHECKS[check.name] = check
