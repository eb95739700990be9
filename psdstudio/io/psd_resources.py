"""Image resources of a PSD: resolution, profile, thumbnail, XMP, and what a transparent canvas needs beside.

Source: Adobe Photoshop File Formats Specification, "Image Resources".
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image
from psd_tools.constants import Resource
from psd_tools.psd.image_resources import ImageResource, ImageResources

from psdstudio import __version__
from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.guides import Guide
from psdstudio.core.tiles import U8Array
from psdstudio.io.images import srgb_profile

THUMBNAIL_PX = 160
_TRANSPARENCY = "Transparency"


def image_resources(
    document: Document, *, small_rgb: U8Array, xmp: bytes, id_seed: int, transparent: bool
) -> ImageResources:
    """Return the resource section.

    Args:
        document: Gives resolution, profile and guides.
        small_rgb: (h, w, 3) uint8, the merged image over white in any size; the thumbnail is made of it.
        xmp: The packet of `psdstudio.io.xmp`.
        id_seed: The highest layer id in the file; Photoshop counts on from there.
        transparent: Whether the merged image carries a transparency channel.
    """
    resolution_dpi = document.resolution_dpi
    fixed = round(min(max(resolution_dpi, 1.0), 30_000.0) * 65536)  # 16.16 fixed point
    data = {
        Resource.RESOLUTION_INFO: struct.pack(">IHHIHH", fixed, 1, 1, fixed, 1, 1),
        Resource.THUMBNAIL_RESOURCE: _thumbnail(small_rgb, document.size),
        Resource.GLOBAL_ANGLE: struct.pack(">i", 120),
        Resource.ICC_PROFILE: document.profile.icc if document.profile else srgb_profile(),
        Resource.IDS_SEED_NUMBER: struct.pack(">I", id_seed),
        Resource.GLOBAL_ALTITUDE: struct.pack(">i", 30),
        Resource.VERSION_INFO: _version_info(),
        Resource.XMP_METADATA: xmp,
        Resource.PIXEL_ASPECT_RATIO: struct.pack(">Id", 2, 1.0),
    }
    if document.guides:
        data[Resource.GRID_AND_GUIDES_INFO] = _guides(document.guides)
    if transparent:
        # Without these three Photoshop shows the transparency as a channel "Alpha 1".
        data[Resource.ALPHA_NAMES_PASCAL] = bytes([len(_TRANSPARENCY)]) + _TRANSPARENCY.encode("ascii")
        data[Resource.ALPHA_NAMES_UNICODE] = _unicode(_TRANSPARENCY)
        data[Resource.ALPHA_IDENTIFIERS] = struct.pack(">I", 0)
    items = [(key, ImageResource(key=key, data=value)) for key, value in sorted(data.items())]
    resources = ImageResources()
    for key, resource in items:
        resources[key] = resource
    return resources


def _guides(guides: tuple[Guide, ...]) -> bytes:
    """Return resource 1032: version, a grid of 18 px (Photoshop's own value), then place and direction of each.

    Places and the grid count 32nds of a pixel; the direction is 0 for a vertical guide.
    """
    lines = b"".join(
        struct.pack(">iB", max(-(2**31), min(2**31 - 1, round(guide.position * 32))), not guide.vertical)
        for guide in guides
    )
    return struct.pack(">4I", 1, 18 * 32, 18 * 32, len(guides)) + lines


def _thumbnail(rgb: U8Array, size: Size) -> bytes:
    """Return resource 1036: a 28-byte header and a JPEG of at most 160 px a side, in the proportions of `size`."""
    scale = min(1.0, THUMBNAIL_PX / max(size))
    target = (max(1, round(size.width * scale)), max(1, round(size.height * scale)))
    image = Image.fromarray(np.ascontiguousarray(rgb)).resize(target, Image.Resampling.BOX)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85, subsampling=0)
    jpeg = out.getvalue()
    width, height = image.size
    row_bytes = (24 * width + 31) // 32 * 4
    return struct.pack(">6I2H", 1, width, height, row_bytes, row_bytes * height, len(jpeg), 24, 1) + jpeg


def _version_info() -> bytes:
    """Return resource 1057, whose flag says that the merged image is real."""
    writer = _unicode(f"PSDStudio {__version__}", terminated=True)
    return struct.pack(">IB", 1, 1) + writer + writer + struct.pack(">I", 1)


def _unicode(text: str, *, terminated: bool = False) -> bytes:
    units = (text + "\0" * terminated).encode("utf-16-be")
    return struct.pack(">I", len(units) // 2) + units
