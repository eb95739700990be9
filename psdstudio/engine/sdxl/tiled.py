"""Large pictures computed tile by tile: overlapping tiles, feathered where they meet, none larger than it may be.

A network that sees `margin` pixels around each one gives the same inside as it would for the whole: what lies nearer to
a cut is not used. Networks with statistics over the whole picture (the group norms of the VAE and of the transparent
decoder) differ a little from tile to tile; the feather hides it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

CELL = 64
"""Sides of tiles are multiples of this in pixels: the transparent decoder halves six times."""
LATENT = 8
Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Span:
    """Pixels [start, end) of one axis; `first` and `last` say that there is no other tile on that side."""

    start: int
    end: int
    first: bool
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """How pictures are cut, in pixels: `overlap` of neighbours, of which `margin` on each side is thrown away.

    Raises:
        ValueError: tiles that are no multiple of 64, or an overlap that leaves nothing to feather.
    """

    tile: int = 1024
    overlap: int = 192
    margin: int = 32

    def __post_init__(self) -> None:
        if self.tile % CELL or self.overlap % LATENT or self.margin % LATENT:
            raise ValueError(f"tiles of {self.tile} pixels, {self.overlap} of them shared")
        if not 2 * self.margin < self.overlap <= self.tile // 2:
            raise ValueError(f"an overlap of {self.overlap} pixels for tiles of {self.tile}")

    def spans(self, length: int) -> tuple[Span, ...]:
        """Cut an axis of `length` pixels, a multiple of 64, into tiles that overlap by `overlap` or more."""
        if length % CELL:
            raise ValueError(f"{length} pixels are no multiple of {CELL}")
        if length <= self.tile:
            return (Span(0, length, True, True),)
        count = math.ceil((length - self.overlap) / (self.tile - self.overlap))
        starts = [i * (length - self.tile) // (count - 1) // LATENT * LATENT for i in range(count)]
        return tuple(Span(s, s + self.tile, s == 0, s + self.tile == length) for s in starts)

    def boxes(self, height: int, width: int) -> tuple[tuple[Span, Span], ...]:
        """Cut a picture into tiles, row by row."""
        return tuple((y, x) for y in self.spans(height) for x in self.spans(width))

    def weight(self, y: Span, x: Span) -> Tensor:
        """Return how much a tile counts at each of its pixels (h, w): 1 inside, 0 in the margins."""
        return self._ramp(y)[:, None] * self._ramp(x)[None]

    def _ramp(self, span: Span) -> Tensor:
        count = span.end - span.start
        at = torch.arange(count, dtype=torch.float32) + 0.5
        length = self.overlap - 2 * self.margin
        rising, falling = (at - self.margin) / length, (count - at - self.margin) / length
        weight = torch.ones(count)
        if not span.first:
            weight = weight.minimum(rising.clamp(0, 1))
        if not span.last:
            weight = weight.minimum(falling.clamp(0, 1))
        return weight


class Blend:
    """A picture (c, h, w) float32 on the CPU put together from weighed tiles."""

    def __init__(self, height: int, width: int) -> None:
        self._size = (height, width)
        self._sum: Tensor | None = None
        self._weight = torch.zeros(height, width)

    def add(self, tile: Tensor, weight: Tensor, y: Span, x: Span) -> None:
        """Put a tile (c, h, w) in its place."""
        if self._sum is None:
            self._sum = torch.zeros(tile.shape[0], *self._size)
        self._sum[:, y.start : y.end, x.start : x.end] += tile.float().cpu() * weight
        self._weight[y.start : y.end, x.start : x.end] += weight

    def picture(self) -> Tensor:
        """Return the mean of what was put at each place."""
        assert self._sum is not None, "no tile was added"
        return self._sum / self._weight


def decode_tiles(
    latents: Tensor, decode: Callable[[Tensor], Tensor], tiling: Tiling
) -> Generator[int, None, Tensor]:
    """Decode latents (4, h, w) by tiles: `decode` takes (1, 4, a, b) and gives (1, c, 8 a, 8 b).

    Yields the number of tiles done; returns (c, 8 h, 8 w) float32 on the CPU. Latents of one tile are decoded whole.
    """
    height, width = latents.shape[1] * LATENT, latents.shape[2] * LATENT
    blend = Blend(height, width)
    for done, (y, x) in enumerate(tiling.boxes(height, width), start=1):
        part = latents[None, :, y.start // LATENT : y.end // LATENT, x.start // LATENT : x.end // LATENT]
        blend.add(decode(part)[0], tiling.weight(y, x), y, x)
        yield done
    return blend.picture()


def decoded(latents: Tensor, decode: Callable[[Tensor], Tensor], tiling: Tiling) -> Tensor:
    """Run `decode_tiles` to its end."""
    return finished(decode_tiles(latents, decode, tiling))


def finished(running: Generator[object, None, Tensor]) -> Tensor:
    """Run a generator of progress to its end and return what it returns."""
    for _ in (steps := KeptValue(running)):
        pass
    return steps.value


class KeptValue(Generic[Event]):
    """Iterates over a generator and keeps the tensor that it returns in `value`."""

    def __init__(self, running: Generator[Event, None, Tensor]) -> None:
        self._running = running
        self.value: Tensor

    def __iter__(self) -> Iterator[Event]:
        self.value = yield from self._running
