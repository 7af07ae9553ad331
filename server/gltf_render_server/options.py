"""Options as fields of a dataclass: declared once, for the command line, the environment and the add-on.

Knows nothing of click, so that settings can be made where it is missing; see ``command_line``.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["Option", "option", "options_of"]


@dataclasses.dataclass(frozen=True)
class Option:
    """What is declared of an option.

    Attributes
    ----------
    name : str
        Of the field.
    kind : type
        bool, int, float, str or Path (of a file that is there); tuple: words with commas between them.
    choices : tuple of str
        All words that it may be; empty = any. Where the kind is a number: words that it may be, too.
    default : object
    group : str
        The heading in ``--help``.
    help : str
    unset : str
        What happens where the option is not given; empty = the default tells it.
    metavar : str or None
    bounds : tuple of int or float
        The least and the most that a number may be.
    is_secret : bool
        Whether the value must not be shown.
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    default: Any
    group: str
    help: str
    unset: str
    metavar: str | None
    bounds: tuple[float, float]
    is_secret: bool


def option(
    group: str,
    default: Any,
    help_text: str,
    metavar: str | None = None,
    *,
    unset: str = "",
    bounds: tuple[float, float] = (0, 0),
    is_secret: bool = False,
) -> Any:
    """Declare a field together with its option; its annotation says what is taken. See `Option`."""
    metadata = {"group": group, "help": help_text, "unset": unset, "metavar": metavar, "bounds": bounds}
    return dataclasses.field(
        default=default, repr=not is_secret, metadata={**metadata, "is_secret": is_secret}
    )


@cache
def options_of(cls: type) -> dict[str, Option]:
    """Return the options of a dataclass by their names, in the order of its fields."""
    hints = get_type_hints(cls)
    return {
        field.name: Option(field.name, *_taken(hints[field.name]), default=field.default, **field.metadata)
        for field in dataclasses.fields(cls)
    }


def _taken(annotation: Any) -> tuple[type, tuple[str, ...]]:
    """Return the type and the choices that an annotation such as ``Literal["a", "b"] | None`` names."""
    is_union = get_origin(annotation) in (Union, UnionType)
    parts = [part for part in get_args(annotation) if part is not NoneType] if is_union else [annotation]
    choices = tuple(word for part in parts if get_origin(part) is Literal for word in get_args(part))
    kinds = [get_origin(part) or part for part in parts if get_origin(part) is not Literal]
    [kind] = kinds or [str]
    return kind, choices
