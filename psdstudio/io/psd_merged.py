"""The merged image of a PSD: rendered and packed band by band, and the small picture for its thumbnail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from psdstudio.core.document import Document
from psdstudio.core.geometry import Rect
from psdstudio.core.tiles import TILE, U8Array
from psdstudio.io.psd_pixels import pack_rows
from psdstudio.render.compositor import Compositor, render_over

WHITE = (255, 255, 255)
_CACHE_BYTES = 16 << 20
"""A band is rendered once: what a compositor keeps for the next time is of no use here."""
_SMALL_PX = 512
"""About the longer side of `MergedImage.small`, a few times that of the thumbnail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedImage:
    """Packed planes of what the layers show together.

    `planes`: red, green and blue over white, as Photoshop stores a merged colour, and the alpha if `transparent`;
    each the packed lengths of its rows, then the packed rows, in pieces. `small` is (h, w, 3) uint8, the same colours
    averaged.
    """

    planes: tuple[tuple[bytes, ...], ...]
    transparent: bool
    small: U8Array

    @property
    def size_bytes(self) -> int:
        """Bytes of all planes."""
        return sum(len(piece) for plane in self.planes for piece in plane)

    def pieces(self) -> Iterator[bytes]:
        """Yield the data in the order of the file: the lengths of all planes, then the rows of all planes."""
        for part in (slice(0, 1), slice(1, None)):
            for plane in self.planes:
                yield from plane[part]


def merged_image(document: Document, version: int) -> MergedImage:
    """Render a document's canvas in bands and pack it. `version` is 1 (PSD) or 2 (PSB)."""
    counts: list[list[bytes]] = [[], [], [], []]
    rows: list[list[bytes]] = [[], [], [], []]
    small: list[U8Array] = []
    is_opaque = True
    shrink = _shrink(max(document.size))
    for rgba in _bands(document):
        alpha = rgba[..., 3]
        is_clear = bool((alpha < 255).any())
        rgb = render_over(rgba, WHITE) if is_clear else np.ascontiguousarray(rgba[..., :3])
        is_opaque = is_opaque and not is_clear
        small.append(np.asarray(Image.fromarray(rgb).reduce(shrink)) if shrink > 1 else rgb)
        for index in range(4):
            band_counts, band_rows = pack_rows(alpha if index == 3 else rgb[..., index], version)
            counts[index].append(band_counts)
            rows[index].append(band_rows)
    planes = [(b"".join(counts[index]), *rows[index]) for index in range(3 if is_opaque else 4)]
    return MergedImage(planes=tuple(planes), transparent=not is_opaque, small=np.concatenate(small))


def _bands(document: Document) -> Iterator[U8Array]:
    compositor = Compositor(budget_bytes=_CACHE_BYTES)
    width, height = document.size
    for y in range(0, height, TILE):
        yield compositor.render(document, Rect(0, y, width, min(TILE, height - y)))


def _shrink(side: int) -> int:
    """A power of two, which divides the height of a band: the seams between bands then lie between blocks."""
    shrink = 1
    while side // shrink > _SMALL_PX and shrink < TILE:
        shrink *= 2
    return shrink
