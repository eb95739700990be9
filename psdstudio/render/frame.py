"""One tile being composited: premultiplied float32 planes, and how a source is blended onto them.

With b, s the straight colours, ab, as the alphas (as = pixel alpha x mask x opacity x fill) and B a function
of `psdstudio.render.blend`, every mode computes, on premultiplied colour P = ab b,

    P' = (1-as) P + as ((1-ab) s + ab B(b, s))        ab' = ab + as - ab as

(W3C Compositing and Blending Level 1, 5.8 and 9.1 with source-over). Normal, Multiply and Screen have forms
that need no division and are written out; the arrays are changed in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from psdstudio.core.geometry import Rect
from psdstudio.core.layers import BlendMode
from psdstudio.core.tiles import U8Array
from psdstudio.render.blend import BLEND, F32, SPECIAL_EIGHT, blend_filled, dissolve_noise

Coverage: TypeAlias = F32 | np.float32
"""Alpha 0..1: a plane (h, w), or one number where it is the same everywhere."""

_ONE = np.float32(1)
_U8 = np.float32(255)
_TINY = np.float32(1e-12)
_PREMULTIPLIED = frozenset({BlendMode.NORMAL, BlendMode.MULTIPLY, BlendMode.SCREEN, BlendMode.DISSOLVE})
"""Modes that take the premultiplied source; the others take the straight one."""


@dataclass(slots=True)
class Frame:
    """A picture under construction; owned by one thread, its arrays are changed in place.

    `color`: (3, h, w) float32 premultiplied 0..1, None while nothing is painted. `alpha`: (h, w) float32,
    None where it is 1 everywhere. `held`: the coverage put aside by `hold`; None when nothing is held.
    `gained`: (h, w) float32, the alpha of what was painted since `gather`; None when nobody asked.
    """

    color: F32 | None = None
    alpha: F32 | None = None
    held: Coverage | None = None
    gained: F32 | None = None

    def copy(self) -> Frame:
        """Return a frame with arrays of its own."""
        return Frame(
            None if self.color is None else self.color.copy(),
            None if self.alpha is None else self.alpha.copy(),
            self.held,
            None if self.gained is None else self.gained.copy(),
        )

    def gather(self) -> None:
        """Keep account of what is painted from now on, so that `take_out` can remove what is there now."""
        if self.color is not None:
            self.gained = np.zeros(self.color.shape[1:], np.float32)

    def take_out(self, backdrop: Frame) -> None:
        """Remove the picture that `gather` found: G = P - (1-g) P0 (ISO 32000-2, 11.4.8, premultiplied)."""
        if backdrop.color is None or self.color is None or self.gained is None:
            return
        self.color -= backdrop.color * (_ONE - self.gained)
        np.maximum(self.color, 0, out=self.color)
        self.alpha, self.gained = self.gained, None

    def crop(self, part: Rect) -> Frame:
        """Return a copy of `part` (pixels of this frame) of a frame in which nothing is held."""
        rows, columns = slice(part.y, part.bottom), slice(part.x, part.right)
        return Frame(
            None if self.color is None else self.color[:, rows, columns].copy(),
            None if self.alpha is None else self.alpha[rows, columns].copy(),
        )

    @property
    def mem_bytes(self) -> int:
        """Bytes of the arrays."""
        return sum(plane.nbytes for plane in (self.color, self.alpha) if plane is not None)

    def hold(self) -> None:
        """Put the alpha aside and go on with the straight colour as if it were opaque (base of a clipping
        run).
        """
        if self.color is None:
            return
        if self.alpha is None:
            self.held = _ONE
            return
        self.color /= np.maximum(self.alpha, _TINY)
        np.minimum(self.color, _ONE, out=self.color)
        self.held, self.alpha = self.alpha, None

    def release(self) -> None:
        """Take the held alpha back: the opposite of `hold`."""
        if self.held is None:
            return
        if self.color is not None and not _is_one(self.held):
            self.color *= self.held
            self.alpha = np.asarray(self.held, np.float32)
        self.held = None


@dataclass(frozen=True, slots=True)
class Source:
    """What is blended onto a frame; the frame may use up its arrays.

    `color`: (3, h, w) float32 0..1, premultiplied by `alpha` if `premultiplied`. `alpha` holds everything:
    pixel alpha, mask, opacity and fill; for the special eight, fill is apart.
    """

    color: F32
    alpha: Coverage
    premultiplied: bool


def layer_source(rgba: U8Array, mode: BlendMode, *, coverage: Coverage, is_opaque: bool) -> Source:
    """Make a source of (h, w, 4) uint8 straight RGBA; `coverage` (mask x opacity x fill) is not changed."""
    planes = _planes(rgba, 3 if is_opaque else 4)
    alpha: Coverage = coverage
    if not is_opaque:
        alpha = planes[3]
        alpha /= _U8
        if not _is_one(coverage):
            alpha *= coverage
    color = planes[:3]
    if mode in _PREMULTIPLIED and not _is_one(alpha):
        color *= alpha / _U8
    else:
        # Division, not multiplication by 1/255: complementary bytes must add up to exactly 1 (Hard Mix).
        color /= _U8
    return Source(color, alpha, mode in _PREMULTIPLIED)


def frame_source(frame: Frame, mode: BlendMode, *, coverage: Coverage) -> Source:
    """Make a source of a finished frame, using up its arrays; its colour must not be None."""
    color = frame.color
    assert color is not None  # a frame without paint is not closed
    own: Coverage = _ONE if frame.alpha is None else frame.alpha
    is_straight = frame.alpha is None
    if frame.held is not None:
        own = frame.held
    wants_premultiplied = mode in _PREMULTIPLIED
    if not wants_premultiplied and not is_straight:
        color /= np.maximum(own, _TINY)
        np.minimum(color, _ONE, out=color)
    alpha: Coverage = own if _is_one(coverage) else np.asarray(own * coverage, np.float32)
    if wants_premultiplied:
        factor = alpha if is_straight else coverage
        if not _is_one(factor):
            color *= factor
    return Source(color, alpha, wants_premultiplied)


def compose(frame: Frame, source: Source, mode: BlendMode, *, special_fill: float, area: Rect) -> None:
    """Blend `source` onto `frame`; `area` is the canvas rectangle both cover (Dissolve's noise hangs on it).

    `special_fill` is the fill opacity 0..1 of one of the special eight, else 1.
    """
    if mode is BlendMode.DISSOLVE:
        source = _dissolve(frame, source, area)
    elif frame.color is None:
        _start(frame, source, special_fill)
    elif mode is BlendMode.NORMAL:
        _over(frame, source)
    elif mode is BlendMode.MULTIPLY:
        _multiply(frame, source)
    elif mode is BlendMode.SCREEN:
        _screen(frame, source)
    else:
        _general(frame, source, mode, special_fill)
    if frame.gained is not None:
        frame.gained += (_ONE - frame.gained) * _faded(source.alpha, special_fill)


def adjust(
    frame: Frame,
    change: Callable[[F32], F32],
    mode: BlendMode,
    *,
    coverage: Coverage,
    special_fill: float,
    area: Rect,
) -> None:
    """Blend the frame's own straight colours, changed by `change`, onto them as if they were opaque; alpha stays.

    C' = (1-m) C + m B(C, change(C)) with m the coverage, which is not changed: what an adjustment layer does to its
    backdrop (Photoshop's manual; fixtures). `change` returns a new array. Where `gather` keeps account, only what was
    painted since is changed: an adjustment in a group that something is clipped to leaves what is below it (fixtures).
    """
    if frame.color is None:
        return
    if frame.gained is not None:
        coverage = np.asarray(frame.gained * coverage, np.float32)
    straight = frame.color
    if frame.alpha is not None:
        straight = np.divide(frame.color, np.maximum(frame.alpha, _TINY))
        np.minimum(straight, _ONE, out=straight)
    color = change(straight)
    if mode in _PREMULTIPLIED and not _is_one(coverage):
        color *= coverage
    opaque = Frame(straight if frame.alpha is None else straight.copy())
    compose(
        opaque, Source(color, coverage, mode in _PREMULTIPLIED), mode, special_fill=special_fill, area=area
    )
    assert opaque.color is not None
    if frame.alpha is None:
        frame.color = opaque.color
    else:
        # By the difference, so that a pixel that is not changed keeps its value to the last bit.
        opaque.color -= straight
        opaque.color *= frame.alpha
        frame.color += opaque.color


def mix_through(before: Frame, after: Frame, share: Coverage) -> None:
    """Replace `before` by `share` of `after` (pass-through group with opacity or mask), on premultiplied
    values.
    """
    if after.color is None:
        return
    if before.color is None:
        before.color = np.zeros_like(after.color)
        before.alpha = np.zeros(after.color.shape[1:], np.float32)
    if before.alpha is not None or after.alpha is not None:
        start = np.ones(after.color.shape[1:], np.float32) if before.alpha is None else before.alpha
        change = (_ONE if after.alpha is None else after.alpha) - start
        before.alpha = np.asarray(start + change * share, np.float32)
    if before.gained is not None and after.gained is not None:
        before.gained += (after.gained - before.gained) * share
    change = after.color
    change -= before.color
    change *= share
    before.color += change


def to_rgba8(frame: Frame) -> U8Array:
    """Return (h, w, 4) uint8 straight RGBA: colour / alpha, each channel rounded half up (floor(255 v +
    1/2)).

    Where alpha is 0 the colour is 0.
    """
    color = frame.color
    assert color is not None  # callers skip empty frames
    height, width = color.shape[1:]
    packed = np.empty((height, width), "<u4")
    if frame.alpha is None:
        packed[:] = 0xFF000000
        scaled = color * _U8
    else:
        packed[:] = _rounded(frame.alpha * _U8)
        packed <<= np.uint32(24)
        scaled = color * (_U8 / np.maximum(frame.alpha, _TINY))
    for index in range(3):
        packed |= _rounded(scaled[index]) << np.uint32(8 * index)
    return packed.view(np.uint8).reshape(height, width, 4)


def _rounded(plane: F32) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """floor(v + 1/2) clipped to 0..255; `plane` is used up."""
    plane += np.float32(0.5)
    np.clip(plane, 0, _U8, out=plane)
    # int32 first: numpy converts float32 to it four times as fast as to an unsigned type.
    return plane.astype(np.int32).view(np.uint32)


def _planes(rgba: U8Array, count: int) -> F32:
    """Split (h, w, 4) uint8 into `count` float32 planes of 0..255.

    By shifts of whole pixels: a strided byte-to-float copy takes a third longer.
    """
    pixels = np.ascontiguousarray(rgba).view("<i4")[..., 0]
    out = np.empty((count, *pixels.shape), np.float32)
    byte = np.empty(pixels.shape, np.int32)
    for index in range(count):
        np.right_shift(pixels, 8 * index, out=byte)
        byte &= 255
        out[index] = byte
    return out


def _is_one(coverage: Coverage) -> bool:
    return np.ndim(coverage) == 0 and bool(coverage == _ONE)


def _start(frame: Frame, source: Source, special_fill: float) -> None:
    """The first paint on transparency: every mode is Normal there (ab = 0)."""
    alpha = _faded(source.alpha, special_fill)
    color = source.color
    if _is_one(alpha):
        frame.color, frame.alpha = color, None
        return
    if not source.premultiplied:
        color *= alpha
    plane = np.empty(color.shape[1:], np.float32)
    plane[:] = alpha
    frame.color, frame.alpha = color, plane


def _over(frame: Frame, source: Source) -> None:
    """P' = P - as P + S with S = as s."""
    assert frame.color is not None
    if _is_one(source.alpha):
        frame.color, frame.alpha = source.color, None
        return
    frame.color -= frame.color * source.alpha
    frame.color += source.color
    _unite(frame, source.alpha)


def _multiply(frame: Frame, source: Source) -> None:
    """P' = P (1 - as + S) + (1-ab) S with S = as s."""
    assert frame.color is not None
    change = source.color - source.alpha
    change += _ONE
    frame.color *= change
    if frame.alpha is not None:
        uncovered = source.color
        uncovered *= _ONE - frame.alpha
        frame.color += uncovered
    _unite(frame, source.alpha)


def _screen(frame: Frame, source: Source) -> None:
    """P' = P + S - P S with S = as s, whatever ab is."""
    assert frame.color is not None
    product = frame.color * source.color
    frame.color += source.color
    frame.color -= product
    _unite(frame, source.alpha)


def _general(frame: Frame, source: Source, mode: BlendMode, fill: float) -> None:
    """Any mode, on straight colour; the special eight: P' = (1-as) P + as ((1-ab) f s + ab B), as -> f as."""
    assert frame.color is not None
    backdrop: F32 = frame.color
    if frame.alpha is not None:
        backdrop = np.divide(frame.color, np.maximum(frame.alpha, _TINY))
        np.minimum(backdrop, _ONE, out=backdrop)
    if mode in SPECIAL_EIGHT:
        blended = blend_filled(mode, backdrop, source.color, fill)
    else:
        blended = BLEND[mode](backdrop, source.color)
    if frame.alpha is None:
        blended -= backdrop
        if not _is_one(source.alpha):
            blended *= source.alpha
        frame.color += blended
        return
    np.multiply(blended, frame.alpha, out=blended)
    alone = source.color
    alone *= (_ONE - frame.alpha) * np.float32(fill)
    blended += alone
    blended *= source.alpha
    frame.color -= frame.color * source.alpha
    frame.color += blended
    _unite(frame, _faded(source.alpha, fill))


def _dissolve(frame: Frame, source: Source, area: Rect) -> Source:
    """Paint the straight colour with alpha 1 where the pixel's noise lies below as, else nothing; return that."""
    chosen = (dissolve_noise(area) < source.alpha).astype(np.float32)
    others = _ONE - chosen
    if frame.color is None:
        frame.color = np.zeros_like(source.color)
        frame.alpha = np.zeros(source.color.shape[1:], np.float32)
    straight: F32 = np.divide(source.color, np.maximum(source.alpha, _TINY))
    straight *= chosen
    frame.color *= others
    frame.color += straight
    if frame.alpha is not None:
        frame.alpha *= others
        frame.alpha += chosen
    return Source(straight, chosen, premultiplied=True)


def _faded(alpha: Coverage, fill: float) -> Coverage:
    return alpha if fill >= 1 else np.asarray(alpha * np.float32(fill), np.float32)


def _unite(frame: Frame, alpha: Coverage) -> None:
    """ab' = ab + as (1-ab)."""
    if frame.alpha is None:
        return
    uncovered = _ONE - frame.alpha
    uncovered *= alpha
    frame.alpha += uncovered
