"""A layer tree as PSD layer records: one record a layer, two a group, with every block that Photoshop writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from psd_tools.constants import BlendMode as PsdBlendMode
from psd_tools.constants import ChannelID, Clipping, SectionDivider, Tag
from psd_tools.psd.layer_and_mask import (
    ChannelInfo,
    LayerFlags,
    LayerRecord,
    MaskData,
    MaskFlags,
)
from psd_tools.psd.tagged_blocks import TaggedBlock, TaggedBlocks

from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, Rect
from psdstudio.core.layers import (
    AdjustmentLayer,
    BlendMode,
    GroupLayer,
    Layer,
    LayerId,
    LayerProps,
    Lock,
    Mask,
    PixelLayer,
)
from psdstudio.io.psd_adjustments import adjustment_blocks, is_approximate
from psdstudio.io.psd_effects import drop_shadow_block
from psdstudio.io.psd_foreign import restore_layer
from psdstudio.io.psd_outline import can_be_background, psd_layer_ids
from psdstudio.io.psd_pixels import (
    COLOUR_CHANNELS,
    LAYER_CHANNELS,
    PackedChannel,
    Packing,
    mask_box,
    no_pixels,
    pack_mask,
    pack_planes,
    read_planes,
    trimmed,
    trimmed_box,
)
from psdstudio.io.psd_shadow import DropShadow
from psdstudio.io.psd_tables import BACKGROUND_LOCKS, PSD_MODES, clean_name, lock_bits, pascal_name

BACKGROUND_NAME = "Background"
DIVIDER_NAME = "</Layer group>"
_ORDER = (
    Tag.UNICODE_LAYER_NAME, Tag.LAYER_NAME_SOURCE_SETTING, Tag.LAYER_ID, Tag.BLEND_FILL_OPACITY,
    Tag.BLEND_CLIPPING_ELEMENTS, Tag.BLEND_INTERIOR_ELEMENTS, Tag.KNOCKOUT_SETTING, Tag.SECTION_DIVIDER_SETTING,
    Tag.PROTECTED_SETTING, Tag.SHEET_COLOR_SETTING, Tag.METADATA_SETTING, Tag.REFERENCE_POINT, Tag.LAYER_VERSION,
)  # fmt: skip
"""The order of a record's blocks in Photoshop's own files; all others stand before these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRecord:
    """A record, and how its channels are packed when the file has come to them.

    `record.channel_info` names the channels in the order of `pack`; their lengths are filled in while they are
    written. `losses` are sentences on what PSD could not take.
    """

    record: LayerRecord
    pack: Packing
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    canvas: Rect
    ids: Mapping[LayerId, int]
    version: int
    shadows: Mapping[LayerId, DropShadow]
    free_ids: Iterator[int]
    """Numbers for the records that close groups, which have one each in Photoshop's files."""


def layer_records(
    document: Document, version: int, shadows: Mapping[LayerId, DropShadow] | None = None
) -> list[WrittenRecord]:
    """Return the records of a document in file order, bottom first.

    Args:
        document: As it is to be written.
        version: 1 (PSD) or 2 (PSB).
        shadows: Drop shadow effects of layers.
    """
    ids = psd_layer_ids(document)
    context = _Context(
        canvas=document.canvas, ids=ids, version=version, shadows=shadows or {},
        free_ids=count(max(ids.values(), default=0) + 1),
    )  # fmt: skip
    layers = document.layers
    written: list[WrittenRecord] = []
    if can_be_background(document):
        bottom = layers[0]
        if not isinstance(bottom, PixelLayer):
            raise AssertionError("a group is no Background")
        written.append(_background(bottom, context))
        layers = layers[1:]
    for layer in layers:
        written += _layer(layer, context)
    for one in written:
        one.record.tagged_blocks = _ordered(one.record.tagged_blocks)
    return written


def highest_id(records: Iterable[WrittenRecord]) -> int:
    """Return the highest layer number (`lyid`) in the records; 0 without any."""
    return max((one.record.tagged_blocks.get_data(Tag.LAYER_ID, 0) for one in records), default=0)


