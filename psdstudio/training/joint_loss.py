"""The loss of a scene: squared error of what the network predicts, on the rows that are made.

The rows that are kept go through the network first and leave their keys and values (with gradient, since the adapter
acts on them too); the free ones read those. It is the form in which inference caches them, so nothing else is learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from psdstudio.engine.sdxl.rows import KeptMemory, Prediction, RowBatch
from psdstudio.errors import ModelIncompatible
from psdstudio.training.joint_modes import RowPlan

MIN_SNR = 5.0
"""Gamma of min-SNR weighting (Hang et al. 2303.09556)."""


class RowsNetwork(Protocol):
    """`engine.sdxl.row_network.RowNetwork`, as far as training asks it."""

    def predict(self, batch: RowBatch, *, kept: KeptMemory | None = None, joint: bool = True) -> Prediction:
        """Return what the network says of the rows of a batch."""

    def remember(self, batch: RowBatch, *, clean: bool) -> KeptMemory:
        """Return the keys and values of kept rows."""


@dataclass(frozen=True, slots=True, eq=False)
class NoiseTable:
    """The forward process of the base model.

    Attributes:
        signal: (1000,) float32, the cumulative product of 1 - beta (DDPM 2006.11239, section 2).
        predicts_velocity: The network predicts v = sqrt(signal) noise - sqrt(1 - signal) clean (2202.00512) and not
            the noise.
    """

    signal: Tensor
    predicts_velocity: bool = False

    @classmethod
    def of_scheduler(cls, config: Mapping[str, Any]) -> NoiseTable:
        """Read a scheduler's configuration (`scaled_linear` as in SDXL, or `linear`).

        Raises:
            ModelIncompatible: It has another process or predicts something else.
        """
        count = int(config.get("num_train_timesteps", 1000))
        first, last = float(config.get("beta_start", 0.00085)), float(config.get("beta_end", 0.012))
        kind, predicts = config.get("beta_schedule"), config.get("prediction_type", "epsilon")
        if kind not in ("scaled_linear", "linear") or predicts not in ("epsilon", "v_prediction"):
            raise ModelIncompatible(
                f"The base model has a noise schedule that cannot be trained on ({kind}, {predicts}).",
                "Train on SDXL, or on a model fine-tuned from it in the usual way.",
            )
        power = 2 if kind == "scaled_linear" else 1
        betas = torch.linspace(first ** (1 / power), last ** (1 / power), count, dtype=torch.float64) ** power
        return cls(torch.cumprod(1 - betas, 0).float(), predicts == "v_prediction")

    def noised(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return q(z, t) of rows (r, 4, h, w): sqrt(signal) clean + sqrt(1 - signal) noise."""
        signal = self._signal(clean, timesteps)
        return signal.sqrt() * clean + (1 - signal).sqrt() * noise

    def target(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return what the network should say of q(z, t)."""
        if not self.predicts_velocity:
            return noise
        signal = self._signal(clean, timesteps)
        return signal.sqrt() * noise - (1 - signal).sqrt() * clean

    def clean_of(self, noised: Tensor, predicted: Tensor, timesteps: Tensor) -> Tensor:
        """Return the clean rows that a prediction means."""
        signal = self._signal(noised, timesteps)
        if self.predicts_velocity:
            return signal.sqrt() * noised - (1 - signal).sqrt() * predicted
        return (noised - (1 - signal).sqrt() * predicted) / signal.sqrt()

    def row_weights(self, timesteps: Tensor) -> Tensor:
        """Return min(snr, 5) / snr of each row; for a predicted velocity min(snr, 5) / (snr + 1)."""
        signal = self.signal.to(timesteps.device)[timesteps]
        snr = signal / (1 - signal)
        return snr.clamp(max=MIN_SNR) / (snr + 1 if self.predicts_velocity else snr)

    def _signal(self, like: Tensor, timesteps: Tensor) -> Tensor:
        return self.signal.to(like.device)[timesteps].view(-1, 1, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneRows:
    """The r rows of a scene before noise: a `RowBatch` of one group whose latents are the clean ones.

    Attributes:
        batch: Clean latents of the rows as they are to be made; `timesteps` are not read.
        kept: (r, 4, h, w) how others see each row once it is kept.
        noise: (r, 4, h, w).
    """

    batch: RowBatch
    kept: Tensor
    noise: Tensor


def scene_errors(
    network: RowsNetwork, rows: SceneRows, plan: RowPlan, table: NoiseTable, *, joint: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the mean squared error of every free row, (f,), in float32, and its weight, (f,).

    `joint` False is the ablation: no row sees another one.
    """
    device = rows.batch.latents.device
    times = torch.tensor(plan.timesteps, device=device)
    memory: KeptMemory | None = None
    joint = joint and not plan.context_dropped
    if plan.kept_rows and joint:
        at = list(plan.kept_rows)
        seen = table.noised(rows.kept[at], rows.noise[at], times[at])
        memory = network.remember(part_of(rows.batch, at, seen, times[at], kept=True), clean=True)
    at = list(plan.free_rows)
    clean, noise = rows.batch.latents[at], rows.noise[at]
    noised = table.noised(clean, noise, times[at])
    free = part_of(rows.batch, at, noised, times[at], kept=False)
    predicted = network.predict(free, kept=memory, joint=joint).noise
    errors = (predicted.float() - table.target(clean, noise, times[at]).float()).square().mean((1, 2, 3))
    weights = table.row_weights(times[at]) if plan.weighs_by_noise else torch.ones_like(errors)
    return errors, weights


def scene_loss(
    network: RowsNetwork, rows: SceneRows, plan: RowPlan, table: NoiseTable, *, joint: bool = True
) -> Tensor:
    """Return the weighted mean over the free rows of `scene_errors`."""
    errors, weights = scene_errors(network, rows, plan, table, joint=joint)
    return (errors * weights).mean()


def part_of(
    batch: RowBatch, at: Sequence[int], latents: Tensor, timesteps: Tensor, *, kept: bool
) -> RowBatch:
    """Return some rows of a batch of one group with other latents, marked as kept or as free."""
    rows = list(at)
    return replace(
        batch,
        latents=latents,
        timesteps=timesteps,
        words=batch.words[rows],
        pooled=batch.pooled[rows],
        time_ids=batch.time_ids[rows],
        identities=tuple(replace(batch.identities[row], kept=kept) for row in rows),
        adapters=tuple(batch.adapters[row] for row in rows) if batch.adapters else (),
        image_tokens=None,
    )
