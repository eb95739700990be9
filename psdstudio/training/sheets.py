"""Picture sheets: what the network paints now, written beside every checkpoint."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from psdstudio.engine.flow import euler_step, layer_noise, noise_levels
from psdstudio.engine.network import SceneNet
from psdstudio.engine.plates import look_plate
from psdstudio.engine.rows import SEEN_DIM, RowRole, Rows
from psdstudio.engine.words import pool_words
from psdstudio.training.words import WordBank

MATTE = (0.75, 0.80, 0.85)


def sample_looks(
    net: SceneNet,
    bank: WordBank,
    captions: Sequence[str],
    *,
    px: int,
    steps: int,
    guidance: float,
    seed: int,
    plate: Tensor | None = None,
) -> Tensor:
    """Paint one look per caption (no scene): (n, 4, px, px) in -1..1. `plate`: (n, 5, px, px) references."""
    n = len(captions)
    x = torch.stack([layer_noise((4, px, px), seed * 1000 + i) for i in range(n)])[:, None]
    words, mask = bank(captions)
    light = torch.tensor([[1.0, 0.3, 0.3, 0.0, 0.0, 1.0]]).expand(n, -1)
    ground_words, ground_mask = bank([""])
    ground = pool_words(ground_words, ground_mask).expand(n, -1)
    reference = torch.zeros(n, 5, px, px) if plate is None else plate
    plates = look_plate(reference, captions)[:, None]
    levels = noise_levels(steps)
    guess = torch.zeros_like(x)
    for level, following in itertools.pairwise(levels):
        rows = Rows(
            group="look", x=x, guess=guess, plate=plates, seen=torch.zeros(n, SEEN_DIM),
            noise=torch.full((n, 1), level), role=torch.tensor([int(RowRole.LOOK)]),
            index=torch.ones(n, 1, dtype=torch.long),
            box=torch.tensor([0.35, 0.4, 0.4, 0.4]).expand(n, 1, 4), words=words[:, None], word_mask=mask[:, None],
            known=torch.zeros(n, 1, dtype=torch.bool), present=torch.ones(n, 1, dtype=torch.bool),
        )  # fmt: skip
        clean = net([rows], light, ground)[0]
        if guidance != 1.0 and 0.15 < level < 0.98:
            rows.word_mask = torch.zeros_like(rows.word_mask)
            bare = net([rows], light, ground)[0]
            clean = bare + guidance * (clean - bare)
        clean = clean.clamp(-1, 1)
        guess = clean
        x = euler_step(x, clean, level, following)
    return x[:, 0]


def matted(looks: Tensor) -> Tensor:
    """Return (n, 3, h, w) in 0..1: looks (n, 4, h, w) in -1..1 over the sheet's matte."""
    rgba = (looks.clamp(-1, 1) + 1) / 2
    alpha = rgba[:, 3:4]
    return rgba[:, :3] * alpha + (1 - alpha) * torch.tensor(MATTE).view(1, 3, 1, 1)


def write_sheet(path: Path, pictures: Tensor, columns: int) -> None:
    """Write pictures (n, 3, h, w) in 0..1 as a grid."""
    missing = -pictures.shape[0] % columns
    padded = torch.cat([pictures, pictures.new_ones(missing, *pictures.shape[1:])])
    rows = [torch.cat(list(row), dim=2) for row in torch.split(padded, columns)]
    sheet = (torch.cat(rows, dim=1).permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(sheet).save(path)
