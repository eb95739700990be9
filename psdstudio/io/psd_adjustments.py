"""Adjustments as PSD's tagged blocks, both ways, byte for byte as Photoshop lays them out.

Layouts: "Additional Layer Information" of the PSD specification, checked against files that Photoshop wrote. Everything
is big-endian. What a block holds beyond our settings is never dropped silently: such a layer is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from psd_tools.constants import ColorMode, Tag
from psd_tools.psd.descriptor import Bool, Descriptor, DescriptorBlock, Double, Integer, String
from psd_tools.psd.tagged_blocks import TYPES, TaggedBlock, TaggedBlocks

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
    adjustment_faults,
    is_identity,
)
from psdstudio.io.psd_structure import PsdRecord

_KINDS: Mapping[Tag, str] = {
    Tag.BLACK_AND_WHITE: "Black & White",
    Tag.BRIGHTNESS_AND_CONTRAST: "Brightness/Contrast",
    Tag.CHANNEL_MIXER: "Channel Mixer",
    Tag.COLOR_BALANCE: "Color Balance",
    Tag.COLOR_LOOKUP: "Color Lookup",
    Tag.CURVES: "Curves",
    Tag.EXPOSURE: "Exposure",
    Tag.GRADIENT_MAP: "Gradient Map",
    Tag.HUE_SATURATION: "Hue/Saturation",
    Tag.HUE_SATURATION_V4: "Hue/Saturation of Photoshop 4",
    Tag.INVERT: "Invert",
    Tag.LEVELS: "Levels",
    Tag.PHOTO_FILTER: "Photo Filter",
    Tag.POSTERIZE: "Posterize",
    Tag.SELECTIVE_COLOR: "Selective Color",
    Tag.THRESHOLD: "Threshold",
    Tag.VIBRANCE: "Vibrance",
}
"""Every adjustment that Photoshop knows, by the tag of its block."""

ADJUSTMENT_KEYS = tuple(tag.value for tag in _KINDS)
SETTING_KEYS = (*ADJUSTMENT_KEYS, Tag.CONTENT_GENERATOR_EXTRA_DATA.value)
"""The keys that make a record an adjustment layer, and those that hold its settings."""
_LEVEL_RECORDS, _EXTRA_RECORDS = 29, 33
_MAX_SETTINGS_BYTES = 4 * 2**20
_PLAIN_LEVELS = LevelsChannel()
_HUE_RANGES = (
    (315, 345, 15, 45), (15, 45, 75, 105), (75, 105, 135, 165),
    (135, 165, 195, 225), (195, 225, 255, 285), (255, 285, 315, 345),
)  # fmt: skip
"""Reds, yellows, ... as Photoshop writes them when nobody moved them: fall-off, start, end, fall-off in degrees."""
_COLORIZE_AT_FIRST = (0, 25, 0)
_GREYS = {"reds": b"Rd  ", "yellows": b"Yllw", "greens": b"Grn ", "cyans": b"Cyn ", "blues": b"Bl  ",
          "magentas": b"Mgnt"}  # fmt: skip
_TINT_AT_FIRST = (225.00045776367188, 211.00067138671875, 179.00115966796875)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAdjustment:
    """What a layer's blocks say. `adjustment` is None when it cannot be kept; `remark` says why, or what differs."""

    kind: str
    adjustment: Adjustment | None
    remark: str = ""


class _NotKeptError(Exception):
    """The block holds more than we have; the message says what, to stand after "left out: "."""


def setting_blocks(record: PsdRecord) -> TaggedBlocks:
    """Return the blocks of a record that may hold an adjustment, parsed as far as psd_tools can."""
    blocks = TaggedBlocks()
    for block in record.blocks:
        if block.key not in SETTING_KEYS or len(block.data) > _MAX_SETTINGS_BYTES:
            continue
        tag, data = Tag(block.key), bytes(block.data)
        kind = TYPES.get(tag)
        parsed: Any = data
        if kind is not None:
            with suppress(ValueError, LookupError, TypeError, OSError, AttributeError, struct.error):
                parsed = kind.frombytes(data)
        blocks[tag] = TaggedBlock(key=tag, data=parsed)
    return blocks


