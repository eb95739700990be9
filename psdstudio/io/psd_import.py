"""PSD to Document: pixel layers, groups, masks and properties as they are; a report of everything that is not.

Photoshop's own features (text, shapes, smart objects, effects) are taken as the pixels that the file holds for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from psd_tools.constants import Resource, Tag

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect, Size
from psdstudio.core.layers import (
    AdjustmentLayer,
    BlendMode,
    GroupLayer,
    Layer,
    LayerProps,
    Lock,
    Mask,
    PixelLayer,
)
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import FileUnsupported
from psdstudio.io.psd_adjustments import ReadAdjustment, read_adjustment
from psdstudio.io.psd_read import (
    Nodes,
    PsdFile,
    PsdLimits,
    PsdNode,
    box_of,
    mask_of,
    merged_rgb,
    name_of,
    open_psd,
    rgba_of,
    unsupported_colours,
    within_memory,
)
from psdstudio.io.psd_tables import OUR_MODES, clean_name, label_from_index, locks_from_bits

_RASTERISED = {
    Tag.TYPE_TOOL_OBJECT_SETTING: "text",
    Tag.TYPE_TOOL_INFO: "text",
    Tag.SMART_OBJECT_LAYER_DATA1: "a smart object",
    Tag.SMART_OBJECT_LAYER_DATA2: "a smart object",
    Tag.PLACED_LAYER1: "a smart object",
    Tag.PLACED_LAYER2: "a smart object",
    Tag.VECTOR_MASK_SETTING1: "a shape or vector mask",
    Tag.VECTOR_MASK_SETTING2: "a shape or vector mask",
    Tag.SOLID_COLOR_SHEET_SETTING: "a fill",
    Tag.GRADIENT_FILL_SETTING: "a fill",
    Tag.PATTERN_FILL_SETTING: "a fill",
}
_VECTOR_MASKS = (Tag.VECTOR_MASK_SETTING1, Tag.VECTOR_MASK_SETTING2)
_EFFECTS = (
    Tag.OBJECT_BASED_EFFECTS_LAYER_INFO, Tag.OBJECT_BASED_EFFECTS_LAYER_INFO_V0, Tag.EFFECTS_LAYER,
    Tag.OBJECT_BASED_EFFECTS_LAYER_INFO_V1,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """`losses`: sentences on everything that looks or behaves otherwise than in the program that wrote the file."""

    layers: int
    losses: tuple[str, ...]


@dataclass(slots=True)
class _Losses:
    """Collects sentences, each once."""

    lines: dict[str, None] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Note a loss."""
        self.lines.setdefault(line)


def import_psd(path: Path, limits: PsdLimits = PsdLimits()) -> tuple[Document, ImportReport]:
    """Open a PSD or PSB as a document; its file is only read.

    Raises:
        FileUnsupported: It is no PSD, or has colours that are not read.
        FileCorrupt, FileTooLarge, FileError: as `open_psd`; `FileTooLarge` also when there is too little memory.
    """
    with within_memory(path):
        return _import(path, limits)


def _import(path: Path, limits: PsdLimits) -> tuple[Document, ImportReport]:
    file = open_psd(path, limits)
    if not file.has_known_colours():
        raise unsupported_colours(file)
    losses = _Losses()
    header = file.psd.header
    if header.depth != 8:
        losses.add(f"The {header.depth}-bit values were rounded to 8 bit.")
    layers = _layers(file, file.layers, losses) if file.layers else (_flat_layer(file),)
    document = Document(
        size=Size(header.width, header.height), layers=layers, resolution_dpi=_resolution_dpi(file)
    )
    faults = document.validate()
    if faults:
        raise FileUnsupported(
            f"“{path.name}” has a structure that is not supported ({faults[0]}).", "Nothing was changed."
        )
    count = sum(1 for _ in document.walk())
    return document, ImportReport(layers=count, losses=tuple(losses.lines))


def _layers(file: PsdFile, nodes: Nodes, losses: _Losses) -> tuple[Layer, ...]:
    made = (_layer(file, node, losses) for node in nodes)
    return tuple(layer for layer in made if layer is not None)


def _layer(file: PsdFile, node: PsdNode, losses: _Losses) -> Layer | None:
    record, name = node.record, name_of(node.record)
    blocks = record.tagged_blocks
    if any(tag in blocks for tag in _EFFECTS):
        losses.add(f"The layer effects of “{name}” are not shown.")
    if node.children is not None:
        props = _props(node, losses)
        if props.clipping:
            losses.add(f"The group “{name}” is no longer clipped to the layer below.")
            props = replace(props, clipping=False)
        children = _layers(file, node.children, losses)
        return GroupLayer(props=props, children=children, mask=_mask(file, node, losses))
    found = read_adjustment(blocks, file.psd.header.color_mode)
    if found is not None:
        return _adjustment(file, node, found, losses)
    kinds = sorted({kind for tag, kind in _RASTERISED.items() if tag in blocks})
    place = box_of(record)
    if kinds and place.is_empty:
        losses.add(f"“{name}” ({', '.join(kinds)}) holds no pixels and was left out.")
        return None
    if kinds:
        losses.add(f"“{name}” ({', '.join(kinds)}) became pixels.")
    rgba = rgba_of(file, node)
    grid = TileGrid.from_array(rgba) if rgba.size else TileGrid()
    return PixelLayer(
        props=_props(node, losses),
        pixels=grid,
        offset=Point(place.x, place.y) if rgba.size else Point(0, 0),
        mask=_mask(file, node, losses),
    )