def _ordered(blocks: TaggedBlocks) -> TaggedBlocks:
    place = {tag.value: number for number, tag in enumerate(_ORDER)}
    # psd_tools leaves its dictionaries' item type open, which a checker can only fill with Any.
    items: list[Any] = sorted(blocks.items(), key=lambda item: place.get(item[0], -1))
    return TaggedBlocks(items)


def _layer(layer: Layer, context: _Context) -> list[WrittenRecord]:
    if isinstance(layer, PixelLayer):
        return [_pixel_layer(layer, context)]
    if isinstance(layer, AdjustmentLayer):
        return [_adjustment_layer(layer, context)]
    inside = [record for child in layer.children for record in _layer(child, context)]
    return [_divider(context), *inside, _group(layer, context)]


def _background(layer: PixelLayer, context: _Context) -> WrittenRecord:
    record = _record(
        replace(layer.props, name=BACKGROUND_NAME), context.canvas, context.ids[layer.id], b"bgnd"
    )
    record.flags = LayerFlags(transparency_protected=True, visible=layer.props.visible)
    record.tagged_blocks.set_data(Tag.PROTECTED_SETTING, BACKGROUND_LOCKS)
    losses = []
    if layer.props.name != BACKGROUND_NAME:
        losses.append(f"“{layer.props.name}” is the Background of the PSD, which has no other name.")
    if layer.props.locks - {Lock.TRANSPARENCY, Lock.POSITION}:
        losses.append(f"“{layer.props.name}” is the Background of the PSD, which has locks of its own.")
    losses += restore_layer(record, layer)
    area = context.canvas.shifted(-layer.offset.x, -layer.offset.y)
    record.channel_info = _channel_info(COLOUR_CHANNELS)

    def pack() -> list[PackedChannel]:
        return pack_planes(read_planes(layer.pixels, area), alpha=False, version=context.version)

    return WrittenRecord(record=record, pack=pack, losses=tuple(losses))


def _pixel_layer(layer: PixelLayer, context: _Context) -> WrittenRecord:
    record = _record(layer.props, trimmed_box(layer), context.ids[layer.id], b"layr")
    shadow = context.shadows.get(layer.id)
    if shadow is not None:
        block = drop_shadow_block(shadow)
        record.tagged_blocks[block.key] = block

    def pack() -> list[PackedChannel]:
        return pack_planes(trimmed(layer), alpha=True, version=context.version)

    return _finished(layer, record, pack, context)


def _adjustment_layer(layer: AdjustmentLayer, context: _Context) -> WrittenRecord:
    """A record without pixels; the blocks with the settings stand before all others, as Photoshop has them."""
    record = _record(layer.props, EMPTY_RECT, context.ids[layer.id], b"cont")
    settings = [(block.key, block) for block in adjustment_blocks(layer.adjustment)]
    items: list[Any] = [*settings, *record.tagged_blocks.items()]
    record.tagged_blocks = TaggedBlocks(items)
    record.flags.pixel_data_irrelevant = True
    written = _finished(layer, record, no_pixels, context)
    if not is_approximate(layer.adjustment):
        return written
    name = layer.props.name
    loss = f"Photoshop draws “{name}” a little differently: its Brightness/Contrast is not published."
    return replace(written, losses=(*written.losses, loss))


def _group(layer: GroupLayer, context: _Context) -> WrittenRecord:
    """The record on top of a group; Photoshop keeps "pass through" in `lsct` and writes "normal" beside it."""
    record = _record(layer.props, EMPTY_RECT, context.ids[layer.id], b"lset")
    mode = layer.props.blend_mode
    record.blend_mode = PSD_MODES[BlendMode.NORMAL if mode is BlendMode.PASS_THROUGH else mode]
    kind = SectionDivider.OPEN_FOLDER if layer.props.expanded else SectionDivider.CLOSED_FOLDER
    record.tagged_blocks.set_data(
        Tag.SECTION_DIVIDER_SETTING, kind=kind, signature=b"8BIM", blend_mode=PSD_MODES[mode]
    )
    record.flags.pixel_data_irrelevant = True
    return _finished(layer, record, no_pixels, context)


