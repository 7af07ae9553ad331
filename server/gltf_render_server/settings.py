"""The server's settings: one frozen dataclass, filled from options and the environment.

The one place that knows an option's name, type, default and help.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import SettingsError
from .limits import Limits
from .options import (
    choice,
    existing_file,
    number,
    option,
    read_command_line,
    read_environment,
    switch,
    text,
    words,
)

__all__ = ["ENVIRONMENT_PREFIX", "DepthFormat", "Device", "Engine", "Quality", "ServerSettings", "UpAxis"]

ENVIRONMENT_PREFIX = "GLTF_RENDER_SERVER_"

Engine = Literal["cycles", "eevee"]
Device = Literal["auto", "cpu", "cuda", "optix", "hip", "oneapi", "metal"]
Quality = Literal["preview", "balanced", "final"]
UpAxis = Literal["z", "y"]
DepthFormat = Literal["tiff32f", "png16"]
LogLevel = Literal["debug", "info", "warning", "error"]

_PROGRAM = "gltf-render-server"

_DESCRIPTION = """\
Serve photographs, exact depth and exact labels of glTF scenes over HTTP, rendered by Blender,
by Drake's glTF Render Client-Server API."""

_EPILOG = f"""\
Every option can also come from the environment: --max-queue as {ENVIRONMENT_PREFIX}MAX_QUEUE.
A scene from --blend-file keeps its own lights, world, engine and render settings; options that are
given explicitly override them.

examples:
  gltf-render-server                                        at http://127.0.0.1:8000, until Ctrl-C
  gltf-render-server --port 0 --quality preview             any free port; quick pictures
  gltf-render-server --blend-file room.blend --device cpu   your room and your lights
  {ENVIRONMENT_PREFIX}TOKEN=secret gltf-render-server --host 0.0.0.0 --workers 2
  blender -b -P scripts/serve.py -- --engine eevee          inside a Blender that you have

A browser shows at a running server's address how it is; docs/ beside the code tells more. The protocol:
https://drake.mit.edu/doxygen_cxx/group__render__engine__gltf__client__server__api.html"""

_MANY = 2**31 - 1


