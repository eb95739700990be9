"""The compositor: any rectangle of a document as straight RGBA, tile by tile, reusing the tiles of before.

One compositor serves the canvas, the export and the training truth, so that what is seen is what is written.
It works in float32 on planar premultiplied tiles of 256 px and rounds once, half up, on the straight result.
Shortcuts are decided for whole tiles and all arithmetic is pixel by pixel, so that a part of a picture equals
the same part of the whole picture to the byte.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from psdstudio.core.bounds import layer_bounds
from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, Rect, Size, union_of
from psdstudio.core.layers import AdjustmentLayer, GroupLayer, Layer, PixelLayer
from psdstudio.core.tiles import TileKey, U8Array, tile_keys, tile_rect
from psdstudio.render.cache import ByteCache
from psdstudio.render.facts import FactBook
from psdstudio.render.frame import Frame, to_rgba8
from psdstudio.render.plan import PLAIN, Paint, Program, compile_layers
from psdstudio.render.tilework import Step, boundaries, narrow, run

_Keys = tuple[Hashable, ...]
_MIN_PARALLEL = 8
"""Tiles to compute from which starting threads pays."""
_MIN_STACK = 2
"""Steps below the edited layer from which keeping them flattened pays."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A tile, the part of it to be computed (canvas pixels), its steps and their keys."""

    tile: TileKey
    area: Rect
    steps: tuple[Step, ...]
    keys: _Keys


@dataclass(frozen=True, slots=True)
class _Stack:
    """The lower steps of a tile, flattened over `area` (canvas pixels); `frame` is never changed."""

    area: Rect
    keys: _Keys
    frame: Frame

    def serves(self, item: _Work) -> bool:
        """Whether these are the item's lower steps, over all of its area."""
        covers = self.area.intersection(item.area) == item.area
        return covers and self.keys == item.keys[: len(self.keys)]

    def start(self, area: Rect) -> Frame:
        """A copy of the part under `area`, to go on from."""
        return self.frame.crop(area.shifted(-self.area.x, -self.area.y))


