"""OpenRaster against Krita: it must open what we write with the same picture, and we what it writes.

    python scripts/check_openraster.py [OUT_FOLDER]

Needs krita, xvfb and xauth (Debian: apt-get install --no-install-recommends krita xvfb xauth). Not part of the test
suite: Krita is 450 MB and takes seconds to start. Exits with 1 when a picture differs by more than its tolerance.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import BlendMode, GroupLayer, Layer, LayerProps, Mask, PixelLayer
from psdstudio.core.placement_commands import shifted_layer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.colour import converted, display_p3
from psdstudio.io.images import read_image
from psdstudio.io.openraster_read import import_openraster
from psdstudio.io.openraster_write import export_openraster
from psdstudio.render.compositor import Compositor, render_over

CELL = 48
COLUMNS = 7
ATTEMPTS, TIMEOUT_S = 3, 180
MAX_SHARE = 0.005
"""Of pixels that may differ by more: modes that divide turn a difference of one into any at a few colours."""
# Dissolve is noise, and ties of whole-pixel modes fall either way: they are shown, not judged.
NOT_JUDGED = {BlendMode.DISSOLVE, BlendMode.HARD_MIX, BlendMode.DARKER_COLOR, BlendMode.LIGHTER_COLOR}


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a picture that is judged by itself; `tolerance` of None is only shown."""

    name: str
    rect: Rect
    tolerance: int | None


