"""Reading a just written PSD back: every byte must be the one meant, and every layer decode to its pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from psd_tools.compression import PSDDecompressionWarning
from psd_tools.constants import Compression
from psd_tools.psd.header import FileHeader
from psd_tools.psd.layer_and_mask import ChannelData, LayerRecord

from psdstudio.errors import FileWriteFailed
from psdstudio.io.files import SAFE
from psdstudio.io.psd_read import strict_decoding
from psdstudio.io.psd_records import WrittenRecord
from psdstudio.io.psd_stream import PsdParts, Receipt
from psdstudio.io.psd_structure import PsdRecord, read_records

_PIECE = 1 << 20


def verify_psd(file: BinaryIO, parts: PsdParts, receipt: Receipt) -> None:
    """Raise FileWriteFailed unless `file` reads back as `parts`; one channel is held at a time.

    Raises:
        FileWriteFailed: It does not; the caller must not let the file take the old one's place.
    """
    try:
        with strict_decoding():
            file.seek(0)
            fault = next(_faults(file, parts, receipt), "")
    except (ValueError, EOFError, OSError, struct.error, PSDDecompressionWarning) as exc:
        fault = f"{type(exc).__name__}: {exc}"
    if fault:
        raise FileWriteFailed(
            f"The export was stopped because the file did not read back as it should ({fault}).",
            f"{SAFE} Try again; if it happens twice, save the project and report the message.",
        )


def _faults(file: BinaryIO, parts: PsdParts, receipt: Receipt) -> Iterator[str]:
    """Walk the file from its first byte to its last."""
    head = parts.head_bytes()
    if FileHeader.read(file) != parts.header:
        yield "another header"
    file.seek(0)
    if file.read(len(head)) != head:
        yield "the picture's properties"
    records = parts.record_bytes()
    size = len(parts.length(0))
    channels = sum(info.length for one in parts.records for info in one.record.channel_info)
    layers_size = len(records) + channels + receipt.padding
    tail = parts.tail_bytes()
    if file.read(2 * size) != parts.length(size + layers_size + len(tail)) + parts.length(layers_size):
        yield "another length of the layers"
    stored = file.read(len(records))
    if stored != records:
        yield "properties of the layers"
    read = read_records(memoryview(stored), parts.version)
    for record, wanted, crcs in zip(read, parts.records, receipt.crcs, strict=True):
        yield from _record_faults(file, record, wanted, crcs, parts.version)
    if file.read(receipt.padding + len(tail)) != bytes(receipt.padding) + tail:
        yield "what follows the layers"
    if struct.unpack(">H", file.read(2)) != (Compression.RLE.value,) or _crc(file) != receipt.merged_crc:
        yield "the merged image"


def _record_faults(
    file: BinaryIO, read: PsdRecord, wanted: WrittenRecord, crcs: tuple[int, ...], version: int
) -> Iterator[str]:
    record, name = wanted.record, wanted.record.name
    for field, is_same in _same_fields(read, record).items():
        if not is_same:
            yield f"{field} of layer {name}"
    for info, size, crc in zip(record.channel_info, record.channel_sizes, crcs, strict=True):
        channel = ChannelData.read(file, info.length - 2)
        if 0 not in size and zlib.crc32(channel.get_data(*size, 8, version)) != crc:
            yield f"pixels of layer {name}"


def _same_fields(read: PsdRecord, meant: LayerRecord) -> dict[str, bool]:
    """Compare what our own reader finds with what psd_tools was to write; blocks are compared byte by byte before."""
    keys = {getattr(key, "value", key) for key in meant.tagged_blocks}
    return {
        "place": (read.top, read.left, read.bottom, read.right)
        == (meant.top, meant.left, meant.bottom, meant.right),
        "blend mode": read.blend_key == meant.blend_mode.value,
        "opacity": read.opacity == meant.opacity,
        "clipping": read.clipping == bool(meant.clipping.value),
        "visibility": bool(read.flags & 2) != meant.flags.visible,
        "name": read.pascal_name == meant.name.encode("mac_roman"),
        "properties": {block.key for block in read.blocks} == keys,
    }


def _crc(file: BinaryIO) -> int:
    """The checksum of the rest of a file."""
    crc = 0
    while piece := file.read(_PIECE):
        crc = zlib.crc32(piece, crc)
    return crc
