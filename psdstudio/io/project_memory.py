"""What a program remembers between the saves of its documents, so that saving again need not look at everything."""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from psdstudio.core.geometry import Rect
from psdstudio.core.packed_tiles import PackedTile
from psdstudio.core.tiles import TileEntry, U8Array, used_box
from psdstudio.io.project_blobs import chunks_of
from psdstudio.io.project_extras import DataNames


class FileStamp(NamedTuple):
    """What changes when somebody writes to a file or puts another one in its place."""

    device: int
    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class _Known:
    tile: weakref.ref[U8Array]
    digest: bytes
    fill: int
    box: Rect


@dataclass(slots=True)
class TileHashes:
    """Remembers the hash and the box of tiles as long as they live, and which files were found sound.

    One thread at a time: the owner of the saves.
    """

    _tiles: dict[int, _Known] = field(default_factory=dict)
    _data: dict[int, tuple[bytes, DataNames]] = field(default_factory=dict)
    _sound: dict[Path, FileStamp] = field(default_factory=dict)

    def facts(self, tile: TileEntry, fill: int) -> tuple[bytes, Rect]:
        """Return the SHA-256 of a tile's raw bytes, and the box of what matters in it where `fill` does not."""
        if isinstance(tile, PackedTile):
            return tile.digest, tile.bounds
        key = id(tile)
        known = self._tiles.get(key)
        if known is not None and known.tile() is tile and known.fill == fill:
            return known.digest, known.box
        digest, box = hashlib.sha256(tile.data).digest(), used_box(tile, fill)
        self._tiles[key] = _Known(weakref.ref(tile, lambda _: self._tiles.pop(key, None)), digest, fill, box)
        return digest, box

    def names(self, data: bytes) -> DataNames:
        """Return the names of the chunks of some bytes."""
        known = self._data.get(id(data))
        if known is None or known[0] is not data:
            known = data, tuple(hashlib.sha256(chunk).hexdigest() for chunk in chunks_of(data))
            self._data[id(data)] = known
        return known[1]

    def forget_all_but(self, data: list[bytes]) -> None:
        """Let go of bytes that no document in use has."""
        kept = {id(each) for each in data}
        self._data = {key: known for key, known in self._data.items() if key in kept}

    def stamp(self, path: Path) -> FileStamp | None:
        """Return the stamp of a file; None when there is none."""
        try:
            status = path.stat()
        except OSError:
            return None
        return FileStamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def found_sound(self, path: Path, stamp: FileStamp | None) -> None:
        """Remember that everything in a file was as it should be when it had this stamp."""
        if stamp is not None:
            self._sound[path.absolute()] = stamp

    def is_sound(self, path: Path) -> bool:
        """Whether the file was found sound and nobody has written to it since."""
        stamp = self.stamp(path)
        return stamp is not None and self._sound.get(path.absolute()) == stamp