def read_adjustment(blocks: TaggedBlocks, mode: int) -> ReadAdjustment | None:
    """Return the adjustment that a layer's blocks hold; None when the layer is no adjustment layer.

    `mode` is the file's colour mode: the channels of a block are those of the file.
    """
    tag = next((tag for tag in _KINDS if tag in blocks), None)
    if tag is None:
        return None
    kind = _KINDS[tag]
    reader = _READERS.get(tag)
    if reader is None:
        return ReadAdjustment(kind=kind, adjustment=None, remark=f"{kind} is not supported")
    if mode not in (ColorMode.RGB, ColorMode.GRAYSCALE):
        return ReadAdjustment(kind=kind, adjustment=None, remark=f"it adjusts {ColorMode(mode).name} colours")
    try:
        adjustment = reader(blocks, _bytes_of(blocks, tag))
    except _NotKeptError as exc:
        return ReadAdjustment(kind=kind, adjustment=None, remark=str(exc))
    except (struct.error, ValueError, KeyError, AttributeError, TypeError):
        return ReadAdjustment(kind=kind, adjustment=None, remark="its settings are damaged")
    if adjustment_faults(adjustment):
        return ReadAdjustment(kind=kind, adjustment=None, remark="its settings are out of range")
    if mode == ColorMode.GRAYSCALE:
        adjustment = _for_all_channels(adjustment)
    return ReadAdjustment(kind=kind, adjustment=adjustment, remark=_remark(adjustment, mode))


def adjustment_blocks(adjustment: Adjustment) -> tuple[TaggedBlock, ...]:
    """Return the blocks of an adjustment layer, to stand before all others, as Photoshop writes them."""
    match adjustment:
        case Invert():
            return (_block(Tag.INVERT, b""),)
        case Posterize():
            return (_block(Tag.POSTERIZE, struct.pack(">H2x", adjustment.levels)),)
        case Threshold():
            return (_block(Tag.THRESHOLD, struct.pack(">H2x", adjustment.level)),)
        case Exposure():
            values = (adjustment.exposure, adjustment.offset, adjustment.gamma)
            return (_block(Tag.EXPOSURE, struct.pack(">H3f2x", 1, *values)),)
        case Levels():
            return (_block(Tag.LEVELS, _levels_bytes(adjustment)),)
        case Curves():
            return (_block(Tag.CURVES, _curves_bytes(adjustment)),)
        case HueSaturation():
            return (_block(Tag.HUE_SATURATION, _hue_bytes(adjustment)),)
        case ChannelMixer():
            return (_block(Tag.CHANNEL_MIXER, _mixer_bytes(adjustment)),)
        case BlackAndWhite():
            return (_block(Tag.BLACK_AND_WHITE, _black_and_white_block(adjustment).tobytes()),)
        case BrightnessContrast():
            return _brightness_blocks(adjustment)


def _block(tag: Tag, data: bytes) -> TaggedBlock:
    return TaggedBlock(key=tag, data=data)


def _bytes_of(blocks: TaggedBlocks, tag: Tag) -> bytes:
    """The block's bytes, whether psd_tools has parsed them or not."""
    data = blocks[tag].data
    return data if isinstance(data, bytes) else bytes(data.tobytes())


def _remark(adjustment: Adjustment, mode: int) -> str:
    if isinstance(adjustment, Exposure) and mode == ColorMode.GRAYSCALE:
        return "its grey values come out slightly different in colour"
    if is_approximate(adjustment):
        return "it is shown approximately, as Photoshop's arithmetic for it is not published"
    return ""


def is_approximate(adjustment: Adjustment) -> bool:
    """Whether Photoshop is known to draw these settings a little differently from us."""
    is_modern = isinstance(adjustment, BrightnessContrast) and not adjustment.legacy
    return is_modern and not is_identity(adjustment)


def _for_all_channels(adjustment: Adjustment) -> Adjustment:
    """A grey file keeps its one channel where a colour file keeps red."""
    match adjustment:
        case Levels():
            one = adjustment.red
            return Levels(master=adjustment.master, red=one, green=one, blue=one)
        case Curves():
            curve = adjustment.red
            return Curves(master=adjustment.master, red=curve, green=curve, blue=curve)
        case _:
            return adjustment


# ---- brightness and contrast


def _read_brightness(blocks: TaggedBlocks, data: bytes) -> BrightnessContrast:
    """`brit` holds the legacy settings; since CS3 the real ones stand in the descriptor `CgEd`."""
    modern = blocks.get_data(Tag.CONTENT_GENERATOR_EXTRA_DATA)
    if modern is not None and b"Brgh" in modern:
        return BrightnessContrast(
            brightness=int(modern[b"Brgh"].value),
            contrast=int(modern[b"Cntr"].value),
            legacy=bool(modern[b"useLegacy"].value),
        )
    brightness, contrast = struct.unpack_from(">hh", data)
    return BrightnessContrast(brightness=brightness, contrast=contrast, legacy=True)


