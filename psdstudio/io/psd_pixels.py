"""Pixels on their way into a PSD: trimming, colour bled under the edge, packed channels. Knows no records."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from psd_tools.compression import compress
from psd_tools.constants import ChannelID, Compression
from psd_tools.psd.layer_and_mask import ChannelData

from psdstudio.core.geometry import EMPTY_RECT, Rect
from psdstudio.core.layers import Mask, PixelLayer
from psdstudio.core.tiles import TileGrid, U8Array, tile_keys, tile_rect

MARGIN_PX = 2
BLEED_PX = 8
_UNKNOWN, _KNOWN, _OUTSIDE = 0, 1, 2
COLOUR_CHANNELS = (ChannelID.CHANNEL_0, ChannelID.CHANNEL_1, ChannelID.CHANNEL_2)
LAYER_CHANNELS = (ChannelID.TRANSPARENCY_MASK, *COLOUR_CHANNELS)
"""Photoshop's order: transparency first, then red, green, blue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedChannel:
    """One channel ready to write; `crc` is the checksum of its raw bytes, for the check after writing."""

    id: ChannelID
    data: ChannelData
    crc: int


_Bools: TypeAlias = npt.NDArray[np.bool_]
Packing: TypeAlias = Callable[[], list[PackedChannel]]
"""Packs a record's channels when the file has come to them, so that no more than one record's are held."""


def trimmed_box(layer: PixelLayer) -> Rect:
    """Return where a layer's pixels stand on the canvas: the box of alpha > 0 and 2 px around it; or EMPTY_RECT."""
    box = layer.pixels.bounds()
    if box.is_empty:
        return EMPTY_RECT
    box = Rect.from_edges(box.x - MARGIN_PX, box.y - MARGIN_PX, box.right + MARGIN_PX, box.bottom + MARGIN_PX)
    return box.shifted(*layer.offset)


def trimmed(layer: PixelLayer) -> U8Array:
    """Return (4, h, w) uint8 red, green, blue, alpha of `trimmed_box`, with colour bled under the edge."""
    box = trimmed_box(layer).shifted(-layer.offset.x, -layer.offset.y)
    if box.is_empty:
        return np.zeros((4, 0, 0), np.uint8)
    planes = read_planes(layer.pixels, box)
    bleed(planes)
    return planes


def read_planes(grid: TileGrid, box: Rect) -> U8Array:
    """Return (channels, h, w) uint8 of the pixels under a box, plane by plane as a PSD keeps them."""
    out = np.full((grid.channels, box.height, box.width), grid.fill, np.uint8)
    for key in tile_keys(box):
        tile = grid.tile(key)
        if tile is None:
            continue
        area = tile_rect(key)
        part = area.intersection(box)
        pixels = tile[part.y - area.y : part.bottom - area.y, part.x - area.x : part.right - area.x]
        out[:, part.y - box.y : part.bottom - box.y, part.x - box.x : part.right - box.x] = np.moveaxis(
            pixels, 2, 0
        )
    return out


