"""Pixels on their way into a PSD: trimming, colour bled under the edge, packed channels. Knows no records."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from psd_tools.compression import compress
from psd_tools.constants import ChannelID, Compression
from psd_tools.psd.layer_and_mask import ChannelData

from psdstudio.core.geometry import EMPTY_RECT, Rect
from psdstudio.core.layers import Mask, PixelLayer
from psdstudio.core.tiles import U8Array

MARGIN_PX = 2
BLEED_PX = 8
_COLOUR = (ChannelID.CHANNEL_0, ChannelID.CHANNEL_1, ChannelID.CHANNEL_2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedChannel:
    """One channel ready to write; `crc` is the checksum of its raw bytes, for the check after writing."""

    id: ChannelID
    data: ChannelData
    crc: int


def trimmed(layer: PixelLayer) -> tuple[Rect, U8Array]:
    """Return where a layer's pixels stand on the canvas and (h, w, 4) uint8 with colour bled under the edge.

    The box is that of alpha > 0 and 2 px around it; an empty layer gives an empty box at (0, 0).
    """
    box = layer.pixels.bounds()
    if box.is_empty:
        return EMPTY_RECT, np.zeros((0, 0, 4), np.uint8)
    box = Rect.from_edges(box.x - MARGIN_PX, box.y - MARGIN_PX, box.right + MARGIN_PX, box.bottom + MARGIN_PX)
    return box.shifted(*layer.offset), bled(layer.pixels.read(box))


def bled(rgba: U8Array, reach_px: int = BLEED_PX) -> U8Array:
    """Return (h, w, 4) whose colour under alpha 0 continues the edge for `reach_px` and is 0 beyond.

    Without it, scaling a cut-out blends the black (or the old backdrop) hidden under alpha 0 into its edge. Each
    ring of pixels takes the mean of its known neighbours; only the ring is touched, so the cost follows the
    outline, not the area.
    """
    height, width = rgba.shape[:2]
    stride = width + 2
    # A border of one pixel saves every bounds check below.
    colour = np.zeros((height + 2, stride, 3), np.uint16)
    known = np.zeros((height + 2, stride), np.bool_)
    known[1:-1, 1:-1] = rgba[..., 3] > 0
    colour[1:-1, 1:-1] = np.where(known[1:-1, 1:-1, None], rgba[..., :3], 0)
    flat_colour, flat_known = colour.reshape(-1, 3), known.reshape(-1)
    inside = np.zeros_like(known)
    inside[1:-1, 1:-1] = True
    flat_inside = inside.reshape(-1)
    around = np.array([-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1])
    edge = known & inside
    edge[1:-1, 1:-1] &= ~(known[:-2, 1:-1] & known[2:, 1:-1] & known[1:-1, :-2] & known[1:-1, 2:])
    front: npt.NDArray[np.intp] = np.flatnonzero(edge)
    for _ in range(reach_px):
        ring = np.unique((front[:, None] + around).ravel())
        ring = ring[flat_inside[ring] & ~flat_known[ring]]
        if not ring.size:
            break
        near = ring[:, None] + around
        weight = flat_known[near]
        count = weight.sum(axis=1)[:, None]
        total = (flat_colour[near] * weight[..., None]).sum(axis=1)
        flat_colour[ring] = (total + count // 2) // count
        flat_known[ring] = True
        front = ring
    return np.dstack([colour[1:-1, 1:-1].astype(np.uint8), rgba[..., 3]])


def pack_colour(rgba: U8Array, *, alpha: bool, version: int) -> list[PackedChannel]:
    """Pack (h, w, 4) into RLE channels in Photoshop's order: transparency first, then red, green, blue."""
    planes = [(ChannelID.TRANSPARENCY_MASK, 3)] if alpha else []
    planes += [(channel, index) for index, channel in enumerate(_COLOUR)]
    return [_pack(channel, rgba[..., index], version) for channel, index in planes]


def no_pixels() -> list[PackedChannel]:
    """Return the four channels of a layer without pixels, two bytes each (as Photoshop writes them)."""
    return pack_colour(np.zeros((0, 0, 4), np.uint8), alpha=True, version=1)


def pack_mask(mask: Mask, canvas: Rect, version: int) -> tuple[Rect, int, PackedChannel]:
    """Return the mask's box on the canvas, its colour outside of that (0 or 255), and the packed channel.

    A fill that PSD cannot hold outside the box is written out over the whole canvas.
    """
    box, outside = mask.pixels.bounds(), mask.pixels.fill
    if outside not in {0, 255}:
        box = box.union(canvas.shifted(-mask.offset.x, -mask.offset.y))
        outside = 255 if outside >= 128 else 0
    if box.is_empty:
        box = EMPTY_RECT
    plane = mask.pixels.read(box)[..., 0]
    place = box if box.is_empty else box.shifted(*mask.offset)
    return place, outside, _pack(ChannelID.USER_LAYER_MASK, plane, version)


def _pack(channel: ChannelID, plane: U8Array, version: int) -> PackedChannel:
    raw = plane.tobytes()
    if not raw:
        return PackedChannel(id=channel, data=ChannelData(compression=Compression.RAW, data=b""), crc=0)
    height, width = plane.shape
    data = compress(raw, Compression.RLE, width, height, 8, version)
    return PackedChannel(
        id=channel, data=ChannelData(compression=Compression.RLE, data=data), crc=zlib.crc32(raw)
    )
