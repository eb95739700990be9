"""A layer tree as PSD layer records: one record a layer, two a group, with every block that Photoshop writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from psd_tools.constants import BlendMode as PsdBlendMode
from psd_tools.constants import Clipping, SectionDivider, Tag
from psd_tools.psd.layer_and_mask import (
    ChannelDataList,
    ChannelImageData,
    ChannelInfo,
    LayerFlags,
    LayerInfo,
    LayerRecord,
    LayerRecords,
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
from psdstudio.io.psd_pixels import PackedChannel, no_pixels, pack_colour, pack_mask, trimmed
from psdstudio.io.psd_tables import BACKGROUND_LOCKS, PSD_MODES, clean_name, lock_bits, pascal_name

BACKGROUND_NAME = "Background"
DIVIDER_NAME = "</Layer group>"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRecord:
    """A record with its channels; `losses` are sentences on what PSD could not take."""

    record: LayerRecord
    channels: tuple[PackedChannel, ...]
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    canvas: Rect
    ids: Mapping[LayerId, int]
    version: int


def psd_layer_ids(document: Document) -> dict[LayerId, int]:
    """Return the number (`lyid`) of every layer in the file: 1, 2, ... from the bottom, groups before children."""
    return {layer.id: number for number, layer in enumerate(document.walk(), start=1)}


def can_be_background(document: Document) -> bool:
    """Whether the bottom layer may be a true Background: opaque, the whole canvas and no more, normal at 100 %."""
    if not document.layers or not isinstance(document.layers[0], PixelLayer):
        return False
    layer = document.layers[0]
    props = layer.props
    plain = (props.opacity, props.fill, props.blend_mode, props.clipping) == (
        255,
        255,
        BlendMode.NORMAL,
        False,
    )
    if not plain or layer.mask is not None:
        return False
    if layer.pixels.bounds().shifted(*layer.offset) != document.canvas:
        return False
    above = document.layers[1:2]
    if above and above[0].props.clipping:
        return False  # Photoshop cannot clip to its Background
    pixels = layer.pixels.read(document.canvas.shifted(-layer.offset.x, -layer.offset.y))
    return bool((pixels[..., 3] == 255).all())


def layer_records(document: Document, version: int) -> list[WrittenRecord]:
    """Return the records of a document in file order, bottom first. `version` is 1 (PSD) or 2 (PSB)."""
    context = _Context(canvas=document.canvas, ids=psd_layer_ids(document), version=version)
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
    return written


def layer_info(written: list[WrittenRecord], *, transparent: bool) -> LayerInfo:
    """Return the layer section. A negative count says that the merged image has transparency."""
    # psd_tools leaves its lists' item type open, which a checker can only fill with Any.
    records: list[Any] = [one.record for one in written]
    channels: list[Any] = []
    for one in written:
        packed: list[Any] = [channel.data for channel in one.channels]
        channels.append(ChannelDataList(packed))
    return LayerInfo(
        layer_count=-len(written) if transparent else len(written),
        layer_records=LayerRecords(records),
        channel_image_data=ChannelImageData(channels),
    )


def _layer(layer: Layer, context: _Context) -> list[WrittenRecord]:
    if isinstance(layer, PixelLayer):
        return [_pixel_layer(layer, context)]
    if isinstance(layer, AdjustmentLayer):
        return [_adjustment_layer(layer, context)]
    inside = [record for child in layer.children for record in _layer(child, context)]
    return [_divider(), *inside, _group(layer, context)]


def _background(layer: PixelLayer, context: _Context) -> WrittenRecord:
    rgba = layer.pixels.read(context.canvas.shifted(-layer.offset.x, -layer.offset.y))
    channels = pack_colour(rgba, alpha=False, version=context.version)
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
    return _with_channels(record, channels, tuple(losses))


def _pixel_layer(layer: PixelLayer, context: _Context) -> WrittenRecord:
    place, rgba = trimmed(layer)
    channels = no_pixels() if place.is_empty else pack_colour(rgba, alpha=True, version=context.version)
    record = _record(layer.props, place, context.ids[layer.id], b"layr")
    return _finished(layer, record, channels, context)


def _adjustment_layer(layer: AdjustmentLayer, context: _Context) -> WrittenRecord:
    """A record without pixels; the blocks with the settings stand before all others, as Photoshop has them."""
    record = _record(layer.props, EMPTY_RECT, context.ids[layer.id], b"cont")
    settings = [(block.key, block) for block in adjustment_blocks(layer.adjustment)]
    items: list[Any] = [*settings, *record.tagged_blocks.items()]
    record.tagged_blocks = TaggedBlocks(items)
    record.flags.pixel_data_irrelevant = True
    written = _finished(layer, record, no_pixels(), context)
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
    return _finished(layer, record, no_pixels(), context)


def _divider() -> WrittenRecord:
    """The hidden record below a group's children."""
    record = _record(LayerProps(name=DIVIDER_NAME), EMPTY_RECT, None, b"layr")
    record.tagged_blocks.set_data(Tag.SECTION_DIVIDER_SETTING, kind=SectionDivider.BOUNDING_SECTION_DIVIDER)
    record.flags.pixel_data_irrelevant = True
    return _with_channels(record, no_pixels(), ())


def _finished(
    layer: Layer, record: LayerRecord, channels: list[PackedChannel], context: _Context
) -> WrittenRecord:
    losses = []
    if clean_name(layer.props.name, "") != layer.props.name:
        losses.append(
            f"“{layer.props.name}” was renamed: PSD takes 255 characters and no control characters."
        )
    if layer.mask is not None:
        channels = [*channels, _mask(layer.mask, record, context)]
        if not layer.mask.linked:
            losses.append(f"The mask of “{layer.props.name}” is linked to its layer in the PSD.")
    return _with_channels(record, channels, tuple(losses))


def _mask(mask: Mask, record: LayerRecord, context: _Context) -> PackedChannel:
    place, outside, channel = pack_mask(mask, context.canvas, context.version)
    record.mask_data = MaskData(
        top=place.y,
        left=place.x,
        bottom=place.bottom,
        right=place.right,
        background_color=outside,
        flags=MaskFlags(mask_disabled=not mask.enabled),
    )
    return channel


def _with_channels(
    record: LayerRecord, channels: list[PackedChannel], losses: tuple[str, ...]
) -> WrittenRecord:
    # Written out here because psd_tools derives it from high-level layers that we do not use.
    record.channel_info = [ChannelInfo(id=one.id, length=2 + len(one.data.data)) for one in channels]
    return WrittenRecord(record=record, channels=tuple(channels), losses=losses)


def _record(props: LayerProps, place: Rect, number: int | None, source: bytes) -> LayerRecord:
    """Return a record with its blocks; `source` is `lnsr`, where Photoshop says what kind of thing was named."""
    fallback = f"Layer {number}"
    name = clean_name(props.name, fallback)
    blocks = TaggedBlocks()
    blocks.set_data(Tag.UNICODE_LAYER_NAME, name)
    blocks[Tag.LAYER_NAME_SOURCE_SETTING] = TaggedBlock(key=Tag.LAYER_NAME_SOURCE_SETTING, data=source)
    if number is not None:
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
