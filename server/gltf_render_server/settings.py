"""The server's settings: one frozen dataclass, filled from options and environment variables.

Only this module defines the name, type, choices, default and help text of an option. It needs no library.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .environments import DEFAULT_ENVIRONMENT, ENVIRONMENTS, NO_ENVIRONMENT
from .errors import SettingsError
from .limits import Limits
from .options import option

if TYPE_CHECKING:
    import click

__all__ = [
    "DEFAULT_QUALITY",
    "ENVIRONMENT_PREFIX",
    "QUALITIES",
    "DepthFormat",
    "Device",
    "Engine",
    "Quality",
    "ServerSettings",
    "UpAxis",
]

ENVIRONMENT_PREFIX = "GLTF_RENDER_SERVER_"

Engine = Literal["cycles", "eevee"]
Device = Literal["auto", "cpu", "cuda", "optix", "hip", "oneapi", "metal"]
Quality = Literal["draft", "preview", "balanced", "final"]
UpAxis = Literal["z", "y"]
DepthFormat = Literal["tiff32f", "png16"]
QUALITIES: dict[Quality, str] = {
    "draft": "the fastest, to aim by",
    "preview": "for a quick look",
    "balanced": "as good as 256 plain samples in a ninth of their time",
    "final": "as good as it gets",
}
"""The purpose of each quality, from the fastest to the best.

`blender.engines` has Blender's settings for each.
"""

DEFAULT_QUALITY: Quality = "balanced"

LogLevel = Literal["debug", "info", "warning", "error"]

_PROGRAM = "gltf-render-server"

_DESCRIPTION = """\
\b
Render glTF scenes over HTTP with Blender: photorealistic colour, exact depth, exact labels and more.
The server speaks Drake's glTF Render Client-Server API, and a JSON API for all other programs."""

_EPILOG = f"""\
\b
Every option can also come from the environment: --max-queue is {ENVIRONMENT_PREFIX}MAX_QUEUE there.
Give the token that way, because other users of the machine can see the options of a program.
A scene from --blend-file keeps its own lights, world, engine and render settings, unless an option
overrides them.

\b
examples:
  gltf-render-server                                        at http://127.0.0.1:8000, until Ctrl-C
  gltf-render-server --port 0 --quality preview             any free port; quick pictures
  gltf-render-server --blend-file room.blend --device cpu   your room and your lights
  {ENVIRONMENT_PREFIX}TOKEN=secret gltf-render-server --host 0.0.0.0 --workers 2
  blender -b -P scripts/serve.py -- --engine eevee          inside a Blender that you have

\b
Open the address of a running server in a browser to try scenes on its page. The documentation is in docs/.
Drake's protocol:
https://drake.mit.edu/doxygen_cxx/group__render__engine__gltf__client__server__api.html"""

_ABOUT = {"name": _PROGRAM, "help": _DESCRIPTION, "epilog": _EPILOG}

_MANY = 2**31 - 1


