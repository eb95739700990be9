"""The 27 PSD blend modes as functions B(b, s) of backdrop and source colour; knows nothing of alpha or
layers.

Every function takes two float32 arrays of shape (3, h, w) (planes R, G, B; straight, gamma-encoded, 0..1) and
returns a new one of that shape; the arguments are left alone. How B is weighed by the alphas stands in
`psdstudio.render.frame`. Sources named in the docstrings:

* W3C: Compositing and Blending Level 1, sections 9 and 10 (Photoshop agrees with it on the sixteen modes it
  has).
* ISO 32000-2, 11.3.5 (PDF): the same sixteen, where the helpers Lum, Sat, SetLum, SetSat come from.
* Fixtures: read off Photoshop's own previews of single-mode files (tests/render/test_fixtures.py holds them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from psdstudio.core.geometry import Rect
from psdstudio.core.layers import BlendMode

F32 = npt.NDArray[np.float32]
BlendFunction = Callable[[F32, F32], F32]

_ONE = np.float32(1)
_TWO = np.float32(2)
_HALF = np.float32(0.5)
_TINY = np.float32(1e-12)
"""Stands in for a zero divisor: x/_TINY saturates for every colour x > 0 and is 0 for x = 0."""
_LUM = (np.float32(0.3), np.float32(0.59), np.float32(0.11))


def normal(b: F32, s: F32) -> F32:
    """B = s (W3C 9.1.1)."""
    return s.copy()


def dissolve(b: F32, s: F32) -> F32:
    """B = s; the mode lies in the alpha, which becomes 1 where `dissolve_noise` < alpha and else 0
    (fixtures).
    """
    return s.copy()


def darken(b: F32, s: F32) -> F32:
    """B = min(b, s) (W3C 9.1.5)."""
    return np.minimum(b, s)


def multiply(b: F32, s: F32) -> F32:
    """B = b s (W3C 9.1.2)."""
    return np.multiply(b, s)


def color_burn(b: F32, s: F32) -> F32:
    """B = 1 where b = 1, 0 where s = 0, else 1 - min(1, (1-b)/s) (W3C 9.1.8)."""
    quotient = _ratio(_ONE - b, s)
    return np.subtract(_ONE, quotient, out=quotient)


def linear_burn(b: F32, s: F32) -> F32:
    """B = max(0, b + s - 1) (fixtures)."""
    total = np.add(b, s)
    total -= _ONE
    return np.maximum(total, 0, out=total)


def darker_color(b: F32, s: F32) -> F32:
    """B = the whole colour of lower Lum, b on a tie (fixtures)."""
    return _pick(_lum(s) < _lum(b), s, b)


def lighten(b: F32, s: F32) -> F32:
    """B = max(b, s) (W3C 9.1.6)."""
    return np.maximum(b, s)


def screen(b: F32, s: F32) -> F32:
    """B = b + s - b s (W3C 9.1.3)."""
    return np.asarray(b + s - b * s, np.float32)


def color_dodge(b: F32, s: F32) -> F32:
    """B = 0 where b = 0, 1 where s = 1, else min(1, b/(1-s)) (W3C 9.1.7)."""
    return _ratio(b, _ONE - s)


def linear_dodge(b: F32, s: F32) -> F32:
    """B = min(1, b + s) (fixtures)."""
    total = np.add(b, s)
    return np.minimum(total, _ONE, out=total)


def lighter_color(b: F32, s: F32) -> F32:
    """B = the whole colour of higher Lum, b on a tie (fixtures)."""
    return _pick(_lum(s) > _lum(b), s, b)


def overlay(b: F32, s: F32) -> F32:
    """B = HardLight(s, b) (W3C 9.1.4)."""
    return hard_light(s, b)


def soft_light(b: F32, s: F32) -> F32:
    """B = b - (1-2s) b (1-b) where s <= 1/2, else b + (2s-1)(D - b) (W3C 9.1.10).

    D = ((16b - 12) b + 4) b where b <= 1/4, else sqrt(b).
    """
    cubic = ((np.float32(16) * b - np.float32(12)) * b + np.float32(4)) * b
    root = _pick(b <= np.float32(0.25), cubic, np.sqrt(b))
    root -= b
    span = _pick(s <= _HALF, b * (_ONE - b), root)
    return np.asarray(b + (_TWO * s - _ONE) * span, np.float32)


def hard_light(b: F32, s: F32) -> F32:
    """B = 2 b s where s <= 1/2, else 1 - 2 (1-b)(1-s) (W3C 9.1.9).

    Written without a branch: with m = min(2s, 1) and n = max(2s-1, 0), B = b (m - n) + n.
    """
    doubled: F32 = np.multiply(s, _TWO)
    low = np.minimum(doubled, _ONE)
    doubled -= _ONE
    high = np.maximum(doubled, 0, out=doubled)
    low -= high
    low *= b
    low += high
    return low


def vivid_light(b: F32, s: F32) -> F32:
    """B = 0 where s = 0, 1 where s = 1; s <= 1/2: 1 - min(1, (1-b)/2s); else min(1, b/(2(1-s))) (fixtures).

    Colour Burn's and Colour Dodge's special cases of the backdrop do not hold here.
    """
    burned = _ONE - _ratio(_ONE - b, _TWO * s)
    out = _pick(s <= _HALF, burned, _ratio(b, _TWO * (_ONE - s)))
    out *= s > 0
    return np.maximum(out, (s >= _ONE).astype(np.float32), out=out)


def linear_light(b: F32, s: F32) -> F32:
    """B = b + 2s - 1, clipped to 0..1 (fixtures)."""
    total: F32 = np.multiply(s, _TWO)
    total += b
    total -= _ONE
    return np.clip(total, 0, _ONE, out=total)


def pin_light(b: F32, s: F32) -> F32:
    """B = min(b, 2s) where s <= 1/2, else max(b, 2s-1) (fixtures).

    Both at once: max(min(b, 2s), 2s-1), as 2s-1 <= 0 in the first case and 2s >= 1 in the second.
    """
    doubled: F32 = np.multiply(s, _TWO)
    out = np.minimum(b, doubled)
    doubled -= _ONE
    return np.maximum(out, doubled, out=out)


def hard_mix(b: F32, s: F32) -> F32:
    """B = 1 where b + s > 1, on b + s = 1 only where b > 1/2, else 0 (fixtures)."""
    total: F32 = np.add(b, s)
    return np.asarray((total > _ONE) | ((total == _ONE) & (b > _HALF)), np.float32)


def difference(b: F32, s: F32) -> F32:
    """B = |b - s| (W3C 9.1.11)."""
    gap = np.subtract(b, s)
    return np.abs(gap, out=gap)


def exclusion(b: F32, s: F32) -> F32:
    """B = b + s - 2 b s (W3C 9.1.12)."""
    return np.asarray(b + s - _TWO * b * s, np.float32)


def subtract(b: F32, s: F32) -> F32:
    """B = max(0, b - s) (fixtures)."""
    gap = np.subtract(b, s)
    return np.maximum(gap, 0, out=gap)


def divide(b: F32, s: F32) -> F32:
    """B = min(1, b/s); where s = 0: 1 unless b = 0 (fixtures)."""
    return _ratio(b, s)


def hue(b: F32, s: F32) -> F32:
    """B = SetLum(SetSat(s, Sat b), Lum b) (W3C 10.1)."""
    return _set_lum(_set_sat(s, _sat(b)), _lum(b))


def saturation(b: F32, s: F32) -> F32:
    """B = SetLum(SetSat(b, Sat s), Lum b) (W3C 10.2)."""
    return _set_lum(_set_sat(b, _sat(s)), _lum(b))


def color(b: F32, s: F32) -> F32:
    """B = SetLum(s, Lum b) (W3C 10.3)."""
    return _set_lum(s, _lum(b))


def luminosity(b: F32, s: F32) -> F32:
    """B = SetLum(b, Lum s) (W3C 10.4)."""
    return _set_lum(b, _lum(s))


BLEND: Mapping[BlendMode, BlendFunction] = MappingProxyType(
    {
        BlendMode.NORMAL: normal,
        BlendMode.DISSOLVE: dissolve,
        BlendMode.DARKEN: darken,
        BlendMode.MULTIPLY: multiply,
        BlendMode.COLOR_BURN: color_burn,
        BlendMode.LINEAR_BURN: linear_burn,
        BlendMode.DARKER_COLOR: darker_color,
        BlendMode.LIGHTEN: lighten,
        BlendMode.SCREEN: screen,
        BlendMode.COLOR_DODGE: color_dodge,
        BlendMode.LINEAR_DODGE: linear_dodge,
        BlendMode.LIGHTER_COLOR: lighter_color,
        BlendMode.OVERLAY: overlay,
        BlendMode.SOFT_LIGHT: soft_light,
        BlendMode.HARD_LIGHT: hard_light,
        BlendMode.VIVID_LIGHT: vivid_light,
        BlendMode.LINEAR_LIGHT: linear_light,
        BlendMode.PIN_LIGHT: pin_light,
        BlendMode.HARD_MIX: hard_mix,
        BlendMode.DIFFERENCE: difference,
        BlendMode.EXCLUSION: exclusion,
        BlendMode.SUBTRACT: subtract,
        BlendMode.DIVIDE: divide,
        BlendMode.HUE: hue,
        BlendMode.SATURATION: saturation,
        BlendMode.COLOR: color,
        BlendMode.LUMINOSITY: luminosity,
    }
)
"""Every mode a layer may have; a group's PASS_THROUGH is no blend function."""

