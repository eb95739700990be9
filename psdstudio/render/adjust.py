"""What an adjustment makes of a colour: planes in, planes out; knows nothing of alpha, masks or layers.

Colours are float32 planes (3, h, w), straight and gamma-encoded, 0..1. Where a channel depends on itself alone the
arithmetic is a table of 256 entries, looked up by the colour rounded to 8 bit, as Photoshop does in 8-bit documents.

Sources named in the docstrings:

* Manual: Photoshop's own description of the control.
* psd-tools: `psd_tools.composite.adjustments` (MIT), measured there against Photoshop.
* Fixtures: agrees with Photoshop's own previews (tests/render/test_adjustment_fixtures.py says how closely).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from psdstudio.core.adjustments import (
    Adjustment,
    BlackAndWhite,
    BrightnessContrast,
    ChannelMixer,
    Curve,
    Curves,
    Exposure,
    HueSaturation,
    Invert,
    Levels,
    LevelsChannel,
    MixerRow,
    Posterize,
    Threshold,
)
from psdstudio.render.blend import F32

F64 = npt.NDArray[np.float64]

_TRC_GAMMA = 2.2
"""Exponent by which Photoshop's Exposure goes to linear light in sRGB and Adobe RGB documents (psd-tools)."""
_LUM = (np.float32(0.3), np.float32(0.59), np.float32(0.11))


def adjusted(adjustment: Adjustment, colour: F32) -> F32:
    """Return a new (3, h, w) array: `colour` adjusted; the argument is left alone."""
    tables = channel_tables(adjustment)
    if tables is not None:
        return _looked_up(tables, colour)
    match adjustment:
        case HueSaturation():
            return _hue_saturation(adjustment, colour)
        case BlackAndWhite():
            return _black_and_white(adjustment, colour)
        case ChannelMixer():
            return _mixed(adjustment, colour)
        case Threshold():
            return _threshold(adjustment, colour)
        case _:
            raise AssertionError(f"{type(adjustment).__name__} has neither tables nor a function")


@lru_cache(maxsize=128)
def channel_tables(adjustment: Adjustment) -> F32 | None:
    """Return the (3, 256) float32 tables 0..1 of an adjustment that treats channels apart; None for the others."""
    values = np.arange(256, dtype=np.float32)
    match adjustment:
        case Invert():
            tones = [255 - values] * 3
        case Posterize():
            tones = [_posterized(adjustment.levels, values)] * 3
        case BrightnessContrast():
            tones = [_brightness_contrast(adjustment, values)] * 3
        case Exposure():
            tones = [_exposed(adjustment, values)] * 3
        case Levels():
            parts = (adjustment.red, adjustment.green, adjustment.blue)
            tones = [_levelled(adjustment.master, _levelled(part, values)) for part in parts]
        case Curves():
            curves = (adjustment.red, adjustment.green, adjustment.blue)
            tones = [curve_values(adjustment.master, curve_values(curve, values)) for curve in curves]
        case _:
            return None
    tables = np.stack(tones).clip(0, 255).astype(np.float32) / np.float32(255)
    tables.flags.writeable = False
    return tables


def curve_values(curve: Curve, values: F32) -> F32:
    """Return the curve at `values` (0..255): the natural cubic spline through its points, level beyond them
    (psd-tools; fixtures).
    """
    x = np.array([point[0] for point in curve.points], np.float64)
    y = np.array([point[1] for point in curve.points], np.float64)
    return _spline(x, y, values.astype(np.float64)).clip(0, 255).astype(np.float32)


def _spline(x: F64, y: F64, at: F64) -> F64:
    """The natural cubic spline through (x, y) at points within x[0]..x[-1], to which the others are pulled.

    Its second derivatives solve a tridiagonal system and are 0 at both ends (Press et al., Numerical Recipes, 3.3).
    """
    steps = np.diff(x)
    slopes = np.diff(y) / steps
    system, right = np.eye(len(x)), np.zeros(len(x))
    for place in range(1, len(x) - 1):
        before, after = steps[place - 1], steps[place]
        system[place, place - 1 : place + 2] = before, 2 * (before + after), after
        right[place] = 6 * (slopes[place] - slopes[place - 1])
    bend = np.linalg.solve(system, right)
    inside = np.clip(at, x[0], x[-1])
    left = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, len(x) - 2)
    step, far, near = steps[left], x[left + 1] - inside, inside - x[left]
    out = (bend[left] * far**3 + bend[left + 1] * near**3) / (6 * step)
    out += (y[left] / step - bend[left] * step / 6) * far
    out += (y[left + 1] / step - bend[left + 1] * step / 6) * near
    return np.asarray(out, np.float64)