def _divider(context: _Context) -> WrittenRecord:
    """The hidden record below a group's children."""
    record = _record(LayerProps(name=DIVIDER_NAME), EMPTY_RECT, next(context.free_ids), b"lset")
    for tag in (Tag.BLEND_CLIPPING_ELEMENTS, Tag.BLEND_INTERIOR_ELEMENTS, Tag.KNOCKOUT_SETTING):
        del record.tagged_blocks[tag]
    record.tagged_blocks.set_data(Tag.SECTION_DIVIDER_SETTING, kind=SectionDivider.BOUNDING_SECTION_DIVIDER)
    record.flags.pixel_data_irrelevant = True
    record.channel_info = _channel_info(LAYER_CHANNELS)
    return WrittenRecord(record=record, pack=no_pixels)


def _finished(layer: Layer, record: LayerRecord, pack: Packing, context: _Context) -> WrittenRecord:
    losses = []
    if clean_name(layer.props.name, "") != layer.props.name:
        losses.append(
            f"“{layer.props.name}” was renamed: PSD takes 255 characters and no control characters."
        )
    channels: tuple[ChannelID, ...] = LAYER_CHANNELS
    mask = layer.mask
    if mask is not None:
        channels = (*channels, ChannelID.USER_LAYER_MASK)
        place, outside = mask_box(mask, context.canvas)
        record.mask_data = _mask_data(mask, place, outside)
        pack = _with_mask(pack, mask, place, context.version)
        if not mask.linked:
            losses.append(f"The mask of “{layer.props.name}” is linked to its layer in the PSD.")
    losses += restore_layer(record, layer)
    record.channel_info = _channel_info(channels)
    return WrittenRecord(record=record, pack=pack, losses=tuple(losses))


def _with_mask(pack: Packing, mask: Mask, place: Rect, version: int) -> Packing:
    return lambda: [*pack(), pack_mask(mask, place, version)]


def _mask_data(mask: Mask, place: Rect, outside: int) -> MaskData:
    return MaskData(
        top=place.y,
        left=place.x,
        bottom=place.bottom,
        right=place.right,
        background_color=outside,
        flags=MaskFlags(mask_disabled=not mask.enabled),
    )


def _channel_info(channels: Iterable[ChannelID]) -> list[ChannelInfo]:
    return [ChannelInfo(id=channel, length=0) for channel in channels]


def _record(props: LayerProps, place: Rect, number: int, source: bytes) -> LayerRecord:
    """Return a record with its blocks; `source` is `lnsr`, where Photoshop says what kind of thing was named."""
    fallback = f"Layer {number}"
    name = clean_name(props.name, fallback)
    blocks = TaggedBlocks()
    blocks.set_data(Tag.UNICODE_LAYER_NAME, name)
    blocks[Tag.LAYER_NAME_SOURCE_SETTING] = TaggedBlock(key=Tag.LAYER_NAME_SOURCE_SETTING, data=source)
    blocks.set_data(Tag.LAYER_ID, number)
    blocks.set_data(Tag.BLEND_CLIPPING_ELEMENTS, 1)
    blocks.set_data(Tag.BLEND_INTERIOR_ELEMENTS, 0)
    blocks.set_data(Tag.KNOCKOUT_SETTING, 0)
    blocks.set_data(Tag.PROTECTED_SETTING, lock_bits(props.locks))
    blocks.set_data(Tag.SHEET_COLOR_SETTING, props.label.value)
    blocks.set_data(Tag.REFERENCE_POINT, [0.0, 0.0])
    if props.fill != 255:
        blocks.set_data(Tag.BLEND_FILL_OPACITY, props.fill)
    return LayerRecord(
        top=place.y,
        left=place.x,
        bottom=place.bottom,
        right=place.right,
        blend_mode=PsdBlendMode(PSD_MODES[props.blend_mode]),
        opacity=props.opacity,
        clipping=Clipping.NON_BASE if props.clipping else Clipping.BASE,
        flags=LayerFlags(
            transparency_protected=bool(props.locks & {Lock.TRANSPARENCY, Lock.ALL}), visible=props.visible
        ),
        name=pascal_name(name, fallback),
        tagged_blocks=blocks,
    )