def _brightness_blocks(adjustment: BrightnessContrast) -> tuple[TaggedBlock, ...]:
    if adjustment.legacy:
        values = (adjustment.brightness, adjustment.contrast)
        return (_block(Tag.BRIGHTNESS_AND_CONTRAST, struct.pack(">hhHBx", *values, 127, 0)),)
    settings = DescriptorBlock(name="\0", classID=b"null")
    settings[b"Vrsn"] = Integer(1)
    settings[b"Brgh"] = Integer(adjustment.brightness)
    settings[b"Cntr"] = Integer(adjustment.contrast)
    settings[b"means"] = Integer(127)
    settings[b"Lab "] = Bool(False)
    settings[b"useLegacy"] = Bool(False)
    settings[b"Auto"] = Bool(False)
    return (
        _block(Tag.BRIGHTNESS_AND_CONTRAST, bytes(8)),
        _block(Tag.CONTENT_GENERATOR_EXTRA_DATA, settings.tobytes()),
    )


# ---- levels


def _read_levels(blocks: TaggedBlocks, data: bytes) -> Levels:
    (version,) = struct.unpack_from(">H", data)
    if version != 2:
        raise ValueError("unknown version")
    records = [struct.unpack_from(">5H", data, 2 + 10 * index) for index in range(4)]
    master, red, green, blue = (
        LevelsChannel(black_in=a, white_in=b, black_out=c, white_out=d, gamma=e) for a, b, c, d, e in records
    )
    return Levels(master=master, red=red, green=green, blue=blue)


def _levels_bytes(adjustment: Levels) -> bytes:
    """29 records for channels that a file may have, then 33 more in a later addition, and two bytes to round up."""
    ours = [adjustment.master, adjustment.red, adjustment.green, adjustment.blue]
    first = [*ours, *[_PLAIN_LEVELS] * (_LEVEL_RECORDS - len(ours))]
    head = struct.pack(">H", 2) + b"".join(map(_level_record, first))
    tail = b"".join(map(_level_record, [_PLAIN_LEVELS] * _EXTRA_RECORDS))
    return head + b"Lvls" + struct.pack(">HH", 3, _LEVEL_RECORDS + _EXTRA_RECORDS) + tail + bytes(2)


def _level_record(part: LevelsChannel) -> bytes:
    return struct.pack(">5H", part.black_in, part.white_in, part.black_out, part.white_out, part.gamma)


# ---- curves


def _read_curves(blocks: TaggedBlocks, data: bytes) -> Curves:
    """The channels of the bit field follow one another; 0 is all channels together, 1 to 3 are red, green, blue."""
    is_map, version, which = struct.unpack_from(">BHI", data)
    if version not in (1, 4):
        raise ValueError("unknown version")
    if is_map:
        raise _NotKeptError("its curves are drawn by hand")
    channels = [bit for bit in range(32) if which & 1 << bit] if version == 1 else list(range(which))
    curves, at = {}, 7
    for channel in channels[:32]:
        (count,) = struct.unpack_from(">H", data, at)
        values = struct.unpack_from(f">{2 * count}H", data, at + 2)
        at += 2 + 4 * count
        curves[channel] = Curve(tuple(zip(values[1::2], values[::2], strict=True)))
    plain = Curve()
    if any(channel > 3 and curve != plain for channel, curve in curves.items()):
        raise _NotKeptError("it adjusts channels besides red, green and blue")
    master, red, green, blue = (curves.get(channel, plain) for channel in range(4))
    return Curves(master=master, red=red, green=green, blue=blue)


def _curves_bytes(adjustment: Curves) -> bytes:
    """The curves that are not straight, twice: by the bit field of version 1, and with their numbers behind `Crv `."""
    ours = (adjustment.master, adjustment.red, adjustment.green, adjustment.blue)
    used = [(channel, curve) for channel, curve in enumerate(ours) if curve != Curve()]
    head = struct.pack(">BHI", 0, 1, sum(1 << channel for channel, _ in used))
    body = b"".join(_curve_bytes(curve) for _, curve in used)
    extra = b"".join(struct.pack(">H", channel) + _curve_bytes(curve) for channel, curve in used)
    data = head + body + b"Crv " + struct.pack(">HI", 4, len(used)) + extra
    return data + bytes(-len(data) % 4)


def _curve_bytes(curve: Curve) -> bytes:
    points = b"".join(struct.pack(">HH", y, x) for x, y in curve.points)
    return struct.pack(">H", len(curve.points)) + points


# ---- the others


