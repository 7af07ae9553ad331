"""Reads options from the command line and from environment variables, by means of click."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from . import __version__
from .errors import SettingsError
from .options import Option, options_of

__all__ = ["command_of", "option_type", "read_options"]

_logger = logging.getLogger(__name__)

_ALMOST_CERTAINLY = 0.8
"""The similarity, from 0 to 1, above which an unknown name is taken for a misspelling of a known one."""


def read_options(
    cls: type, arguments: Sequence[str], environ: Mapping[str, str], *, prefix: str, **about: str
) -> dict[str, Any]:
    """Return the values of the fields of `cls` that an option or an environment variable sets.

    A variable that begins with `prefix` but belongs to no field causes a warning only, because it may be
    meant for another program: Kubernetes, for example, sets such variables for each of its services.

    Parameters
    ----------
    cls : type
        A dataclass whose fields are declared by `option`.
    arguments : sequence of str
        The arguments without the program's name; ``--help`` ends the process.
    environ : mapping of str to str
    prefix : str
        The prefix of the variables. With the prefix ``P_``, the variable of the field ``max_queue`` is
        ``P_MAX_QUEUE``.
    **about : str
        The program's name, help text and epilog, which are passed to click.

    Raises
    ------
    SettingsError
        An option or a variable is misspelt, or its value is wrong.
    """
    _check_names(cls, prefix, environ)
    command = command_of(cls, prefix, **about)
    try:
        with command.make_context(command.name, list(arguments), obj=environ) as context:
            return {name: value for name, value in context.params.items() if value is not None}
    except click.exceptions.Exit as end:
        raise SystemExit(end.exit_code) from None
    except click.ClickException as error:
        raise SettingsError(error.format_message()) from None


class _Command(click.Command):
    """A command whose help text lists the options by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                groups.setdefault(getattr(parameter, "group", "options"), []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


class _Option(click.Option):
    """An option that belongs to a group and reads its variable from the environment in the click context."""

    def __init__(self, option: Option, prefix: str) -> None:
        name = option.name.replace("_", "-")
        spellings = f"--{name}/--no-{name}" if option.kind is bool and option.default is None else f"--{name}"
        super().__init__(
            [option.name, spellings],
            default=None,
            envvar=prefix + option.name.upper(),
            help=option.help + _default_text(option),
            is_flag=option.kind is bool,
            metavar=option.metavar or (None if option.choices else option.name.upper()),
            type=option_type(option),
        )
        self.group = option.group
        self._is_secret = option.is_secret

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        return ctx.obj.get(self.envvar) or None

    def get_error_hint(self, ctx: click.Context | None) -> str:
        if ctx is None or ctx.get_parameter_source(str(self.name)) is not ParameterSource.ENVIRONMENT:
            return super().get_error_hint(ctx)
        return f"{self.envvar}" if self._is_secret else f"{self.envvar}={ctx.obj[self.envvar]}"


@cache
def command_of(cls: type, prefix: str, **about: str) -> click.Command:
    """Return the click command whose options are the fields of a dataclass; see `read_options`."""
    command = _Command(
        **about,  # pyright: ignore[reportArgumentType]
        params=[_Option(option, prefix) for option in options_of(cls).values()],
        context_settings={
            "help_option_names": ["-h", "--help"],
            "max_content_width": 100,
            "token_normalize_func": lambda name: name.replace("_", "-"),
        },
    )
    return click.version_option(__version__, message="%(version)s")(command)


def _check_names(cls: type, prefix: str, environ: Mapping[str, str]) -> None:
    """Reject variables whose names nearly match an option, and warn of others with the same prefix."""
    known = [name.upper() for name in options_of(cls)]
    names = sorted(name.removeprefix(prefix) for name in environ if name.startswith(prefix))
    for name in names:
        if name in known:
            continue
        if nearest := difflib.get_close_matches(name, known, 1, _ALMOST_CERTAINLY):
            raise SettingsError(
                f"{prefix}{name}: there is no such option; did you mean {prefix}{nearest[0]}?"
            )
        _logger.warning("%s%s is set, but this server has no such option; it is ignored", prefix, name)


def _default_text(option: Option) -> str:
    if not option.unset and option.default in (None, False, ()):
        return ""
    default = _in_full(option.default) if option.kind is float and not option.unset else option.default
    return f" [default: {option.unset or default}]"


def _in_full(number: float) -> str:
    """Format a number in full: 16777216, not 1.67772e+07."""
    return str(int(number)) if number == int(number) else f"{number:g}"


def option_type(option: Option) -> click.ParamType | Callable[[str], Any]:
    """Return the click type or the conversion function for an option's value."""
    if option.choices and option.kind is str:
        return click.Choice(option.choices, case_sensitive=False)
    types = {bool: click.BOOL, str: _text, tuple: _words, Path: _file}
    return types.get(option.kind) or _number(option)


def _text(text: str) -> str:
    """Accept any text that is not blank."""
    if not text.strip():
        raise click.BadParameter("must not be empty")
    return text.strip()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _file(text: str) -> Path:
    """Accept the path of an existing file, and return it as an absolute path."""
    path = Path(text).expanduser()
    if not path.is_file():
        raise click.BadParameter(f"{text}: there is no such file")
    return path.resolve()


def _number(option: Option) -> Callable[[str], Any]:
    """Return a converter to a number in the option's bounds, or one of its words. click's own accepts nan."""
    name = "whole number" if option.kind is int else "number"
    low, high = option.bounds
    words = "".join(f", or {word}" for word in option.choices)
    advice = f"must be a {name} between {_in_full(low)} and {_in_full(high)}{words}"

    def number(value: Any) -> Any:
        text = str(value)  # click passes default values without converting them to text
        if text.lower() in option.choices:
            return text.lower()
        try:
            value = option.kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise click.BadParameter(f"{text}: {advice}")
        return value

    return number
