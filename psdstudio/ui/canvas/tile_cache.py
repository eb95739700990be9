"""Composited tiles as images: rendered on a thread for the newest document, swapped in by batches. GUI thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from psdstudio.core.document import Document
from psdstudio.core.geometry import EMPTY_RECT, Rect
from psdstudio.core.tiles import TileKey, U8Array, tile_keys, tile_rect
from psdstudio.ui.bridge import Background
from psdstudio.ui.canvas.images import halved, to_qimage

Render = Callable[[Document, Rect], U8Array]
BATCH = 16
"""Tiles a thread renders before it answers: a view of 1280x800 pixels in two answers, a drag in one."""
LEVELS = 4
"""Sizes of each tile: full, half, quarter, eighth. Below zoom 0.5 plain bilinear drawing aliases."""


BUDGET_BYTES = 256 << 20
"""Most bytes of images to keep; tiles out of view go first, the oldest of them before the others."""


@dataclass(frozen=True, slots=True)
class _Pyramid:
    """Images of one tile from level `base` (1/2**base of its size) downwards; sharper ones were not asked for."""

    base: int
    images: tuple[QImage, ...]

    @property
    def mem_bytes(self) -> int:
        """Bytes of all levels."""
        return sum(image.sizeInBytes() for image in self.images)


@dataclass(frozen=True, slots=True)
class _Batch:
    epoch: int
    tiles: tuple[tuple[TileKey, _Pyramid], ...]


class TileCache(QObject):
    """Keeps an image pyramid per 256-pixel tile; stale ones stay on screen until the new ones are there."""

    updated = Signal(object)
    """Canvas rectangle whose tiles are new."""

    def __init__(self, render: Render, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._render = render
        self._background = background
        self._images: dict[TileKey, _Pyramid] = {}
        self._level = 0
        self._mem_bytes = 0
        self._stale: set[TileKey] = set()
        self._wanted: tuple[TileKey, ...] = ()
        self._doc: Document | None = None
        self._epoch = 0
        self._busy = False

    @property
    def is_settled(self) -> bool:
        """Whether every wanted tile shows the newest document."""
        return not self._busy and not self._missing()

    def show(self, doc: Document, dirty: Iterable[Rect]) -> None:
        """Follow the document; only tiles under `dirty` are rendered again."""
        self._doc = doc
        for rect in dirty:
            self._stale.update(key for key in tile_keys(rect) if key in self._images)
        self._pump()

    def reset(self, doc: Document) -> None:
        """Show another document: nothing of the old one stays."""
        self._images.clear()
        self._mem_bytes = 0
        self._stale.clear()
        self._doc = doc
        self._epoch += 1
        self._pump()

    def want(self, keys: Sequence[TileKey], *, level: int = 0) -> None:
        """Name the tiles in view and the level they are drawn at; those not rendered that sharp are started.

        Seen from afar a huge canvas has thousands of tiles: only the small levels of them are kept.
        """
        self._wanted, self._level = tuple(keys), min(level, LEVELS - 1)
        self._pump()

    def image(self, key: TileKey, level: int) -> QImage | None:
        """Return the tile at 1/2**level of its size, a smaller one while that is not rendered, None without any."""
        known = self._images.get(key)
        return None if known is None else known.images[max(0, min(level, LEVELS - 1) - known.base)]

    def _missing(self) -> list[TileKey]:
        return [key for key in self._wanted if key in self._stale or self._is_coarse(key)]

    def _is_coarse(self, key: TileKey) -> bool:
        known = self._images.get(key)
        return known is None or known.base > self._level

    def _pump(self) -> None:
        doc, epoch, render, level = self._doc, self._epoch, self._render, self._level
        if self._busy or doc is None:
            return
        keys = self._missing()[:BATCH]
        if not keys:
            return
        self._busy = True
        self._stale.difference_update(keys)
        self._background.submit(
            lambda: _rendered(render, doc, keys, epoch=epoch, level=level), self._arrived, self._failed
        )

    def _arrived(self, batch: _Batch) -> None:
        self._busy = False
        if batch.epoch == self._epoch:
            area = EMPTY_RECT
            for key, pyramid in batch.tiles:
                self._drop(key)
                self._images[key] = pyramid
                self._mem_bytes += pyramid.mem_bytes
                area = area.union(tile_rect(key))
            self._keep_to_budget()
            self.updated.emit(area)
        self._pump()

    def _keep_to_budget(self) -> None:
        if self._mem_bytes <= BUDGET_BYTES:
            return
        in_view = set(self._wanted)
        for key in [key for key in self._images if key not in in_view]:
            self._drop(key)
            if self._mem_bytes <= BUDGET_BYTES:
                return

    def _drop(self, key: TileKey) -> None:
        known = self._images.pop(key, None)
        if known is not None:
            self._mem_bytes -= known.mem_bytes

    def _failed(self, error: Exception) -> None:
        self._busy = False
        raise error  # a compositor that fails is a bug: the application's hook reports it once


def _rendered(render: Render, doc: Document, keys: Sequence[TileKey], *, epoch: int, level: int) -> _Batch:
    return _Batch(
        epoch, tuple((key, _pyramid(to_qimage(render(doc, tile_rect(key))), level)) for key in keys)
    )


def _pyramid(image: QImage, base: int) -> _Pyramid:
    images = []
    for level in range(LEVELS):
        if level >= base:
            images.append(image)
        image = halved(image)
    return _Pyramid(base, tuple(images))
