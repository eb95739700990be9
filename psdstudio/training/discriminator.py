"""The judge that DetailNet is trained against: is this patch of a layer drawn or guessed? It is never shipped.

Patches: Isola et al. 1611.07004, section 3.2.2. Hinge losses: Lim & Ye 1705.02894, eq. 10 and 11. No spectral norm: it
bounds how much a small difference may count, and blur is one; its pull is bounded where it acts (`judged_weight`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
FINE_GAIN = 4.0
"""How much larger the judge is shown what differs from the mean of 3 x 3 pixels; without it, it took ten times as long
to see that a picture is blurred."""


class PatchDiscriminator(nn.Module):
    """From layers (n, 4, h, w) over mattes (see `over_mattes`) to scores (n, 1, h / 4, w / 4) of patches of 20 px.

    Patches are small on purpose: they show whether an edge is sharp and a surface clean, not whether it is a swan.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(8, width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * width, 4 * width, 3, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(4 * width, 1, 1),
        )

    def forward(self, layers: Tensor) -> Tensor:
        """Return the scores: above 0 is thought drawn."""
        fine = layers - F.avg_pool2d(layers, 3, 1, 1, count_include_pad=False)
        both = torch.cat([layers, FINE_GAIN * fine], dim=1)
        out: Tensor = self.layers(both.contiguous(memory_format=torch.channels_last))
        return out


def over_mattes(layers: Tensor, mattes: Tensor) -> Tensor:
    """Return what is seen of straight RGBA (n, 4, h, w) in -1..1 over plain mattes (n, 3), its alpha as channel four.

    Colour under alpha 0 is seen by nobody and so is not judged; fringes are, whatever the matte.
    """
    alpha = (layers[:, 3:] + 1) / 2
    seen = layers[:, :3] * alpha + mattes[..., None, None] * (1 - alpha)
    return torch.cat([seen, layers[:, 3:]], dim=1)


def judging_loss(drawn: Tensor, guessed: Tensor) -> Tensor:
    """What the discriminator pays for scores of drawn and of guessed patches."""
    return F.relu(1 - drawn).mean() + F.relu(1 + guessed).mean()


def deceiving_loss(guessed: Tensor) -> Tensor:
    """What the painter pays for the scores of its patches."""
    return -guessed.mean()
