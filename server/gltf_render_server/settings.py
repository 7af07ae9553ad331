"""The server's settings: one frozen dataclass, filled from options and the environment.

The one place that knows an option's name, type, default and help.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from . import __version__
from .encode import DepthFormat
from .errors import SettingsError

__all__ = ["ENVIRONMENT_PREFIX", "Device", "Engine", "Quality", "ServerSettings", "UpAxis"]

ENVIRONMENT_PREFIX = "GLTF_RENDER_SERVER_"

Engine = Literal["cycles", "eevee"]
Device = Literal["auto", "cpu", "cuda", "optix", "hip", "oneapi", "metal"]
Quality = Literal["preview", "balanced", "final"]
UpAxis = Literal["z", "y"]
LogLevel = Literal["debug", "info", "warning", "error"]

_DESCRIPTION = """\
Serve photographs, exact depth and exact labels of glTF scenes over HTTP, rendered by Blender,
by Drake's glTF Render Client-Server API."""

_EPILOG = f"""\
Every option can also come from the environment: --max-queue as {ENVIRONMENT_PREFIX}MAX_QUEUE.
A scene from --blend-file keeps its own lights, world, engine and render settings; options that are
given explicitly override them."""


def _option(
    group: str,
    default: Any,
    parse: Callable[[str], Any],
    help_text: str,
    metavar: str | None = None,
) -> Any:
    """Declare a field together with its option; `parse` raises ValueError with a reason."""
    choices = getattr(parse, "choices", None)
    return dataclasses.field(
        default=default,
        metadata={
            "group": group,
            "parse": parse,
            "help": help_text,
            "metavar": metavar or ("{" + ",".join(choices) + "}" if choices else None),
        },
    )


def _choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    parse.choices = choices  # type: ignore[attr-defined]
    return parse


_Number = TypeVar("_Number", int, float)


def _number(kind: Callable[[str], _Number], low: float, high: float) -> Callable[[str], _Number]:
    def parse(text: str) -> _Number:
        value = kind(text)
        if not low <= value <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return value

    return parse


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError("there is no such file")
    return path.resolve()


