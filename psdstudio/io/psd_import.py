"""PSD to Document: pixel layers, groups, masks and properties as they are; a report of everything that is not.

Photoshop's own features (text, shapes, smart objects, effects) are taken as the pixels that the file holds for them,
and their data is kept for the way back (`psd_foreign`). Programs call `psd_reader`, which does this in a process with
limits; here nothing guards against a file that takes long.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.layers import AdjustmentLayer, BlendMode, GroupLayer, Layer, LayerProps, PixelLayer
from psdstudio.errors import FileUnsupported
from psdstudio.io.psd_adjustments import (
    ADJUSTMENT_KEYS,
    SETTING_KEYS,
    ReadAdjustment,
    read_adjustment,
    setting_blocks,
)
from psdstudio.io.psd_foreign import (
    PATH_KEYS,
    SHAPE_KEYS,
    KeepingRoom,
    document_foreign,
    layer_foreign,
    with_foreign,
)
from psdstudio.io.psd_masks import FoundMask, has_soft_path, mask_of, path_coverage, read_mask_record
from psdstudio.io.psd_properties import guides_of, locks_of, resolution_dpi, shows_effects, solid_colour
from psdstudio.io.psd_rasters import box_of, solid_grid
from psdstudio.io.psd_read import (
    OPEN_FOLDER,
    Nodes,
    PsdFile,
    PsdLimits,
    PsdNode,
    damage_named,
    divider_kind,
    grid_of,
    merged_of,
    mode_of,
    name_of,
    open_psd,
    within_memory,
)
from psdstudio.io.psd_report import ImportReport
from psdstudio.io.psd_tables import clean_name, label_from_index

_FILLS = {b"SoCo": "a fill", b"GdFl": "a fill", b"PtFl": "a fill"}
_SHAPES = {b"vogk": "a shape", b"vstk": "a shape", b"vscg": "a shape"}
"""A pixel layer that was a shape once keeps these blocks: only `_REDRAWN` tells them apart."""
_RASTERISED = {
    b"TySh": "text", b"tySh": "text", b"SoLd": "a smart object", b"SoLE": "a smart object",
    b"plLd": "a smart object", b"PlLd": "a smart object", **_SHAPES, **_FILLS,
}  # fmt: skip
_HIDDEN, _REDRAWN = 2, 16
"""Bits of a record's flags: not shown; Photoshop draws the pixels anew, so they are cut by the layer's path."""
_ARTBOARDS = (b"artb", b"artd", b"abdd")


@dataclass(slots=True)
class _Losses:
    """Collects sentences, each once; `number` counts records, from the bottom, a group before its children."""

    lines: dict[str, None] = field(default_factory=dict)
    number: int = 0
    room: KeepingRoom = field(default_factory=KeepingRoom)

    def add(self, *lines: str) -> None:
        """Note losses."""
        for line in lines:
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
    colours, structure = file.known_colours(), file.structure
    header = structure.header
    losses = _Losses()
    losses.add(*colours.notes)
    layers = _layers(file, file.layers, losses) if file.layers else (_flat_layer(file),)
    extra = header.channels - colours.planes - structure.has_transparency
    if extra > 0:
        losses.add("Saved selections and spot colours (extra channels) were left out.")
    document = Document(
        size=Size(header.width, header.height), layers=layers, resolution_dpi=resolution_dpi(structure),
        profile=colours.profile, guides=guides_of(structure), foreign=document_foreign(structure, losses.room),
    )  # fmt: skip
    if losses.room.is_short:
        losses.add("Data that only Photoshop understands was left out, as there is more than 1 GB of it.")
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
    losses.number += 1
    blocks = layer_foreign(record, losses.room, number=losses.number, is_group=node.children is not None)
    if shows_effects(record):
        losses.add(f"The layer effects of “{name}” are not shown; a PSD export keeps them.")
    adjusts = adjustment_of(file, node)
    if adjusts is not None and adjusts.adjustment is None:
        losses.add(f"“{name}” is an adjustment layer and was left out: {adjusts.remark}.")
        return None
    with damage_named(file.path):
        found = mask_of(file.structure, record, name, is_drawn=_is_shape(node))
    losses.add(*found.notes)
    spent: tuple[str, ...] = PATH_KEYS if found.is_spent else ()
    if _is_shape(node) and has_soft_path(read_mask_record(record)):
        spent = SHAPE_KEYS
    blocks = tuple(block for block in blocks if block.key not in spent)
    if node.children is not None:
        layer: Layer | None = _group(file, node, node.children, found, losses)
    elif adjusts is not None:
        layer = _adjustment(node, adjusts, found, losses)
        blocks = tuple(block for block in blocks if block.key.encode("latin-1") not in SETTING_KEYS)
    else:
        layer = _pixel_layer(file, node, found, losses)
    return None if layer is None else with_foreign(layer, blocks, mask_is_path=found.is_path)


def adjustment_of(file: PsdFile, node: PsdNode) -> ReadAdjustment | None:
    """Return what an adjustment layer does; None when the node is no such layer."""
    if node.children is not None:
        return None
    return read_adjustment(setting_blocks(node.record), file.structure.header.color_mode)


def _adjustment(node: PsdNode, adjusts: ReadAdjustment, found: FoundMask, losses: _Losses) -> AdjustmentLayer:
    if adjusts.adjustment is None:
        raise AssertionError("it was left out before")
    if adjusts.remark:
        losses.add(f"The adjustment “{name_of(node.record)}” ({adjusts.kind}): {adjusts.remark}.")
    return AdjustmentLayer(props=_props(node, losses), adjustment=adjusts.adjustment, mask=found.mask)


def _group(file: PsdFile, node: PsdNode, nodes: Nodes, found: FoundMask, losses: _Losses) -> GroupLayer:
    props, name = _props(node, losses), name_of(node.record)
    if props.clipping:
        losses.add(f"The group “{name}” is no longer clipped to the layer below.")
        props = replace(props, clipping=False)
    if node.record.has(*_ARTBOARDS):
        losses.add(f"The artboard “{name}” became a group; it does not cut off or colour what lies in it.")
    return GroupLayer(props=props, children=_layers(file, nodes, losses), mask=found.mask)


def _is_shape(node: PsdNode) -> bool:
    """Whether Photoshop draws the layer from a fill and a path."""
    record = node.record
    if node.children is not None or record.has(*ADJUSTMENT_KEYS):
        return False
    return record.has(*_FILLS, b"vscg") or (bool(record.flags & _REDRAWN) and record.has(b"vogk", b"vstk"))


def _fill_colour(node: PsdNode) -> tuple[int, int, int] | None:
    """Return the colour of a solid fill that has to be drawn here: it has no pixels, or soft edges of its path.

    The stored pixels of a fill are cut by its path, without density and feather.
    """
    record = node.record
    if not _is_shape(node):
        return None
    is_soft = has_soft_path(read_mask_record(record))
    return solid_colour(record) if box_of(record).is_empty or is_soft else None


def _pixel_layer(file: PsdFile, node: PsdNode, found: FoundMask, losses: _Losses) -> PixelLayer | None:
    record, name = node.record, name_of(node.record)
    named = _RASTERISED if _is_shape(node) else {k: v for k, v in _RASTERISED.items() if k not in _SHAPES}
    kinds = ", ".join(sorted({kind for key, kind in named.items() if record.has(key)}))
    place = box_of(record)
    colour = _fill_colour(node)
    if colour is not None:
        losses.add(f"“{name}” ({kinds}) became pixels.")
        with damage_named(file.path):
            grid = solid_grid(path_coverage(file.structure, record), colour)
        return PixelLayer(props=_props(node, losses), pixels=grid, mask=found.mask)
    if kinds and place.is_empty:
        losses.add(f"“{name}” ({kinds}) holds no pixels and was left out.")
        return None
    if kinds:
        losses.add(f"“{name}” ({kinds}) became pixels.")
    origin = Point(0, 0) if place.is_empty else place.origin
    return PixelLayer(props=_props(node, losses), pixels=grid_of(file, node), offset=origin, mask=found.mask)


def _flat_layer(file: PsdFile) -> PixelLayer:
    """A file without layers is its merged image."""
    return PixelLayer(props=LayerProps(name="Background"), pixels=merged_of(file))


def _props(node: PsdNode, losses: _Losses) -> LayerProps:
    record, name = node.record, name_of(node.record)
    mode = mode_of(node)
    if mode is None:
        losses.add(f"The blend mode of “{name}” is not known; it is normal now.")
    if record.number(b"knko", 0):
        losses.add(f"“{name}” does not knock out the layers below it.")
    label = record.block(b"lclr")
    return LayerProps(
        name=clean_name(name, "Layer"),
        visible=not record.flags & _HIDDEN,
        opacity=record.opacity,
        fill=record.number(b"iOpa", 255),
        blend_mode=mode or BlendMode.NORMAL,
        clipping=record.clipping,
        locks=locks_of(record),
        label=label_from_index(int.from_bytes(label[:2], "big") if label else 0),
        expanded=node.children is None or divider_kind(record) == OPEN_FOLDER,
    )
