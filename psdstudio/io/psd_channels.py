"""Packed channels of a PSD into rows of numbers, a band at a time, so that memory follows the band and not the picture.

Source: Adobe Photoshop File Formats Specification, "Channel image data" and "Image Data Section".
"""

from __future__ import annotations

import zlib
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from psd_tools.compression import rle_impl  # type: ignore[attr-defined]  # compiled, or Python where there is none

from psdstudio.core.tiles import U8Array
from psdstudio.io.psd_structure import DamagedPsd

RAW, RLE, ZIP, ZIP_PREDICTION = range(4)
_DTYPES: dict[int, np.dtype[np.generic]] = {
    1: np.dtype(np.uint8), 8: np.dtype(np.uint8), 16: np.dtype(">u2"), 32: np.dtype(">f4"),
}  # fmt: skip
_ZIP_CHUNK = 1 << 20

Values: TypeAlias = npt.NDArray[np.generic]
"""(rows, width): uint8 (0..255; a 1-bit pixel is 0 or 1), big-endian uint16, or big-endian float32."""


def row_bytes(width: int, depth: int) -> int:
    """Return how many bytes a row has: rows of 1-bit pixels are filled up to whole bytes."""
    return (width * depth + 7) // 8


class Plane:
    """One channel, read from the top in bands.

    Args:
        data: The packed bytes, behind the two of the compression.
        compression: 0 raw, 1 PackBits rows, 2 zlib, 3 zlib over differences.
        counts: Byte counts of the packed rows (compression 1 alone).
    """

    def __init__(
        self,
        data: memoryview,
        *,
        compression: int,
        width: int,
        height: int,
        depth: int,
        counts: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.width, self.height, self._depth = width, height, depth
        self._row, self._data, self._compression = row_bytes(width, depth), data, compression
        self._at = self._done = 0
        if compression == RLE:
            if counts is None or len(counts) != height:
                raise DamagedPsd("row lengths are missing")
            if int(counts.sum()) > len(data):
                raise DamagedPsd("rows longer than their channel")
            self._counts = counts
        elif compression == RAW:
            if len(data) < self._row * height:
                raise DamagedPsd("a channel that is too short")
        elif compression in {ZIP, ZIP_PREDICTION}:
            self._inflate = zlib.decompressobj()
        else:
            raise DamagedPsd(f"compression {compression}")

    def rows(self, count: int) -> Values:
        """Return the next `count` rows.

        Raises:
            DamagedPsd: They do not decode.
        """
        if self._done + count > self.height:
            raise AssertionError("more rows than the plane has")
        packed = self._bytes(count)
        self._done += count
        if self._compression == ZIP_PREDICTION:
            return _undone(packed, self.width, count, self._depth)
        if self._depth == 1:
            bits = np.frombuffer(packed, np.uint8).reshape(count, self._row)
            return np.unpackbits(bits, axis=1, count=self.width)
        return np.frombuffer(packed, _DTYPES[self._depth]).reshape(count, self.width)

    def _bytes(self, count: int) -> bytes | memoryview:
        if self._compression == RAW:
            start = self._done * self._row
            return self._data[start : start + count * self._row]
        if self._compression == RLE:
            return self._unpacked(count)
        return self._inflated(count * self._row)

    def _unpacked(self, count: int) -> bytes:
        decode, row, at, data = rle_impl.decode, self._row, self._at, self._data
        out = []
        for length in self._counts[self._done : self._done + count].tolist():
            out.append(decode(bytes(data[at : at + length]), row))
            at += length
        self._at = at
        return b"".join(out)

    def _inflated(self, wanted: int) -> bytes:
        out = bytearray()
        while len(out) < wanted:
            source = self._inflate.unconsumed_tail
            if not source:
                source = bytes(self._data[self._at : self._at + _ZIP_CHUNK])
                self._at += len(source)
            try:
                part = self._inflate.decompress(source, wanted - len(out))
            except zlib.error as exc:
                raise DamagedPsd(str(exc)) from exc
            if not part and (not source or self._inflate.eof):
                raise DamagedPsd("a channel that is too short")
            out += part
        return bytes(out)


def layer_plane(data: memoryview, *, width: int, height: int, depth: int, version: int) -> Plane:
    """Return the plane of a layer's channel; `data` begins with the compression.

    Raises:
        DamagedPsd: It cannot be what it says.
    """
    compression = int.from_bytes(data[:2], "big")
    body, counts = data[2:], None
    if compression == RLE:
        counts, body = _row_counts(body, height, version)
    return Plane(body, compression=compression, width=width, height=height, depth=depth, counts=counts)


def merged_planes(
    data: memoryview, *, channels: int, width: int, height: int, depth: int, version: int
) -> list[Plane]:
    """Return the planes of the merged image, which share one compression and one list of row lengths.

    Raises:
        DamagedPsd: as `layer_plane`; also when the planes lie in one packed stream, which nobody writes.
    """
    if len(data) < 2:
        raise DamagedPsd("no merged image")
    compression = int.from_bytes(data[:2], "big")
    body = data[2:]
    size = row_bytes(width, depth) * height
    if compression == RAW:
        return [
            Plane(body[n * size : (n + 1) * size], compression=RAW, width=width, height=height, depth=depth)
            for n in range(channels)
        ]
    if compression != RLE:
        raise DamagedPsd(f"a merged image with compression {compression}")
    counts, body = _row_counts(body, height * channels, version)
    planes, at = [], 0
    for n in range(channels):
        own = counts[n * height : (n + 1) * height]
        length = int(own.sum())
        plane = Plane(body[at:], compression=RLE, width=width, height=height, depth=depth, counts=own)
        planes.append(plane)
        at += length
    return planes


def to_u8(values: Values, depth: int) -> U8Array:
    """Return values as 0..255: 16-bit rounded half up, 32-bit clipped to 0..1, 1-bit 0 or 255. No transfer curve."""
    if depth == 8:
        return values.astype(np.uint8, copy=False)
    if depth == 1:
        return values.astype(np.uint8) * np.uint8(255)
    if depth == 16:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    scaled = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    return (scaled.clip(0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _row_counts(body: memoryview, rows: int, version: int) -> tuple[npt.NDArray[np.int64], memoryview]:
    wide = 2 if version == 1 else 4
    if len(body) < rows * wide:
        raise DamagedPsd("row lengths are missing")
    counts = np.frombuffer(body[: rows * wide], ">u2" if wide == 2 else ">u4").astype(np.int64)
    return counts, body[rows * wide :]


def _undone(packed: bytes | memoryview, width: int, count: int, depth: int) -> Values:
    """Undo the horizontal differences of compression 3. Rows of floats are four planes of bytes, high bytes first."""
    if depth == 8:
        return np.add.accumulate(
            np.frombuffer(packed, np.uint8).reshape(count, width), axis=1, dtype=np.uint8
        )
    if depth == 16:
        wide = np.frombuffer(packed, ">u2").reshape(count, width).astype(np.uint16)
        return np.add.accumulate(wide, axis=1, dtype=np.uint16)
    if depth == 32:
        flat = np.frombuffer(packed, np.uint8).reshape(count, width * 4)
        flat = np.add.accumulate(flat, axis=1, dtype=np.uint8)
        planes = flat.reshape(count, 4, width).transpose(0, 2, 1)
        return np.ascontiguousarray(planes).view(">f4")[..., 0]
    raise DamagedPsd("differences of 1-bit pixels")