def _adjustment(
    file: PsdFile, node: PsdNode, found: ReadAdjustment, losses: _Losses
) -> AdjustmentLayer | None:
    name = name_of(node.record)
    if found.adjustment is None:
        losses.add(f"“{name}” is an adjustment layer and was left out: {found.remark}.")
        return None
    if found.remark:
        losses.add(f"The adjustment “{name}” ({found.kind}): {found.remark}.")
    if any(tag in node.record.tagged_blocks for tag in _VECTOR_MASKS):
        losses.add(f"The vector mask of “{name}” is not applied.")
    return AdjustmentLayer(
        props=_props(node, losses), adjustment=found.adjustment, mask=_mask(file, node, losses)
    )


def _flat_layer(file: PsdFile) -> PixelLayer:
    """A file without layers is its merged image."""
    rgb = merged_rgb(file)
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    return PixelLayer(props=LayerProps(name="Background"), pixels=TileGrid.from_array(rgba))


def _props(node: PsdNode, losses: _Losses) -> LayerProps:
    record, name = node.record, name_of(node.record)
    blocks = record.tagged_blocks
    mode, is_open = _mode(node), True
    setting = blocks.get_data(Tag.SECTION_DIVIDER_SETTING)
    if node.children is not None and setting is not None:
        is_open = setting.kind.name == "OPEN_FOLDER"
    if _number(blocks.get_data(Tag.KNOCKOUT_SETTING)):
        losses.add(f"“{name}” does not knock out the layers below it.")
    locks = locks_from_bits(_number(blocks.get_data(Tag.PROTECTED_SETTING)))
    if record.flags.transparency_protected and Lock.ALL not in locks:
        locks |= {Lock.TRANSPARENCY}
    label = blocks.get_data(Tag.SHEET_COLOR_SETTING)
    return LayerProps(
        name=clean_name(name, "Layer"),
        visible=record.flags.visible,
        opacity=record.opacity,
        fill=_number(blocks.get_data(Tag.BLEND_FILL_OPACITY), 255),
        blend_mode=mode,
        clipping=bool(record.clipping.value),
        locks=locks,
        label=label_from_index(int(getattr(label, "value", 0))),
        expanded=is_open,
    )


def _mode(node: PsdNode) -> BlendMode:
    """Return the blend mode; a group keeps its own in the divider block, where "pass through" can stand."""
    mode = OUR_MODES[node.record.blend_mode]
    if node.children is None:
        return BlendMode.NORMAL if mode is BlendMode.PASS_THROUGH else mode
    for tag in (Tag.SECTION_DIVIDER_SETTING, Tag.NESTED_SECTION_DIVIDER_SETTING):
        setting = node.record.tagged_blocks.get_data(tag)
        if setting is not None and setting.blend_mode is not None:
            return OUR_MODES[setting.blend_mode]
    return mode


def _mask(file: PsdFile, node: PsdNode, losses: _Losses) -> Mask | None:
    found = mask_of(file, node)
    data = node.record.mask_data
    if found is None or data is None:
        return None
    name = name_of(node.record)
    parameters = data.parameters
    if parameters is not None and (parameters.user_mask_density, parameters.user_mask_feather) != (
        None,
        None,
    ):
        losses.add(f"Density and feather of the mask of “{name}” are not applied.")
    place, pixels = found
    fill = 255 if data.background_color else 0
    grid = (
        TileGrid.from_array(pixels[..., None], fill=fill) if pixels.size else TileGrid(channels=1, fill=fill)
    )
    return Mask(pixels=grid, offset=_origin(place), enabled=not data.flags.mask_disabled)


def _origin(place: Rect) -> Point:
    return Point(0, 0) if place.is_empty else Point(place.x, place.y)


def _resolution_dpi(file: PsdFile) -> float:
    info = file.psd.image_resources.get_data(Resource.RESOLUTION_INFO)
    fixed = getattr(info, "horizontal", 0)
    dpi = float(fixed) / 65536 if isinstance(fixed, int) else 0.0
    return dpi if 1.0 <= dpi <= 30_000.0 else 72.0


def _number(value: object, default: int = 0) -> int:
    return int(value) if isinstance(value, int | float) else default
