"""The bytes of a PSD or PSB as records: nothing is decoded, nothing is copied, every length is checked.

A reader of its own, because psd_tools decodes every block while it reads (so one that it does not know spoils the
file) and does not keep the bytes that must come back the same. What other programs get wrong is forgiven where the
meaning is clear; a section that reaches beyond the file is not.

Source: Adobe Photoshop File Formats Specification, "Photoshop File Format".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

MAGIC = b"8BPS"
_SIGNATURES = (b"8BIM", b"8B64", b"PSIB")
_RESOURCE_SIGNATURES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
_BIG_KEYS = frozenset(
    (
        b"LMsk", b"Lr16", b"Lr32", b"Layr", b"Mt16", b"Mt32", b"Mtrn", b"Alph", b"FMsk", b"lnk2", b"lnk3", b"lnkE",
        b"FEid", b"FXid", b"FELS", b"PxSD", b"pths", b"extd", b"extn", b"cinf", b"artd",
    )
)  # fmt: skip
"""Blocks whose length has eight bytes in a PSB."""
LAYER_LISTS = (b"Lr16", b"Lr32", b"Layr")
"""Global blocks in which files of 16 and 32 bits keep their layers."""
_MAX_RECORDS = 32_767
_MAX_CHANNELS = 56


class DamagedPsd(ValueError):
    """The bytes break the format in a way that cannot be read around."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdHeader:
    """The first 26 bytes. `color_mode` is the number of the specification (3 = RGB); `depth` bits a channel."""

    version: int
    channels: int
    height: int
    width: int
    depth: int
    color_mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdBlock:
    """A tagged block: its four-letter key and its bytes."""

    key: bytes
    data: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdResource:
    """An image resource: its number, its name (mostly empty), its bytes, and who signed it ("8BIM": Photoshop)."""

    signature: bytes
    id: int
    name: bytes
    data: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdChannel:
    """A channel of a layer: 0.. colour, -1 transparency, -2 mask, -3 the user's mask beside a vector mask.

    `data` begins with the two bytes of the compression; empty where the file holds nothing.
    """

    id: int
    data: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdRecord:
    """A layer record; edges are half-open canvas pixels, `flags`, `mask` and `ranges` as they are in the file."""

    left: int
    top: int
    right: int
    bottom: int
    channels: tuple[PsdChannel, ...]
    blend_key: bytes
    opacity: int
    clipping: bool
    flags: int
    mask: bytes
    ranges: bytes
    pascal_name: bytes
    blocks: tuple[PsdBlock, ...]

    def has(self, *keys: bytes) -> bool:
        """Whether one of the blocks is there."""
        return any(block.key in keys for block in self.blocks)

    def block(self, *keys: bytes) -> bytes | None:
        """Return the bytes of the first block with one of the keys, None without one."""
        for key in keys:
            for block in self.blocks:
                if block.key == key:
                    return bytes(block.data)
        return None

    def number(self, key: bytes, default: int) -> int:
        """Return the first byte of a block (fill opacity, knockout, ...), or the default."""
        data = self.block(key)
        return data[0] if data else default


@dataclass(frozen=True, slots=True, kw_only=True)
class PsdStructure:
    """A whole file. Views stay valid while the bytes they were cut from are open.

    `has_transparency`: the first extra channel of the merged image is its transparency (negative layer count).
    `merged` begins with the compression.
    """

    header: PsdHeader
    color_data: memoryview
    resources: tuple[PsdResource, ...]
    records: tuple[PsdRecord, ...]
    has_transparency: bool
    blocks: tuple[PsdBlock, ...]
    merged: memoryview

    def resource(self, number: int) -> bytes | None:
        """Return the bytes of an image resource, None without it."""
        for resource in self.resources:
            if resource.id == number:
                return bytes(resource.data)
        return None


