"""Lets GIMP and Krita open exported PSD files and compares what they show with our own picture.

    python scripts/compare_programs.py [--keep FOLDER] [--only gimp|krita] [--case WORDS]

Needs `gimp-console`, and `krita` with `xvfb-run` (Debian: apt-get install gimp krita xvfb xauth).
Every case is a document that the named programs are known to show as Photoshop does, or one that the option
"most compatible" has rewritten so that they do. Prints a table; the exit code is 1 when one differs, 2 when a program
is missing. Krita needs some seconds for each file.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import BlendMode, GroupLayer, LayerProps, Mask, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.psd_export import export_psd
from psdstudio.io.psd_options import ExportOptions, MaskStyle
from psdstudio.render.compositor import Compositor, render_over

SIZE = Size(160, 120)
WHITE = (255, 255, 255)
PROGRAMS = ("gimp", "krita")
LEVELS = 3
"""Differences up to this many levels of 255 are rounding."""
SHARE = 0.001
"""Pixels that may differ by more: ties of modes that compare."""
TRIES = 4
_ALIKE = (
    BlendMode.DARKEN, BlendMode.MULTIPLY, BlendMode.SCREEN, BlendMode.OVERLAY, BlendMode.HARD_LIGHT,
    BlendMode.PIN_LIGHT, BlendMode.LIGHTEN, BlendMode.DIFFERENCE, BlendMode.EXCLUSION,
)  # fmt: skip
_ALIKE_IN_KRITA = (
    BlendMode.COLOR_BURN, BlendMode.COLOR_DODGE, BlendMode.LINEAR_BURN, BlendMode.LINEAR_DODGE, BlendMode.SUBTRACT,
    BlendMode.LINEAR_LIGHT, BlendMode.DIVIDE, BlendMode.SOFT_LIGHT, BlendMode.HUE, BlendMode.SATURATION,
    BlendMode.COLOR, BlendMode.LUMINOSITY,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A document, how it is written, and who must show it as we do."""

    name: str
    document: Document
    options: ExportOptions = field(default_factory=ExportOptions)
    programs: tuple[str, ...] = PROGRAMS


def cases() -> Iterator[Case]:
    """Yield everything that is compared."""
    ground, thing = _layer("ground", _gradient()), _layer("thing", _blob((200, 60, 30)), Point(20, 10))
    mask = Mask(pixels=TileGrid.from_array(_soft()[..., None], fill=0), offset=Point(30, 20))
    inverse = Mask(pixels=TileGrid.from_array(255 - _soft()[..., None], fill=255), offset=Point(30, 20))
    yield _case("plain", ground, thing)
    yield _case("transparent canvas", thing)
    yield _case("opacity", ground, thing.with_props(opacity=90))
    yield _case("mask", ground, replace(thing, mask=mask))
    yield _case("mask that shows outside", ground, replace(thing, mask=inverse))
    yield _case("hidden layer", ground, thing.with_props(visible=False))
    dark = _blob((0, 0, 0))
    dark[..., :3] = 0
    shadow = _layer("shadow", dark, Point(40, 24), blend_mode=BlendMode.MULTIPLY, opacity=160)
    for mode in (BlendMode.PASS_THROUGH, BlendMode.NORMAL):
        group = GroupLayer(props=LayerProps(name="group", blend_mode=mode), children=(shadow, thing))
        words = mode.name.lower().replace("_", " ")
        yield _case(f"group, {words}", ground, group)
        masked = replace(group, mask=mask)
        yield _case(
            f"group with mask, {words}",
            ground,
            masked,
            programs=PROGRAMS if mode is BlendMode.NORMAL else ("gimp",),
        )
        yield _case(f"group with mask, {words}, compatible", ground, masked, compatible=True)
        faint = group.with_props(opacity=128)
        yield _case(f"group at half opacity, {words}", ground, faint, programs=("gimp",))
        yield _case(f"group at half opacity, {words}, compatible", ground, faint, compatible=True)
    for mode in (*_ALIKE, *_ALIKE_IN_KRITA):
        programs = PROGRAMS if mode in _ALIKE else ("krita",)
        words = mode.name.lower().replace("_", " ")
        yield _case(words, ground, thing.with_props(blend_mode=mode), programs=programs)
    upon = _layer("upon", _blob((20, 90, 220)), Point(60, 30), blend_mode=BlendMode.MULTIPLY, clipping=True)
    for mode in (BlendMode.NORMAL, BlendMode.MULTIPLY):
        base = replace(thing.with_props(blend_mode=mode, opacity=200), mask=mask)
        words = mode.name.lower()
        yield _case(f"clipped to {words}, compatible", ground, base, upon, compatible=True)
    yield _case("fill opacity, compatible", ground, thing.with_props(fill=100), compatible=True)
    yield _case("baked mask", ground, replace(thing, mask=mask), masks=MaskStyle.BAKE)
    yield _case("mask made of transparency", ground, thing, masks=MaskStyle.MAKE)


