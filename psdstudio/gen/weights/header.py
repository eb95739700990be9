"""The header of a safetensors file, read by itself: which tensors there are and where, without loading any.

Format: 8 bytes little-endian length n, n bytes of JSON, then the tensors' bytes without holes or overlaps
(huggingface.co/docs/safetensors). The file may come from anywhere, so every size in it is held against a limit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NoReturn

from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.gen.weights.foreign import BYTES_LOOKED_AT, refusal_of_foreign

MAX_HEADER_BYTES = 32 * 2**20
"""The format allows 100 MB; the largest real ones (captions of a training set as metadata) stay under 10 MB."""
MAX_TENSORS = 100_000
MAX_NAME_CHARS = 512
_MAX_DIMENSIONS = 8
_MAX_EXTENT = 2**40
_LENGTH_BYTES = 8
_METADATA = "__metadata__"
BITS_OF_DTYPE: Mapping[str, int] = MappingProxyType(
    {
        "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
        "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
        "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    }
)  # fmt: skip
_AGAIN = "Nothing was changed. Download the file again, or use another copy of it."


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor: `begin` and `end` count bytes from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsHeader:
    """What one safetensors file says of itself; `entries` in the order of their bytes, which they fill without holes.

    `data_begin` is where the first tensor starts, `size_bytes` the size of the file.
    """

    path: Path
    size_bytes: int
    data_begin: int
    entries: tuple[TensorEntry, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes by the tensors' names."""
        return {entry.name: entry.shape for entry in self.entries}


def read_header(path: Path) -> WeightsHeader:
    """Read and check a header.

    Raises:
        ModelNotFound: There is no such file, or it may not be read.
        ModelLoadFailed: It is cut off, damaged, beyond a limit, or no safetensors file; the sentence says which.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            text, metadata_end = _header_text(path, file, size)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise ModelNotFound(
            f"The model “{path.name}” could not be read ({reason}).",
            f"Check that {path} is there and readable.",
        ) from exc
    table = _parsed(path, text)
    metadata = table.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _damaged(path, "its metadata are not words")
    if len(table) > MAX_TENSORS:
        _damaged(path, f"it claims {len(table):,} tensors")
    entries = [_entry(path, name, value, metadata_end) for name, value in table.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    _check_places(path, entries, metadata_end, size)
    return WeightsHeader(
        path=path, size_bytes=size, data_begin=metadata_end, entries=tuple(entries), metadata=metadata
    )


def cut_off(path: Path, has_bytes: int, should_have: int) -> ModelLoadFailed:
    """Return the refusal of a file that ends too early."""
    return ModelLoadFailed(
        f"“{path.name}” is cut off: it has {_size(has_bytes)} of {_size(should_have)}.",
        "The download did not finish; nothing was changed. Download the file again.",
    )


def shown_name(name: str) -> str:
    """Return a tensor's name as it may stand in a sentence: short, one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:80])


def _header_text(path: Path, file: BinaryIO, size: int) -> tuple[bytes, int]:
    """Return the JSON and the place where it ends."""
    start = file.read(BYTES_LOOKED_AT)
    # A pickle may begin with bytes that read as a length, so what tells a header is the brace after it.
    if start[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        raise refusal_of_foreign(path, start)
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        _damaged(path, f"it claims a list of tensors of {_size(length)}")
    end = _LENGTH_BYTES + length
    if end > size:
        raise cut_off(path, size, end)
    file.seek(_LENGTH_BYTES)
    return file.read(length), end


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    try:
        table = json.loads(
            text.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as exc:
        raise _damage(path, "its list of tensors cannot be read") from exc
    if not isinstance(table, dict):
        _damaged(path, "its list of tensors is none")
    return table


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice")
    return table


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _entry(path: Path, name: str, value: Any, data_begin: int) -> TensorEntry:
    if not 0 < len(name) <= MAX_NAME_CHARS:
        _damaged(path, f"a tensor's name has {len(name):,} characters")
    shown = shown_name(name)
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        _damaged(path, f"“{shown}” is not described as a tensor")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    bits = BITS_OF_DTYPE.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        _damaged(path, f"“{shown}” has numbers of an unknown kind")
    if not _are_counts(shape) or len(shape) > _MAX_DIMENSIONS:
        _damaged(path, f"“{shown}” has no usable shape")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        _damaged(path, f"“{shown}” has no usable place")
    begin, end = offsets
    if math.prod(shape) * bits != (end - begin) * 8:
        _damaged(path, f"the shape of “{shown}” does not fit its bytes")
    return TensorEntry(name, dtype, tuple(shape), data_begin + begin, data_begin + end)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n <= _MAX_EXTENT for n in value)


def _check_places(path: Path, entries: list[TensorEntry], data_begin: int, size: int) -> None:
    """Check that the tensors follow one another without holes from the header to the end of the file."""
    place = data_begin
    for entry in entries:
        if entry.begin != place:
            _damaged(path, f"“{shown_name(entry.name)}” overlaps another tensor or leaves a hole before it")
        place = entry.end
    if place > size:
        raise cut_off(path, size, place)
    if place < size:
        _damaged(path, f"it has {size - place:,} bytes more than its tensors")
    if not entries:
        _damaged(path, "it holds no tensors")


def _damage(path: Path, what: str) -> ModelLoadFailed:
    return ModelLoadFailed(f"“{path.name}” is damaged: {what}.", _AGAIN)


def _damaged(path: Path, what: str) -> NoReturn:
    raise _damage(path, what)


def _size(count: int) -> str:
    if count >= 1e9:
        return f"{count / 1e9:,.2f} GB"
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count:,} bytes"
