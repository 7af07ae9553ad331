"""Measures how good colour is for its time: the presets and plain sampling, against very many samples.

The error is that of the 8-bit picture that a client gets: PSNR, and FLIP, which weighs errors as an eye
does. The time is the processor's, divided by the cores, of a request to a server that is warm.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flip_evaluator  # pyright: ignore[reportMissingImports]
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console, RenderableType

import still_life
from benchmarking.sequences import with_size
from option_types import size
from own_server import own_server
from reporting import add_output_options, check_outputs, progress, run, table, tell
from viewpoint import form_of, look_at

_Picture = NDArray[np.uint8]

_ROOT = Path(__file__).resolve().parent.parent
_RECORDED = Path(os.environ.get("GLTF_RENDER_SERVER_RECORDED", _ROOT.parent / "shared" / "scenes"))
_ROOM = _ROOT / "examples" / "still_life" / "room.blend"
_WARM_UP_SIZE = (16, 12)
_YARDSTICK = "256 plain"
_REFERENCE_SEED = 1  # another one than what is measured: both would share their first samples' noise


@dataclass(frozen=True)
class Setting:
    """One way to render.

    Attributes
    ----------
    name : str
    options : tuple of str
        Of the server.
    script : str
        A settings script for all that has no option; ``c`` is the scene's Cycles settings.
    """

    name: str
    options: tuple[str, ...] = ()
    script: str = ""


@dataclass(frozen=True)
class Case:
    """A client's scene, and what its server is started with."""

    name: str
    scene: bytes
    fields: dict[str, str]
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What one setting makes of one case; `psnr` in dB, `flip` from 0 (equal) to 1."""

    case: str
    setting: str
    seconds: float
    psnr: float
    flip: float


def plain(samples: int) -> Setting:
    """Return what Cycles does without a denoiser and without adaptive sampling."""
    options = ("--samples", f"{samples}", "--no-denoise", "--noise-threshold", "0")
    return Setting(f"{samples} plain", options)


def variant(name: str, script: str) -> Setting:
    """Return the preset `balanced` with something else about it."""
    return Setting(name, ("--quality", "balanced"), script)


STANDARD = (
    *(plain(samples) for samples in (4, 16, 64, 256)),
    *(Setting(name, ("--quality", name)) for name in ("preview", "balanced", "final")),
)

VARIANTS = (
    variant("half the samples", "c.samples //= 2"),
    variant("twice the samples", "c.samples *= 2"),
    variant("threshold 0.05", "c.use_adaptive_sampling = True; c.adaptive_threshold = 0.05"),
    variant("prefilter FAST", "c.denoising_prefilter = 'FAST'"),
    variant("prefilter NONE", "c.denoising_prefilter = 'NONE'"),
    variant("prefilter ACCURATE", "c.denoising_prefilter = 'ACCURATE'"),
    variant("denoiser BALANCED", "c.denoising_quality = 'BALANCED'"),
    variant("denoiser FAST", "c.denoising_quality = 'FAST'"),
    variant("no guiding normals", "c.denoising_input_passes = 'RGB_ALBEDO'"),
    variant("Sobol-Burley", "c.sampling_pattern = 'SOBOL_BURLEY'"),
    variant("tabulated Sobol", "c.sampling_pattern = 'TABULATED_SOBOL'"),
    variant("blue noise", "c.sampling_pattern = 'BLUE_NOISE'"),
    variant("no light tree", "c.use_light_tree = False"),
    variant("no caustics", "c.caustics_reflective = c.caustics_refractive = False"),
    variant("path guiding", "c.use_guiding = True"),
)


def main() -> int:
    """Measure, and show; return the exit status."""
    options = _options()
    if options.list_variants:
        print("\n".join(setting.name for setting in VARIANTS))
        return 0
    return run("quality", lambda console: _measure_all(options, console))


def _measure_all(options: argparse.Namespace, console: Console) -> int:
    check_outputs(options)
    settings = [*STANDARD, *(setting for setting in VARIANTS if setting.name in _wanted(options))]
    options.cache.mkdir(parents=True, exist_ok=True)
    cases = [_SCENES[name](*options.size) for name in options.scenes]
    results = list(_measured(cases, settings, options, console))
    tell(_tables(results), results, options, lambda path: _plot(results, path))
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
    parser.add_argument("--list-variants", action="store_true", help="name them, and end")
    add_output_options(parser)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep the pictures")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "gltf-render-server-quality",
        metavar="FOLDER",
        help="where references are kept [default: %(default)s]",
    )
    return parser.parse_args()


def _wanted(options: argparse.Namespace) -> set[str]:
    known = {setting.name for setting in VARIANTS}
    if unknown := set(options.variants) - known - {"all"}:
        sys.exit(f"scripts/quality.py: no such variant: {', '.join(sorted(unknown))}; see --list-variants")
    return known if "all" in options.variants else set(options.variants)


def _tea_table(width: int, height: int) -> Case:
    folder = _RECORDED / "tea_table"
    if not folder.is_dir():
        return _still_life("tea_table", width, height)
    fields = with_size(json.loads((folder / "color.json").read_text()), width, height)
    return Case("tea_table", (folder / "color.gltf").read_bytes(), fields)


def _interior(width: int, height: int) -> Case:
    """Let the still life, without its own surroundings, stand on the room's table."""
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
    cases: Sequence[Case], settings: Sequence[Setting], options: argparse.Namespace, console: Console
) -> Iterator[Result]:
    """Render everything, one after the other, under a moving bar."""
    with progress(console) as bars:
        task = bars.add_task("", total=len(cases) * (1 + len(settings)))
        for case in cases:
            bars.update(task, description=f"{case.name}: reference")
            reference = _reference(case, options.reference_samples, options.cache)
            bars.advance(task)
            for setting in settings:
                bars.update(task, description=f"{case.name}: {setting.name}")
                yield _measure(case, setting, reference, options.pictures)
                bars.advance(task)


