"""How fast a picture is composited: ten large layers by our compositor and by psd-tools', in the same run.

Two stacks: "effects" mixes the modes a generated scene uses (Normal, Multiply, Screen); "modes" has nine
modes of every family. Layers are soft-edged blobs of noise on an opaque background. Every time is the best of
several, as other work on the machine can only add to it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
from psd_tools import PSDImage
from psd_tools.composite import composite as psd_tools_composite
from psd_tools.constants import BlendMode as PsdMode

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import BlendMode, Layer, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array
from psdstudio.render.compositor import Compositor, render_over

SUMMARY = "ten 2048x2048 layers: full picture and a 256x256 change, against psd-tools"

_SCENE = (BlendMode.NORMAL, BlendMode.MULTIPLY, BlendMode.SCREEN) * 3
_FAMILIES = (
    BlendMode.NORMAL,
    BlendMode.MULTIPLY,
    BlendMode.SCREEN,
    BlendMode.OVERLAY,
    BlendMode.SOFT_LIGHT,
    BlendMode.COLOR_DODGE,
    BlendMode.LINEAR_LIGHT,
    BlendMode.DIFFERENCE,
    BlendMode.LUMINOSITY,
)
STACKS = {"effects": _SCENE, "modes": _FAMILIES}
"""The modes of the nine layers above the background."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The measurements of one stack; times in milliseconds, memory in mebibytes.

    `largest_difference`: between ours and psd-tools' picture, in levels of 255.
    """

    stack: str
    layers: int
    side: int
    full_one_thread_ms: float
    full_ms: float
    psd_tools_ms: float
    times_faster: float
    dirty_first_ms: float
    dirty_ms: float
    dirty_tile_ms: float
    peak_before_psd_tools_mib: float
    largest_difference: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this measurement."""
    parser.add_argument("--side", type=int, default=2048, help="edge of the picture in pixels (default 2048)")
    parser.add_argument("--repeat", type=int, default=4, help="repetitions; the best counts (default 4)")
    parser.add_argument(
        "--stack", choices=[*STACKS, "both"], default="both", help="which modes (default both)"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print, and return 0."""
    names = STACKS if args.stack == "both" else [args.stack]
    figures = [measure(name, side=args.side, repeat=args.repeat) for name in names]
    if args.json:
        print(json.dumps({"machine": _machine(), "composite": [asdict(each) for each in figures]}, indent=2))
        return 0
    print(_machine())
    for each in figures:
        print(_table(each))
    return 0


def measure(stack: str, *, side: int, repeat: int) -> Figures:
    """Build the stack, time both compositors on it in turn, and compare their pictures."""
    doc = build(stack, side)
    one, full = (
        [_timed(lambda: Compositor(threads=1).render(doc))],
        [_timed(lambda: Compositor().render(doc))],
    )
    first, later = _dirty(doc, Point(side // 2 - 100, side // 2 - 90), repeat)
    _, in_tile = _dirty(doc, Point(0, 0), repeat)
    peak = _peak_mib()
    psd = _as_psd(doc)
    theirs = np.zeros((0,), np.uint8)

    def composite_theirs() -> None:
        nonlocal theirs
        color, _, alpha = psd_tools_composite(psd)
        theirs = _u8(color * alpha)

    slow = []
    for _ in range(repeat):
        # In turn, so that other work on the machine weighs on both alike.
        one.append(_timed(lambda: Compositor(threads=1).render(doc)))
        slow.append(_timed(composite_theirs))
        full.append(_timed(lambda: Compositor().render(doc)))
    ours = render_over(Compositor().render(doc), (0, 0, 0))
    return Figures(
        stack=stack,
        layers=len(doc.layers),
        side=side,
        full_one_thread_ms=min(one),
        full_ms=min(full),
        psd_tools_ms=min(slow),
        times_faster=min(slow) / min(full),
        dirty_first_ms=first,
        dirty_ms=later,
        dirty_tile_ms=in_tile,
        peak_before_psd_tools_mib=peak,
        largest_difference=int(np.abs(ours.astype(int) - theirs).max()),
    )


def build(stack: str, side: int) -> Document:
    """An opaque background and nine soft-edged layers of random colour, all `side` x `side`."""
    rng = np.random.default_rng(7)
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    radius = np.hypot(axis[None, :], axis[:, None])
    layers: list[Layer] = []
    for index, mode in enumerate((BlendMode.NORMAL, *STACKS[stack])):
        rgba = rng.integers(0, 256, (side, side, 4), dtype=np.uint8)
        # Soft over the whole canvas: no tile can be skipped, which is the worst case.
        edge = 255 * np.clip(1.45 - radius + 0.05 * index, 0.02, 1)
        rgba[..., 3] = 255 if index == 0 else edge.astype(np.uint8)
        props = LayerProps(
            name=f"{index} {mode.name.lower()}", blend_mode=mode, opacity=255 if index == 0 else 200
        )
        layers.append(PixelLayer(props=props, pixels=TileGrid.from_array(rgba)))
    return Document(size=Size(side, side), layers=tuple(layers))


def _dirty(doc: Document, at: Point, repeat: int) -> tuple[float, float]:
    """Milliseconds to show a 256x256 change in the sixth layer: the first time, and the best of the next
    ones.
    """
    compositor = Compositor()
    compositor.render(doc)
    rng = np.random.default_rng(8)
    rect = Rect(at.x, at.y, 256, 256)
    times = []
    for _ in range(1 + repeat):
        layer = doc.layers[5]
        assert isinstance(layer, PixelLayer)
        patch = rng.integers(0, 256, (rect.height, rect.width, 4), dtype=np.uint8)
        doc = doc.with_layer(replace(layer, pixels=layer.pixels.write(Point(rect.x, rect.y), patch)))
        start = time.perf_counter()
        compositor.render(doc, rect)
        times.append(1000 * (time.perf_counter() - start))
    return times[0], min(times[1:])


def _as_psd(doc: Document) -> PSDImage:
    psd = PSDImage.new("RGB", (doc.size.width, doc.size.height))
    for layer in doc.layers:
        assert isinstance(layer, PixelLayer)
        node = psd.create_pixel_layer_from_array(layer.pixels.read(doc.canvas), name=layer.props.name)
        node.blend_mode = PsdMode(layer.props.blend_mode.value.encode("ascii"))
        node.opacity = layer.props.opacity
    return psd


def _u8(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> U8Array:
    return np.asarray(np.floor(values * 255 + 0.5).clip(0, 255), np.uint8)


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds one call takes."""
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def _machine() -> str:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return (
        f"Python {platform.python_version()}, numpy {np.__version__}, {sys.platform}, "
        f"{os.cpu_count()} cores, load {load:.1f}"
    )


def _table(figures: Figures) -> str:
    rows = (
        ("full picture", figures.full_ms, f"one thread {figures.full_one_thread_ms:.1f}"),
        ("psd-tools", figures.psd_tools_ms, f"{figures.times_faster:.1f} times as long"),
        (
            "256x256 change",
            figures.dirty_ms,
            f"across four tiles; the first one {figures.dirty_first_ms:.2f}",
        ),
        ("", figures.dirty_tile_ms, "a tile of its own"),
    )
    lines = [f"\n{figures.stack}: {figures.layers} layers of {figures.side}x{figures.side}"]
    lines += [f"  {name:<16}{value:9.2f} ms   ({note})" for name, value, note in rows]
    lines.append(f"  peak memory before psd-tools ran {figures.peak_before_psd_tools_mib:.0f} MiB")
    lines.append(f"  largest difference between the pictures {figures.largest_difference} of 255")
    return "\n".join(lines)


def _peak_mib() -> float:
    """Most memory this process ever held, in MiB; not a number where the system does not tell."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