def _levelled(part: LevelsChannel, values: F32) -> F32:
    """Stretch black_in..white_in to 0..255, gamma, squeeze to black_out..white_out; rounded after each (fixtures)."""
    stretched = 255.0 * ((values.astype(np.float64) - part.black_in) / (part.white_in - part.black_in)).clip(
        0, 1
    )
    lit = _rounded(255 * _gamma(_rounded(stretched) / 255, part.gamma / 100))
    return _rounded(part.black_out + (part.white_out - part.black_out) * lit / 255).astype(np.float32)


def _gamma(share: F64, gamma: float) -> F64:
    """share^(1 / gamma); a gamma above 1 begins as a parabola through 0, which meets the power at 18 gamma / 255.

    The parabola, with the power's value and slope where they meet, was found from Photoshop's previews: of 373 values
    at gammas 1.52 and 1.78 it gives all but 4, and those to 1/255; the power alone is off by up to 11.
    """
    power = share ** (1 / gamma)
    if gamma <= 1:
        return power
    meet = min(18 * gamma / 255, 1.0)
    value, slope = meet ** (1 / gamma), meet ** (1 / gamma - 1) / gamma
    linear, square = 2 * value / meet - slope, (slope * meet - value) / meet**2
    return np.where(share < meet, linear * share + square * share**2, power)


def _rounded(values: F64) -> F64:
    return np.asarray(np.floor(values + 0.5), np.float64)


def _posterized(levels: int, values: F32) -> F32:
    """floor(255 k / (levels - 1)) with k = floor(v levels / 256) (fixtures)."""
    step = np.floor(values.astype(np.float64) * levels / 256)
    return np.floor(255 * step / (levels - 1)).astype(np.float32)


def _exposed(settings: Exposure, values: F32) -> F32:
    """In linear light: (2^exposure v + offset)^(1 / gamma), clipped to 0..1 before the power (psd-tools; fixtures)."""
    linear = (values / 255).astype(np.float64) ** _TRC_GAMMA
    linear = (linear * 2.0**settings.exposure + settings.offset).clip(0, 1)
    return np.asarray(255 * linear ** (1 / (settings.gamma * _TRC_GAMMA)), np.float32)


def _brightness_contrast(settings: BrightnessContrast, values: F32) -> F32:
    return _legacy_brightness(settings, values) if settings.legacy else _modern_brightness(settings, values)


def _legacy_brightness(settings: BrightnessContrast, values: F32) -> F32:
    """v + brightness, and contrast as a straight line through 127 (fixtures, which hold no positive contrast: there
    brightness comes first and the slope is 1 / (1 - c), as published descriptions of the old command have it).
    """
    share = settings.contrast / 100
    slope = 1 + share if share <= 0 else 1 / max(1 - share, 1 / 256)
    if share <= 0:
        return np.asarray((values - 127) * slope + 127 + settings.brightness, np.float32)
    return np.asarray((values + settings.brightness - 127) * slope + 127, np.float32)


def _modern_brightness(settings: BrightnessContrast, values: F32) -> F32:
    """An approximation (psd-tools): contrast bends a spline through two moved points, which brightness then shifts
    along the diagonal. Photoshop's own arithmetic is not published; the tests say how far off this is.
    """
    tone = values.astype(np.float64) / 255
    moved = 25 / 255 * settings.contrast / 100
    low, high = 63 / 255, 191 / 255
    bent = _spline(np.array([0, low, high, 1]), np.array([0, low - moved, high + moved, 1]), tone)
    amount = settings.brightness / 150
    strong = 1.65 * tone**0.35 - tone**10
    weak = 1.96 * tone**0.4 + tone**4
    hill = (abs(amount) * strong + (1 - abs(amount)) * weak + tone**1.25) / 2
    shift = amount * tone * (1 - tone) * hill
    return np.asarray(255 * np.interp(tone, tone - shift, bent + shift), np.float32)


def _looked_up(tables: F32, colour: F32) -> F32:
    index = (colour * np.float32(255) + np.float32(0.5)).clip(0, 255).astype(np.uint8)
    out = np.empty_like(colour)
    for channel in range(3):
        np.take(tables[channel], index[channel], out=out[channel])
    return out