class _Bytes:
    """A position in a part of the file; reading past the end is damage."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.at

    def take(self, count: int) -> memoryview:
        """Return the next bytes."""
        if count < 0 or count > self.left:
            raise DamagedPsd(f"{count} bytes wanted, {self.left} left")
        self.at += count
        return self.data[self.at - count : self.at]

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """Return big-endian numbers."""
        return struct.unpack(">" + layout, self.take(struct.calcsize(">" + layout)))

    def section(self, *, long: bool = False) -> memoryview:
        """Return the bytes behind a length of four (or eight) bytes."""
        (length,) = self.unpack("Q" if long else "I")
        return self.take(length)

    def skip(self, count: int) -> None:
        """Go on, at most to the end: padding may be missing there."""
        self.at = min(len(self.data), self.at + count)


def read_structure(data: memoryview) -> PsdStructure:
    """Cut a file into its parts.

    Raises:
        DamagedPsd: It is truncated, or breaks the format.
    """
    file = _Bytes(data)
    header = _header(file)
    color_data = file.section()
    resources = tuple(_resources(file.section()))
    layers = _Bytes(file.section(long=header.version == 2))
    records: tuple[PsdRecord, ...] = ()
    has_transparency, blocks = False, []
    if layers.left >= 4:
        records, has_transparency = _layer_info(_layer_section(layers, header), header)
        if layers.left >= 4 and bytes(layers.data[layers.at : layers.at + 4]) not in _SIGNATURES:
            _skip_global_mask(layers)
        blocks = list(_blocks(layers, header.version, padding=4))
    for block in blocks:
        if block.key in LAYER_LISTS and not records and len(block.data) >= 2:
            records, has_transparency = _layer_info(_Bytes(block.data), header)
    return PsdStructure(
        header=header, color_data=color_data, resources=resources, records=records,
        has_transparency=has_transparency, blocks=tuple(b for b in blocks if b.key not in LAYER_LISTS),
        merged=file.take(file.left),
    )  # fmt: skip


def _header(file: _Bytes) -> PsdHeader:
    magic, version, channels, height, width, depth, mode = file.unpack("4sH6xHIIHH")
    if magic != MAGIC or version not in {1, 2}:
        raise DamagedPsd("not a PSD")
    if not 1 <= channels <= _MAX_CHANNELS or min(width, height) < 1 or depth not in {1, 8, 16, 32}:
        raise DamagedPsd(f"header of {width}x{height}, {channels} channels, {depth} bits")
    return PsdHeader(
        version=version, channels=channels, height=height, width=width, depth=depth, color_mode=mode
    )


def _resources(data: memoryview) -> Iterator[PsdResource]:
    """Yield the image resources; what follows a damaged one is left out, as nothing of the picture depends on it."""
    part = _Bytes(data)
    while part.left >= 12:
        signature, number = part.unpack("4sH")
        if signature not in _RESOURCE_SIGNATURES:
            return
        try:
            (length,) = part.unpack("B")
            name = bytes(part.take(length))
            part.skip((length + 1) % 2)
            content = part.section()
        except DamagedPsd:
            return
        part.skip(len(content) % 2)
        yield PsdResource(signature=signature, id=number, name=name, data=content)


def _layer_section(layers: _Bytes, header: PsdHeader) -> _Bytes:
    """Return the list of layers; a length that is too large by its padding is cut to what there is."""
    (length,) = layers.unpack("Q" if header.version == 2 else "I")
    if length > layers.left + 3:
        raise DamagedPsd("the list of layers is longer than its section")
    return _Bytes(layers.take(min(length, layers.left)))


def _skip_global_mask(layers: _Bytes) -> None:
    """Pass over the global mask colour; where its length makes no sense, over the four bytes of it alone."""
    (length,) = layers.unpack("I")
    if length <= layers.left:
        layers.skip(length)


def _layer_info(part: _Bytes, header: PsdHeader) -> tuple[tuple[PsdRecord, ...], bool]:
    if part.left < 2:
        return (), False
    (count,) = part.unpack("h")
    if abs(count) > _MAX_RECORDS:
        raise DamagedPsd(f"{count} layers")
    opened = [_record(part, header.version) for _ in range(abs(count))]
    records = []
    for record, lengths in opened:
        channels = tuple(PsdChannel(id=number, data=_channel(part, length)) for number, length in lengths)
        records.append(replace(record, channels=channels))
    return tuple(records), count < 0


def read_records(data: memoryview, version: int) -> list[PsdRecord]:
    """Return the records of a list of layers that begins with their count, without channels.

    Raises:
        DamagedPsd: as `read_structure`.
    """
    part = _Bytes(data)
    (count,) = part.unpack("h")
    return [_record(part, version)[0] for _ in range(abs(count))]


def _channel(part: _Bytes, length: int) -> memoryview:
    """Return a channel's bytes; 0 and 1 stand for nothing."""
    data = part.take(length)
    return data if length >= 2 else data[:0]


def _record(part: _Bytes, version: int) -> tuple[PsdRecord, list[tuple[int, int]]]:
    top, left, bottom, right, count = part.unpack("4iH")
    if count > _MAX_CHANNELS + 3:
        raise DamagedPsd(f"a layer with {count} channels")
    lengths = [part.unpack("hQ" if version == 2 else "hI") for _ in range(count)]
    signature, blend_key, opacity, clipping, flags = part.unpack("4s4sBBBx")
    if signature not in _SIGNATURES:
        raise DamagedPsd(f"a layer record with the signature {signature!r}")
    extra = _Bytes(part.section())
    mask = ranges = name = b""
    blocks: list[PsdBlock] = []
    try:
        mask, ranges = bytes(extra.section()), bytes(extra.section())
        (length,) = extra.unpack("B")
        name = bytes(extra.take(min(length, extra.left)))
        extra.skip(-(length + 1) % 4)
        blocks = list(_blocks(extra, version, padding=1))
    except DamagedPsd:
        pass  # a writer that leaves out the end of a record: the pixels do not depend on it
    record = PsdRecord(
        left=left, top=top, right=right, bottom=bottom, channels=(), blend_key=blend_key, opacity=opacity,
        clipping=clipping == 1, flags=flags, mask=mask, ranges=ranges, pascal_name=name, blocks=tuple(blocks),
    )  # fmt: skip
    return record, [(int(number), int(size)) for number, size in lengths]


def _blocks(part: _Bytes, version: int, *, padding: int) -> Iterator[PsdBlock]:
    """Yield tagged blocks. Writers pad them differently: up to three bytes before the next one are passed over."""
    while part.left >= 12:
        signature = bytes(part.take(4))
        if signature not in _SIGNATURES:
            part.at -= 4
            if not _at_next_block(part):
                return
            continue
        key = bytes(part.take(4))
        has_long = version == 2 and (key in _BIG_KEYS or signature == b"8B64")
        start = part.at
        try:
            data = part.section(long=has_long)
        except DamagedPsd:
            part.at = start
            if not has_long:
                return
            try:  # some writers use four bytes all the same
                data = part.section()
            except DamagedPsd:
                return
        yield PsdBlock(key=key, data=data)
        if padding > 1:
            part.skip(-len(data) % padding)


def _at_next_block(part: _Bytes) -> bool:
    """Move to the next signature when it stands within three bytes."""
    ahead = bytes(part.data[part.at : part.at + 7])
    places = [ahead.find(signature) for signature in _SIGNATURES if signature in ahead]
    if not places:
        return False
    part.skip(min(places))
    return True
