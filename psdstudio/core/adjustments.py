"""What an adjustment layer does, as settings alone: frozen values with the ranges Photoshop's panel allows.

The arithmetic stands in `psdstudio.render.adjust`. Whole numbers are kept as Photoshop shows and stores them, so that
a file read and written again holds the very same settings.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TypeAlias

MAX_CURVE_POINTS = 19
"""Points of one curve that a PSD holds (PSD specification, Curves; psd_tools refuses more)."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a setting may be: low <= value <= high; `decimals` is how many digits after the point are shown."""

    low: float
    high: float
    decimals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrightnessContrast:
    """Brighter, darker, harder, softer. `legacy` is the arithmetic of before Photoshop CS3, with its own range."""

    brightness: int = 0
    contrast: int = 0
    legacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelsChannel:
    """One channel's levels; `gamma` in hundredths (100 changes nothing)."""

    black_in: int = 0
    white_in: int = 255
    black_out: int = 0
    white_out: int = 255
    gamma: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Black point, white point and midtones, for all channels together (`master`) and for each."""

    master: LevelsChannel = LevelsChannel()
    red: LevelsChannel = LevelsChannel()
    green: LevelsChannel = LevelsChannel()
    blue: LevelsChannel = LevelsChannel()


@dataclass(frozen=True, slots=True)
class Curve:
    """One channel's curve: 2 to 19 points (input, output), both 0..255, inputs rising."""

    points: tuple[tuple[int, int], ...] = ((0, 0), (255, 255))


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """A curve for all channels together (`master`) and one for each."""

    master: Curve = Curve()
    red: Curve = Curve()
    green: Curve = Curve()
    blue: Curve = Curve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Stops of light (`exposure`), a shift in linear light (`offset`), and `gamma`."""

    exposure: float = 0.0
    offset: float = 0.0
    gamma: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HueSaturation:
    """The master sliders of Hue/Saturation: hue in degrees, the others in per cent.

    With `colorize` everything gets the one `hue` (0..360) and `saturation` (0..100).
    """

    hue: int = 0
    saturation: int = 0
    lightness: int = 0
    colorize: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackAndWhite:
    """How light each colour becomes in grey, in per cent; the values here are Photoshop's own default."""

    reds: int = 40
    yellows: int = 60
    greens: int = 40
    cyans: int = 60
    blues: int = 20
    magentas: int = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class MixerRow:
    """What one output channel takes of each input channel, and a constant, all in per cent."""

    red: int = 0
    green: int = 0
    blue: int = 0
    constant: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMixer:
    """Channels made of shares of channels. With `monochrome`, all three are made as `red` says."""

    red: MixerRow = MixerRow(red=100)
    green: MixerRow = MixerRow(green=100)
    blue: MixerRow = MixerRow(blue=100)
    monochrome: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invert:
    """The negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterize:
    """Each channel in `levels` steps."""

    levels: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """White where the pixel is as light as `level` (0..255) or lighter, else black."""

    level: int = 128


Adjustment: TypeAlias = (
    BrightnessContrast
    | Levels
    | Curves
    | Exposure
    | HueSaturation
    | BlackAndWhite
    | ChannelMixer
    | Invert
    | Posterize
    | Threshold
)

TITLES: Mapping[type[Adjustment], str] = MappingProxyType(
    {
        BrightnessContrast: "Brightness/Contrast",
        Levels: "Levels",
        Curves: "Curves",
        Exposure: "Exposure",
        HueSaturation: "Hue/Saturation",
        BlackAndWhite: "Black & White",
        ChannelMixer: "Channel Mixer",
        Invert: "Invert",
        Posterize: "Posterize",
        Threshold: "Threshold",
    }
)
"""Every kind with the name that Photoshop's menu gives it, in the menu's order."""

_SHARE = Range(-200, 200)
_BYTE = Range(0, 255)
_WEIGHT = Range(-200, 300)
_RANGES: Mapping[type, Mapping[str, Range]] = MappingProxyType(
    {
        BrightnessContrast: {"brightness": Range(-150, 150), "contrast": Range(-50, 100)},
        LevelsChannel: {
            "black_in": Range(0, 253),
            "white_in": Range(2, 255),
            "black_out": _BYTE,
            "white_out": _BYTE,
            "gamma": Range(1, 999),
        },
        Exposure: {
            "exposure": Range(-20, 20, 2),
            "offset": Range(-0.5, 0.5, 4),
            "gamma": Range(0.01, 9.99, 2),
        },
        HueSaturation: {
            "hue": Range(-180, 180),
            "saturation": Range(-100, 100),
            "lightness": Range(-100, 100),
        },
        BlackAndWhite: dict.fromkeys(("reds", "yellows", "greens", "cyans", "blues", "magentas"), _WEIGHT),
        MixerRow: dict.fromkeys(("red", "green", "blue", "constant"), _SHARE),
        Posterize: {"levels": Range(2, 255)},
        Threshold: {"level": Range(1, 255)},
    }
)
_LEGACY = MappingProxyType({"brightness": Range(-100, 100), "contrast": Range(-100, 100)})
_COLORIZE = MappingProxyType(
    {"hue": Range(0, 360), "saturation": Range(0, 100), "lightness": Range(-100, 100)}
)

Settings: TypeAlias = Adjustment | LevelsChannel | MixerRow
"""A value with numbers of its own."""


def ranges_of(settings: Settings) -> Mapping[str, Range]:
    """Return the range of every number of an adjustment, or of one channel of it, by the field's name."""
    if isinstance(settings, BrightnessContrast) and settings.legacy:
        return _LEGACY
    if isinstance(settings, HueSaturation) and settings.colorize:
        return _COLORIZE
    return _RANGES.get(type(settings), {})