def _switch(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise ValueError("must be true or false")
    return words[text.lower()]


_MANY = 2**31 - 1


@dataclass(frozen=True)
class ServerSettings:
    """All settings of a server. Where None is the default, it means: as the quality or the .blend says.

    Attributes
    ----------
    host, port : str, int
        Where to listen; port 0 takes any free one.
    debug : bool
        Log everything that may help to find a fault.
    log_level : str
    max_queue : int
        How many requests may wait while one is rendered.
    max_pixels : int
        The largest image, width * height.
    max_scene_mb : float
        The largest scene, 10**6 bytes.
    blend_file : Path or None
        A scene that the client's objects join.
    bpy_settings_file : Path or None
        A Python script with ``bpy`` in scope, run after the .blend is opened.
    up_axis : {"z", "y"}
        Which axis of the glTF file points up.
    engine, device : str or None
    quality : str or None
        Preset of samples, noise threshold and denoising.
    samples : int or None
    noise_threshold : float or None
        Cycles stops sampling a pixel below this estimated error; 0 = never.
    denoise : bool or None
    environment : str or None
        Name of an HDRI that Blender ships, path of an .exr or .hdr, or "none".
    exposure : float or None
        In stops.
    view_transform : str or None
        A view transform of Blender's colour management.
    depth_format : {"tiff32f", "png16"}
    """

    host: str = _option("server", "127.0.0.1", str, "address to listen on")
    port: int = _option("server", 8000, _number(int, 0, 65535), "port to listen on; 0 = any free one")
    debug: bool = _option("server", False, _switch, "log all that may help to find a fault")
    log_level: LogLevel = _option(
        "server", "info", _choice("debug", "info", "warning", "error"), "what is logged"
    )
    max_queue: int = _option(
        "limits",
        16,
        _number(int, 0, 10_000),
        "how many requests may wait while one is rendered; more get 503",
        "N",
    )
    max_pixels: int = _option(
        "limits",
        7680 * 4320,
        _number(int, 1, _MANY),
        "largest image, width * height",
        "N",
    )
    max_scene_mb: float = _option(
        "limits", 256.0, _number(float, 0.001, 2000), "largest scene, in megabytes", "MB"
    )
    blend_file: Path | None = _option(
        "scene",
        None,
        _file,
        "a .blend scene that the client's objects join; its scripts do not run",
        "FILE",
    )
    bpy_settings_file: Path | None = _option(
        "scene",
        None,
        _file,
        "a Python script with bpy in scope, run after the .blend is opened; "
        "an edit takes effect on the next request",
        "FILE",
    )
    up_axis: UpAxis = _option(
        "scene", "z", _choice("z", "y"), "which axis of the glTF points up; Drake's is z"
    )
    engine: Engine | None = _option(
        "picture",
        None,
        _choice("cycles", "eevee"),
        "renders colour [default: cycles, or the .blend's]",
    )
    device: Device = _option(
        "picture",
        "auto",
        _choice("auto", "cpu", "cuda", "optix", "hip", "oneapi", "metal"),
        "what Cycles renders on; auto = the best that is there",
    )
    quality: Quality | None = _option(
        "picture",
        None,
        _choice("preview", "balanced", "final"),
        "preset of samples, noise threshold and denoising [default: balanced, or the .blend's]",
    )
    samples: int | None = _option(
        "picture",
        None,
        _number(int, 1, 2**24),
        "samples a pixel, at most [default: the quality's]",
        "N",
    )
    noise_threshold: float | None = _option(
        "picture",
        None,
        _number(float, 0, 1),
        "error at which Cycles stops sampling a pixel; 0 = never [default: the quality's]",
        "E",
    )
    denoise: bool | None = _option("picture", None, _switch, "denoise colour [default: the quality's]")
    environment: str | None = _option(
        "picture",
        None,
        str,
        "light from all around: city, courtyard, forest, interior, night, studio, sunrise, sunset, "
        "an .exr or .hdr file, or none [default: forest where the scene brings no light]",
        "NAME|FILE|none",
    )
    exposure: float | None = _option(
        "picture", None, _number(float, -10, 10), "stops brighter or darker [default: 0]", "EV"
    )
    view_transform: str | None = _option(
        "picture", None, str, "a view transform of Blender's, such as AgX or Standard", "NAME"
    )
    depth_format: DepthFormat = _option(
        "picture",
        "tiff32f",
        _choice("tiff32f", "png16"),
        "depth as float metres or as 16-bit millimetres",
    )

    @classmethod
    def from_command_line(
        cls, arguments: Sequence[str], environ: Mapping[str, str] = os.environ
    ) -> ServerSettings:
        """Read options, then the environment, then defaults; ends the process where argparse would.

        Parameters
        ----------
        arguments : sequence of str
            Without the program's name.
        environ : mapping
            ``GLTF_RENDER_SERVER_...`` of it is read.
        """
        parser = _parser(cls)
        try:
            from_environment = cls._environment_values(environ)
        except SettingsError as error:
            parser.error(str(error))
        options = vars(parser.parse_args([_dashed(argument) for argument in arguments]))
        return cls(**{**from_environment, **options})

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> ServerSettings:
        """Read the environment only.

        Raises
        ------
        SettingsError
            A variable's value is wrong.
        """
        return cls(**cls._environment_values(environ))

    @property
    def max_scene_bytes(self) -> int:
        """`max_scene_mb` in bytes."""
        return round(self.max_scene_mb * 1e6)

    @property
    def logging_level(self) -> int:
        """The level for the ``logging`` module."""
        return logging.DEBUG if self.debug else logging.getLevelName(self.log_level.upper())

    @classmethod
    def _environment_values(cls, environ: Mapping[str, str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            variable = ENVIRONMENT_PREFIX + field.name.upper()
            if text := environ.get(variable):
                try:
                    values[field.name] = field.metadata["parse"](text)
                except ValueError as error:
                    raise SettingsError(f"{variable}={text}: {error}") from None
        return values


def _parser(cls: type[ServerSettings]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gltf-render-server",
        description=_DESCRIPTION,
        epilog=_EPILOG,
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
    return parser


def _add_option(group: argparse._ArgumentGroup, field: dataclasses.Field[Any]) -> None:
    name = "--" + field.name.replace("_", "-")
    help_text = field.metadata["help"].replace("%", "%%")
    if field.default is not None and "[default" not in help_text and field.default is not False:
        help_text += f" [default: {_shown(field.default)}]"
    if field.metadata["parse"] is _switch:
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
