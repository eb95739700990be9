"""What DetailNet is trained on: likeness where there is a truth, a likeness at a distance where not, and the judge.

A mean of absolute errors alone paints what is between the possible edges: inner edges rose over 5 px of 128 where the
drawings have 1.5. The judge (`discriminator`) asks for one of them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from psdstudio.engine.detail import DetailNet
from psdstudio.training.detail_batches import DetailBatch
from psdstudio.training.discriminator import PatchDiscriminator, deceiving_loss, judging_loss, over_mattes

SLOPE_WEIGHT = 1.0
HIDDEN_COLOUR = 0.05
ALPHA_WEIGHT = 1.5
COARSE = 8
"""Pixels of the output that are seen as one where the input is a guess itself: its own blur and grid are no model."""
JUDGED_SHARE = 1.0
"""Pull of the judge on the picture, as a share of that of likeness."""
MOST_JUDGED = 2.0
"""Bound of the judge's weight, for when likeness is perfect or the judge is sure."""


class DetailPair(nn.Module):
    """The network that is shipped and its judge, trained, averaged and saved together."""

    def __init__(self, net: DetailNet, discriminator: PatchDiscriminator) -> None:
        super().__init__()
        self.net = net
        self.discriminator = discriminator


def detail_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of values and of their slopes; colour counts where the true alpha shows it."""
    weight = _weight(target)
    error = predicted - target
    values = (error.abs() * weight).mean()
    across = ((error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]).mean()
    down = ((error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]).mean()
    return values + SLOPE_WEIGHT * (across + down)


def coarse_loss(predicted: Tensor, low: Tensor) -> Tensor:
    """Mean absolute error against the input, both seen from afar (means of `COARSE` output pixels square)."""
    near, far = F.avg_pool2d(predicted, COARSE), F.avg_pool2d(low, COARSE // 2)
    return ((near - far).abs() * _weight(far)).mean()


def pair_loss(pair: DetailPair, batch: DetailBatch, mattes: Tensor) -> Tensor:
    """Return the sum of what the network and its judge have to learn from a batch; neither learns for the other.

    mattes: (n, 3) in -1..1, behind the drawn and the guessed picture alike.
    """
    made = pair.net(batch.low, batch.level, batch.words)
    seen, judge = made.detach().requires_grad_(True), pair.discriminator
    like = detail_loss(seen, batch.target) if batch.paired else coarse_loss(seen, batch.low)
    judge.requires_grad_(False)
    deceive = deceiving_loss(judge(over_mattes(seen, mattes)))
    judge.requires_grad_(True)
    (pull,), (push,) = torch.autograd.grad(like, seen), torch.autograd.grad(deceive, seen)
    weight = judged_weight(pull, push)
    # Stands in for the painter's loss: its gradient by `made` is that of both, and the judge is passed only once.
    painter = (made * (pull + weight * push)).sum()
    drawn = judge(over_mattes(batch.target, mattes))
    guessed = judge(over_mattes(made.detach(), mattes))
    return painter - painter.detach() + like.detach() + judging_loss(drawn, guessed)


def judged_weight(pull: Tensor, push: Tensor) -> Tensor:
    """Return the judge's weight from the gradients of likeness and of the judge by the picture.

    After Esser et al. 2012.09841, eq. 7, which compares them at the last layer.
    """
    return (JUDGED_SHARE * pull.norm() / push.norm().clamp(min=1e-6)).clamp(max=MOST_JUDGED)


def _weight(picture: Tensor) -> Tensor:
    seen = HIDDEN_COLOUR + (1 - HIDDEN_COLOUR) * (F.max_pool2d(picture[:, 3:], 3, 1, 1) + 1) / 2
    return torch.cat([seen.expand(-1, 3, -1, -1), torch.full_like(seen, ALPHA_WEIGHT)], dim=1)