def adjustment_faults(adjustment: Adjustment) -> list[str]:
    """Return what is out of range as sentences; an empty list means the settings are sound."""
    faults = []
    for part in _parts(adjustment):
        for name, allowed in ranges_of(part).items():
            value = getattr(part, name)
            # Written this way round so that a NaN is a fault.
            if not allowed.low <= value <= allowed.high:
                faults.append(f"{name} {value} is out of {allowed.low:g}..{allowed.high:g}")
    for part in _parts(adjustment):
        if isinstance(part, LevelsChannel) and part.white_in < part.black_in + 2:
            faults.append(f"white_in {part.white_in} is not above black_in {part.black_in}")
    if isinstance(adjustment, Curves):
        for curve in (adjustment.master, adjustment.red, adjustment.green, adjustment.blue):
            faults += _curve_faults(curve)
    return faults


def _parts(adjustment: Adjustment) -> Iterator[Settings]:
    yield adjustment
    for entry in fields(adjustment):
        value = getattr(adjustment, entry.name)
        if isinstance(value, LevelsChannel | MixerRow):
            yield value


def _curve_faults(curve: Curve) -> list[str]:
    points = curve.points
    faults = []
    if not 2 <= len(points) <= MAX_CURVE_POINTS:
        faults.append(f"a curve has {len(points)} points, not 2 to {MAX_CURVE_POINTS}")
    if any(not (0 <= x <= 255 and 0 <= y <= 255) for x, y in points):
        faults.append("a point of a curve is out of 0..255")
    if any(left[0] >= right[0] for left, right in itertools.pairwise(points)):
        faults.append("the points of a curve do not rise from left to right")
    return faults


def is_identity(adjustment: Adjustment) -> bool:
    """Whether the adjustment, blended as Normal, changes no pixel whatever the picture is."""
    match adjustment:
        case BlackAndWhite() | Invert() | Posterize() | Threshold():
            return False
        case ChannelMixer():
            return adjustment == ChannelMixer()
        case HueSaturation():
            return adjustment == HueSaturation()
        case BrightnessContrast():
            return adjustment.brightness == 0 and adjustment.contrast == 0
        case Curves():
            curves = (adjustment.master, adjustment.red, adjustment.green, adjustment.blue)
            return all(_is_straight(curve) for curve in curves)
        case Levels() | Exposure():
            return adjustment == type(adjustment)()


def _is_straight(curve: Curve) -> bool:
    # A spline through points on the diagonal is the diagonal; beyond its ends a curve is level.
    return curve.points[0][0] == 0 and curve.points[-1][0] == 255 and all(x == y for x, y in curve.points)