def _hue_saturation(settings: HueSaturation, colour: F32) -> F32:
    """Lightness mixes with white or black; then hue turns and chroma grows in HSL (psd-tools; fixtures for hue alone).

    With C = max - min and L = (max + min) / 2 of a pixel, saturation s > 0 makes C / (1 - s) of C and s < 0 C (1 + s),
    at most 1 - |2 L - 1|, which is full saturation at that lightness.
    """
    light = np.float32(settings.lightness / 100)
    base = colour + (1 - colour) * light if light > 0 else colour * (1 + light)
    high, low = base.max(axis=0), base.min(axis=0)
    middle, chroma = (high + low) / 2, high - low
    most = 1 - np.abs(2 * middle - 1)
    share = settings.saturation / 100
    if settings.colorize:
        hue = np.float32(settings.hue / 60 % 6)
        return _from_hue(np.full_like(middle, hue), middle, most * np.float32(share))
    grown = 1 / max(1 - share, 1 / 256) if share > 0 else 1 + share
    new_chroma = np.minimum(chroma * np.float32(grown), most)
    if settings.hue == 0:
        scale = new_chroma / np.maximum(chroma, np.float32(1e-6))
        return np.asarray((middle + (base - middle) * scale).clip(0, 1), np.float32)
    turned = _hue(base, high, chroma) + np.float32(settings.hue / 60)
    turned += (turned < 0) * np.float32(6)
    turned -= (turned >= 6) * np.float32(6)
    return _from_hue(turned, middle, new_chroma)


def _hue(colour: F32, high: F32, chroma: F32) -> F32:
    """Hue in sixths of the circle, -1 to 5, 0 for grey (Smith 1978, HSL)."""
    red, green, blue = colour
    is_red, is_green, is_blue = _greatest(colour, high)
    turn = is_red * (green - blue)
    turn += is_green * (blue - red)
    turn += is_blue * (red - green)
    turn /= np.maximum(chroma, np.float32(1e-6))
    turn += 2 * is_green
    turn += 4 * is_blue
    return np.asarray(turn, np.float32)


def _greatest(colour: F32, high: F32) -> tuple[F32, F32, F32]:
    """1 in one of three planes: which channel is the greatest, the first one on a tie.

    As numbers: numpy.where jumps at every pixel, which noise makes unpredictable and several times as slow.
    """
    red = (colour[0] == high).astype(np.float32)
    green = (colour[1] == high).astype(np.float32)
    green *= 1 - red
    return red, green, 1 - red - green


def _from_hue(hue: F32, middle: F32, chroma: F32) -> F32:
    """The colour of that hue (0..6), lightness and chroma: L + C (k - 1/2), k the pure hue's channel."""
    out = np.empty((3, *hue.shape), np.float32)
    out[0] = np.abs(hue - 3) - 1
    out[1] = 2 - np.abs(hue - 2)
    out[2] = 2 - np.abs(hue - 4)
    np.clip(out, 0, 1, out=out)
    out -= np.float32(0.5)
    out *= chroma
    out += middle
    return out.clip(0, 1)


def _black_and_white(settings: BlackAndWhite, colour: F32) -> F32:
    """min + (mid - min) w2 + (max - mid) w1, with w1 the weight of the primary that is greatest and w2 that of the
    secondary colour of the two greatest.

    Source: measurements in "What is the algorithm behind Photoshop's Black and White adjustment layer?" (Signal
    Processing Stack Exchange), whose hue-weighted lightness this is. No Photoshop picture here confirms it.
    """
    red, green, blue = colour
    high, low = colour.max(axis=0), colour.min(axis=0)
    middle = red + green + blue - high - low
    is_red, is_green, is_blue = _greatest(colour, high)
    primary = settings.reds * is_red + settings.greens * is_green + settings.blues * is_blue
    # The least channel says which secondary colour the two others make; blue comes first on a tie.
    no_blue, no_green, no_red = _greatest(-colour[::-1], -low)
    secondary = settings.yellows * no_blue + settings.cyans * no_red + settings.magentas * no_green
    grey = low + ((middle - low) * secondary + (high - middle) * primary) / 100
    return _grey(grey.clip(0, 1))


def _mixed(settings: ChannelMixer, colour: F32) -> F32:
    """Each channel is the sum of its shares of the three, and a constant, clipped to 0..1 (Manual)."""
    if settings.monochrome:
        return _grey(_sum(settings.red, colour))
    return np.stack([_sum(row, colour) for row in (settings.red, settings.green, settings.blue)])


def _sum(row: MixerRow, colour: F32) -> F32:
    total = colour[0] * np.float32(row.red / 100)
    total += colour[1] * np.float32(row.green / 100)
    total += colour[2] * np.float32(row.blue / 100)
    total += np.float32(row.constant / 100)
    return np.asarray(total.clip(0, 1), np.float32)


def _threshold(settings: Threshold, colour: F32) -> F32:
    """1 where round(255 (0.30 R + 0.59 G + 0.11 B)) >= level, else 0 (psd-tools; fixtures)."""
    bytes_ = np.floor(colour * np.float32(255) + np.float32(0.5))
    light = bytes_[0] * _LUM[0] + bytes_[1] * _LUM[1] + bytes_[2] * _LUM[2]
    return _grey((np.floor(light + np.float32(0.5)) >= settings.level).astype(np.float32))


def _grey(plane: F32) -> F32:
    return np.stack([plane, plane, plane]).astype(np.float32)
