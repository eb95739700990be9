"""Tiles that are still packed: their pixels are made at first use, once, by whichever thread asks first."""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np
import numpy.typing as npt

from psdstudio.core.geometry import Rect


class TileSource(Protocol):
    """Where the pixels of a tile come from. It must not depend on anything that can go away, as a file can."""

    def unpack(self) -> npt.NDArray[np.uint8]:
        """Return the pixels; any thread. What it raises reaches whoever asked for them, every time."""
        ...


class PackedTile:
    """A tile that knows its `shape`, `digest` and `bounds` before it has its pixels.

    `digest` is the SHA-256 of the raw bytes, so that equal digests mean equal pixels; `bounds` the tight box of what
    matters, in pixels of the tile.
    """

    __slots__ = ("_array", "_source", "_turn", "bounds", "digest", "shape")

    def __init__(
        self, *, shape: tuple[int, int, int], digest: bytes, bounds: Rect, source: TileSource
    ) -> None:
        """Wrap a source whose pixels are uint8 of `shape`."""
        self.shape = shape
        self.digest = digest
        self.bounds = bounds
        self._source: TileSource | None = source
        self._array: npt.NDArray[np.uint8] | None = None
        self._turn = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels when they are unpacked."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def source(self) -> TileSource | None:
        """What the pixels will be made from; None once they are there, as it is then let go."""
        return self._source

    def array(self) -> npt.NDArray[np.uint8]:
        """Return the pixels, read-only, always the same array; any thread.

        Raises:
            StudioError: What the source says when it is damaged; asking again says it again.
        """
        if self._array is None:
            with self._turn:
                if self._array is None:
                    assert self._source is not None
                    made = self._source.unpack()
                    assert made.shape == self.shape and made.dtype == np.uint8
                    made.flags.writeable = False
                    self._array, self._source = made, None
        assert self._array is not None
        return self._array