@dataclass(frozen=True)
class ServerSettings:
    """All settings of a server. Where None is the default, it means: as the quality or the .blend says.

    Attributes
    ----------
    host, port : str, int
        Where to listen; port 0 takes any free one.
    debug : bool
        Log everything that may help to find a fault, and start anew when the server's code changes.
    log_level : str
    backend : str
        Name of what renders; see `backends`.
    token : str or None
        What a client must send to be answered.
    insecure : bool
        Whether the server may listen beyond this machine without a token.
    allowed_hosts : tuple of str
        Names that a Host header may have, beside the machine's own; "*" = any.
    workers : int
        Processes that render; 0 = the server's own process renders.
    gpus : tuple of str
        Ids of the GPUs that the workers take in turn.
    render_timeout : float or None
        Seconds after which a worker's render is cut.
    start_timeout : float
        Seconds after which a worker's start is cut.
    worker_max_requests : int or None
        How many requests a worker's process renders at most.
    worker_max_rss : float or None
        The largest resident memory of a worker's process, 10**6 bytes.
    max_queue : int
        How many requests may wait while one is rendered.
    max_pixels : int
        The largest image, width * height.
    max_scene_mb : float
        The largest scene, 10**6 bytes.
    max_vertices, max_triangles, max_objects, max_texture_mb : int or float
        What a scene may cost; see `limits.Limits`.
    check_timeout : float
        Seconds that the check of a scene may take.
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
        In stops; None = 0, and metered where the client's scene alone brings light.
    view_transform : str or None
        A view transform of Blender's colour management.
    depth_format : {"tiff32f", "png16"}
    record : str or None
        A folder that keeps each request.
    """

    host: str = option("server", "127.0.0.1", str, "address to listen on")
    port: int = option("server", 8000, number(int, 0, 65535), "port to listen on; 0 = any free one")
    debug: bool = option(
        "server",
        False,
        switch,
        "for who works on the server: log all that may help to find a fault, and start anew when its "
        "code changes",
    )
    log_level: LogLevel = option(
        "server", "info", choice("debug", "info", "warning", "error"), "what is logged"
    )
    backend: str = option(
        "server",
        "blender",
        text,
        "what renders: blender, vtk, or the name of one that a package brings",
        "NAME",
    )
    token: str | None = option(
        "security",
        None,
        text,
        "what a client must send, as Authorization: Bearer TOKEN, as a password or as render?token=TOKEN; "
        "better given by the environment, which other users cannot see",
        "TOKEN",
        is_secret=True,
    )
    insecure: bool = option("security", False, switch, "listen beyond this machine without a token")
    allowed_hosts: tuple[str, ...] = option(
        "security",
        (),
        words,
        "names, with commas between them, under which this server is reached, beside localhost, this "
        "machine's own name and IP addresses; * = any; not checked where there is a token",
        "NAMES",
    )
    workers: int = option(
        "workers",
        1,
        number(int, 0, 1024),
        "processes that render beside this one, each replaced when it crashes; 0 = this process renders "
        "itself [default: 1, or 0 inside Blender]",
        "N",
    )
    gpus: tuple[str, ...] = option(
        "workers",
        (),
        words,
        "numbers or ids, with commas between them, of the GPUs that the workers take in turn, one each "
        "[default: those of CUDA_VISIBLE_DEVICES, or all of NVIDIA's]",
        "IDS",
    )
    render_timeout: float | None = option(
        "workers",
        None,
        number(float, 0.1, 1e6),
        "a render that takes longer is cut and tried once more by another worker [default: none]",
        "SECONDS",
    )
    start_timeout: float = option(
        "workers",
        300.0,
        number(float, 1, 1e6),
        "a worker that takes longer to start is ended, and another started",
        "SECONDS",
    )
    worker_max_requests: int | None = option(
        "workers",
        None,
        number(int, 1, _MANY),
        "replace a worker after this many requests [default: never]",
        "N",
    )
    worker_max_rss: float | None = option(
        "workers",
        None,
        number(float, 100, 1e7),
        "replace a worker that takes more memory, in megabytes [default: any]",
        "MB",
    )
    max_queue: int = option(
        "limits",
        16,
        number(int, 0, 10_000),
        "how many requests may wait while every worker renders; more get 503",
        "N",
    )
    max_pixels: int = option(
        "limits",
        7680 * 4320,
        number(int, 1, _MANY),
        "largest image, width * height",
        "N",
    )
    max_scene_mb: float = option(
        "limits", 256.0, number(float, 0.001, 2000), "largest scene, in megabytes", "MB"
    )
    max_vertices: int = option(
        "limits",
        Limits.max_vertices,
        number(int, 3, _MANY),
        "most vertices of all different meshes together; a million take about 300 MB while they are rendered",
        "N",
    )
    max_triangles: int = option(
        "limits",
        Limits.max_triangles,
        number(int, 1, 10**12),
        "most triangles, those of a mesh counted each time that it is drawn",
        "N",
    )
    max_objects: int = option(
        "limits",
        Limits.max_objects,
        number(int, 1, _MANY),
        "most objects, instances and lights; a thousand take about half a second and 40 MB",
        "N",
    )
    max_texture_mb: float = option(
        "limits",
        Limits.max_texture_bytes / 1e6,
        number(float, 1, 1e6),
        "largest images of a scene together, decoded, in megabytes: 4 bytes a pixel, 16 where it is deeper "
        "than 8 bits",
        "MB",
    )
    check_timeout: float = option(
        "limits",
        20.0,
        number(float, 0.1, 1e6),
        "how long a scene may be checked before it is rendered; more gets 503",
        "SECONDS",
    )
    blend_file: Path | None = option(
        "scene",
        None,
        existing_file,
        "a .blend scene that the client's objects join; its scripts do not run",
        "FILE",
    )
    bpy_settings_file: Path | None = option(
        "scene",
        None,
        existing_file,
        "a Python script with bpy in scope, run after the .blend is opened; "
        "an edit takes effect on the next request",
        "FILE",
    )
    up_axis: UpAxis = option("scene", "z", choice("z", "y"), "which axis of the glTF points up; Drake's is z")
    engine: Engine | None = option(
        "picture",
        None,
        choice("cycles", "eevee"),
        "renders colour [default: cycles, or the .blend's]",
    )
    device: Device = option(
        "picture",
        "auto",
        choice("auto", "cpu", "cuda", "optix", "hip", "oneapi", "metal"),
        "what Cycles renders on; auto = the best that is there",
    )
    quality: Quality | None = option(
        "picture",
        None,
        choice("preview", "balanced", "final"),
        "preset of samples, noise threshold and denoising [default: balanced, or the .blend's]",
    )
    samples: int | None = option(
        "picture",
        None,
        number(int, 1, 2**24),
        "samples a pixel, at most [default: the quality's]",
        "N",
    )
    noise_threshold: float | None = option(
        "picture",
        None,
        number(float, 0, 1),
        "error at which Cycles stops sampling a pixel; 0 = never [default: the quality's]",
        "E",
    )
    denoise: bool | None = option("picture", None, switch, "denoise colour [default: the quality's]")
    environment: str | None = option(
        "picture",
        None,
        str,
        "light from all around: city, courtyard, forest, interior, night, studio, sunrise, sunset, "
        "an .exr or .hdr file, or none [default: forest where the scene brings no light]",
        "NAME|FILE|none",
    )
    exposure: float | None = option(
        "picture",
        None,
        number(float, -10, 10),
        "stops brighter or darker [default: 0; metered where the scene alone brings light]",
        "EV",
    )
    view_transform: str | None = option(
        "picture", None, str, "a view transform of Blender's, such as AgX or Standard", "NAME"
    )
    depth_format: DepthFormat = option(
        "picture",
        "tiff32f",
        choice("tiff32f", "png16"),
        "depth as float metres or as 16-bit millimetres",
    )
    record: str | None = option(
        "server", None, text, "keep every request in this folder, to look at it or render it again", "DIR"
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
        try:
            from_environment = read_environment(cls, ENVIRONMENT_PREFIX, environ)
        except SettingsError as error:
            print(f"{_PROGRAM}: error: {error}", file=sys.stderr)  # noqa: T201
            raise SystemExit(2) from None
        options = read_command_line(cls, arguments, prog=_PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
        return cls(**{**from_environment, **options})

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> ServerSettings:
        """Read the environment only.

        Raises
        ------
        SettingsError
            A variable's value is wrong.
        """
        return cls(**read_environment(cls, ENVIRONMENT_PREFIX, environ))

    def check(self) -> None:
        """Refuse what only means something together with another option.

        Raises
        ------
        SettingsError
        """
        for name in ("gpus", "render_timeout", "worker_max_requests", "worker_max_rss"):
            if getattr(self, name) and not self.workers:
                raise SettingsError(f"--{name.replace('_', '-')} is about workers; say --workers N, too")

    @property
    def max_scene_bytes(self) -> int:
        """`max_scene_mb` in bytes."""
        return round(self.max_scene_mb * 1e6)

    @property
    def limits(self) -> Limits:
        """What a scene may cost."""
        return Limits(
            self.max_vertices, self.max_triangles, self.max_objects, round(self.max_texture_mb * 1e6)
        )

    @property
    def logging_level(self) -> int:
        """The level for the ``logging`` module."""
        return logging.DEBUG if self.debug else logging.getLevelName(self.log_level.upper())
