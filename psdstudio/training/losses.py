"""The training loss: squared error of the clean prediction, weighted to velocity, on unknown rows only."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.flow import velocity_weight

HIDDEN_COLOUR = 0.08
"""Weight of a colour under alpha 0: it is padded, so it must be smooth, but nobody sees it."""


def row_errors(predicted: Tensor, clean: Tensor, group: str) -> Tensor:
    """Mean squared error of each row: (b, r, c, h, w) twice -> (b, r). Colour counts where the true alpha shows it."""
    error = (predicted - clean) ** 2
    if group == "look":
        seen = _seen(clean[:, :, 3:4])
        return (error[:, :, :3] * seen).mean((2, 3, 4)) + 1.5 * error[:, :, 3:].mean((2, 3, 4))
    if group == "effect":
        seen = _seen(clean[:, :, 4:5])
        colour = (error[:, :, 1:4] * seen).mean((2, 3, 4))
        return 2 * error[:, :, :1].mean((2, 3, 4)) + colour + 1.5 * error[:, :, 4:].mean((2, 3, 4))
    return error.mean((2, 3, 4))


def _seen(alpha: Tensor) -> Tensor:
    """Weight of the colour: 1 on and next to the object, little far from it; alpha in -1..1."""
    b, r, _, h, w = alpha.shape
    near = F.max_pool2d(alpha.reshape(b * r, 1, h, w), 3, stride=1, padding=1).reshape(alpha.shape)
    return HIDDEN_COLOUR + (1 - HIDDEN_COLOUR) * (near + 1) / 2


def flow_loss(
    predicted: Tensor, clean: Tensor, level: Tensor, weight: Tensor, group: str
) -> tuple[Tensor, Tensor]:
    """Return the weighted sum over rows and the sum of weights; `level`, `weight`: (b, r), weight 0 = not trained."""
    errors = row_errors(predicted, clean, group) * velocity_weight(level)
    return (errors * weight).sum(), weight.sum()