NEUTRAL: Mapping[BlendMode, np.float32] = MappingProxyType(
    {
        BlendMode.COLOR_BURN: _ONE,
        BlendMode.LINEAR_BURN: _ONE,
        BlendMode.COLOR_DODGE: np.float32(0),
        BlendMode.LINEAR_DODGE: np.float32(0),
        BlendMode.VIVID_LIGHT: _HALF,
        BlendMode.LINEAR_LIGHT: _HALF,
        BlendMode.DIFFERENCE: np.float32(0),
    }
)

SPECIAL_EIGHT = frozenset({*NEUTRAL, BlendMode.HARD_MIX})
"""The modes in which fill opacity is not opacity: it fades the source towards the colour that changes
nothing.
"""


def blend_filled(mode: BlendMode, b: F32, s: F32, fill: float) -> F32:
    """B of one of the special eight under fill opacity `fill` (0..1); fill 1 is the plain mode.

    B(b, N + fill (s - N)) with N the mode's neutral colour; Hard Mix: clamp((b - fill (1-s)) / (1-fill)).
    Source: Linear Light is confirmed on a Photoshop file (20 % fill); the other seven follow the same rule
    and are not confirmed.
    """
    if fill >= 1:
        return BLEND[mode](b, s)
    amount = np.float32(fill)
    if mode is BlendMode.HARD_MIX:
        ramp = (b - amount * (_ONE - s)) / (_ONE - amount)
        return np.asarray(np.clip(ramp, 0, _ONE), np.float32)
    neutral = NEUTRAL[mode]
    return BLEND[mode](b, neutral + amount * (s - neutral))


