"""The random numbers of a row: each from a generator of its own on the CPU, seeded by the row's seed alone.

`SceneRow.seed` was derived from the run's seed and the layer's id, so a layer's noise depends on neither the other
layers nor on the device. What a row needs besides its first noise has seeds mixed from the same one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from psdstudio.engine.flow import layer_noise, mixed_seed
from psdstudio.engine.sdxl.rows import SceneRow

STEP_SALT = 0x5851_F42D_4C95_7F2D
REFERENCE_SALT = 0x1405_7B7E_F767_814F


def row_noise(row: SceneRow, shape: tuple[int, ...]) -> Tensor:
    """Return the row's standard normal noise, float32 on the CPU, the same at every call.

    A free row starts from it; a kept or partly known one is noised with it at every step, so that its way down the
    noise levels is a straight line and not a flicker.
    """
    return layer_noise(shape, row.seed)


def reference_noise(row: SceneRow, shape: tuple[int, ...]) -> Tensor:
    """Return the noise of the row's reference picture; not the row's own, or both would be alike at high noise."""
    return layer_noise(shape, mixed_seed(row.seed, REFERENCE_SALT))


def step_generator(row: SceneRow) -> torch.Generator:
    """Return the generator of the noise that stochastic schedulers add in the row's steps."""
    return torch.Generator(device="cpu").manual_seed(mixed_seed(row.seed, STEP_SALT))
