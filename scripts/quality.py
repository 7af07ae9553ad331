"""Measures how good colour is for its time: the presets and plain sampling, against very many samples.

The error is that of the 8-bit picture that a client gets: PSNR, and FLIP, which weighs errors as an eye
does. The reference has noise of its own; the picture of 256 plain samples tells how much, and it is taken
off the PSNR, so a reference of fewer samples tells nearly the same.

The time is the processor's, divided by the cores, of a request to a server that is warm; so other programs
hardly count. The time by the clock is told, too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import flip_evaluator  # pyright: ignore[reportMissingImports]
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console, RenderableType

import still_life
from benchmarking.sequences import with_size
from contact_sheet import captioned
from gltf_render_server.client import RenderClient, RenderClientError
from gltf_render_server.settings import Quality
from option_types import size
from own_server import OwnServer, own_server
from reporting import add_output_options, check_outputs, progress, report, run, table
from viewpoint import form_of, look_at

_Picture = NDArray[np.uint8]

_ROOT = Path(__file__).resolve().parent.parent
_RECORDED = Path(os.environ.get("GLTF_RENDER_SERVER_RECORDED", _ROOT.parent / "shared" / "scenes"))
_ROOM = _ROOT / "examples" / "still_life" / "room.blend"
_WARM_UP_SIZE = (16, 12)
_YARDSTICK_SAMPLES = 256
_YARDSTICK = f"{_YARDSTICK_SAMPLES} plain"
_SHOWN = (*get_args(Quality), _YARDSTICK, "reference")
_LEAST_LEFT = 0.05  # the smallest error that remains after subtracting that of the reference
_PREAMBLE = """\
from gltf_render_server.blender.engines import PRESETS, apply_preset
c = bpy.context.scene.cycles
def preset(name):
    apply_preset(bpy.context.scene, PRESETS[name])
"""
# different from the seed of the measured images, with which it would otherwise share the noise of its first
# samples
_REFERENCE_SEED = 1


@dataclass(frozen=True)
class Setting:
    """One set of render settings.

    Attributes
    ----------
    name : str
    script : str
        Python code. ``c`` is the scene's Cycles settings, and ``preset`` applies a preset by name.
    """

    name: str
    script: str


@dataclass(frozen=True)
class Case:
    """A client's scene, and the options of its server."""

    name: str
    scene: bytes
    fields: dict[str, str]
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rendered:
    """An image, (height, width, 3), the processor time divided by the cores, and the wall time; seconds."""

    picture: _Picture
    seconds: float
    wall_s: float


@dataclass(frozen=True)
class Result:
    """The result of one setting for one case; `psnr` in dB, `flip` from 0 (equal) to 1."""

    case: str
    setting: str
    seconds: float
    wall_s: float
    psnr: float
    flip: float


def plain(samples: int, seed: int = 0) -> Setting:
    """Return a setting without denoiser and without adaptive sampling."""
    script = f"c.samples = {samples}; c.seed = {seed}; c.use_denoising = c.use_adaptive_sampling = False"
    return Setting(f"{samples} plain", script)


def change(name: str, script: str) -> Setting:
    """Return the preset `balanced` with a change."""
    return Setting(name, f"preset('balanced'); {script}")


STANDARD = (
    *(plain(samples) for samples in (4, 16, 64, _YARDSTICK_SAMPLES)),
    *(Setting(name, f"preset({name!r})") for name in get_args(Quality)),
)

VARIANTS = (
    change("half the samples", "c.samples //= 2"),
    change("twice the samples", "c.samples *= 2"),
    change("stops early", "c.use_adaptive_sampling = True; c.adaptive_threshold = 0.05"),
    change(
        "stops early, from 8",
        "c.samples *= 2; c.use_adaptive_sampling = True; "
        "c.adaptive_min_samples = 8; c.adaptive_threshold = 0.1",
    ),
    *(
        change(
            f"prefilter {prefilter}, denoiser {quality}",
            f"c.denoising_prefilter = {prefilter!r}; c.denoising_quality = {quality!r}",
        )
        for prefilter in ("NONE", "FAST", "ACCURATE")
        for quality in ("HIGH", "BALANCED", "FAST")
    ),
    change("guided by albedo", "c.denoising_input_passes = 'RGB_ALBEDO'"),
    change("not guided", "c.denoising_input_passes = 'RGB'"),
    change("three bounces", "c.max_bounces = 3"),
    change("clamped at 3", "c.sample_clamp_indirect = 3.0"),
    change("filter glossy", "c.blur_glossy = 2.0"),
    change("tabulated Sobol", "c.sampling_pattern = 'TABULATED_SOBOL'"),
    change("blue noise", "c.sampling_pattern = 'BLUE_NOISE'"),
    change("the other light tree", "c.use_light_tree = not c.use_light_tree"),
    change("no caustics", "c.caustics_reflective = c.caustics_refractive = False"),
    change("spatial splits", "c.debug_use_spatial_splits = True"),
    change("path guiding", "c.use_guiding = True"),
)


