"""Options as fields of a dataclass: declared once, read from the command line and from the environment."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

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

_logger = logging.getLogger(__name__)

_ALMOST_CERTAINLY = 0.8
"""How like a known name an unknown one is, from 0 to 1, that is only misspelt."""


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
    name = "whole number" if kind is int else "number"
    advice = f"must be a {name} between {_shown_number(low)} and {_shown_number(high)}"

    def parse(text: str) -> _Number:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError(advice) from None
        if not low <= value <= high:
            raise ValueError(advice)
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

    A variable that begins with `prefix` and is no field's is warned of: it may be meant for another program,
    as those are that a cluster sets for each of its services.

    Raises
    ------
    SettingsError
        A variable's value is wrong, or its name is misspelt.
    """
    values: dict[str, Any] = {}
    fields = {prefix + field.name.upper(): field for field in dataclasses.fields(cls)}
    _check_names(prefix, environ, list(fields))
    for variable, field in fields.items():
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
    parser = _Parser(
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
    values, unknown = parser.parse_known_args([_dashed(argument) for argument in arguments])
    if unknown:
        options = ["--" + field.name.replace("_", "-") for field in dataclasses.fields(cls)]
        nearest = _nearest(unknown[0].partition("=")[0], options)
        advice = f"; did you mean {nearest}?" if nearest else ""
        parser.error(f"{' '.join(unknown)}: there is no such option{advice}")
    return vars(values)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in a line, without the names of all options before it."""

    def error(self, message: str) -> NoReturn:
        """End the process with the reason."""
        self.exit(2, f"{self.prog}: error: {message}\n{self.prog} --help tells all options\n")


def _check_names(prefix: str, environ: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse a variable whose name is nearly an option's, and warn of others that begin as they do."""
    endings = [name.removeprefix(prefix) for name in known]
    for name in sorted(name for name in environ if name.startswith(prefix) and name not in known):
        if nearest := _nearest(name.removeprefix(prefix), endings, _ALMOST_CERTAINLY):
            raise SettingsError(f"{name}: there is no such option; did you mean {prefix}{nearest}?")
        _logger.warning("%s is set, and is no option of this server: it is not used", name)


def _nearest(name: str, known: Sequence[str], cutoff: float = 0.6) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, 1, cutoff)), None)


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
    return _shown_number(default) if isinstance(default, float) else str(default)


def _shown_number(value: float) -> str:
    """Write a number as people do: 16777216, not 1.67772e+07."""
    return str(int(value)) if value == int(value) else f"{value:g}"


def _argparse_type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show the reason, which it does only for its own kind of error."""

    def parse_argument(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text}: {error}") from None

    return parse_argument