def soft(seed: int, side: int = CELL - 8) -> U8Array:
    """Return smooth colours under a soft-edged disc."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = rng.uniform(1, 4, (3, 2))
    shift = rng.uniform(0, 6, 3)
    planes = [
        127.5 + 127.5 * np.sin(a * 3 * x + b * 3 * y + s) for (a, b), s in zip(waves, shift, strict=True)
    ]
    alpha = np.clip((0.5 - np.hypot(x - 0.5, y - 0.5)) * 8, 0, 1) * 255
    return np.dstack([*planes, alpha]).round().astype(np.uint8)


def layer(name: str, seed: int, at: Point, mask: Mask | None = None, **props: object) -> PixelLayer:
    """Return a layer with such a disc."""
    made = PixelLayer(
        props=LayerProps(name=name), pixels=TileGrid.from_array(soft(seed)), offset=at, mask=mask
    )
    return made.with_props(**props)


def ground(size: Size) -> PixelLayer:
    """Return an opaque layer of smooth colours."""
    rgba = np.dstack([np.resize(soft(99, 300)[..., c], (size.height, size.width)) for c in range(4)])
    rgba[..., 3] = 255
    return PixelLayer(props=LayerProps(name="ground"), pixels=TileGrid.from_array(rgba.copy()))


def cell_at(number: int) -> Point:
    """Return the corner of a cell."""
    return Point(number % COLUMNS * CELL, number // COLUMNS * CELL)


def modes() -> tuple[Document, list[Cell]]:
    """All blend modes side by side, each at 70 % over the same ground."""
    kinds = [mode for mode in BlendMode if mode is not BlendMode.PASS_THROUGH]
    size = Size(COLUMNS * CELL, -(-len(kinds) // COLUMNS) * CELL)
    layers: list[Layer] = [ground(size)]
    cells = []
    for number, mode in enumerate(kinds):
        at = cell_at(number)
        layers.append(layer(mode.name.lower(), number, at.shifted(4, 4), blend_mode=mode, opacity=179))
        cells.append(Cell(mode.name.lower(), Rect(*at, CELL, CELL), None if mode in NOT_JUDGED else 4))
    return Document(size=size, layers=tuple(layers)), cells


def structures() -> Iterator[tuple[str, tuple[Layer, ...]]]:
    """Groups, clipping and masks, each for a cell of its own at (0, 0)."""
    one, two = layer("one", 1, Point(2, 2)), layer("two", 2, Point(10, 10))
    multiply = two.with_props(blend_mode=BlendMode.MULTIPLY)
    plain, through = LayerProps(name="group"), LayerProps(name="group", blend_mode=BlendMode.PASS_THROUGH)
    half = TileGrid.from_array(np.linspace(0, 255, CELL * CELL).reshape(CELL, CELL).astype(np.uint8))
    yield "isolated group", (GroupLayer(props=plain, children=(one, multiply)),)
    yield "see-through group", (GroupLayer(props=through, children=(one, multiply)),)
    yield "group at 50 %", (GroupLayer(props=LayerProps(name="g", opacity=128), children=(one, two)),)
    yield (
        "group in screen",
        (GroupLayer(props=LayerProps(name="g", blend_mode=BlendMode.SCREEN), children=(one, two)),),
    )
    yield "clipped", (one, two.with_props(clipping=True, opacity=200))
    yield (
        "clipped to multiply",
        (one.with_props(blend_mode=BlendMode.MULTIPLY, opacity=150), two.with_props(clipping=True)),
    )
    yield "clipped multiply", (one, multiply.with_props(clipping=True))
    yield "layer mask", (layer("masked", 3, Point(4, 4), Mask(pixels=half)),)
    yield "group mask", (GroupLayer(props=plain, children=(one, two), mask=Mask(pixels=half)),)
    yield "hidden", (one.with_props(visible=False), two)
    yield "fill 40 %", (one.with_props(fill=102),)
    yield (
        "nested",
        (GroupLayer(props=plain, children=(GroupLayer(props=through, children=(one, multiply)), two)),),
    )


def groups() -> tuple[Document, list[Cell]]:
    """All structures side by side."""
    found = list(structures())
    size = Size(COLUMNS * CELL, -(-len(found) // COLUMNS) * CELL)
    layers: list[Layer] = [ground(size)]
    cells = []
    for number, (name, parts) in enumerate(found):
        at = cell_at(number)
        layers += [placed(part, at) for part in parts]
        cells.append(Cell(name, Rect(*at, CELL, CELL), 4))
    return Document(size=size, layers=tuple(layers)), cells


def placed(part: Layer, at: Point) -> Layer:
    """Return a layer moved to `at`."""
    return shifted_layer(part, at.x, at.y, size=Size(1, 1))


def wide() -> tuple[Document, list[Cell]]:
    """A Display P3 document: Krita must take its numbers for what they are and write sRGB or P3 again."""
    size = Size(CELL, CELL)
    document = Document(size=size, layers=(ground(size),), profile=display_p3())
    return document, [Cell("Display P3", document.canvas, 2)]


def krita(source: Path, target: Path) -> None:
    """Let Krita open one file and write another."""
    command = ["xvfb-run", "-a", "krita", "--export", "--export-filename", str(target), str(source)]
    for _ in range(ATTEMPTS):  # under load one start in six fails, for no reason of ours
        subprocess.run(command, timeout=TIMEOUT_S, capture_output=True, check=False)
        if target.exists():
            return
    sys.exit(f"Krita could not turn {source.name} into {target.name}")


def judged(title: str, ours: U8Array, theirs: U8Array, cells: list[Cell]) -> bool:
    """Print a line per cell; returns whether all are within their tolerance."""
    difference: npt.NDArray[np.int16] = np.abs(
        render_over(ours, (255, 255, 255)).astype(np.int16) - render_over(theirs, (255, 255, 255))
    ).max(axis=-1)
    sound = True
    for cell in cells:
        part = difference[cell.rect.y : cell.rect.bottom, cell.rect.x : cell.rect.right]
        off = float((part > (cell.tolerance or 0)).mean())
        fits = cell.tolerance is None or off <= MAX_SHARE
        word = "      " if cell.tolerance is None else "ok    " if fits else "DIFFER"
        share = float((part > 2).mean()) * 100
        print(f"{word} {title:7} {cell.name:22} max {int(part.max()):3}  {share:5.1f} % over 2")
        sound = sound and fits
    return sound


def main() -> int:
    """Run all documents both ways; returns the exit code."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="openraster-"))
    folder.mkdir(parents=True, exist_ok=True)
    sound = True
    for name, (document, cells) in {"modes": modes(), "groups": groups(), "wide": wide()}.items():
        path = folder / f"{name}.ora"
        for loss in export_openraster(document, path):
            print(f"       told    {loss}")
        ours = converted(Compositor().render(document), document.profile, None)
        for suffix in ("png", "ora"):
            (folder / f"krita_{name}.{suffix}").unlink(missing_ok=True)
            krita(path, folder / f"krita_{name}.{suffix}")
        shown = read_image(folder / f"krita_{name}.png")  # Krita flattens in a space of its own choice
        sound &= judged("Krita", ours, converted(shown.rgba, shown.profile, None), cells)
        back, notes = import_openraster(folder / f"krita_{name}.ora")
        for note in notes:
            print(f"       note    {note}")
        sound &= judged("back", ours, converted(Compositor().render(back), back.profile, None), cells)
    print(f"files are in {folder}")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