def _read_exposure(blocks: TaggedBlocks, data: bytes) -> Exposure:
    _, exposure, offset, gamma = struct.unpack_from(">H3f", data)
    # Photoshop shows at most four digits; rounded, the number gives the very same 32 bits again.
    return Exposure(exposure=round(exposure, 4), offset=round(offset, 4), gamma=round(gamma, 4))


def _read_hue(blocks: TaggedBlocks, data: bytes) -> HueSaturation:
    version, colorize = struct.unpack_from(">HBx", data)
    if version != 2:
        raise ValueError("unknown version")
    tint, master = struct.unpack_from(">3h", data, 4), struct.unpack_from(">3h", data, 10)
    if colorize:
        return HueSaturation(hue=tint[0] % 360, saturation=tint[1], lightness=tint[2], colorize=True)
    for index in range(len(_HUE_RANGES)):
        if any(struct.unpack_from(">3h", data, 16 + 14 * index + 8)):
            raise _NotKeptError("it adjusts single colours, as reds or blues")
    return HueSaturation(hue=master[0], saturation=master[1], lightness=master[2])


def _hue_bytes(adjustment: HueSaturation) -> bytes:
    values = (adjustment.hue, adjustment.saturation, adjustment.lightness)
    tint, master = (values, (0, 0, 0)) if adjustment.colorize else (_COLORIZE_AT_FIRST, values)
    ranges = b"".join(struct.pack(">4h3h", *edges, 0, 0, 0) for edges in _HUE_RANGES)
    return struct.pack(">HBx3h3h", 2, adjustment.colorize, *tint, *master) + ranges


def _read_mixer(blocks: TaggedBlocks, data: bytes) -> ChannelMixer:
    """Four rows of five: shares of red, green, blue, of a fourth channel that RGB has not, and the constant."""
    _, monochrome = struct.unpack_from(">HH", data)
    rows = []
    for index in range(3):
        red, green, blue, _, constant = struct.unpack_from(">5h", data, 4 + 10 * index)
        rows.append(MixerRow(red=red, green=green, blue=blue, constant=constant))
    return ChannelMixer(red=rows[0], green=rows[1], blue=rows[2], monochrome=bool(monochrome))


def _mixer_bytes(adjustment: ChannelMixer) -> bytes:
    rows = (adjustment.red, adjustment.green, adjustment.blue)
    body = b"".join(struct.pack(">5h", row.red, row.green, row.blue, 0, row.constant) for row in rows)
    # The fourth row leaves a fourth channel as it is.
    return struct.pack(">HH", 1, adjustment.monochrome) + body + struct.pack(">5h", 0, 0, 0, 100, 0)


def _read_black_and_white(blocks: TaggedBlocks, data: bytes) -> BlackAndWhite:
    settings = blocks.get_data(Tag.BLACK_AND_WHITE)
    if settings[b"useTint"].value:
        raise _NotKeptError("its tint is not supported")
    return BlackAndWhite(**{name: int(settings[key].value) for name, key in _GREYS.items()})


def _black_and_white_block(adjustment: BlackAndWhite) -> DescriptorBlock:
    settings = DescriptorBlock(name="\0", classID=b"null")
    for name, key in _GREYS.items():
        settings[key] = Integer(getattr(adjustment, name))
    settings[b"useTint"] = Bool(False)
    tint = Descriptor(name="\0", classID=b"RGBC")
    for key, value in zip((b"Rd  ", b"Grn ", b"Bl  "), _TINT_AT_FIRST, strict=True):
        tint[key] = Double(value)
    settings[b"tintColor"] = tint
    settings[b"bwPresetKind"] = Integer(1 if adjustment == BlackAndWhite() else 2)
    settings[b"blackAndWhitePresetFileName"] = String("\0")
    return settings


_READERS: Mapping[Tag, Callable[[TaggedBlocks, bytes], Adjustment]] = {
    Tag.BRIGHTNESS_AND_CONTRAST: _read_brightness,
    Tag.LEVELS: _read_levels,
    Tag.CURVES: _read_curves,
    Tag.EXPOSURE: _read_exposure,
    Tag.HUE_SATURATION: _read_hue,
    Tag.CHANNEL_MIXER: _read_mixer,
    Tag.BLACK_AND_WHITE: _read_black_and_white,
    Tag.INVERT: lambda blocks, data: Invert(),
    Tag.POSTERIZE: lambda blocks, data: Posterize(levels=struct.unpack_from(">H", data)[0]),
    Tag.THRESHOLD: lambda blocks, data: Threshold(level=struct.unpack_from(">H", data)[0]),
}