def dissolve_noise(rect: Rect) -> F32:
    """Return (rect.height, rect.width) float32 in [0, 1): one fixed value for each canvas pixel.

    An integer hash of (x, y) (multiply-xorshift as in Wellons' lowbias32), so that a picture does not flicker
    between renders and tiles join without a seam. Photoshop's own noise is not published; the density is the
    same.
    """
    x = np.arange(rect.x, rect.right, dtype=np.int64).astype(np.uint32)
    y = np.arange(rect.y, rect.bottom, dtype=np.int64).astype(np.uint32)
    h = x[None, :] * np.uint32(0x9E3779B1) + y[:, None] * np.uint32(0x85EBCA77)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    h ^= h >> np.uint32(16)
    # 24 bits are exact in float32, so that the value never rounds up to 1.
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _pick(condition: npt.NDArray[np.bool_], yes: F32, no: F32) -> F32:
    """`yes` where the condition holds, else `no`, to the last bit; several times as fast as numpy.where.

    Both must be finite. numpy.where jumps at every pixel, which noise makes unpredictable.
    """
    share = condition.astype(np.float32)
    out: F32 = np.multiply(yes, share)
    np.subtract(_ONE, share, out=share)
    out += no * share
    return out


def _ratio(numerator: F32, denominator: F32) -> F32:
    """min(1, numerator / denominator), with x/0 = 1 for x > 0 and 0/0 = 0."""
    out = np.maximum(denominator, _TINY)
    np.divide(numerator, out, out=out)
    return np.minimum(out, _ONE, out=out)


def _lum(c: F32) -> F32:
    """Lum = 0.30 R + 0.59 G + 0.11 B, shape (h, w)."""
    return np.asarray(c[0] * _LUM[0] + c[1] * _LUM[1] + c[2] * _LUM[2], np.float32)


def _least(c: F32) -> F32:
    """The smallest channel, shape (h, w)."""
    return np.asarray(np.minimum(np.minimum(c[0], c[1]), c[2]), np.float32)


def _greatest(c: F32) -> F32:
    """The largest channel, shape (h, w)."""
    return np.asarray(np.maximum(np.maximum(c[0], c[1]), c[2]), np.float32)


def _sat(c: F32) -> F32:
    """Sat = max - min of the three channels, shape (h, w)."""
    return np.subtract(_greatest(c), _least(c))


def _set_sat(c: F32, sat: F32) -> F32:
    """Stretch the channels so that the least is 0 and the greatest `sat`; grey becomes black (W3C 10, SetSat).

    (c - min) sat / (max - min) for each channel is the definition's three cases at once.
    """
    least = _least(c)
    span = np.maximum(_greatest(c) - least, _TINY)
    out: F32 = np.subtract(c, least)
    out *= np.divide(sat, span, out=span)
    return out


def _set_lum(c: F32, lum: F32) -> F32:
    """Shift the colour to luminosity `lum`, then pull it into 0..1 around it (W3C 10, SetLum, ClipColor).

    ClipColor's conditions need no branch: lum / (lum - min) < 1 just where min < 0, and (1 - lum) / (max - lum) < 1
    just where max > 1.
    """
    gap: F32 = np.add(c, lum - _lum(c))
    # Lum of the shifted colour is `lum` up to rounding: the weights add up to 1.
    gap -= lum
    gap *= _ratio(lum, -_least(gap))
    gap *= _ratio(_ONE - lum, _greatest(gap))
    gap += lum
    return np.clip(gap, 0, _ONE, out=gap)
