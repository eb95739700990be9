"""Building blocks of SceneNet: conditioned residual blocks (per row) and joint attention blocks (over all rows).

Sources: adaptive group norm from Dhariwal & Nichol 2105.05233 section 3; adaptive layer norm with zero-initialised
gates from Peebles & Xie 2212.09748 section 3.2, its modulation shared by all blocks as in Chen et al. 2310.00426.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KeyValue = tuple[Tensor, Tensor]


def fourier(values: Tensor, octaves: int) -> Tensor:
    """Return sines and cosines of `values` (..., n) at frequencies pi * 2**k: (..., n * 2 * octaves) float32."""
    freq = math.pi * 2.0 ** torch.arange(octaves, device=values.device, dtype=torch.float32)
    angle = (values.float()[..., None] * freq).flatten(-2)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None) -> Tensor:
    """Dot-product attention (Vaswani et al. 1706.03762, eq. 1); (b, heads, n, d), `allowed` broadcast over heads.

    Written out: for our few hundred tokens torch's fused kernel is up to six times slower on the CPU in training.
    """
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -3e4)
    out: Tensor = scores.softmax(-1) @ v
    return out


class ResBlock(nn.Module):
    """Two 3x3 convolutions, scaled and shifted by the row's condition; (n, c, h, w) -> (n, out, h, w)."""

    def __init__(self, c_in: int, c_out: int, c_cond: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(16, c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(16, c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.modulate = nn.Linear(c_cond, 2 * c_out)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """`cond`: (n, c_cond), one vector a row."""
        scale, shift = self.modulate(cond)[..., None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        out: Tensor = self.skip(x) + h
        return out


@dataclass(slots=True)
class TokenContext:
    """What the joint blocks need besides the tokens.

    `row_of`: (n,) index of the row each token belongs to. `modulation`: (b, rows, 6 * dim). `words`: (b * rows, t, dim)
    and `words_allowed`: (b * rows, 1, 1, t) bool. `allowed`: (b, 1, n, n_keys) bool or None. `cached`: keys and values
    of known rows per block, appended to the keys. `collect`: a list that receives this call's keys and values.
    """

    row_of: Tensor
    modulation: Tensor
    words: Tensor
    words_allowed: Tensor
    allowed: Tensor | None
    cached: list[KeyValue] | None
    collect: list[KeyValue] | None


class JointBlock(nn.Module):
    """Joint self-attention over the tokens of all rows, cross-attention of each row to its own words, and an MLP."""

    def __init__(self, dim: int, heads: int, *, reads_words: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim, elementwise_affine=False)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim, elementwise_affine=False)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(approximate="tanh"), nn.Linear(4 * dim, dim)
        )
        self.table = nn.Parameter(torch.zeros(6 * dim))
        self.reads_words = reads_words
        if reads_words:
            self.norm_words = nn.LayerNorm(dim)
            self.word_q = nn.Linear(dim, dim)
            self.word_kv = nn.Linear(dim, 2 * dim)
            self.word_out = nn.Linear(dim, dim)
            nn.init.zeros_(self.word_out.weight)
            nn.init.zeros_(self.word_out.bias)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:-1], self.heads, x.shape[-1] // self.heads).transpose(1, 2)

    def forward(self, x: Tensor, ctx: TokenContext, index: int) -> Tensor:
        """`x`: (b, n, dim) tokens of all rows of each scene."""
        parts = (ctx.modulation + self.table)[:, ctx.row_of].chunk(6, dim=-1)
        scale1, shift1, gate1, scale2, shift2, gate2 = parts
        q, k, v = (self._split(p) for p in self.qkv(self.norm1(x) * (1 + scale1) + shift1).chunk(3, dim=-1))
        if ctx.collect is not None:
            ctx.collect.append((k, v))
        if ctx.cached is not None:
            k = torch.cat([k, ctx.cached[index][0].to(k.dtype)], dim=2)
            v = torch.cat([v, ctx.cached[index][1].to(v.dtype)], dim=2)
        attended = attend(q, k, v, ctx.allowed)
        x = x + gate1 * self.out(attended.transpose(1, 2).flatten(2))
        if self.reads_words:
            x = x + self._read_words(x, ctx)
        out: Tensor = x + gate2 * self.mlp(self.norm2(x) * (1 + scale2) + shift2)
        return out

    def _read_words(self, x: Tensor, ctx: TokenContext) -> Tensor:
        # Every row attends to its own words only. Rows have different numbers of tokens, so the words of a token's row
        # are chosen by a mask over all words of the scene: a few hundred keys, cheaper than splitting the rows.
        b, rows = ctx.modulation.shape[:2]
        k, v = (
            self._split(p)
            for p in self.word_kv(ctx.words).unflatten(0, (b, rows)).flatten(1, 2).chunk(2, dim=-1)
        )
        q = self._split(self.word_q(self.norm_words(x)))
        t = ctx.words.shape[1]
        own = ctx.row_of[:, None] == torch.arange(rows, device=x.device).repeat_interleave(t)[None]
        # A row without words reads its own blank tokens: with nothing allowed, it would average everybody's words.
        readable = ctx.words_allowed | ~ctx.words_allowed.any(-1, keepdim=True)
        mask = own[None, None] & readable.view(b, 1, 1, rows * t)
        read = attend(q, k, v, mask)
        out: Tensor = self.word_out(read.transpose(1, 2).flatten(2))
        return out
