"""What a run takes besides the weights: rows while the network evaluates them, and pictures while they are decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psdstudio.core.geometry import Size
from psdstudio.engine.sdxl.network_work import RowWork
from psdstudio.engine.sdxl.tiled import CELL, Tiling
from psdstudio.engine.sdxl.upscaling import tiling_of

MARGIN = 1.3
"""Allocators round up, and kernels have workspaces."""
SMALLEST_TILE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMemory:
    """Bytes at the peak of a run, with both halves of guidance evaluated `together`, or `apart` in twice the calls."""

    together: int
    apart: int


def scene_memory(
    work: RowWork, width: int, *, free: int, kept: int = 0, guided: bool = True, decoding: int = 0
) -> RunMemory:
    """Return what a scene takes.

    Args:
        work: Of a row.
        width: Bytes of a number in the network's format.
        free: Rows that are denoised, with the composite.
        kept: Rows and references that the others read; evaluated by themselves, their keys and values stay.
        guided: Whether the network is also evaluated without words.
        decoding: See `decode_bytes`; comes after the rows.
    """
    row, remembered = row_bytes(work, width), work.remembered * width * kept

    def peak(halves: int) -> int:
        return max(row * free * halves + remembered, row * kept + remembered, decoding)

    return RunMemory(together=peak(2 if guided else 1), apart=peak(1))


def row_bytes(work: RowWork, width: int) -> int:
    """Return the memory that one more row takes while it is evaluated, numbers being `width` bytes wide."""
    return int(work.held * width * MARGIN)


def decode_bytes(vae: Any, tile: Size, width: int) -> int:
    """Return what decoding a tile takes in a diffusers AutoencoderKL.

    Its last level is given maps as wide as the level before, and holds four of them: inputs, norm, activation, result.
    """
    channels = int(vae.config.block_out_channels[1])
    return int(4 * channels * tile.width * tile.height * width * MARGIN)


def decode_tiling(vae: Any, bucket: Size, free_bytes: int, width: int) -> Tiling:
    """Return the largest tiles in which pictures of a bucket can be decoded; ones that hold it whole where they fit."""
    whole = -(-max(bucket) // CELL) * CELL
    for side in (whole, *range(whole // 2 // CELL * CELL, SMALLEST_TILE, -CELL)):
        tile = Size(min(side, bucket.width), min(side, bucket.height))
        if decode_bytes(vae, tile, width) <= free_bytes:
            return tiling_of(Size(side, side))
    return tiling_of(Size(SMALLEST_TILE, SMALLEST_TILE))