def _reference(case: Case, samples: int, cache: Path) -> _Picture:
    name = f"{case.name}-{case.fields['width']}x{case.fields['height']}-{samples}-{version('bpy')}.png"
    path = cache / name
    if not path.exists():
        setting = replace(plain(samples), script=f"c.seed = {_REFERENCE_SEED}")
        Image.fromarray(_render(case, setting)[0]).save(path)
    with Image.open(path) as image:
        return np.asarray(image)


def _measure(case: Case, setting: Setting, reference: _Picture, folder: Path | None) -> Result:
    picture, seconds = _render(case, setting)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{case.name} {setting.name}.png")
    return Result(case.name, setting.name, seconds, _psnr(picture, reference), _flip(picture, reference))


def _render(case: Case, setting: Setting) -> tuple[_Picture, float]:
    """Return the picture, (height, width, 3), and the processor's seconds over the cores."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "settings.py"
        script.write_text(f"c = bpy.context.scene.cycles\n{setting.script}\n")
        options = ("--workers", "0", "--bpy-settings-file", str(script), *case.options, *setting.options)
        with own_server(*options) as server:
            fields = {name: value for name, value in case.fields.items() if name != "scene_sha256"}
            server.client.post(case.scene, with_size(fields, *_WARM_UP_SIZE))
            before_s = server.processor_s()
            answer = server.client.post(case.scene, fields)
            seconds = server.processor_s() - before_s
    return answer.pixels()[..., :3], seconds / len(os.sched_getaffinity(0))


def _psnr(picture: _Picture, reference: _Picture) -> float:
    error = np.mean((picture.astype(float) - reference.astype(float)) ** 2)
    return float(10 * np.log10(255.0**2 / max(error, 1e-9)))


def _flip(picture: _Picture, reference: _Picture) -> float:
    first, second = (image.astype(np.float32) / 255 for image in (reference, picture))
    return float(flip_evaluator.evaluate(first, second, "LDR", applyMagma=False)[1])


def _tables(results: Sequence[Result]) -> Iterator[RenderableType]:
    made = table("error and time", ["scene", "setting"], ["s", "PSNR, dB", "FLIP"])
    for n, result in enumerate(results):
        is_last = n + 1 == len(results) or results[n + 1].case != result.case
        numbers = f"{result.seconds:.2f}", f"{result.psnr:.2f}", f"{result.flip:.4f}"
        made.add_row(result.case, result.setting, *numbers, end_section=is_last)
    yield made
    for case in dict.fromkeys(result.case for result in results):
        yield _verdict({r.setting: r for r in results if r.case == case}, case)


def _verdict(results: dict[str, Result], case: str) -> str:
    ours, theirs = results["balanced"], results[_YARDSTICK]
    ratio, gain = ours.seconds / theirs.seconds, ours.psnr - theirs.psnr
    return f"{case}: balanced takes {ratio:.3f} of the time of {_YARDSTICK} samples, {gain:+.2f} dB"


def _plot(results: Sequence[Result], path: Path) -> None:
    """Draw PSNR and FLIP over time, a column for each scene."""
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