def bleed(planes: U8Array, reach_px: int = BLEED_PX) -> _Bools:
    """Let the colour under alpha 0 of (4, h, w) continue the edge for `reach_px` and be 0 beyond, in place.

    Without it, scaling a cut-out blends the black (or the old backdrop) hidden under alpha 0 into its edge. Each
    ring of pixels takes the mean of its known neighbours; only the ring is touched, so that the cost follows the
    outline, not the area.

    Returns:
        (h, w) bool: where a colour is meant, by alpha or by the bleed.
    """
    _, height, width = planes.shape
    stride = width + 2
    # A border of one pixel saves every bounds check below.
    state = np.full((height + 2, stride), _OUTSIDE, np.uint8)
    seen: _Bools = planes[3] > 0
    state[1:-1, 1:-1] = seen
    if seen.all():
        return seen
    planes[:3] *= seen
    around = np.array([-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1])
    flat = state.reshape(-1)
    colour = planes.reshape(4, -1)
    # Only the pages that are touched are ever there: the outline's.
    stamp = np.zeros(flat.size, np.int32)
    front = np.flatnonzero(_edge(state))
    for _ in range(reach_px):
        ring = (front[:, None] + around).ravel()
        ring = ring[flat[ring] == _UNKNOWN]
        order = np.arange(ring.size, dtype=np.int32)
        stamp[ring] = order
        ring = ring[stamp[ring] == order]  # each pixel once
        if not ring.size:
            break
        near = ring[:, None] + around
        weight = flat[near] == _KNOWN
        count = weight.sum(axis=1, dtype=np.uint32)
        source = np.where(weight, _unpadded(near, stride, width), 0)
        place = _unpadded(ring, stride, width)
        for plane in colour[:3]:
            total = (plane[source] * weight).sum(axis=1, dtype=np.uint32)
            plane[place] = (total + count // 2) // count
        flat[ring] = _KNOWN
        front = ring
    has_colour: _Bools = state[1:-1, 1:-1] == _KNOWN
    return has_colour


def _edge(state: U8Array) -> _Bools:
    """The known pixels of a padded state with an unknown one beside, above or below."""
    is_known: _Bools = state == _KNOWN
    edge: _Bools = np.zeros_like(is_known)
    inner = is_known[:-2, 1:-1] & is_known[2:, 1:-1] & is_known[1:-1, :-2] & is_known[1:-1, 2:]
    np.logical_and(is_known[1:-1, 1:-1], ~inner, out=edge[1:-1, 1:-1])
    return edge


def _unpadded(index: npt.NDArray[np.intp], stride: int, width: int) -> npt.NDArray[np.intp]:
    """Flat indices of a padded picture as those of the picture itself."""
    row, column = np.divmod(index, stride)
    return (row - 1) * width + column - 1


def pack_planes(planes: U8Array, *, alpha: bool, version: int) -> list[PackedChannel]:
    """Pack (4, h, w) red, green, blue, alpha into RLE channels in Photoshop's order."""
    packed = [_pack(ChannelID.TRANSPARENCY_MASK, planes[3], version)] if alpha else []
    return packed + [
        _pack(channel, plane, version) for channel, plane in zip(COLOUR_CHANNELS, planes, strict=False)
    ]


def no_pixels() -> list[PackedChannel]:
    """Return the four channels of a layer without pixels, two bytes each (as Photoshop writes them)."""
    return pack_planes(np.zeros((4, 0, 0), np.uint8), alpha=True, version=1)


def mask_box(mask: Mask, canvas: Rect) -> tuple[Rect, int]:
    """Return the box on the canvas in which a mask is written, and its colour outside of that (0 or 255).

    A fill that PSD cannot hold outside the box is written out over the whole canvas.
    """
    box, outside = mask.pixels.bounds(), mask.pixels.fill
    if outside not in {0, 255}:
        box = box.union(canvas.shifted(-mask.offset.x, -mask.offset.y))
        outside = 255 if outside >= 128 else 0
    return EMPTY_RECT if box.is_empty else box.shifted(*mask.offset), outside


def pack_mask(mask: Mask, place: Rect, version: int) -> PackedChannel:
    """Pack the mask's pixels under `place`, its box on the canvas."""
    planes = read_planes(mask.pixels, place.shifted(-mask.offset.x, -mask.offset.y))
    return _pack(ChannelID.USER_LAYER_MASK, planes[0], version)


def pack_rows(plane: U8Array, version: int) -> tuple[bytes, bytes]:
    """Return the packed lengths of every row of (h, w) uint8, as a file holds them, and the packed rows."""
    height, width = plane.shape
    data = compress(plane.tobytes(), Compression.RLE, width, height, 8, version)
    counts = height * (2 if version == 1 else 4)
    return data[:counts], data[counts:]


def _pack(channel: ChannelID, plane: U8Array, version: int) -> PackedChannel:
    raw = plane.tobytes()
    if not raw:
        return PackedChannel(id=channel, data=ChannelData(compression=Compression.RAW, data=b""), crc=0)
    height, width = plane.shape
    data = compress(raw, Compression.RLE, width, height, 8, version)
    return PackedChannel(
        id=channel, data=ChannelData(compression=Compression.RLE, data=data), crc=zlib.crc32(raw)
    )
