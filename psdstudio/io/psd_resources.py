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
from psdstudio.core.tiles import U8Array
from psdstudio.io.colour import srgb_profile

THUMBNAIL_PX = 160
_TRANSPARENCY = "Transparency"


def image_resources(
    *, matted_rgb: U8Array, resolution_dpi: float, xmp: bytes, id_seed: int, transparent: bool
) -> ImageResources:
    """Return the resource section.

    Args:
        matted_rgb: (h, w, 3) uint8, the merged image over white; the thumbnail is made of it.
        resolution_dpi: Pixels per inch.
        xmp: The packet of `psdstudio.io.xmp`.
        id_seed: The highest layer id in the file; Photoshop counts on from there.
        transparent: Whether the merged image carries a transparency channel.
    """
    fixed = round(min(max(resolution_dpi, 1.0), 30_000.0) * 65536)  # 16.16 fixed point
    data = {
        Resource.RESOLUTION_INFO: struct.pack(">IHHIHH", fixed, 1, 1, fixed, 1, 1),
        Resource.THUMBNAIL_RESOURCE: _thumbnail(matted_rgb),
        Resource.GLOBAL_ANGLE: struct.pack(">i", 120),
        Resource.ICC_PROFILE: srgb_profile(),
        Resource.IDS_SEED_NUMBER: struct.pack(">I", id_seed),
        Resource.GLOBAL_ALTITUDE: struct.pack(">i", 30),
        Resource.VERSION_INFO: _version_info(),
        Resource.XMP_METADATA: xmp,
    }
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


def _thumbnail(rgb: U8Array) -> bytes:
    """Return resource 1036: a 28-byte header and a JPEG of at most 160 px a side."""
    image = Image.fromarray(np.ascontiguousarray(rgb))
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX, reducing_gap=None)
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