_STANDARD_NAMES = tuple(setting.name for setting in STANDARD)


def main() -> int:
    """Run the measurements, show the results, and return the exit status."""
    options = _options()
    if options.list_variants:
        print("\n".join(setting.name for setting in VARIANTS))
        return 0
    return run("quality", lambda console: _measure_all(options, console))


def _measure_all(options: argparse.Namespace, console: Console) -> int:
    check_outputs(options)
    settings = _settings(options)
    options.cache.mkdir(parents=True, exist_ok=True)
    cases = [_SCENES[name](*options.size) for name in options.scenes]
    pictures: dict[str, _Picture] = {}
    results = [*_earlier(options.beside), *_measured(cases, settings, options, pictures, console)]
    results.sort(key=lambda result: result.case)
    if options.sheet is not None:
        Image.fromarray(captioned(pictures, len(pictures) // len(cases))).save(options.sheet, quality=90)
    report(_tables(results), results, options, lambda path: _plot(results, path))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/quality.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
References take minutes, and are kept in the cache; empty it when the look of a scene has changed, or what
is measured is the change. Needs the dependency group "quality" (pip install --group quality).

  scripts/quality.py --plot docs/images/quality.png
  scripts/quality.py --scenes tea_table --variants all --json variants.json""",
    )
    parser.add_argument(
        "--scenes",
        nargs="+",
        default=list(_SCENES),
        choices=list(_SCENES),
        help="tea_table (recorded; the still life where that is missing), interior (the still life in "
        "examples/still_life/room.blend), outdoor (the still life in low sun) [default: all]",
    )
    parser.add_argument(
        "--size", type=size, default=(320, 240), metavar="WxH", help="pixels [default: 320x240]"
    )
    parser.add_argument(
        "--reference-samples", type=int, default=4096, metavar="N", help="[default: %(default)s]"
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        default=[],
        metavar="NAME",
        help="measure these changes to `balanced`, too; 'all' for all of --list-variants",
    )
    parser.add_argument(
        "--script",
        action="append",
        default=[],
        metavar="PYTHON",
        help="measure this, too: statements in which c is the scene's Cycles settings and preset() takes the "
        "name of one; may be given again",
    )
    parser.add_argument(
        "--only",
        nargs="*",
        choices=_STANDARD_NAMES,
        metavar="NAME",
        help=f"of what is always measured, these only: {', '.join(_STANDARD_NAMES)}",
    )
    parser.add_argument("--list-variants", action="store_true", help="name them, and end")
    add_output_options(parser)
    parser.add_argument("--beside", type=Path, metavar="FILE", help="show what an earlier --json kept, too")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="lay the pictures' middles side by side")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep the pictures")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "gltf-render-server-quality",
        metavar="FOLDER",
        help="where references are kept [default: %(default)s]",
    )
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> list[Setting]:
    """Return the settings to be measured."""
    known = {setting.name for setting in VARIANTS}
    if unknown := set(options.variants) - known - {"all"}:
        sys.exit(f"scripts/quality.py: no such variant: {', '.join(sorted(unknown))}; see --list-variants")
    wanted = known if "all" in options.variants else set(options.variants)
    standard = [setting for setting in STANDARD if setting.name in (options.only or _STANDARD_NAMES)]
    variants = [setting for setting in VARIANTS if setting.name in wanted]
    return [*standard, *variants, *(Setting(script, script) for script in options.script)]


def _tea_table(width: int, height: int) -> Case:
    folder = _RECORDED / "tea_table"
    if not folder.is_dir():
        return _still_life("tea_table", width, height)
    fields = with_size(json.loads((folder / "color.json").read_text()), width, height)
    return Case("tea_table", (folder / "color.gltf").read_bytes(), fields)


def _interior(width: int, height: int) -> Case:
    """Put the still life, without its own surroundings, on the table of the room."""
    document = still_life.document()
    root, *nodes = document["nodes"]
    root["children"] = [
        number for number in root["children"] if nodes[number - 1]["name"] not in ("table", "apron", "wall")
    ]
    nodes[-1]["matrix"] = look_at((1.55, -1.65, 0.72), (-0.12, 0.18, 0.03)).T.ravel().tolist()
    fields = form_of("color", (width, height), np.radians(50.0), (0.01, 10.0), (0.1, 3.0))
    return Case("interior", json.dumps(document).encode(), fields, ("--blend-file", str(_ROOM)))


def _outdoor(width: int, height: int) -> Case:
    return _still_life("outdoor", width, height, "--environment", "sunrise")


_SCENES = {"tea_table": _tea_table, "interior": _interior, "outdoor": _outdoor}


def _still_life(name: str, width: int, height: int, *options: str) -> Case:
    fields = still_life.request_fields("color", width, height)
    return Case(name, still_life.scene("color"), fields, options)


def _measured(
    cases: Sequence[Case],
    settings: Sequence[Setting],
    options: argparse.Namespace,
    pictures: dict[str, _Picture],
    console: Console,
) -> Iterator[Result]:
    """Render everything with a progress bar. Images for the sheet are added to `pictures`."""
    with progress(console) as bars:
        task = bars.add_task("", total=len(cases) * (1 + len(settings)))
        for case in cases:
            with _studio(case) as studio:
                rendered = {}
                for setting in settings:
                    bars.update(task, description=f"{case.name}: {setting.name}")
                    with _refusal_printed(setting, console):
                        rendered[setting.name] = studio.render(setting)
                    bars.advance(task)
                bars.update(task, description=f"{case.name}: reference")
                truth = _truth(studio, rendered, options.reference_samples, options.cache)
                bars.advance(task)
            if options.pictures is not None:
                _keep(rendered, case, truth.picture, options.pictures)
            shown = {name: one.picture for name, one in rendered.items()} | {"reference": truth.picture}
            pictures |= {f"{case.name}, {name}": _middle(shown[name]) for name in _SHOWN if name in shown}
            yield from _results(rendered, case, truth)


def _earlier(path: Path | None) -> list[Result]:
    """Return the results of an earlier run."""
    return [] if path is None else msgspec.json.decode(path.read_bytes(), type=list[Result])


def _middle(picture: _Picture) -> _Picture:
    """Crop an image so that its noise is visible at the size of a page."""
    height, width = picture.shape[:2]
    return picture[height // 4 : -height // 4, width // 3 : -width // 4]


@contextmanager
def _refusal_printed(setting: Setting, console: Console) -> Iterator[None]:
    """Report a setting that cannot be rendered, because this Blender version may not support it."""
    try:
        yield
    except RenderClientError as error:
        console.print(f"{setting.name}: {error}", markup=False)


def _results(rendered: Mapping[str, Rendered], case: Case, truth: _Truth) -> Iterator[Result]:
    for name, one in rendered.items():
        error = _squared_error(one.picture, truth.picture)
        psnr = float(10 * np.log10(255.0**2 / max(error - truth.noise, _LEAST_LEFT * error, 1e-9)))
        yield Result(case.name, name, one.seconds, one.wall_s, psnr, _flip(one.picture, truth.picture))


@dataclass(frozen=True)
class _Truth:
    """The image with very many samples, and the mean square of its remaining noise."""

    picture: _Picture
    noise: float


def _truth(studio: _Studio, rendered: Mapping[str, Rendered], samples: int, cache: Path) -> _Truth:
    """Return the reference. It is cached, with an image of 256 plain samples that determines its noise."""
    if _YARDSTICK in rendered:
        Image.fromarray(rendered[_YARDSTICK].picture).save(_path(studio.case, _YARDSTICK, cache))
    yardstick = _kept(studio, plain(_YARDSTICK_SAMPLES), _YARDSTICK, cache)
    reference = _kept(studio, plain(samples, _REFERENCE_SEED), f"{samples}", cache)
    share = _YARDSTICK_SAMPLES / (_YARDSTICK_SAMPLES + samples)
    return _Truth(reference, share * _squared_error(yardstick, reference))


def _kept(studio: _Studio, setting: Setting, name: str, cache: Path) -> _Picture:
    path = _path(studio.case, name, cache)
    if not path.exists():
        Image.fromarray(studio.render(setting).picture).save(path)
    with Image.open(path) as image:
        return np.asarray(image)


def _path(case: Case, name: str, cache: Path) -> Path:
    size = f"{case.fields['width']}x{case.fields['height']}"
    return cache / f"{case.name}-{size}-{name.replace(' ', '_')}-{version('bpy')}.png"


def _keep(rendered: Mapping[str, Rendered], case: Case, reference: _Picture, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {name: one.picture for name, one in rendered.items()} | {"reference": reference}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{case.name} {name.replace('/', '|')}.png")


class _Studio:
    """A server that renders one case with different settings scripts."""

    def __init__(self, case: Case, client: RenderClient, server: OwnServer, script: Path) -> None:
        self.case = case
        self._client = client
        self._server = server
        self._script = script

    def render(self, setting: Setting) -> Rendered:
        """Render once at a small size to warm up, and then at the size of the case."""
        self._script.write_text(_PREAMBLE + setting.script + "\n")
        fields = {name: value for name, value in self.case.fields.items() if name != "scene_sha256"}
        self._client.post(self.case.scene, with_size(fields, *_WARM_UP_SIZE))
        before_s, started_s = self._server.processor_s(), time.perf_counter()
        answer = self._client.post(self.case.scene, fields)
        wall_s, seconds = time.perf_counter() - started_s, self._server.processor_s() - before_s
        return Rendered(answer.pixels()[..., :3], seconds / len(os.sched_getaffinity(0)), wall_s)


@contextmanager
def _studio(case: Case) -> Iterator[_Studio]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "settings.py"
        script.touch()
        options = ("--workers", "0", "--bpy-settings-file", str(script), *case.options)
        with own_server(*options) as server:
            yield _Studio(case, server.client, server, script)


def _squared_error(picture: _Picture, reference: _Picture) -> float:
    return float(np.mean((picture.astype(float) - reference.astype(float)) ** 2))


def _flip(picture: _Picture, reference: _Picture) -> float:
    first, second = (image.astype(np.float32) / 255 for image in (reference, picture))
    return float(flip_evaluator.evaluate(first, second, "LDR", applyMagma=False)[1])


def _tables(results: Sequence[Result]) -> Iterator[RenderableType]:
    headings = ["processor, s", "clock, s", "PSNR, dB", "FLIP"]
    made = table("error and time", ["scene", "setting"], headings)
    for n, result in enumerate(results):
        is_last = n + 1 == len(results) or results[n + 1].case != result.case
        times = f"{result.seconds:.2f}", f"{result.wall_s:.2f}"
        errors = f"{result.psnr:.2f}", f"{result.flip:.4f}"
        made.add_row(result.case, result.setting, *times, *errors, end_section=is_last)
    yield made
    for case in dict.fromkeys(result.case for result in results):
        yield from _verdicts({r.setting: r for r in results if r.case == case}, case)


def _verdicts(results: dict[str, Result], case: str) -> Iterator[str]:
    theirs = results.get(_YARDSTICK)
    for name in get_args(Quality):
        if theirs is not None and (ours := results.get(name)) is not None:
            ratio, gain = ours.seconds / theirs.seconds, ours.psnr - theirs.psnr
            yield f"{case}: {name} takes {ratio:.3f} of the time of {_YARDSTICK} samples, {gain:+.2f} dB"


def _plot(results: Sequence[Result], path: Path) -> None:
    """Plot PSNR and FLIP over time, with a column for each scene."""
    import matplotlib.pyplot as plt  # pyright: ignore[reportMissingImports]

    cases = list(dict.fromkeys(result.case for result in results))
    figure, axes = plt.subplots(
        2, len(cases), figsize=(3.6 * len(cases), 5.4), squeeze=False, layout="constrained"
    )
    for column, case in zip(axes.T, cases, strict=True):
        column[0].set_title(case.replace("_", " "))
        column[1].set_xlabel("seconds")
        for axis, quantity in zip(column, ("psnr", "flip"), strict=True):
            _draw(axis, [result for result in results if result.case == case], quantity)
    axes[0, 0].set_ylabel("PSNR, dB")
    axes[1, 0].set_ylabel("FLIP")
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def _draw(axis: Any, results: Sequence[Result], quantity: str) -> None:
    plains = {s.name: s.name.split()[0] for s in STANDARD if s.name.endswith("plain")}
    presets = {s.name: s.name for s in STANDARD if s.name not in plains}
    for names, label, style in (
        (plains, "plain samples", {"marker": "o", "color": "tab:grey"}),
        (presets, "presets", {"marker": "o", "color": "tab:blue"}),
    ):
        points = [result for result in results if result.setting in names]
        values = [getattr(result, quantity) for result in points]
        axis.plot([result.seconds for result in points], values, label=label, **style)
        for point, value in zip(points, values, strict=True):
            place = {"xytext": (4, -11), "textcoords": "offset points", "fontsize": 8}
            axis.annotate(names[point.setting], (point.seconds, value), color=style["color"], **place)
    others = [result for result in results if result.setting not in {*plains, *presets}]
    axis.plot([r.seconds for r in others], [getattr(r, quantity) for r in others], "x", color="tab:orange")
    axis.set_xscale("log")
    axis.grid(alpha=0.3)


if __name__ == "__main__":
    sys.exit(main())
