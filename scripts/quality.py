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
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import flip_evaluator  # pyright: ignore[reportMissingImports]
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gltf_render_server.frame import Lens
from gltf_render_server.gltf import parse_scene
from gltf_render_server.http.form import RenderFields
from gltf_render_server.renderer import RenderedFrame
from gltf_render_server.settings import ServerSettings
from interior import save_interior, still_life_in_a_room
from tabletop import tabletop

_Picture = NDArray[np.uint8]
_Form = tuple[bytes, dict[str, str]]

_ROOT = Path(__file__).resolve().parent.parent
_RECORDED = Path(os.environ.get("GLTF_RENDER_SERVER_RECORDED", _ROOT.parent / "shared" / "scenes"))
_WARM_UP = Lens(16, 12, 15.0, 15.0, 8.0, 6.0, 0.05, 20.0)
_YARDSTICK = "256 plain"
_REFERENCE_SEED = 1  # another one than what is measured: both would share their first samples' noise


@dataclass(frozen=True)
class Setting:
    """One way to render.

    Attributes
    ----------
    name : str
    options : dict
        Fields of `ServerSettings`.
    script : str
        A settings script for all that has no option; ``c`` is the scene's Cycles settings.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    script: str = ""


@dataclass(frozen=True)
class Case:
    """A client's scene, and what its server is started with."""

    name: str
    scene: bytes
    fields: RenderFields
    options: dict[str, Any] = field(default_factory=dict)


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
    return Setting(f"{samples} plain", {"samples": samples, "denoise": False, "noise_threshold": 0.0})


def variant(name: str, script: str) -> Setting:
    """Return the preset `balanced` with something else about it."""
    return Setting(name, {"quality": "balanced"}, script)


STANDARD = (
    *(plain(samples) for samples in (4, 16, 64, 256)),
    *(Setting(name, {"quality": name}) for name in ("preview", "balanced", "final")),
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


def main() -> None:
    """Measure, and show."""
    options = _options()
    if options.list_variants:
        print("\n".join(setting.name for setting in VARIANTS))
        return
    settings = [*STANDARD, *(setting for setting in VARIANTS if setting.name in _wanted(options))]
    options.cache.mkdir(parents=True, exist_ok=True)
    cases = [_case(name, options.size, options.cache) for name in options.scenes]
    results = list(_measured(cases, settings, options))
    _show(results)
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    if options.plot:
        _plot(results, options.plot)
    sys.stdout.flush()
    os._exit(0)  # the bpy package now and then waits for ever in its own clean-up


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
        help="tea_table (recorded; the tabletop where that is missing), interior (a .blend that a still life "
        "joins), outdoor (the tabletop in low sun) [default: all]",
    )
    parser.add_argument(
        "--size", type=_size, default=(320, 240), metavar="WxH", help="pixels [default: 320x240]"
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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep the pictures")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "gltf-render-server-quality",
        metavar="FOLDER",
        help="where references are kept [default: %(default)s]",
    )
    return parser.parse_args()


def _size(text: str) -> tuple[int, int]:
    width, height = map(int, text.lower().split("x"))
    return width, height


def _wanted(options: argparse.Namespace) -> set[str]:
    known = {setting.name for setting in VARIANTS}
    if unknown := set(options.variants) - known - {"all"}:
        sys.exit(f"scripts/quality.py: no such variant: {', '.join(sorted(unknown))}; see --list-variants")
    return known if "all" in options.variants else set(options.variants)


def _case(name: str, size: tuple[int, int], cache: Path) -> Case:
    (scene, form), options = _SCENES[name](*size, cache)
    fields = RenderFields.from_form({key: [value] for key, value in form.items()}, max_pixels=2**31)
    return Case(name, scene, replace(fields, lens=_resized(fields.lens, *size)), options)


def _tea_table(width: int, height: int, _cache: Path) -> tuple[_Form, dict[str, Any]]:
    folder = _RECORDED / "tea_table"
    if not folder.is_dir():
        return _still_life(width, height), {}
    return ((folder / "color.gltf").read_bytes(), json.loads((folder / "color.json").read_text())), {}


