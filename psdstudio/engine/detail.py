"""DetailNet: the second stage of the cascade, which doubles a finished part's size and cleans it on the way.

A cascade (Ho et al. 2106.15282): SceneNet denoises all parts jointly at a size two cores can bear, this network paints
each part once more at twice the size. It is trained on SceneNet's own mistakes (truth noised to a level and denoised
again), told how strong they are (*conditioning augmentation*, section 4 there) and what the part shows. One pass, no
noise: the same input gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from psdstudio.engine.network import has_fast_bfloat16
from psdstudio.engine.network_blocks import ResBlock, fourier
from psdstudio.engine.pictures import pad_colour
from psdstudio.engine.rows import WORD_DIM
from psdstudio.engine.sharpening import sharpened

PAINTED_LEVEL = 0.4
"""Mistake level told for what SceneNet painted from pure noise: amid the trained ones, others were not tried."""
ENLARGED_LEVEL = 0.0
"""Level of the second doubling onwards: its input is already clean."""
MAX_DOUBLINGS = 3


@dataclass(frozen=True, slots=True)
class DetailConfig:
    """Widths at full, half and quarter input size and of the condition vector."""

    c0: int = 32
    c1: int = 64
    c2: int = 128
    c_out: int = 24
    c_cond: int = 128


class DetailNet(nn.Module):
    """A small U-Net from (n, 4, h, w) to (n, 4, 2h, 2w); h and w must be multiples of 4."""

    pooled_mean: Tensor
    pooled_whitening: Tensor

    def __init__(self, config: DetailConfig | None = None) -> None:
        super().__init__()
        cfg = self.config = config or DetailConfig()
        self.uses_bfloat16 = has_fast_bfloat16()
        c0, c1, c2, cc = cfg.c0, cfg.c1, cfg.c2, cfg.c_cond
        self.stem = nn.Conv2d(4, c0, 3, padding=1)
        self.down0 = ResBlock(c0, c0, cc)
        self.to1 = nn.Conv2d(c0, c1, 3, stride=2, padding=1)
        self.down1 = nn.ModuleList([ResBlock(c1, c1, cc), ResBlock(c1, c1, cc)])
        self.to2 = nn.Conv2d(c1, c2, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([ResBlock(c2, c2, cc) for _ in range(3)])
        self.from2 = nn.Conv2d(c2, c1, 1)
        self.up1 = nn.ModuleList([ResBlock(2 * c1, c1, cc), ResBlock(c1, c1, cc)])
        self.from1 = nn.Conv2d(c1, c0, 1)
        self.up0 = ResBlock(2 * c0, c0, cc)
        self.grow = nn.Conv2d(c0, 4 * cfg.c_out, 3, padding=1)
        self.head = nn.Conv2d(cfg.c_out, 4, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)
        self.level_in = nn.Sequential(nn.Linear(16, cc), nn.SiLU(), nn.Linear(cc, cc))
        self.words_in = nn.Linear(WORD_DIM, cc)
        self.register_buffer("pooled_mean", torch.zeros(WORD_DIM))
        self.register_buffer("pooled_whitening", torch.eye(WORD_DIM))

    def forward(self, picture: Tensor, level: Tensor, words: Tensor) -> Tensor:
        """Return the doubled picture, float32 in about -1..1.

        picture: (n, 4, h, w) straight RGBA in -1..1 with padded colour (alpha 1 for opaque parts); level: (n,) strength
        of the mistakes, 0 (none) .. 1; words: (n, 384) pooled words of the part, zeros when there are none.
        """
        with torch.autocast(picture.device.type, torch.bfloat16, enabled=self.uses_bfloat16):
            change = self._change(picture, level, words).float()
        return F.interpolate(picture, scale_factor=2, mode="bicubic", align_corners=False) + change

    def _change(self, picture: Tensor, level: Tensor, words: Tensor) -> Tensor:
        said = (words != 0).any(-1, keepdim=True)
        whitened = (words - self.pooled_mean) @ self.pooled_whitening * said
        cond = F.silu(self.level_in(fourier(level[:, None], 8)) + self.words_in(whitened))
        h0 = self.down0(self.stem(picture.contiguous(memory_format=torch.channels_last)), cond)
        h1 = self.to1(h0)
        for block in self.down1:
            h1 = block(h1, cond)
        h2 = self.to2(h1)
        for block in self.middle:
            h2 = block(h2, cond)
        h = torch.cat([F.interpolate(self.from2(h2), scale_factor=2.0, mode="nearest"), h1], dim=1)
        for block in self.up1:
            h = block(h, cond)
        h = torch.cat([F.interpolate(self.from1(h), scale_factor=2.0, mode="nearest"), h0], dim=1)
        h = F.pixel_shuffle(self.grow(self.up0(h, cond)), 2)
        out: Tensor = self.head(F.silu(h))
        return out


def doublings(painted: tuple[int, int], wanted: tuple[int, int]) -> int:
    """Return how often (h, w) must be doubled to reach the wanted size in both directions, at most MAX_DOUBLINGS."""
    count = 0
    while count < MAX_DOUBLINGS and (painted[0] << count < wanted[0] or painted[1] << count < wanted[1]):
        count += 1
    return count


def with_detail(net: DetailNet, picture: Tensor, words: Tensor, wanted: tuple[int, int]) -> Tensor:
    """Return a painted part (4, h, w) in 0..1 cleaned and doubled until it reaches `wanted` (h, w), at least once.

    Its soft inner edges are made steep after the first doubling (see `sharpening`): the later ones keep what is sharp.
    """
    h, w = picture.shape[-2:]
    # Repeated edges instead of grey ones where a side is no multiple of four.
    padded = F.pad(picture[None], (0, -w % 4, 0, -h % 4), mode="replicate")
    x = padded * 2 - 1
    for i in range(max(1, doublings((h, w), wanted))):
        level = torch.full((1,), PAINTED_LEVEL if i == 0 else ENLARGED_LEVEL)
        x = net(x, level, words[None]).clamp(-1, 1)
        if i == 0:
            x = _with_steep_edges(x)
        h, w = 2 * h, 2 * w
    return (x[0, :, :h, :w] + 1) / 2


def _with_steep_edges(x: Tensor) -> Tensor:
    """Sharpen (n, 4, h, w) in -1..1; the colour beyond the outline, which nobody sees, must not pass for an edge."""
    straight = (x + 1) / 2
    padded = pad_colour(torch.cat([straight[:, :3] * straight[:, 3:], straight[:, 3:]], dim=1))
    return sharpened(padded) * 2 - 1
