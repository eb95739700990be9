"""PSD files put together by hand, byte by byte: what other programs write and psd_tools would not."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel of a layer; `data` begins with the compression."""

    id: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Record:
    """A layer record. `tail` is what stands behind the name: tagged blocks, padded as a test wants."""

    box: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Top, left, bottom, right."""
    channels: Sequence[Channel] = ()
    blend: bytes = b"norm"
    opacity: int = 255
    clipping: int = 0
    flags: int = 8
    mask: bytes = b""
    name: bytes = b"layer"
    tail: bytes = b""
    has_tail: bool = True


@dataclass(frozen=True, kw_only=True)
class File:
    """A whole file; `merged` begins with the compression."""

    width: int = 4
    height: int = 3
    channels: int = 3
    depth: int = 8
    mode: int = 3
    version: int = 1
    color_data: bytes = b""
    resources: bytes = b""
    records: Sequence[Record] = ()
    is_transparent: bool = False
    tail: bytes = b""
    """Global mask and global blocks."""
    merged: bytes = b""
    has_layers: bool = True


def block(key: bytes, data: bytes, *, signature: bytes = b"8BIM", long: bool = False) -> bytes:
    """Return a tagged block."""
    return signature + key + struct.pack(">Q" if long else ">I", len(data)) + data


def resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    """Return an image resource, padded."""
    head = b"8BIM" + struct.pack(">H", number) + bytes([len(name)]) + name + bytes((len(name) + 1) % 2)
    return head + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)


def raw(*values: int) -> bytes:
    """Return an uncompressed channel of these bytes."""
    return b"\0\0" + bytes(values)


def flat(width: int, height: int, value: int) -> bytes:
    """Return an uncompressed channel of one value."""
    return b"\0\0" + bytes([value]) * (width * height)


def rgba_channels(width: int, height: int, rgba: tuple[int, int, int, int]) -> list[Channel]:
    """Return four channels of one colour, transparency first."""
    values = (rgba[3], *rgba[:3])
    return [Channel(id=number - 1, data=flat(width, height, value)) for number, value in enumerate(values)]


def luni(name: str) -> bytes:
    """Return the block of a Unicode name."""
    units = name.encode("utf-16-be")
    return block(b"luni", struct.pack(">I", len(units) // 2) + units)


def divider(kind: int, mode: bytes = b"pass") -> bytes:
    """Return the block that makes a record the end or the beginning of a group."""
    return block(b"lsct", struct.pack(">I", kind) + b"8BIM" + mode)


def written(file: File) -> bytes:
    """Return the bytes of a file."""
    wide = ">Q" if file.version == 2 else ">I"
    head = b"8BPS" + struct.pack(
        ">H6xHIIHH", file.version, file.channels, file.height, file.width, file.depth, file.mode
    )
    out = head + _section(file.color_data) + _section(file.resources)
    layers = b""
    if file.has_layers:
        info = b""
        if file.records:
            count = -len(file.records) if file.is_transparent else len(file.records)
            info = struct.pack(">h", count) + b"".join(_record(one, file.version) for one in file.records)
            info += b"".join(channel.data for one in file.records for channel in one.channels)
            info += bytes(len(info) % 2)
        layers = struct.pack(wide, len(info)) + info + file.tail
    out += struct.pack(wide, len(layers)) + layers
    merged = file.merged or flat(file.width, file.height * file.channels, 255)
    return out + merged


def _section(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _record(one: Record, version: int) -> bytes:
    layout = ">hQ" if version == 2 else ">hI"
    out = struct.pack(">4iH", *one.box, len(one.channels))
    out += b"".join(struct.pack(layout, channel.id, len(channel.data)) for channel in one.channels)
    out += b"8BIM" + one.blend + bytes([one.opacity, one.clipping, one.flags, 0])
    extra = b""
    if one.has_tail:
        name = bytes([len(one.name)]) + one.name
        extra = _section(one.mask) + _section(b"") + name + bytes(-len(name) % 4) + one.tail
    return out + _section(extra)