def main() -> int:
    """Compare everything; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, help="leave files and pictures in this folder")
    parser.add_argument("--only", choices=PROGRAMS, help="one program alone")
    parser.add_argument(
        "--case", default="", metavar="WORDS", help="only the cases whose name has these words"
    )
    args = parser.parse_args()
    programs = PROGRAMS if args.only is None else (args.only,)
    tools = {"gimp": ("gimp-console",), "krita": ("krita", "xvfb-run")}
    missing = [tool for program in programs for tool in tools[program] if shutil.which(tool) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}")
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return 1 if _compare([case for case in cases() if args.case in case.name], programs, folder) else 0


def _compare(everything: list[Case], programs: tuple[str, ...], folder: Path) -> int:
    for number, case in enumerate(everything):
        export_psd(case.document, folder / f"{number}.psd", case.options)
    bad = 0
    for program in programs:
        wanted = [number for number, case in enumerate(everything) if program in case.programs]
        (_gimp if program == "gimp" else _krita)(folder, wanted)
        for number in wanted:
            case = everything[number]
            worst, share = _difference(case.document, folder / f"{number}.{program}.png")
            is_bad = share > SHARE
            bad += is_bad
            print(
                f"{'DIFFERS' if is_bad else 'ok':8}{program:6} {worst:4} {share:8.3%}  {case.name}",
                flush=True,
            )
    print(f"{bad} of the pictures differ" if bad else "all agree")
    return bad


def _difference(document: Document, picture: Path) -> tuple[int, float]:
    """The largest difference over white in levels, and the share of pixels that differ by more than rounding."""
    ours = render_over(Compositor().render(document, document.canvas), WHITE).astype(int)
    with Image.open(picture) as image:
        theirs = render_over(np.asarray(image.convert("RGBA")), WHITE).astype(int)
    if theirs.shape != ours.shape:
        return 255, 1.0
    apart = np.abs(ours - theirs).max(axis=2)
    return int(apart.max()), float((apart > LEVELS).mean())


def _gimp(folder: Path, numbers: list[int]) -> None:
    """All files in one start; the script comes through the standard input."""
    lines = [
        f'(let* ((i (car (gimp-file-load RUN-NONINTERACTIVE "{source}" "x")))'
        " (l (car (gimp-image-merge-visible-layers i CLIP-TO-IMAGE)))) (gimp-layer-resize-to-image-size l)"
        f' (file-png-save RUN-NONINTERACTIVE i l "{source.with_suffix(".gimp.png")}" "x" 0 1 0 0 0 0 0)'
        " (gimp-image-delete i))"
        for source in (folder.resolve() / f"{number}.psd" for number in numbers)
    ]
    script = "\n".join([*lines, "(gimp-quit 0)", ""])
    subprocess.run(
        ["gimp-console", "-i", "-n", "-d", "-f", "-b", "-"],
        input=script, text=True, check=True, timeout=600, capture_output=True,
    )  # fmt: skip


def _krita(folder: Path, numbers: list[int]) -> None:
    for number in numbers:
        source, target = folder.resolve() / f"{number}.psd", folder.resolve() / f"{number}.krita.png"
        command = ["xvfb-run", "-a", "krita", "--export", "--export-filename", str(target), str(source)]
        for _ in range(TRIES):  # one start in six fails on a busy machine
            subprocess.run(command, check=False, timeout=180, capture_output=True)
            if target.exists():
                break


def _case(
    name: str, *layers: PixelLayer | GroupLayer, programs: tuple[str, ...] = PROGRAMS, **options: object
) -> Case:
    document = Document(size=SIZE, layers=layers)
    return Case(
        name=name, document=document, options=replace(ExportOptions(), **options), programs=programs  # type: ignore[arg-type]  # checked by the dataclass
    )  # fmt: skip


def _layer(name: str, pixels: U8Array, at: Point = Point(0, 0), **props: object) -> PixelLayer:
    layer = PixelLayer(props=LayerProps(name=name), pixels=TileGrid.from_array(pixels), offset=at)
    return layer.with_props(**props)


def _gradient() -> U8Array:
    """An opaque picture of all lightnesses."""
    y, x = np.mgrid[: SIZE.height, : SIZE.width]
    planes = (
        x * 255 // SIZE.width,
        y * 255 // SIZE.height,
        255 - x * 255 // SIZE.width,
        np.full_like(x, 255),
    )
    return np.stack(planes, axis=-1).astype(np.uint8)


def _soft() -> U8Array:
    """(80, 90): a spot that fades to nothing."""
    y, x = np.mgrid[-40:40, -45:45]
    spot: U8Array = (np.clip(1.3 - np.hypot(x / 40, y / 36), 0, 1) * 255).astype(np.uint8)
    return spot


def _blob(rgb: tuple[int, int, int]) -> U8Array:
    """A spot of a colour that changes across it."""
    alpha = _soft()
    tint = np.linspace(-20, 30, alpha.shape[1])[None, :, None]
    colour = np.clip(np.asarray(rgb) + np.broadcast_to(tint, (*alpha.shape, 1)), 0, 255)
    return np.dstack([colour.astype(np.uint8), alpha])


if __name__ == "__main__":
    sys.exit(main())