@dataclass(frozen=True)
class ServerSettings:
    """All settings of a server. The help text of each option describes it.

    A default of None means that the quality or the .blend decides.
    """

    host: str = option(
        "server",
        "127.0.0.1",
        "address to listen on; only this machine can reach 127.0.0.1, others can reach 0.0.0.0",
    )
    port: int = option("server", 8000, "port to listen on; 0 = any free one", bounds=(0, 65535))
    debug: bool = option(
        "server",
        False,
        "for developers of the server: log everything, and restart when the code changes",
    )
    log_level: LogLevel = option("server", "info", "the least severe messages that are logged")
    backend: str = option(
        "server", "blender", "what renders: blender, vtk, or a back end of another package", "NAME"
    )
    token: str | None = option(
        "security",
        None,
        "the token that clients must send: as Authorization: Bearer TOKEN, as the password in "
        "http://anything:TOKEN@host:port, or as render?token=TOKEN",
        is_secret=True,
    )
    insecure: bool = option("security", False, "let other machines in without a token")
    allowed_hosts: tuple[str, ...] = option(
        "security",
        (),
        "names of this server that requests may use, separated by commas, in addition to localhost, the "
        "machine's own name and IP addresses; * = any name; not checked if there is a token",
        "NAMES",
    )
    workers: int | Literal["auto"] = option(
        "workers",
        1,
        "processes that render beside this one, each replaced when it crashes; auto = as many as the cores, "
        "GPUs and memory of the machine allow; 0 = this process renders itself",
        "N|auto",
        bounds=(0, 1024),
        unset="1, or 0 inside Blender",
    )
    threads: int | Literal["all", "share"] = option(
        "workers",
        "all",
        "number of threads that each worker renders with: all = one for each core that it may use, so that a "
        "picture alone is fast; share = its share of the cores, for workers that are always busy",
        "N|all|share",
        bounds=(1, 1024),
    )
    gpus: tuple[str, ...] = option(
        "workers",
        (),
        "numbers or ids of GPUs, separated by commas; the workers take them in turn, one each",
        "IDS",
        unset="those of CUDA_VISIBLE_DEVICES, or all of NVIDIA's",
    )
    render_timeout: float | None = option(
        "workers",
        None,
        "a render that takes longer is stopped, and tried once more by another worker",
        "SECONDS",
        bounds=(0.1, 1e6),
        unset="none",
    )
    start_timeout: float = option(
        "workers",
        300.0,
        "a worker that takes longer to start is stopped, and another one is started",
        "SECONDS",
        bounds=(1, 1e6),
    )
    worker_max_requests: int | None = option(
        "workers", None, "replace a worker after this many requests", "N", bounds=(1, _MANY), unset="never"
    )
    worker_max_rss: float | None = option(
        "workers",
        None,
        "replace a worker that uses more memory, in megabytes",
        "MB",
        bounds=(100, 1e7),
        unset="any",
    )
    max_queue: int = option(
        "limits",
        16,
        "how many requests may wait while all workers render; further ones get a 503",
        "N",
        bounds=(0, 10_000),
    )
    max_pixels: int = option(
        "limits", 7680 * 4320, "largest image, as width * height", "N", bounds=(1, _MANY)
    )
    max_scene_mb: float = option("limits", 256.0, "largest scene, in megabytes", "MB", bounds=(0.001, 2000))
    scene_cache_mb: float = option(
        "limits",
        1024.0,
        "memory for uploaded scenes, in megabytes; the least recently used ones are dropped first",
        "MB",
        bounds=(0, 1e6),
    )
    max_vertices: int = option(
        "limits",
        Limits.max_vertices,
        "most vertices of all different meshes together; a million need about 300 MB during a render",
        "N",
        bounds=(3, _MANY),
    )
    max_triangles: int = option(
        "limits",
        Limits.max_triangles,
        "most triangles; those of a mesh count each time that it is drawn",
        "N",
        bounds=(1, 10**12),
    )
    max_objects: int = option(
        "limits",
        Limits.max_objects,
        "most objects, instances and lights; a thousand need about half a second and 40 MB",
        "N",
        bounds=(1, _MANY),
    )
    max_texture_mb: float = option(
        "limits",
        Limits.max_texture_bytes / 1e6,
        "most memory for all decoded images of a scene, in megabytes: 4 bytes per pixel, 16 if an image has "
        "more than 8 bits per channel",
        "MB",
        bounds=(1, 1e6),
    )
    check_timeout: float = option(
        "limits",
        20.0,
        "how long the check of a scene may take; a longer one gets a 503",
        "SECONDS",
        bounds=(0.1, 1e6),
    )
    blend_file: Path | None = option(
        "scene", None, "a .blend scene that the client's objects are added to; its scripts do not run", "FILE"
    )
    number_blend_objects: bool = option(
        "scene",
        False,
        "number the objects of the .blend after the client's objects in instance images, and list them; "
        "this replaces their pass indices",
    )
    bpy_settings_file: Path | None = option(
        "scene",
        None,
        "a Python script that runs with bpy after the .blend is opened; an edit takes effect with the next "
        "request",
        "FILE",
    )
    up_axis: UpAxis = option(
        "scene", "z", "which axis points up in the scenes of clients: z as in Drake, y as in glTF files"
    )
    engine: Engine | None = option(
        "picture",
        None,
        "the engine that renders colour; depth and labels are exact with both",
        unset="cycles, or the .blend's",
    )
    device: Device = option(
        "picture", "auto", "the device that Cycles renders on; auto = the best one of the machine"
    )
    quality: Quality | None = option(
        "picture",
        None,
        "preset of samples, noise threshold and denoising: "
        + "; ".join(f"{name} = {what}" for name, what in QUALITIES.items()),
        unset=f"{DEFAULT_QUALITY}, or the .blend's",
    )
    samples: int | None = option(
        "picture", None, "most samples per pixel", "N", bounds=(1, 2**24), unset="the quality's"
    )
    noise_threshold: float | None = option(
        "picture",
        None,
        "the error at which Cycles stops sampling a pixel; 0 = never",
        "E",
        bounds=(0, 1),
        unset="the quality's",
    )
    denoise: bool | None = option("picture", None, "whether colour is denoised", unset="the quality's")
    environment: str | None = option(
        "picture",
        None,
        f"light from all around: {', '.join(ENVIRONMENTS)}, an .exr or .hdr file, or {NO_ENVIRONMENT}",
        f"NAME|FILE|{NO_ENVIRONMENT}",
        unset=f"{DEFAULT_ENVIRONMENT} if the scene brings no light",
    )
    exposure: float | None = option(
        "picture",
        None,
        "makes colour brighter, or darker if negative, in stops",
        "EV",
        bounds=(-10, 10),
        unset="0, or metered if all light comes from the client's scene",
    )
    view_transform: str | None = option(
        "picture", None, "one of Blender's view transforms, such as AgX or Standard", "NAME"
    )
    depth_format: DepthFormat = option(
        "picture", "tiff32f", "depth images as float32 metres or as 16-bit millimetres"
    )
    record: str | None = option(
        "server", None, "record every request in this folder, to look at it or to render it again", "DIR"
    )

    @classmethod
    def from_command_line(
        cls, arguments: Sequence[str], environ: Mapping[str, str] = os.environ
    ) -> ServerSettings:
        """Read the options, then environment variables, then defaults. ``--help`` and errors end the process.

        Parameters
        ----------
        arguments : sequence of str
            The arguments without the program's name.
        environ : mapping
            The environment variables. Those that begin with ``GLTF_RENDER_SERVER_`` are read.
        """
        try:
            return cls._read(arguments, environ)
        except SettingsError as error:
            print(f"{_PROGRAM}: error: {error}\n{_PROGRAM} --help lists all options", file=sys.stderr)  # noqa: T201
            raise SystemExit(2) from None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> ServerSettings:
        """Read the settings from environment variables only.

        Raises
        ------
        SettingsError
            The name of a variable is misspelt, or its value is invalid.
        """
        return cls._read((), environ)

    @classmethod
    def _read(cls, arguments: Sequence[str], environ: Mapping[str, str]) -> ServerSettings:
        # imported here because it needs click, which Blender's Python may lack until it is installed
        from .command_line import read_options

        return cls(**read_options(cls, arguments, environ, prefix=ENVIRONMENT_PREFIX, **_ABOUT))

    @classmethod
    def command(cls) -> click.Command:
        """Return the click command that reads the options, for programs that display its help."""
        from .command_line import command_of

        return command_of(cls, ENVIRONMENT_PREFIX, **_ABOUT)

    def check(self) -> None:
        """Reject combinations of options that contradict each other.

        Raises
        ------
        SettingsError
        """
        if self.number_blend_objects and self.blend_file is None:
            raise SettingsError("--number-blend-objects needs a .blend; add --blend-file FILE")
        for name in ("gpus", "render_timeout", "worker_max_requests", "worker_max_rss"):
            if getattr(self, name) and not self.workers:
                raise SettingsError(f"--{name.replace('_', '-')} needs workers; add --workers N")

    @property
    def max_scene_bytes(self) -> int:
        """`max_scene_mb` in bytes."""
        return round(self.max_scene_mb * 1e6)

    @property
    def limits(self) -> Limits:
        """The limits for a scene."""
        return Limits(
            self.max_vertices, self.max_triangles, self.max_objects, round(self.max_texture_mb * 1e6)
        )

    @property
    def logging_level(self) -> int:
        """The level for the ``logging`` module."""
        return logging.DEBUG if self.debug else logging.getLevelName(self.log_level.upper())
