"""Words as the network reads them: pooling, and the composite row's words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pool_words(words: Tensor, mask: Tensor) -> Tensor:
    """Mean of token states (..., t, d) over the tokens that `mask` (..., t) marks; zeros when there is none."""
    weight = mask.to(words.dtype)[..., None]
    return (words * weight).sum(-2) / weight.sum(-2).clamp(min=1)


def scene_words(words: Tensor, mask: Tensor, ground: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return the composite row's words: one token per object and one for the ground, (b, length, 384) and its mask.

    words: (b, k, t, 384) and mask (b, k, t) of the objects; ground: (b, 384) pooled background words. The whole scene
    is said by its parts, so a sentence of any length fits.
    """
    tokens = torch.cat([pool_words(words, mask), ground[:, None]], dim=1)
    said = torch.cat([mask.any(-1), (ground != 0).any(-1, keepdim=True)], dim=1)
    fill = length - tokens.shape[1]
    return F.pad(tokens, (0, 0, 0, fill)), F.pad(said, (0, fill))
