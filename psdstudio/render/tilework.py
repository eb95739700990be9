"""A program narrowed to one tile of the canvas, and its execution; knows of no cache.

Narrowing drops what cannot be seen in the tile: empty tiles, fully masked paints, frames without paint,
everything under an opaque Normal paint. Each step left has a key made of tile numbers and settings: equal
keys mean equal pixels.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from psdstudio.core.adjustments import Adjustment
from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import BlendMode
from psdstudio.core.tiles import TILE, TileGrid, TileKey, U8Array, tile_keys, tile_rect
from psdstudio.render.adjust import adjusted
from psdstudio.render.blend import SPECIAL_EIGHT
from psdstudio.render.facts import FactBook
from psdstudio.render.frame import Coverage, Frame, adjust, compose, frame_source, layer_source, mix_through
from psdstudio.render.plan import Adjust, Blend, Close, FrameKind, Hold, Open, Paint, Program


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a grid that lies under one canvas tile; `low` and `high` bound its alpha or mask value."""

    grid: TileGrid
    rect: Rect
    low: int
    high: int
    key: Hashable

    def read(self, part: Rect) -> U8Array:
        """Return (part.height, part.width, channels) uint8 of `part`, given in pixels of the canvas tile.

        A read-only view of the stored tile where the grids are aligned.
        """
        if self.rect.x % TILE == 0 and self.rect.y % TILE == 0:
            tile = self.grid.tile((self.rect.x // TILE, self.rect.y // TILE))
            if tile is not None:
                return tile[part.y : part.bottom, part.x : part.right]
        return self.grid.read(part.shifted(self.rect.x, self.rect.y))


@dataclass(frozen=True, slots=True)
class TileBlend:
    """A `Blend` in one tile: `mask` is None where it shows everything."""

    mode: BlendMode
    opacity: int
    fill: int
    mask: Window | None

    @property
    def key(self) -> Hashable:
        """Names mode, opacity, fill and mask pixels."""
        return (self.mode.value, self.opacity, self.fill, self.mask and self.mask.key)

    @property
    def is_plain(self) -> bool:
        """Whether the picture is taken over as it is."""
        is_full = self.opacity == 255 and self.fill == 255 and self.mask is None
        return is_full and self.mode is BlendMode.NORMAL

    @property
    def special_fill(self) -> float:
        """Fill opacity 0..1 where it is not part of the coverage, else 1."""
        return self.fill / 255 if self.mode in SPECIAL_EIGHT else 1.0

    def coverage(self, part: Rect) -> Coverage:
        """Mask x opacity x fill, 0..1; fill is left out for the special eight."""
        scale = self.opacity / 255
        if self.mode not in SPECIAL_EIGHT:
            scale *= self.fill / 255
        if self.mask is None:
            return np.float32(scale)
        return self.mask.read(part)[..., 0] * np.float32(scale / 255)


@dataclass(frozen=True, slots=True)
class PaintStep:
    """Blend the window's pixels onto the current frame."""

    window: Window
    blend: TileBlend

    @property
    def key(self) -> Hashable:
        """Names the pixels and the blending."""
        return (self.window.key, self.blend.key)


@dataclass(frozen=True, slots=True)
class AdjustStep:
    """Blend the frame's adjusted colours onto the frame."""

    adjustment: Adjustment
    blend: TileBlend

    @property
    def key(self) -> Hashable:
        """Names the settings and the blending."""
        return ("adjust", self.adjustment, self.blend.key)


@dataclass(frozen=True, slots=True)
class OpenStep:
    """Start a frame."""

    kind: FrameKind

    @property
    def key(self) -> Hashable:
        """Names the kind."""
        return self.kind.value


@dataclass(frozen=True, slots=True)
class HoldStep:
    """Freeze the frame's alpha."""

    key: Hashable = "hold"


@dataclass(frozen=True, slots=True)
class CloseStep:
    """End the frame and blend it."""

    blend: TileBlend

    @property
    def key(self) -> Hashable:
        """Names the blending."""
        return ("close", self.blend.key)


Step = PaintStep | AdjustStep | OpenStep | HoldStep | CloseStep


@dataclass(slots=True)
class _Body:
    """The steps of an open frame.

    `is_dead`: clipped to a base that is not here. `starts_painted`: the frame begins as a picture that may be adjusted.
    """

    steps: list[Step]
    is_held: bool = False
    is_dead: bool = False
    starts_painted: bool = False

    @property
    def has_content(self) -> bool:
        """Whether a step makes a difference to the frame."""
        return any(isinstance(step, PaintStep | AdjustStep) for step in self.steps)

    @property
    def is_painted(self) -> bool:
        """Whether there is anything that an adjustment could change."""
        return self.starts_painted or self.has_content


def narrow(program: Program, tile: TileKey, book: FactBook) -> tuple[Step, ...]:
    """Return the steps that matter in `tile`; an empty tuple where nothing is painted."""
    bodies = [_Body([])]
    for op in program:
        body = bodies[-1]
        match op:
            case Open():
                seen = op.kind is FrameKind.THROUGH and body.is_painted
                bodies.append(_Body([OpenStep(op.kind)], is_dead=body.is_dead, starts_painted=seen))
            case Hold():
                body.is_held, body.is_dead = True, body.is_dead or not body.is_painted
                body.steps.append(HoldStep())
            case Adjust():
                blend = _tile_blend(op.blend, tile, book)
                if blend is not None and body.is_painted and not body.is_dead:
                    body.steps.append(AdjustStep(op.adjustment, blend))
            case Paint():
                if not body.is_dead:
                    _add_paint(body, op, tile, book)
            case Close():
                bodies.pop()
                blend = _tile_blend(op.blend, tile, book)
                if blend is not None and body.has_content and not body.is_dead:
                    bodies[-1].steps += [*body.steps, CloseStep(blend)]
    return tuple(bodies[0].steps)


def _add_paint(body: _Body, op: Paint, tile: TileKey, book: FactBook) -> None:
    window = _window(op.pixels, op.offset, tile, book)
    if window.high == 0:
        return
    blend = _tile_blend(op.blend, tile, book)
    if blend is None:
        return
    if window.low == 255 and blend.is_plain and not body.is_held:
        # Nothing below in this frame can be seen.
        del body.steps[_first_paint(body.steps) :]
    body.steps.append(PaintStep(window, blend))


def _first_paint(steps: list[Step]) -> int:
    """0 at the root, 1 in a frame (its own opening step stays)."""
    return 1 if steps and isinstance(steps[0], OpenStep) and not _is_closed(steps) else 0


def _is_closed(steps: list[Step]) -> bool:
    """Whether the first step's frame is closed within `steps` (a nested one), not the body's own."""
    depth = 0
    for step in steps:
        depth += isinstance(step, OpenStep)
        depth -= isinstance(step, CloseStep)
    return depth == 0


def _tile_blend(blend: Blend, tile: TileKey, book: FactBook) -> TileBlend | None:
    """Return the blending in `tile`; None where the mask hides everything."""
    window = None
    if blend.mask is not None:
        window = _window(blend.mask.pixels, blend.mask.offset, tile, book)
        if window.high == 0:
            return None
        if window.low == 255:
            window = None
    return TileBlend(blend.mode, blend.opacity, blend.fill, window)


def _window(grid: TileGrid, offset: Point, tile: TileKey, book: FactBook) -> Window:
    rect = tile_rect(tile).shifted(-offset.x, -offset.y)
    low, high = 255, 0
    numbers: list[int] = []
    for key in tile_keys(rect):
        array = grid.tile(key)
        if array is None:
            low, high = min(low, grid.fill), max(high, grid.fill)
            numbers.append(-1 - grid.fill)
        else:
            facts = book.facts(array)
            low, high = min(low, facts.low), max(high, facts.high)
            numbers.append(facts.number)
    return Window(grid, rect, low, high, (rect.x % TILE, rect.y % TILE, *numbers))


def boundaries(steps: Sequence[Step]) -> list[int]:
    """Return every count n for which the first n steps are complete: no frame is open after them."""
    depth, out = 0, [0]
    for index, step in enumerate(steps):
        depth += isinstance(step, OpenStep)
        depth -= isinstance(step, CloseStep)
        if depth == 0:
            out.append(index + 1)
    return out


def run(steps: Sequence[Step], area: Rect, start: Frame | None = None) -> Frame:
    """Execute complete steps on top of `start`, whose arrays are used up.

    `area` is the tile's canvas rectangle or a part of it: every shortcut was decided for the tile as a whole and all
    arithmetic is pixel by pixel, so that a part comes out as the same part of the tile.
    """
    frames = [start or Frame()]
    kinds: list[FrameKind] = []
    for step in steps:
        match step:
            case PaintStep():
                _paint(frames[-1], step, area)
            case AdjustStep():
                _adjust(frames[-1], step, area)
            case OpenStep():
                kinds.append(step.kind)
                frames.append(_opened(step.kind, frames[-1]))
            case HoldStep():
                if kinds[-1] is FrameKind.BACKED:
                    frames[-1].take_out(frames[-2])
                frames[-1].hold()
            case CloseStep():
                _close(frames, kinds.pop(), step.blend, area)
    return frames[0]


def _in_tile(area: Rect) -> Rect:
    return Rect(area.x % TILE, area.y % TILE, area.width, area.height)


def _opened(kind: FrameKind, below: Frame) -> Frame:
    if kind is FrameKind.ISOLATED:
        return Frame()
    frame = below.copy()
    if kind is FrameKind.BACKED:
        frame.gather()
    return frame


def _paint(frame: Frame, step: PaintStep, area: Rect) -> None:
    blend = step.blend
    part = _in_tile(area)
    source = layer_source(
        step.window.read(part), blend.mode, coverage=blend.coverage(part), is_opaque=step.window.low == 255
    )
    compose(frame, source, blend.mode, special_fill=blend.special_fill, area=area)


def _adjust(frame: Frame, step: AdjustStep, area: Rect) -> None:
    blend = step.blend
    adjust(
        frame,
        lambda colour: adjusted(step.adjustment, colour),
        blend.mode,
        coverage=blend.coverage(_in_tile(area)),
        special_fill=blend.special_fill,
        area=area,
    )


def _close(frames: list[Frame], kind: FrameKind, blend: TileBlend, area: Rect) -> None:
    frame = frames.pop()
    if kind is FrameKind.THROUGH:
        frame.release()
        mix_through(frames[-1], frame, blend.coverage(_in_tile(area)))
        return
    source = frame_source(frame, blend.mode, coverage=blend.coverage(_in_tile(area)))
    compose(frames[-1], source, blend.mode, special_fill=blend.special_fill, area=area)
