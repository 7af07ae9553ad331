"""Options as fields of a dataclass: declared once, read from the command line and from the environment."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from . import __version__
from .errors import SettingsError

__all__ = [
    "choice",
    "existing_file",
    "number",
    "option",
    "read_command_line",
    "read_environment",
    "switch",
    "text",
    "words",
]

_Number = TypeVar("_Number", int, float)


def option(
    group: str,
    default: Any,
    parse: Callable[[str], Any],
    help_text: str,
    metavar: str | None = None,
    *,
    is_secret: bool = False,
) -> Any:
    """Declare a field together with its option.

    Parameters
    ----------
    group : str
        The heading in ``--help``.
    default : object
    parse : callable
        Makes the value from text; raises ValueError with a reason.
    help_text : str
    metavar : str, optional
    is_secret : bool, optional
        Whether the value must not be shown.
    """
    choices = getattr(parse, "choices", None)
    return dataclasses.field(
        default=default,
        repr=not is_secret,
        metadata={
            "group": group,
            "parse": parse,
            "help": help_text,
            "metavar": metavar or ("{" + ",".join(choices) + "}" if choices else None),
        },
    )


def choice(*choices: str) -> Callable[[str], str]:
    """Take one of some words, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    parse.choices = choices  # type: ignore[attr-defined]
    return parse


def number(kind: Callable[[str], _Number], low: float, high: float) -> Callable[[str], _Number]:
    """Take a number from `low` to `high`, both included."""

    def parse(text: str) -> _Number:
        value = kind(text)
        if not low <= value <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return value

    return parse


def text(value: str) -> str:
    """Take any text that is not blank."""
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def words(text: str) -> tuple[str, ...]:
    """Take words with commas between them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def existing_file(text: str) -> Path:
    """Take the path of a file that is there; returned absolute."""
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError("there is no such file")
    return path.resolve()


def switch(text: str) -> bool:
    """Take true or false, however they are spelled."""
    meanings = {"1": True, "true": True, "yes": True, "on": True}
    meanings |= {"0": False, "false": False, "no": False, "off": False}
    if text.lower() not in meanings:
        raise ValueError("must be true or false")
    return meanings[text.lower()]


def read_environment(cls: type, prefix: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of those fields of `cls` that the environment sets.

    Raises
    ------
    SettingsError
        A variable's value is wrong.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        variable = prefix + field.name.upper()
        if given := environ.get(variable):
            try:
                values[field.name] = field.metadata["parse"](given)
            except ValueError as error:
                raise SettingsError(f"{variable}={given}: {error}") from None
    return values


def read_command_line(
    cls: type, arguments: Sequence[str], *, prog: str, description: str, epilog: str
) -> dict[str, Any]:
    """Return the values of those fields of `cls` that options set; ends the process where argparse would."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=__version__)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in dataclasses.fields(cls):
        title = field.metadata["group"]
        group = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
        _add_option(group, field)
    return vars(parser.parse_args([_dashed(argument) for argument in arguments]))


def _add_option(group: argparse._ArgumentGroup, field: dataclasses.Field[Any]) -> None:
    name = "--" + field.name.replace("_", "-")
    help_text = field.metadata["help"].replace("%", "%%")
    if field.default not in (None, False, ()) and "[default" not in help_text:
        help_text += f" [default: {_shown(field.default)}]"
    if field.metadata["parse"] is switch:
        action = argparse.BooleanOptionalAction if field.default is None else "store_true"
        group.add_argument(name, action=action, help=help_text)
    else:
        group.add_argument(
            name,
            type=_argparse_type(field.metadata["parse"]),
            metavar=field.metadata["metavar"],
            help=help_text,
        )


def _dashed(argument: str) -> str:
    """Let options be spelled with underscores, too."""
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if argument.startswith("--") else argument


def _shown(default: object) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def _argparse_type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show the reason, which it does only for its own kind of error."""

    def parse_argument(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text}: {error}") from None

    return parse_argument
