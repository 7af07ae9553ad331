"""Options as dataclass fields, declared once for the command line, the environment and the add-on.

This module does not depend on click, so settings work where click is missing; see ``command_line``.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["Option", "option", "options_of"]


@dataclasses.dataclass(frozen=True)
class Option:
    """The declaration of an option.

    Attributes
    ----------
    name : str
        The name of the dataclass field.
    kind : type
        The type of the value: bool, int, float, str, Path (of an existing file), or tuple (words with commas
        between them).
    choices : tuple of str
        All permitted words; empty if any text is permitted. If the kind is a number, these words are
        permitted in addition.
    default : object
    group : str
        The heading of the option's group in ``--help``.
    help : str
    unset : str
        What happens if the option is not given. It is empty if the default value says so.
    metavar : str or None
    bounds : tuple of int or float
        The smallest and the largest permitted number.
    is_secret : bool
        Whether the value is a secret and must not be displayed.
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
    """Declare a dataclass field with its option. The field's annotation gives the type; see `Option`."""
    metadata = {"group": group, "help": help_text, "unset": unset, "metavar": metavar, "bounds": bounds}
    return dataclasses.field(
        default=default, repr=not is_secret, metadata={**metadata, "is_secret": is_secret}
    )


@cache
def options_of(cls: type) -> dict[str, Option]:
    """Return the options of a dataclass by name, in the order of the fields."""
    hints = get_type_hints(cls)
    return {
        field.name: Option(field.name, *_taken(hints[field.name]), default=field.default, **field.metadata)
        for field in dataclasses.fields(cls)
    }


def _taken(annotation: Any) -> tuple[type, tuple[str, ...]]:
    """Return the type and the choices of an annotation such as ``Literal["a", "b"] | None``."""
    is_union = get_origin(annotation) in (Union, UnionType)
    parts = [part for part in get_args(annotation) if part is not NoneType] if is_union else [annotation]
    choices = tuple(word for part in parts if get_origin(part) is Literal for word in get_args(part))
    kinds = [get_origin(part) or part for part in parts if get_origin(part) is not Literal]
    [kind] = kinds or [str]
    return kind, choices