class Compositor:
    """Renders documents and layers; every method may be called from any thread, on values.

    Args:
        budget_bytes: Most bytes of finished tiles and flattened stacks to keep.
        threads: Most threads for a large picture; numpy lets them run side by side.
    """

    def __init__(self, *, budget_bytes: int = 256 << 20, threads: int | None = None) -> None:
        self._threads = max(1, min(2, os.cpu_count() or 1) if threads is None else threads)
        self._book = FactBook()
        self._done: ByteCache[U8Array] = ByteCache(budget_bytes // 2)
        self._stacks: ByteCache[_Stack] = ByteCache(budget_bytes - budget_bytes // 2)
        self._last: ByteCache[_Keys] = ByteCache(1 << 20)
        _keep_freed_memory()
        self._program: tuple[tuple[Layer, ...], Program] = ((), ())

    @property
    def mem_bytes(self) -> int:
        """Bytes held in the caches."""
        return self._done.mem_bytes + self._stacks.mem_bytes + self._last.mem_bytes

    def clear(self) -> None:
        """Forget every cached tile."""
        self._done.clear()
        self._stacks.clear()
        self._last.clear()

    def render(self, doc: Document, rect: Rect | None = None) -> U8Array:
        """Return (rect.height, rect.width, 4) uint8 straight RGBA of the document; the whole canvas without
        `rect`.

        Layers reach beyond the canvas, and so may `rect`: nothing is cut at the canvas edge.
        """
        return self.render_layers(doc.layers, doc.canvas if rect is None else rect)

    def render_layers(self, layers: tuple[Layer, ...], rect: Rect) -> U8Array:
        """Return (rect.height, rect.width, 4) uint8 straight RGBA of `layers` (bottom to top) over
        transparency.
        """
        known, program = self._program
        if known is not layers:
            program = compile_layers(layers)
            self._program = (layers, program)
        return self._picture(program, rect, keep=True)

    def thumbnail(self, shown: Document | Layer, size: int | Size, *, area: Rect | None = None) -> U8Array:
        """Return (h, w, 4) uint8 straight RGBA that fits `size` (an int is the longer side) and keeps the
        proportions.

        A document shows its canvas; a layer shows its own pixels, without opacity, mask and blending and whether it is
        visible or not; a group shows its children, an adjustment nothing. `area` (canvas pixels) is what is shown of
        it, by default the canvas or the box of the layer's pixels. Averaged over areas; a small picture is not
        enlarged. A layer without pixels gives one transparent pixel.
        """
        if isinstance(shown, Document):
            area = shown.canvas if area is None else area
            picture = self.render(shown, area)
        else:
            program, box = _content(shown)
            area = box if area is None else area
            if area.is_empty:
                return np.zeros((1, 1, 4), np.uint8)
            picture = self._picture(program, area, keep=False)
        limit = Size(size, size) if isinstance(size, int) else size
        scale = min(1.0, limit.width / area.width, limit.height / area.height)
        target = (max(1, round(area.width * scale)), max(1, round(area.height * scale)))
        if target == (area.width, area.height):
            return picture
        # Pillow premultiplies RGBA while it resamples.
        return np.asarray(Image.fromarray(picture, "RGBA").resize(target, Image.Resampling.BOX)).copy()

    def _picture(self, program: Program, rect: Rect, *, keep: bool) -> U8Array:
        out = np.zeros((max(0, rect.height), max(0, rect.width), 4), np.uint8)
        work: list[_Work] = []
        for tile in tile_keys(rect):
            steps = narrow(program, tile, self._book)
            if not steps:
                continue
            item = _Work(tile, _needed(tile, rect), steps, tuple(step.key for step in steps))
            done = self._known(item) if keep else None
            if done is None:
                work.append(item)
            else:
                _paste(out, rect, *done)

        def finish(item: _Work) -> None:
            _paste(out, rect, item.area, self._compute(item, keep=keep))

        if self._threads > 1 and len(work) >= _MIN_PARALLEL:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="compositor") as pool:
                list(pool.map(finish, work))
        else:
            for item in work:
                finish(item)
        return out

    def _known(self, item: _Work) -> tuple[Rect, U8Array] | None:
        """Return finished pixels and the area they cover: the whole tile's, else those of the same part."""
        whole = tile_rect(item.tile)
        for area in (whole,) if item.area == whole else (whole, item.area):
            done = self._done.get((area, item.keys))
            if done is not None:
                return area, done
        return None

    def _compute(self, item: _Work, *, keep: bool) -> U8Array:
        """Compute a tile or a part of it; with `keep`, reuse and renew what is known of the layers below."""
        tile, steps, keys = item.tile, item.steps, item.keys
        if not keep:
            return to_rgba8(run(steps, item.area))
        stack = self._stacks.get(tile)
        if stack is not None and not stack.serves(item):
            stack = None
        begin = len(stack.keys) if stack is not None else 0
        cut = self._unchanged(tile, steps, keys)
        if cut > begin and cut >= _MIN_STACK:
            below = run(steps[begin:cut], item.area, None if stack is None else stack.start(item.area))
            stack, begin = _Stack(item.area, keys[:cut], below), cut
            self._stacks.put(tile, stack, below.mem_bytes)
        frame = None if stack is None else stack.start(item.area)
        done = to_rgba8(run(steps[begin:], item.area, frame))
        done.flags.writeable = False
        self._done.put((item.area, keys), done, done.nbytes)
        self._last.put(tile, keys, 64 * len(keys))
        return done

    def _unchanged(self, tile: TileKey, steps: tuple[Step, ...], keys: _Keys) -> int:
        """Count the lower steps that are as they were when the tile was last computed, up to a closed frame."""
        last = self._last.get(tile)
        if last is None:
            return 0
        same = 0
        for new, old in zip(keys, last, strict=False):
            if new != old:
                break
            same += 1
        # With every step unchanged there is no edited layer, and nothing to keep apart.
        return 0 if same == len(keys) else max(n for n in boundaries(steps) if n <= same)


def render_over(rgba: U8Array, matte: tuple[int, int, int]) -> U8Array:
    """Return (h, w, 3) uint8: straight (h, w, 4) `rgba` over an opaque matte colour, rounded half up.

    Exact integer arithmetic: floor((255 m + a (c - m)) / 255 + 1/2).
    """
    alpha = rgba[..., 3].astype(np.int32)
    out = np.empty((*alpha.shape, 3), np.uint8)
    for channel, ground in enumerate(matte):
        total = 255 * ground + alpha * (rgba[..., channel].astype(np.int32) - ground)
        out[..., channel] = (2 * total + 255) // 510
    return out


def _keep_freed_memory() -> None:
    """Let the C library keep freed planes for the next ones instead of returning them to the system each time.

    glibc hands back free memory above a threshold, which it raises to twice the largest block of up to 32 MiB it has
    seen freed. Planes are 256 KiB; without this, two thirds of the time goes into getting the same pages again
    (soft light on a tile: 2.6 ms, with it 0.7 ms). The pages are never touched; elsewhere this does nothing.
    """
    np.empty(31 << 20, np.uint8)


def _needed(tile: TileKey, rect: Rect) -> Rect:
    """The part of the tile to compute for `rect`: all of it unless less than half is asked for."""
    whole = tile_rect(tile)
    part = whole.intersection(rect)
    return part if 2 * part.width * part.height < whole.width * whole.height else whole


def _paste(out: U8Array, rect: Rect, area: Rect, pixels: U8Array) -> None:
    part = area.intersection(rect)
    out[part.y - rect.y : part.bottom - rect.y, part.x - rect.x : part.right - rect.x] = pixels[
        part.y - area.y : part.bottom - area.y, part.x - area.x : part.right - area.x
    ]


def _content(layer: Layer) -> tuple[Program, Rect]:
    """The program that shows a layer's own pixels, and the box of them in canvas pixels."""
    match layer:
        case PixelLayer():
            return (Paint(layer.pixels, layer.offset, PLAIN),), layer_bounds(layer)
        case GroupLayer():
            return compile_layers(layer.children), _bounds(layer.children)
        case AdjustmentLayer():
            return (), EMPTY_RECT


def _bounds(layers: tuple[Layer, ...]) -> Rect:
    """The box of what is shown of the layers; hidden ones add nothing."""
    return union_of(
        _bounds(layer.children) if isinstance(layer, GroupLayer) else layer_bounds(layer)
        for layer in layers
        if layer.props.visible
    )
