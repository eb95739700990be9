"""Random batches of rows for the tiny UNet, and how to take them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from psdstudio.engine.sdxl.rows import KeptMemory, RowBatch, RowIdentity, RowRole
from tests.engine.sdxl.tiny import POOLED_DIM, WORDS_DIM

COMPOSITE = RowIdentity(role=RowRole.COMPOSITE)
BACKGROUND = RowIdentity(role=RowRole.BACKGROUND)
TOKENS = 7


def thing(order: int, *, kept: bool = False) -> RowIdentity:
    """Return the identity of an object."""
    return RowIdentity(role=RowRole.OBJECT, order=order, kept=kept)


def random_batch(
    *group: RowIdentity,
    groups: int = 1,
    seed: int = 0,
    size: tuple[int, int] = (16, 16),
    dtype: torch.dtype = torch.float32,
    adapters: Sequence[Mapping[str, float]] = (),
) -> RowBatch:
    """Return rows of random content, each at a timestep of its own."""
    g = torch.Generator().manual_seed(seed)
    rows = len(group) * groups

    def noise(*shape: int) -> Tensor:
        return torch.randn(rows, *shape, generator=g, dtype=torch.float64).to(dtype)

    return RowBatch(
        latents=noise(4, *size),
        timesteps=torch.randint(0, 1000, (rows,), generator=g).float(),
        words=noise(TOKENS, WORDS_DIM),
        pooled=noise(POOLED_DIM),
        time_ids=torch.tensor([[1024.0, 1024, 0, 0, 1024, 1024]] * rows).to(dtype),
        identities=group * groups,
        groups=groups,
        adapters=tuple(adapters),
    )


def picked(batch: RowBatch, *places: int, groups: int = 1) -> RowBatch:
    """Return the batch of some of the rows, in this order."""
    rows = list(places)
    return replace(
        batch,
        latents=batch.latents[rows],
        timesteps=batch.timesteps[rows],
        words=batch.words[rows],
        pooled=batch.pooled[rows],
        time_ids=batch.time_ids[rows],
        identities=tuple(batch.identities[i] for i in rows),
        groups=groups,
        adapters=tuple(batch.adapters[i] for i in rows) if batch.adapters else (),
        image_tokens=None if batch.image_tokens is None else batch.image_tokens[rows],
        image_scales=tuple(batch.image_scales[i] for i in rows) if batch.image_scales else (),
    )


def stacked(a: RowBatch, b: RowBatch) -> RowBatch:
    """Return one group of the rows of both."""
    return replace(
        a,
        latents=torch.cat([a.latents, b.latents]),
        timesteps=torch.cat([a.timesteps, b.timesteps]),
        words=torch.cat([a.words, b.words]),
        pooled=torch.cat([a.pooled, b.pooled]),
        time_ids=torch.cat([a.time_ids, b.time_ids]),
        identities=a.identities + b.identities,
        adapters=a.adapters + b.adapters,
    )


def largest_change(a: Tensor, b: Tensor) -> float:
    """Return the largest difference of two tensors of one shape."""
    assert a.shape == b.shape
    return float((a - b).abs().max())


def same_memory(a: KeptMemory, b: KeptMemory) -> bool:
    """Return True when both hold the same keys and values to the bit."""
    return all(torch.equal(a.keys[n], b.keys[n]) and torch.equal(a.values[n], b.values[n]) for n in a.keys)
