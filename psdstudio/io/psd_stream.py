"""Writing a PSD from its parts in one pass: a record's channels are packed when the file has come to them.

Source: Adobe Photoshop File Formats Specification, "Layer and Mask Information Section" and "Image Data Section".
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from psd_tools.constants import Compression
from psd_tools.psd.color_mode_data import ColorModeData
from psd_tools.psd.header import FileHeader
from psd_tools.psd.image_resources import ImageResources
from psd_tools.psd.layer_and_mask import GlobalLayerMaskInfo
from psd_tools.psd.tagged_blocks import TaggedBlocks

from psdstudio.errors import FileUnsupported
from psdstudio.io.files import SAFE
from psdstudio.io.psd_merged import MergedImage
from psdstudio.io.psd_options import MAX_PSD_BYTES
from psdstudio.io.psd_records import WrittenRecord

_ENCODING = "macroman"
_ALIGNMENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdParts:
    """A PSD to be written. `tagged_blocks` are those of the whole document, after the layers."""

    header: FileHeader
    resources: ImageResources
    records: tuple[WrittenRecord, ...]
    tagged_blocks: TaggedBlocks
    merged: MergedImage

    @property
    def version(self) -> int:
        """1 for PSD, 2 for PSB."""
        return self.header.version

    def record_bytes(self) -> bytes:
        """The count and all records as they stand in the file; with the lengths of channels known so far."""
        out = io.BytesIO()
        # A negative count says that the merged image has transparency.
        count = len(self.records)
        out.write(struct.pack(">h", -count if self.merged.transparent else count))
        for one in self.records:
            one.record.write(out, _ENCODING, self.version)
        return out.getvalue()

    def head_bytes(self) -> bytes:
        """All that stands before the layers."""
        out = io.BytesIO()
        self.header.write(out)
        ColorModeData().write(out)
        self.resources.write(out, _ENCODING)
        return out.getvalue()

    def tail_bytes(self) -> bytes:
        """What stands between the layers' pixels and the merged image."""
        out = io.BytesIO()
        GlobalLayerMaskInfo().write(out)
        self.tagged_blocks.write(out, version=self.version, padding=_ALIGNMENT)
        return out.getvalue()

    def length(self, value: int) -> bytes:
        """The length of a section: 4 bytes in a PSD, 8 in a PSB."""
        return struct.pack(">I" if self.version == 1 else ">Q", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was written, for the check after it. `crcs`: a checksum of the raw bytes of every channel of a record."""

    crcs: tuple[tuple[int, ...], ...]
    padding: int
    merged_crc: int


def write_psd(out: BinaryIO, parts: PsdParts) -> Receipt:
    """Write to a seekable file at its beginning; fills in the lengths of `parts.records` on the way.

    Raises:
        FileUnsupported: There are more bytes than a PSD holds.
        OSError: as `out` does.
    """
    out.write(parts.head_bytes())
    start = out.tell()
    # Both lengths and the records are written twice: their size is known now, their values when all is packed.
    out.write(parts.length(0) * 2)
    out.write(parts.record_bytes())
    crcs = []
    for one in parts.records:
        crcs.append(_write_channels(out, one))
        _check_bytes(out.tell() + parts.merged.size_bytes, parts.version)
    layers_at = start + 2 * len(parts.length(0))
    padding = -(out.tell() - layers_at) % _ALIGNMENT
    out.write(bytes(padding))
    end_of_layers = out.tell()
    out.write(parts.tail_bytes())
    end = out.tell()
    out.seek(start)
    out.write(parts.length(end - start - len(parts.length(0))))
    out.write(parts.length(end_of_layers - layers_at))
    out.write(parts.record_bytes())
    out.seek(end)
    return Receipt(crcs=tuple(crcs), padding=padding, merged_crc=_write_merged(out, parts.merged))


def _write_channels(out: BinaryIO, one: WrittenRecord) -> tuple[int, ...]:
    crcs = []
    for info, channel in zip(one.record.channel_info, one.pack(), strict=True):
        if info.id != channel.id:
            raise AssertionError("channels are packed in another order than they are announced in")
        out.write(struct.pack(">H", channel.data.compression.value))
        out.write(channel.data.data)
        info.length = 2 + len(channel.data.data)
        crcs.append(channel.crc)
    return tuple(crcs)


def _write_merged(out: BinaryIO, merged: MergedImage) -> int:
    out.write(struct.pack(">H", Compression.RLE.value))
    crc = 0
    for piece in merged.pieces():
        out.write(piece)
        crc = zlib.crc32(piece, crc)
    return crc


def _check_bytes(total: int, version: int) -> None:
    if version == 1 and total > MAX_PSD_BYTES:
        raise FileUnsupported(
            "The document has more than 2 GB of pixels, which is too much for a PSD file.",
            f"{SAFE} Export it under a name that ends in .psb, the large format of Photoshop.",
        )
