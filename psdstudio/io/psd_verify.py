"""Reading a just written PSD back: every layer, mask and the merged image must decode to what was meant."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from psd_tools.compression import PSDDecompressionWarning
from psd_tools.psd.document import PSD

from psdstudio.errors import FileWriteFailed
from psdstudio.io.files import SAFE
from psdstudio.io.psd_read import strict_decoding
from psdstudio.io.psd_records import WrittenRecord

_RESOURCES_AT = 26 + 4
"""Offset of the resource section: the header and an empty colour mode section stand before it."""


def verify_psd(file: BinaryIO, meant: PSD, written: list[WrittenRecord]) -> None:
    """Raise FileWriteFailed unless `file` reads back as `meant`, to the byte of every channel.

    Raises:
        FileWriteFailed: It does not; the caller must not let the file take the old one's place.
    """
    try:
        with strict_decoding():
            file.seek(0)
            fault = _first_fault(PSD.read(file), meant, written) or _resource_fault(file, meant)
    except (ValueError, EOFError, PSDDecompressionWarning) as exc:
        fault = f"{type(exc).__name__}: {exc}"
    if fault:
        raise FileWriteFailed(
            f"The export was stopped because the file did not read back as it should ({fault}).",
            f"{SAFE} Try again; if it happens twice, save the project and report the message.",
        )


def _first_fault(read: PSD, meant: PSD, written: list[WrittenRecord]) -> str:
    if read.header != meant.header:
        return "another header"
    info = read.layer_and_mask_information.layer_info
    if info is None or len(info.layer_records) != len(written):
        return "another number of layers"
    version = meant.header.version
    for record, channels, wanted in zip(info.layer_records, info.channel_image_data, written, strict=True):
        name = wanted.record.name
        for field in ("top", "left", "bottom", "right", "blend_mode", "opacity", "clipping", "flags", "name"):
            if getattr(record, field) != getattr(wanted.record, field):
                return f"{field} of layer {name}"
        if set(record.tagged_blocks) != set(wanted.record.tagged_blocks):
            return f"properties of layer {name}"
        for channel, size, promised in zip(channels, record.channel_sizes, wanted.channels, strict=True):
            if 0 in size:
                continue
            if zlib.crc32(channel.get_data(*size, 8, version)) != promised.crc:
                return f"pixels of layer {name}"
    if read.image_data.data != meant.image_data.data:
        return "the merged image"
    return ""


def _resource_fault(file: BinaryIO, meant: PSD) -> str:
    """Compare the resource section as bytes: parsing it and writing it again need not give the same ones."""
    expected = meant.image_resources.tobytes()
    file.seek(_RESOURCES_AT)
    return "" if file.read(len(expected)) == expected else "the picture's properties"