def _interior(width: int, height: int, cache: Path) -> tuple[_Form, dict[str, Any]]:
    import bpy

    blend = cache / f"interior-{bpy.app.version_string.split()[0]}.blend"
    if not blend.exists():
        save_interior(blend)
    return still_life_in_a_room(width, height), {"blend_file": blend}


def _outdoor(width: int, height: int, _cache: Path) -> tuple[_Form, dict[str, Any]]:
    return _still_life(width, height), {"environment": "sunrise"}


_SCENES = {"tea_table": _tea_table, "interior": _interior, "outdoor": _outdoor}


def _still_life(width: int, height: int) -> _Form:
    scene = tabletop()
    return scene.document("color"), scene.fields("color", width, height)


def _resized(camera: Lens, width: int, height: int) -> Lens:
    """Show the same view in another number of pixels."""
    x, y = width / camera.width, height / camera.height
    return replace(
        camera,
        width=width,
        height=height,
        focal_x=camera.focal_x * x,
        focal_y=camera.focal_y * y,
        center_x=camera.center_x * x,
        center_y=camera.center_y * y,
    )


def _measured(
    cases: Sequence[Case], settings: Sequence[Setting], options: argparse.Namespace
) -> Iterator[Result]:
    """Render everything, one after the other, under a moving bar."""
    columns = (TextColumn("{task.description:44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(cases) * (1 + len(settings)))
        for case in cases:
            progress.update(task, description=f"{case.name}: reference")
            reference = _reference(case, options.reference_samples, options.cache)
            progress.advance(task)
            for setting in settings:
                progress.update(task, description=f"{case.name}: {setting.name}")
                yield _measure(case, setting, reference, options.pictures)
                progress.advance(task)


def _reference(case: Case, samples: int, cache: Path) -> _Picture:
    import bpy

    camera = case.fields.lens
    version = bpy.app.version_string.split()[0]
    path = cache / f"{case.name}-{camera.width}x{camera.height}-{samples}-{version}.png"
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
    from gltf_render_server.blender import BlenderRenderer

    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "settings.py"
        script.write_text(f"c = bpy.context.scene.cycles\n{setting.script}\n")
        renderer = BlenderRenderer(
            ServerSettings(**case.options, **setting.options, bpy_settings_file=script)
        )
        try:
            _answer(renderer, case, _WARM_UP)
            start_s = time.process_time()
            image = _answer(renderer, case, case.fields.lens)
            seconds = time.process_time() - start_s
        finally:
            renderer.close()
    return image.views[0]["color"][..., :3].astype(np.uint8), seconds / len(os.sched_getaffinity(0))


def _answer(renderer: Any, case: Case, camera: Lens) -> RenderedFrame:
    scene = parse_scene(case.scene, extensions=renderer.extensions)
    return renderer.render(replace(case.fields, lens=camera).frame(scene))


def _psnr(picture: _Picture, reference: _Picture) -> float:
    error = np.mean((picture.astype(float) - reference.astype(float)) ** 2)
    return float(10 * np.log10(255.0**2 / max(error, 1e-9)))


def _flip(picture: _Picture, reference: _Picture) -> float:
    pictures = (image.astype(np.float32) / 255 for image in (reference, picture))
    return float(flip_evaluator.evaluate(*pictures, "LDR", applyMagma=False)[1])


def _show(results: Sequence[Result]) -> None:
    table = Table("scene", "setting")
    for header in ("s", "PSNR, dB", "FLIP"):
        table.add_column(header, justify="right")
    for n, result in enumerate(results):
        is_last = n + 1 == len(results) or results[n + 1].case != result.case
        numbers = f"{result.seconds:.2f}", f"{result.psnr:.2f}", f"{result.flip:.4f}"
        table.add_row(result.case, result.setting, *numbers, end_section=is_last)
    console = Console()
    console.print(table)
    for case in dict.fromkeys(result.case for result in results):
        console.print(_verdict({r.setting: r for r in results if r.case == case}, case))


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
    main()
