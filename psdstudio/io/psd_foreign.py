"""What a PSD holds beyond a document: kept when it is opened, given back when a PSD is written.

Nobody here reads these bytes. Pieces that describe pixels (text, shapes, smart objects) go back only while the layer
is as it was when they were read: beside other pixels Photoshop would draw the old ones again. Effects and the like
stay with a layer that was edited.

Source of the keys: Adobe Photoshop File Formats Specification, "Additional Layer Information" and "Image Resources".
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from psd_tools.constants import Tag
from psd_tools.psd.image_resources import ImageResource, ImageResources
from psd_tools.psd.layer_and_mask import LayerRecord
from psd_tools.psd.tagged_blocks import TaggedBlock, TaggedBlocks

from psdstudio.core.document import Document
from psdstudio.core.foreign import Foreign, ForeignBlock
from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import Layer, PixelLayer
from psdstudio.core.tiles import TILE, TileGrid
from psdstudio.io.psd_adjustments import ADJUSTMENT_KEYS
from psdstudio.io.psd_structure import PsdRecord, PsdStructure

SOURCE = "psd"
MAX_KEPT_BYTES = 1024 * 2**20
"""Of one file; what is beyond it is left out, and the report says so."""
_OURS = frozenset((b"luni", b"lspf", b"lclr", b"iOpa", b"lsct", b"lsdk", b"Lr16", b"Lr32", b"Layr"))
"""Blocks that a document has words for, or that hold layers."""
_DEFAULTS: dict[bytes, bytes] = {
    b"clbl": b"\1\0\0\0", b"infx": b"\0\0\0\0", b"knko": b"\0\0\0\0", b"fxrp": bytes(16),
}  # fmt: skip
"""What our own export writes beside every layer: not worth keeping."""
_PIXEL_KEYS: dict[str, str] = {
    "TySh": "text", "tySh": "text", "SoLd": "a smart object", "SoLE": "a smart object", "plLd": "a smart object",
    "PlLd": "a smart object", "vmsk": "a vector mask", "vsms": "a vector mask", "vogk": "a shape",
    "vstk": "a shape", "vscg": "a shape", "vowv": "a shape", "SoCo": "a fill", "GdFl": "a fill", "PtFl": "a fill",
    "PxSc": "generated pixels", "PxSD": "generated pixels", "FXid": "filters", "FEid": "filters",
}  # fmt: skip
"""Blocks that describe pixels, and what a layer is because of them."""
PATH_KEYS = ("vmsk", "vsms")
SHAPE_KEYS = (*PATH_KEYS, "vogk", "vstk", "vscg", "vowv", "SoCo", "GdFl", "PtFl")
"""What makes a layer a vector mask, and a shape or fill."""
_DIGEST = 20
_RESOURCE_DIGITS = 5
_OUR_RESOURCES = frozenset(
    (
        1005, 1006, 1045, 1053,  # resolution; names and numbers of channels
        1024, 1026, 1069, 1072,  # which layer is selected and linked: lists by position, which we do not keep
        1032, 1033, 1036, 1039, 1041, 1044, 1057, 1060, 1061,  # guides, thumbnails, profile, seed, version, XMP
        1046, 1047,  # indexed colours
    )
)  # fmt: skip
_DEFAULT_RESOURCES = {
    1037: (120).to_bytes(4, "big"), 1049: (30).to_bytes(4, "big"), 1064: struct.pack(">Id", 2, 1.0),
}  # fmt: skip
_DEFAULT_FILTER_MASK = struct.pack(">6H", 0, 0xFFFF, 0, 0, 0, 50)
_OUR_GLOBALS = frozenset((b"Lr16", b"Lr32", b"Layr", b"Mtrn", b"Mt16", b"Mt32", b"LMsk", b"Alph"))


@dataclass(slots=True)
class KeepingRoom:
    """How many bytes may still be kept of a file; `is_short` when something found no room."""

    left: int = MAX_KEPT_BYTES
    is_short: bool = False

    def takes(self, data: memoryview) -> bool:
        """Whether a piece is kept; counts it."""
        if len(data) > self.left:
            self.is_short = True
            return False
        self.left -= len(data)
        return True


def layer_foreign(
    record: PsdRecord, room: KeepingRoom, *, number: int, is_group: bool
) -> tuple[ForeignBlock, ...]:
    """Return the blocks of a record that are kept; `number` is the id that our own export would give the layer."""
    kept = []
    for block in record.blocks:
        if block.key in _OURS or not room.takes(block.data):
            continue
        data = bytes(block.data)
        is_number = block.key == b"lyid" and data == number.to_bytes(4, "big")
        is_source = block.key == b"lnsr" and data in _name_sources(record, is_group=is_group)
        if is_number or is_source or data == _DEFAULTS.get(block.key):
            continue
        kept.append(ForeignBlock(key=block.key.decode("latin-1"), data=data))
    return tuple(kept)


def _name_sources(record: PsdRecord, *, is_group: bool) -> tuple[bytes, ...]:
    """Return what our own export writes as `lnsr`, which says what kind of thing was named."""
    if record.has(*ADJUSTMENT_KEYS):
        return (b"cont",)
    return (b"lset",) if is_group else (b"layr", b"bgnd")


def with_foreign(layer: Layer, blocks: Sequence[ForeignBlock], *, mask_is_path: bool) -> Layer:
    """Return the layer with the blocks, and its digest where some describe pixels.

    `mask_is_path`: the layer's raster mask is the drawing of its vector mask and nothing else.
    """
    if not blocks:
        return layer
    state = b""
    if any(block.key in _PIXEL_KEYS for block in blocks):
        state = state_of(layer) + bytes([mask_is_path])
    return replace(layer, foreign=Foreign(source=SOURCE, blocks=tuple(blocks), state=state))


def document_foreign(structure: PsdStructure, room: KeepingRoom) -> Foreign | None:
    """Return the resources and global blocks of a file that are kept; None without any."""
    kept = []
    for resource in structure.resources:
        is_default = resource.id in _DEFAULT_RESOURCES and resource.data == _DEFAULT_RESOURCES[resource.id]
        if resource.signature != b"8BIM" or resource.id in _OUR_RESOURCES or is_default:
            continue
        if room.takes(resource.data):
            name = resource.name.decode("mac_roman")
            key = f"{resource.id}:{name}" if name else str(resource.id)
            kept.append(ForeignBlock(key=key, data=bytes(resource.data)))
    for block in structure.blocks:
        is_default = block.key == b"FMsk" and block.data == _DEFAULT_FILTER_MASK
        if block.key not in _OUR_GLOBALS and not is_default and room.takes(block.data):
            kept.append(ForeignBlock(key=block.key.decode("latin-1"), data=bytes(block.data)))
    return Foreign(source=SOURCE, blocks=tuple(kept)) if kept else None


def state_of(layer: Layer) -> bytes:
    """Return two digests of 20 bytes: of a layer's pixels and place, and of its mask."""
    pixels, mask = hashlib.blake2b(digest_size=_DIGEST), hashlib.blake2b(digest_size=_DIGEST)
    if isinstance(layer, PixelLayer):
        _add(pixels, layer.pixels, layer.offset)
    if layer.mask is not None:
        mask.update(b"mask %d" % layer.mask.enabled)
        _add(mask, layer.mask.pixels, layer.mask.offset)
    return pixels.digest() + mask.digest()


