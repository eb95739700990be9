"""What free rows read of rows that are not denoised: kept ones, ones that begin later, and references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from psdstudio.engine.sdxl.row_states import Known
from psdstudio.engine.sdxl.rows import KeptMemory, RowBatch
from psdstudio.engine.sdxl.schedules import Schedule

CLEAN_TIMESTEP = 0.0


class Remembering(Protocol):
    """The half of the network that fills memories."""

    def remember(
        self, batch: RowBatch, *, readers: Sequence[int | None] | None = None, clean: bool
    ) -> KeptMemory:
        """Return the keys and values of rows that are not to be denoised."""


class Batching(Protocol):
    """Makes one group of rows the network's input."""

    def __call__(self, at: Sequence[int], latents: Tensor, timestep: float) -> RowBatch:
        """Return the rows at these places with these latents, scaled for `timestep`."""


class Memories:
    """Makes the memory of each step; one of clean rows is made once and serves until other rows are context."""

    def __init__(self, network: Remembering, schedule: Schedule, batch: Batching, *, clean: bool) -> None:
        self._network, self._schedule, self._batch, self._clean = network, schedule, batch, clean
        self._made: tuple[tuple[int, ...], KeptMemory] | None = None

    def at(self, step: int, context: Sequence[Known], referred: Sequence[Known]) -> KeptMemory | None:
        """Return the memory for step `step`; None when there is nothing to remember.

        `context` are the rows that all free rows read, and that read one another. `referred` are references, each of
        which reads itself alone and is read by its own object alone; they are always noised to the step's level, since
        no adapter of ours was trained on clean ones.
        """
        if not self._clean:
            return self._noised(step, context, referred)
        memories = [
            memory
            for memory in (self._cleaned(context), self._noised(step, (), referred))
            if memory is not None
        ]
        return joined(memories) if memories else None

    def _cleaned(self, context: Sequence[Known]) -> KeptMemory | None:
        at = tuple(known.row for known in context)
        if not at:
            return None
        if self._made is None or self._made[0] != at:
            latents = torch.stack([known.clean for known in context])
            rows = kept_rows(self._batch(at, latents, CLEAN_TIMESTEP))
            self._made = at, self._network.remember(rows, clean=True)
        return self._made[1]

    def _noised(self, step: int, context: Sequence[Known], referred: Sequence[Known]) -> KeptMemory | None:
        every = (*context, *referred)
        if not every:
            return None
        noised = torch.stack([self._schedule.noised(known.clean, known.noise, step) for known in every])
        scaled, timestep = self._schedule.scaled(noised, step), self._schedule.timesteps[step]
        rows = kept_rows(self._batch([known.row for known in every], scaled, timestep))
        orders = [identity.order for identity in rows.identities[len(context) :]]
        return self._network.remember(rows, readers=((None,) * len(context) + tuple(orders)), clean=False)


def kept_rows(batch: RowBatch) -> RowBatch:
    """Return the batch with all rows marked as kept, which rows that begin later and references are for a while."""
    return replace(batch, identities=tuple(replace(one, kept=True) for one in batch.identities))


def joined(memories: Sequence[KeptMemory]) -> KeptMemory:
    """Return several memories as one; its timestep is None only when all rows in it are clean."""
    if len(memories) == 1:
        return memories[0]
    timesteps = [memory.timestep for memory in memories if memory.timestep is not None]
    return KeptMemory(
        keys={name: torch.cat([memory.keys[name] for memory in memories]) for name in memories[0].keys},
        values={name: torch.cat([memory.values[name] for memory in memories]) for name in memories[0].values},
        readers=tuple(reader for memory in memories for reader in memory.readers),
        timestep=timesteps[0] if timesteps else None,
    )
