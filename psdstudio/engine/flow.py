"""Rectified flow between data and noise, seen from the data side (x-prediction).

Noise level s runs from 0 (clean) to 1 (pure noise): x_s = (1 - s) x + s e (Liu et al. 2209.03003, eq. 1 with time
reversed). The network predicts x; the velocity is (x_s - x) / s (JiT, Li & He 2511.13720, table 1).
"""

from __future__ import annotations

import torch
from torch import Tensor

MIN_NOISE_IN_WEIGHT = 0.25
"""The velocity weight 1 / s**2 grows without bound towards clean data; s is clamped here. At 0.05 low noise took nearly
all of the loss and the network learned to smooth before it learned what the words mean."""


def add_noise(clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Return (1 - s) clean + s noise; `level` is broadcast from the left: (b, r) for (b, r, ...)."""
    s = level.reshape(level.shape + (1,) * (clean.ndim - level.ndim))
    return (1 - s) * clean + s * noise


def velocity_weight(level: Tensor) -> Tensor:
    """Weight that turns a squared error of x into one of velocity, clamped; same shape as `level`."""
    return level.clamp(min=MIN_NOISE_IN_WEIGHT) ** -2


def euler_step(x: Tensor, clean: Tensor, level: float, next_level: float) -> Tensor:
    """Move x from noise level `level` to `next_level` along the velocity that the prediction `clean` gives."""
    ratio = next_level / level
    return clean + ratio * (x - clean)


def renoised_step(clean: Tensor, noise: Tensor, next_level: float) -> Tensor:
    """Move to `next_level` with fresh `noise`: x = (1 - s) clean + s e (Song et al. 2303.01469, algorithm 1).

    Against `euler_step` this forgets the mistakes of earlier predictions; with a briefly trained network pictures come
    out visibly cleaner.
    """
    return (1 - next_level) * clean + next_level * noise


def noise_levels(steps: int, *, shift: float = 1.0) -> list[float]:
    """Return steps + 1 levels from 1 down to 0, uniform in time and bent by `shift` (> 1: longer at high noise).

    The bend is s -> shift s / (1 + (shift - 1) s) (Esser et al. 2403.03206, eq. 23).
    """
    uniform = [1.0 - i / steps for i in range(steps + 1)]
    return [shift * s / (1 + (shift - 1) * s) for s in uniform]


def layer_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Gaussian noise from a generator of its own on the CPU, so a layer's noise depends on its seed alone."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randn(shape, generator=generator)


def mixed_seed(seed: int, salt: int) -> int:
    """Return a second seed for another part of the same layer, within what torch accepts."""
    return (seed ^ salt) & (2**63 - 1)