def _add(digest: Any, grid: TileGrid, offset: Point) -> None:
    """Add the box of a grid on the canvas and the pixels inside, in bands of rows, so that tiling does not matter."""
    box = grid.bounds()
    digest.update(b"%d %d %d %d %d" % (*box.shifted(*offset), grid.fill))
    for top in range(box.y, box.bottom, TILE):
        digest.update(grid.read(Rect(box.x, top, box.width, min(TILE, box.bottom - top))))


def restore_layer(record: LayerRecord, layer: Layer) -> tuple[str, ...]:
    """Put the kept blocks of a layer back into its record; returns sentences on what could not go back.

    A raster mask that was drawn from a vector mask is marked as such, so that Photoshop does not apply it twice.
    """
    foreign = layer.foreign
    if foreign is None or foreign.source != SOURCE:
        return ()
    same_pixels, same_mask = _unchanged(layer, foreign)
    mask_is_path = foreign.state[2 * _DIGEST :] == b"\1"
    gone = set()
    for block in foreign.blocks:
        is_mask = mask_is_path and block.key in PATH_KEYS
        if block.key == "lyid":
            continue  # `psd_layer_ids` writes it
        if block.key in _PIXEL_KEYS and not (same_mask if is_mask else same_pixels):
            gone.add(_PIXEL_KEYS[block.key])
            continue
        key = _tag(block.key)
        record.tagged_blocks[key] = TaggedBlock(key=key, data=block.data)
        if is_mask and record.mask_data is not None:
            record.mask_data.flags.user_mask_from_render = True
    if not gone:
        return ()
    what = " and ".join(sorted(gone))
    return (f"“{layer.props.name}” was edited here: in the PSD it is pixels and no longer {what}.",)


def _unchanged(layer: Layer, foreign: Foreign) -> tuple[bool, bool]:
    """Whether pixels and place, and the mask, are as they were when the blocks were read."""
    if not foreign.state:
        return True, True
    now = state_of(layer)
    was = foreign.state
    return now[:_DIGEST] == was[:_DIGEST], now[_DIGEST:] == was[_DIGEST : 2 * _DIGEST]


def restore_document(document: Document, resources: ImageResources, blocks: TaggedBlocks) -> None:
    """Put the kept resources and global blocks of a document back beside those that we write."""
    foreign = document.foreign
    if foreign is None or foreign.source != SOURCE:
        return
    for block in foreign.blocks:
        number, _, name = block.key.partition(":")
        if number.isdigit() and len(number) <= _RESOURCE_DIGITS:
            key = int(number)
            resources[key] = ImageResource(key=key, name=name, data=block.data)
        else:
            tag = _tag(block.key)
            blocks[tag] = TaggedBlock(key=tag, data=block.data)


def _tag(key: str) -> Any:
    """Return a key as psd_tools has it: it looks only for its own kind when it decides how long a length is."""
    data = key.encode("latin-1")
    try:
        return Tag(data)
    except ValueError:
        return data
