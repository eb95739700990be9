"""Adjustments in the manifest of a project file, as checked JSON records apart from the core's classes.

`type` tells them apart; it is not called `kind`, by which the layers of a manifest are counted.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
from psdstudio.io.project_extras import Record


class BrightnessContrastRecord(Record):
    """As `core.adjustments.BrightnessContrast`."""

    type: Literal["brightness/contrast"] = "brightness/contrast"
    brightness: int
    contrast: int
    legacy: bool


class LevelsChannelRecord(Record):
    """As `core.adjustments.LevelsChannel`."""

    black_in: int
    white_in: int
    black_out: int
    white_out: int
    gamma: int


class LevelsRecord(Record):
    """As `core.adjustments.Levels`."""

    type: Literal["levels"] = "levels"
    master: LevelsChannelRecord
    red: LevelsChannelRecord
    green: LevelsChannelRecord
    blue: LevelsChannelRecord


Points = tuple[tuple[int, int], ...]


class CurvesRecord(Record):
    """As `core.adjustments.Curves`: each curve by its points (input, output)."""

    type: Literal["curves"] = "curves"
    master: Points
    red: Points
    green: Points
    blue: Points


class ExposureRecord(Record):
    """As `core.adjustments.Exposure`."""

    type: Literal["exposure"] = "exposure"
    exposure: float
    offset: float
    gamma: float


class HueSaturationRecord(Record):
    """As `core.adjustments.HueSaturation`."""

    type: Literal["hue/saturation"] = "hue/saturation"
    hue: int
    saturation: int
    lightness: int
    colorize: bool


class BlackAndWhiteRecord(Record):
    """As `core.adjustments.BlackAndWhite`."""

    type: Literal["black & white"] = "black & white"
    reds: int
    yellows: int
    greens: int
    cyans: int
    blues: int
    magentas: int


class MixerRowRecord(Record):
    """As `core.adjustments.MixerRow`."""

    red: int
    green: int
    blue: int
    constant: int


class ChannelMixerRecord(Record):
    """As `core.adjustments.ChannelMixer`."""

    type: Literal["channel mixer"] = "channel mixer"
    red: MixerRowRecord
    green: MixerRowRecord
    blue: MixerRowRecord
    monochrome: bool


class InvertRecord(Record):
    """As `core.adjustments.Invert`."""

    type: Literal["invert"] = "invert"


class PosterizeRecord(Record):
    """As `core.adjustments.Posterize`."""

    type: Literal["posterize"] = "posterize"
    levels: int


class ThresholdRecord(Record):
    """As `core.adjustments.Threshold`."""

    type: Literal["threshold"] = "threshold"
    level: int


AdjustmentRecord = Annotated[
    BrightnessContrastRecord
    | LevelsRecord
    | CurvesRecord
    | ExposureRecord
    | HueSaturationRecord
    | BlackAndWhiteRecord
    | ChannelMixerRecord
    | InvertRecord
    | PosterizeRecord
    | ThresholdRecord,
    Field(discriminator="type"),
]


def to_adjustment_record(adjustment: Adjustment) -> AdjustmentRecord:
    """Return the record of an adjustment."""
    match adjustment:
        case BrightnessContrast(brightness=brightness, contrast=contrast, legacy=legacy):
            return BrightnessContrastRecord(brightness=brightness, contrast=contrast, legacy=legacy)
        case Levels(master=master, red=red, green=green, blue=blue):
            return LevelsRecord(
                master=_levels_record(master), red=_levels_record(red), green=_levels_record(green),
                blue=_levels_record(blue),
            )  # fmt: skip
        case Curves(master=all_, red=r, green=g, blue=b):
            return CurvesRecord(master=all_.points, red=r.points, green=g.points, blue=b.points)
        case Exposure(exposure=stops, offset=offset, gamma=gamma):
            return ExposureRecord(exposure=stops, offset=offset, gamma=gamma)
        case HueSaturation(hue=hue, saturation=saturation, lightness=lightness, colorize=colorize):
            return HueSaturationRecord(hue=hue, saturation=saturation, lightness=lightness, colorize=colorize)
        case BlackAndWhite():
            return BlackAndWhiteRecord(
                reds=adjustment.reds, yellows=adjustment.yellows, greens=adjustment.greens,
                cyans=adjustment.cyans, blues=adjustment.blues, magentas=adjustment.magentas,
            )  # fmt: skip
        case ChannelMixer():
            return ChannelMixerRecord(
                red=_mixer_record(adjustment.red),
                green=_mixer_record(adjustment.green),
                blue=_mixer_record(adjustment.blue),
                monochrome=adjustment.monochrome,
            )
        case Invert():
            return InvertRecord()
        case Posterize(levels=levels):
            return PosterizeRecord(levels=levels)
        case Threshold(level=level):
            return ThresholdRecord(level=level)


def to_adjustment(record: AdjustmentRecord) -> Adjustment:
    """Return the adjustment of a record; whether its settings are in range is for `Document.validate`."""
    match record:
        case BrightnessContrastRecord():
            return BrightnessContrast(
                brightness=record.brightness, contrast=record.contrast, legacy=record.legacy
            )
        case LevelsRecord():
            return Levels(
                master=_levels_channel(record.master), red=_levels_channel(record.red),
                green=_levels_channel(record.green), blue=_levels_channel(record.blue),
            )  # fmt: skip
        case CurvesRecord():
            return Curves(
                master=Curve(record.master), red=Curve(record.red), green=Curve(record.green),
                blue=Curve(record.blue),
            )  # fmt: skip
        case ExposureRecord():
            return Exposure(exposure=record.exposure, offset=record.offset, gamma=record.gamma)
        case HueSaturationRecord():
            return HueSaturation(
                hue=record.hue, saturation=record.saturation, lightness=record.lightness,
                colorize=record.colorize,
            )  # fmt: skip
        case BlackAndWhiteRecord():
            return BlackAndWhite(
                reds=record.reds, yellows=record.yellows, greens=record.greens, cyans=record.cyans,
                blues=record.blues, magentas=record.magentas,
            )  # fmt: skip
        case ChannelMixerRecord():
            return ChannelMixer(
                red=_mixer_row(record.red), green=_mixer_row(record.green), blue=_mixer_row(record.blue),
                monochrome=record.monochrome,
            )  # fmt: skip
        case InvertRecord():
            return Invert()
        case PosterizeRecord():
            return Posterize(levels=record.levels)
        case ThresholdRecord():
            return Threshold(level=record.level)


def _levels_record(part: LevelsChannel) -> LevelsChannelRecord:
    return LevelsChannelRecord(
        black_in=part.black_in, white_in=part.white_in, black_out=part.black_out, white_out=part.white_out,
        gamma=part.gamma,
    )  # fmt: skip


def _levels_channel(record: LevelsChannelRecord) -> LevelsChannel:
    return LevelsChannel(
        black_in=record.black_in, white_in=record.white_in, black_out=record.black_out,
        white_out=record.white_out, gamma=record.gamma,
    )  # fmt: skip


def _mixer_record(row: MixerRow) -> MixerRowRecord:
    return MixerRowRecord(red=row.red, green=row.green, blue=row.blue, constant=row.constant)


def _mixer_row(record: MixerRowRecord) -> MixerRow:
    return MixerRow(red=record.red, green=record.green, blue=record.blue, constant=record.constant)
