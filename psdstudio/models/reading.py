"""Reading weight files whole, once: their hash, and whether every number in them is finite. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.gen.weights.header import TensorEntry, WeightsHeader, cut_off, shown_name
from psdstudio.gen.weights.recognised import Recognised

Progress = Callable[[int, int], None]
"""Told (bytes read, bytes in all) every few megabytes and at the end; may raise `Cancelled` to stop."""
_PIECE_BYTES = 8 * 2**20
_STEP_BYTES = 4 * 2**20
# An exponent of ones alone is infinity or NaN (IEEE 754; bfloat16 is the upper half of float32).
_EXPONENTS: dict[str, tuple[type[np.unsignedinteger], int]] = {
    "F16": (np.uint16, 0x7C00),
    "BF16": (np.uint16, 0x7F80),
    "F32": (np.uint32, 0x7F800000),
    "F64": (np.uint64, 0x7FF0000000000000),
}


@dataclass(slots=True)
class Counter:
    """Adds up what was read of several files and tells it on."""

    total: int
    progress: Progress | None
    done: int = 0
    _told: int = 0

    def add(self, count: int) -> None:
        """Count more bytes and tell it in steps: small tensors come by the thousand. Raises what the callback does."""
        self.done += count
        if self.progress is not None and (self.done - self._told >= _STEP_BYTES or self.done == self.total):
            self._told = self.done
            self.progress(self.done, self.total)


def hash_of(found: Recognised, progress: Progress | None = None) -> str:
    """Read all weight files of a model; return its SHA-256 as `ModelFile` defines it.

    Numbers of 16 bits and more are looked through on the way; smaller ones (fp8) are not.

    Raises:
        ModelLoadFailed: A file holds numbers that are not finite, or ended early; the sentence names the tensor.
        ModelNotFound: A file cannot be read any more.
    """
    counter = Counter(found.size_bytes, progress)
    hashes = {header.path: _hash_of_file(header, counter) for header in found.headers()}
    if not found.path.is_dir() and len(hashes) == 1:
        return next(iter(hashes.values()))
    folder = found.path if found.path.is_dir() else found.path.parent
    lines = sorted(f"{path.relative_to(folder).as_posix()} {digest}" for path, digest in hashes.items())
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _hash_of_file(header: WeightsHeader, counter: Counter) -> str:
    digest = hashlib.sha256()
    try:
        with header.path.open("rb") as file:
            for piece in _pieces(header.path, file, header.data_begin):
                digest.update(piece)
                counter.add(len(piece))
            for entry in header.entries:
                for piece in _pieces(header.path, file, entry.end - entry.begin):
                    digest.update(piece)
                    _refuse_not_finite(header.path, entry, piece)
                    counter.add(len(piece))
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise ModelNotFound(
            f"The model “{header.path.name}” could not be read ({reason}).", "Nothing was changed. Try again."
        ) from exc
    return digest.hexdigest()


def _pieces(path: Path, file: BinaryIO, count: int) -> Iterator[bytes]:
    """Yield the next `count` bytes in pieces that end between numbers."""
    while count:
        wanted = min(count, _PIECE_BYTES)
        piece = file.read(wanted)
        if len(piece) < wanted:
            raise cut_off(path, file.tell(), file.tell() - len(piece) + count)
        count -= len(piece)
        yield piece


def _refuse_not_finite(path: Path, entry: TensorEntry, piece: bytes) -> None:
    if entry.dtype not in _EXPONENTS:
        return
    kind, exponent = _EXPONENTS[entry.dtype]
    numbers = np.frombuffer(piece, dtype=np.dtype(kind).newbyteorder("<"))
    mask = kind(exponent)
    if bool(((numbers & mask) == mask).any()):
        raise ModelLoadFailed(
            f"“{path.name}” is damaged: the tensor “{shown_name(entry.name)}” holds numbers that are none"
            " (NaN or infinite).",
            "Nothing was changed. Download the file again, or use another model.",
        )
