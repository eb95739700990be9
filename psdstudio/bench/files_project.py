"""The project file: opening with tiles packed and with all unpacked, saving whole, and saving after one stroke.

A background and nineteen layers of 0.23 to 0.52 of the canvas each way (246 MB of pixels), soft shapes
with the noise of a photograph. All figures are of one run; ratios mean more than seconds where other work weighs on
the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.history import grids
from psdstudio.core.layers import Layer, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.io.project import SaveReport, TileHashes, load_project, save_project

SUMMARY = "a project of 20 layers at 4096x4096: open, save whole, save after one stroke"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figures:
    """The measurements; seconds (the best of several), bytes. `disk` is what the system says was written, 0 if unknown.

    `open_s`: until the document is there; `open_all_s`: until every pixel is, too. `first_save_s`: the file is read and
    held against its checksums; `stroke_s`: it was found sound before; `stroke_disk_bytes` with journal and index.
    """

    layers: int
    side: int
    raw_bytes: int
    file_bytes: int
    open_s: float
    open_all_s: float
    times_faster: float
    save_whole_s: float
    save_copy_s: float
    first_save_s: float
    stroke_s: float
    stroke_tiles: int
    stroke_packed_bytes: int
    stroke_disk_bytes: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this measurement."""
    parser.add_argument("--side", type=int, default=4096, help="edge of the canvas in pixels (default 4096)")
    parser.add_argument("--layers", type=int, default=20, help="layers, the background included (default 20)")
    parser.add_argument("--repeat", type=int, default=3, help="repetitions; the best counts (default 3)")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return 0."""
    figures = measure(side=args.side, layers=args.layers, repeat=args.repeat)
    print(json.dumps({"project": asdict(figures)}, indent=2) if args.json else _table(figures))
    return 0


def measure(*, side: int, layers: int, repeat: int) -> Figures:
    """Build the document, write it, and time everything on that file, opening both ways in turn."""
    with tempfile.TemporaryDirectory(prefix="psdstudio-bench-") as folder:
        path = Path(folder) / "bench.psdstudio"
        whole_s = _whole_save_s(build(side, layers), path, max(1, repeat - 1))
        lazily, fully = [], []
        for _ in range(repeat):
            lazily.append(_timed(lambda: load_project(path))[0])
            fully.append(_timed(lambda: _look_at_all(load_project(path)))[0])
        document = load_project(path)
        copy_s, _ = _timed(lambda: _save_new(document, path.with_name("copy.psdstudio")))
        hashes = TileHashes()
        first_s, _ = _timed(lambda: save_project(document, path, hashes=hashes))
        strokes: list[tuple[float, SaveReport, int]] = []
        for index in range(2 * repeat):
            document = stroke(document, index)
            before = _written_bytes()
            seconds, report = _timed(lambda: save_project(document, path, hashes=hashes))  # noqa: B023  # runs now
            strokes.append((seconds, report, _written_bytes() - before))
        best = min(strokes, key=lambda each: each[0])
        return Figures(
            layers=layers,
            side=side,
            raw_bytes=sum(grid.mem_bytes for grid in grids(document)),
            file_bytes=path.stat().st_size,
            open_s=min(lazily),
            open_all_s=min(fully),
            times_faster=min(fully) / min(lazily),
            save_whole_s=whole_s,
            save_copy_s=copy_s,
            first_save_s=first_s,
            stroke_s=best[0],
            stroke_tiles=best[1].tiles_written,
            stroke_packed_bytes=best[1].bytes_written,
            stroke_disk_bytes=best[2],
        )


def _whole_save_s(document: Document, path: Path, repeat: int) -> float:
    return min(_timed(lambda: _save_new(document, path))[0] for _ in range(repeat))


def build(side: int, layers: int) -> Document:
    """A background of `side` x `side` and smaller layers on it, without a pixel in common."""
    rng = np.random.default_rng(7)
    made: list[Layer] = [_layer("Background", picture(rng, side, side), Point(0, 0))]
    for index in range(1, layers):
        width, height = (int(side * rng.uniform(0.23, 0.52)) for _ in range(2))
        at = Point(int(rng.integers(0, side - width)), int(rng.integers(0, side - height)))
        made.append(_layer(f"Layer {index}", cut_out(picture(rng, width, height)), at))
    return Document(size=Size(side, side), layers=tuple(made))


def picture(rng: np.random.Generator, width: int, height: int) -> U8Array:
    """Soft waves of colour with the noise of a photograph, opaque, (height, width, 4)."""
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    out = np.full((height, width, 4), 255, np.uint8)
    for channel in range(3):
        a, b, phase = rng.uniform(0.5, 3), rng.uniform(0.5, 3), rng.uniform(0, 6)
        wave = 128 + 100 * np.sin((x * a + y * b) / 60 + phase)
        wave += 4 * rng.standard_normal((height, width), dtype=np.float32)
        out[..., channel] = np.clip(wave, 0, 255).astype(np.uint8)
    return out


def cut_out(rgba: U8Array) -> U8Array:
    """The same pixels inside an ellipse with a soft edge, nothing outside."""
    height, width = rgba.shape[:2]
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    alpha = np.clip((1 - np.hypot(x, y)) * 20, 0, 1)
    rgba[..., 3] = (alpha * 255).astype(np.uint8)
    rgba[alpha == 0] = 0
    return rgba


def stroke(document: Document, index: int) -> Document:
    """One brush stroke of 180 px on a layer: what an edit of a moment changes."""
    layer = document.layers[1 + index % (len(document.layers) - 1)]
    assert isinstance(layer, PixelLayer)
    box = layer.pixels.bounds()
    at = Point(box.x + box.width // 2, box.y + box.height // 3)
    pixels = layer.pixels.read(Rect(at.x, at.y, 180, 40))
    pixels[..., :3] = 255 - pixels[..., :3]
    return document.with_layer(replace(layer, pixels=layer.pixels.write(at, pixels)))


def _layer(name: str, pixels: U8Array, at: Point) -> PixelLayer:
    return PixelLayer(props=LayerProps(name=name), pixels=TileGrid.from_array(pixels), offset=at)


def _save_new(document: Document, path: Path) -> SaveReport:
    path.unlink(missing_ok=True)
    return save_project(document, path)


def _look_at_all(document: Document) -> int:
    return sum(tile.nbytes for grid in grids(document) for tile in grid.tiles.values())


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _written_bytes() -> int:
    """Bytes this process has handed to the system for writing; 0 where it does not tell."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)


def _table(figures: Figures) -> str:
    packed = f"{figures.file_bytes / 1e6:.0f} MB on disk for {figures.raw_bytes / 1e6:.0f} MB of pixels"
    rows = (
        ("open", figures.open_s, f"{figures.times_faster:.1f} times as fast as with all tiles unpacked"),
        ("open, unpack all", figures.open_all_s, ""),
        ("save whole", figures.save_whole_s, packed),
        ("save a copy", figures.save_copy_s, "of what was opened: nothing is packed again"),
        ("save, unknown file", figures.first_save_s, "all checksums are looked at"),
        (
            "save one stroke",
            figures.stroke_s,
            f"{figures.stroke_tiles} tiles, {figures.stroke_packed_bytes / 1e3:.0f} kB packed,"
            f" {figures.stroke_disk_bytes / 1e3:.0f} kB written with journal",
        ),
    )
    head = f"{figures.layers} layers at {figures.side}x{figures.side}, {sys.platform}"
    return "\n".join([head, *(f"  {name:<19}{value:8.3f} s   {note}" for name, value, note in rows)])
