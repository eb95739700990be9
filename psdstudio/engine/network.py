"""SceneNet: one network that denoises all parts of a layered scene together.

A scene is a set of rows: canvas rows (composite, background), one look per object and one effect row per object
(shadow density + reflection). Convolutions work on each row by itself; at the lowest resolution the tokens of all rows
attend to one another (*joint latent space*, *cross-layer attention*), the composite row being the *global layer*.
Every row has its own noise level: a known row enters clean, reads known rows only, and its keys and values can be
computed once (`know`). The layout (boxes, light) is denoised by the same attention blocks with no image rows at all.
The network predicts clean data (x-prediction; Li & He, JiT, 2511.13720).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from psdstudio.engine.copying import copied
from psdstudio.engine.network_blocks import JointBlock, KeyValue, ResBlock, TokenContext, fourier
from psdstudio.engine.places import PLACE_DIM, local_place, token_places
from psdstudio.engine.rows import (
    BOX_DIM,
    GROUPS,
    LIGHT_DIM,
    MAX_OBJECTS,
    SEEN_DIM,
    WORD_DIM,
    RowRole,
    Rows,
)
from psdstudio.engine.words import pool_words


@dataclass(frozen=True, slots=True)
class NetConfig:
    """Widths of the three resolutions, depth of the joint part, width of the condition vector."""

    c0: int = 64
    c1: int = 192
    c2: int = 384
    joint_blocks: int = 4
    heads: int = 6
    c_cond: int = 384


@dataclass(slots=True)
class KnownRows:
    """Keys and values of known rows for every joint block, each (b, heads, n, d), and which are present (b, n)."""

    keys: list[KeyValue]
    present: Tensor

    def repeated(self, times: int) -> KnownRows:
        """Return the same rows for a batch of `times` copies of one scene; nothing is copied."""
        keys = [(k.expand(times, -1, -1, -1), v.expand(times, -1, -1, -1)) for k, v in self.keys]
        return KnownRows(keys, self.present.expand(times, -1))


class SceneNet(nn.Module):
    """See the module text."""

    token_mean: Tensor
    token_scale: Tensor
    pooled_mean: Tensor
    pooled_whitening: Tensor

    def __init__(self, config: NetConfig | None = None) -> None:
        super().__init__()
        cfg = self.config = config or NetConfig()
        self.uses_bfloat16 = has_fast_bfloat16()
        c0, c1, c2, cc = cfg.c0, cfg.c1, cfg.c2, cfg.c_cond
        self.stems = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        for name, spec in GROUPS.items():
            cells = spec.unshuffle**2
            self.stems[name] = nn.Conv2d((2 * spec.channels + spec.plate) * cells, c0, 1)
            head = nn.Conv2d(c0, (spec.channels + spec.copies) * cells, 3, padding=1)
            nn.init.zeros_(head.weight)
            assert head.bias is not None
            nn.init.zeros_(head.bias)
            self.heads[name] = nn.Sequential(nn.GroupNorm(16, c0), nn.SiLU(), head)
        self.down0 = nn.ModuleList([ResBlock(c0, c0, cc)])
        self.to1 = nn.Conv2d(c0, c1, 3, stride=2, padding=1)
        self.down1 = nn.ModuleList([ResBlock(c1, c1, cc)])
        self.to2 = nn.Conv2d(c1, c2, 3, stride=2, padding=1)
        self.down2 = ResBlock(c2, c2, cc)
        self.up2 = ResBlock(c2, c2, cc)
        self.from2 = nn.Conv2d(c2, c1, 1)
        self.up1 = nn.ModuleList([ResBlock(2 * c1, c1, cc), ResBlock(c1, c1, cc)])
        self.from1 = nn.Conv2d(c1, c0, 1)
        self.up0 = nn.ModuleList([ResBlock(2 * c0, c0, cc), ResBlock(c0, c0, cc)])
        self.blocks = nn.ModuleList(
            [JointBlock(c2, cfg.heads, reads_words=i % 2 == 0) for i in range(cfg.joint_blocks)]
        )
        self.place0 = nn.Linear(PLACE_DIM, c0)
        self.place1 = nn.Linear(PLACE_DIM, c1)
        for place in (self.place0, self.place1):
            nn.init.zeros_(place.weight)
            nn.init.zeros_(place.bias)
        self.modulation = nn.Linear(cc, 6 * c2)
        self.place = nn.Linear(6 * 12, c2)
        self.word_in = nn.Linear(WORD_DIM, c2)
        self._build_condition(cc)
        self._build_word_statistics()
        self.layout_in = nn.Linear(BOX_DIM, c2)
        self.layout_out = nn.Linear(c2, BOX_DIM)
        self.light_in = nn.Linear(LIGHT_DIM, c2)
        self.light_out = nn.Linear(c2, LIGHT_DIM)

    def _build_condition(self, cc: int) -> None:
        self.noise_in = nn.Sequential(nn.Linear(32, cc), nn.SiLU(), nn.Linear(cc, cc))
        self.role_in = nn.Embedding(len(RowRole), cc)
        self.index_in = nn.Embedding(MAX_OBJECTS + 2, cc)
        self.known_in = nn.Embedding(2, cc)
        self.box_in = nn.Linear(BOX_DIM * 12, cc)
        self.light_cond = nn.Linear(LIGHT_DIM, cc)
        self.seen_in = nn.Linear(SEEN_DIM, cc)
        self.own_words = nn.Sequential(nn.Linear(WORD_DIM, cc), nn.SiLU(), nn.Linear(cc, cc))
        self.ground_words = nn.Linear(WORD_DIM, cc)
        self.cond_out = nn.Sequential(nn.SiLU(), nn.Linear(cc, cc), nn.SiLU())

    def _build_word_statistics(self) -> None:
        # The encoder's states share a large common part and names differ little beside it: without whitening the first
        # hour of training went into telling them apart.
        self.register_buffer("token_mean", torch.zeros(WORD_DIM))
        self.register_buffer("token_scale", torch.ones(WORD_DIM))
        self.register_buffer("pooled_mean", torch.zeros(WORD_DIM))
        self.register_buffer("pooled_whitening", torch.eye(WORD_DIM))

    @torch.no_grad()
    def set_word_statistics(self, words: Tensor, mask: Tensor) -> None:
        """Take mean, spread and whitening of the words from captions: (n, t, 384) states and (n, t) mask."""
        tokens = words[mask]
        self.token_mean.copy_(tokens.mean(0))
        self.token_scale.copy_(tokens.std(0).clamp(min=1e-3).reciprocal())
        pooled = pool_words(words, mask)
        self.pooled_mean.copy_(pooled.mean(0))
        values, vectors = torch.linalg.eigh(torch.cov(pooled.T))
        damped = (values.clamp(min=0) + 0.1 * values.mean()).rsqrt()
        self.pooled_whitening.copy_(vectors @ torch.diag(damped) @ vectors.T)

    def _whitened(self, pooled: Tensor) -> Tensor:
        """Whiten pooled words (..., 384); words that are absent (all zero) stay zero."""
        said = (pooled != 0).any(-1, keepdim=True)
        return (pooled - self.pooled_mean) @ self.pooled_whitening * said

    def _tokens(self, words: Tensor, said: Tensor) -> Tensor:
        """Words as the blocks read them; unsaid ones (`said` False) are all alike, whatever stands in `words`."""
        out: Tensor = self.word_in((words * said[..., None] - self.token_mean) * self.token_scale)
        return out

    def _condition(self, rows: Rows, light: Tensor, ground: Tensor) -> Tensor:
        """(b, r, c_cond); `light` (b, 6), `ground` (b, 384) pooled background words."""
        pooled = self._whitened(pool_words(rows.words, rows.word_mask))
        total = (
            self.noise_in(fourier(rows.noise[..., None], 16))
            + self.role_in(rows.role)[None]
            + self.index_in(rows.index)
            + self.known_in(rows.known.long())
            + self.box_in(fourier(rows.box, 6))
            + self.own_words(pooled)
            + (self.light_cond(light) + self.seen_in(rows.seen) + self.ground_words(self._whitened(ground)))[
                :, None
            ]
        )
        out: Tensor = self.cond_out(total)
        return out

    def _descend(self, rows: Rows, cond: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        spec = GROUPS[rows.group]
        pixels = torch.cat([rows.x, rows.guess, rows.plate], dim=2).flatten(0, 1)
        h = F.pixel_unshuffle(pixels, spec.unshuffle).contiguous(memory_format=torch.channels_last)
        # At high noise the picture must come from the words: convolutions need to know where they are for that.
        h = self.stems[rows.group](h)
        h = h + local_place(h, self.place0)
        for block in self.down0:
            h = block(h, cond)
        skip0 = h
        h = self.to1(h)
        h = h + local_place(h, self.place1)
        for block in self.down1:
            h = block(h, cond)
        skip1 = h
        return self.down2(self.to2(h), cond), (skip0, skip1)

    def _ascend(self, rows: Rows, h: Tensor, skips: tuple[Tensor, Tensor], cond: Tensor) -> Tensor:
        skip0, skip1 = skips
        h = self.up2(h, cond)
        h = F.interpolate(self.from2(h), size=skip1.shape[-2:], mode="nearest")
        h = torch.cat([h, skip1], dim=1)
        for block in self.up1:
            h = block(h, cond)
        h = F.interpolate(self.from1(h), size=skip0.shape[-2:], mode="nearest")
        h = torch.cat([h, skip0], dim=1)
        for block in self.up0:
            h = block(h, cond)
        out = F.pixel_shuffle(self.heads[rows.group](h), GROUPS[rows.group].unshuffle).float()
        return copied(rows, torch.unflatten(out, 0, rows.x.shape[:2]))

    def _join(
        self,
        groups: Sequence[Rows],
        h: list[Tensor],
        conds: list[Tensor],
        known: KnownRows | None,
        collect: bool,
    ) -> tuple[list[Tensor], list[KeyValue] | None]:
        """Run the joint blocks over the tokens of all groups; h[i]: (b * r_i, c2, h_i, w_i)."""
        b = groups[0].x.shape[0]
        tokens, row_of, first = [], [], 0
        for rows, low in zip(groups, h, strict=True):
            r, size = rows.x.shape[1], low.shape[-2:]
            place = self.place(token_places(rows.box, size)).flatten(1, 2)
            tokens.append(low.flatten(2).transpose(1, 2).reshape(b, r * size.numel(), -1) + place)
            row_of.append(torch.arange(first, first + r, device=low.device).repeat_interleave(size.numel()))
            first += r
        x, owner = torch.cat(tokens, dim=1), torch.cat(row_of)
        words = torch.cat([rows.words for rows in groups], dim=1)
        said = torch.cat([rows.word_mask for rows in groups], dim=1)
        ctx = TokenContext(
            row_of=owner,
            modulation=self.modulation(torch.cat(conds, dim=1)),
            words=self._tokens(words, said).flatten(0, 1),
            words_allowed=said.flatten(0, 1)[:, None, None],
            allowed=_allowed(groups, owner, known),
            cached=known.keys if known is not None else None,
            collect=[] if collect else None,
        )
        for i, block in enumerate(self.blocks):
            x = block(x, ctx, i)
        lows, start = [], 0
        for low, rows in zip(h, groups, strict=True):
            n = rows.x.shape[1] * low.shape[-1] * low.shape[-2]
            lows.append(
                x[:, start : start + n]
                .reshape(low.shape[0], -1, low.shape[1])
                .transpose(1, 2)
                .reshape_as(low)
            )
            start += n
        return [f.contiguous(memory_format=torch.channels_last) for f in lows], ctx.collect

    def forward(
        self, groups: Sequence[Rows], light: Tensor, ground: Tensor, known: KnownRows | None = None
    ) -> list[Tensor]:
        """Predict the clean state of every row, in the order of `groups`; each (b, r, c, h, w) float32 in about -1..1.

        `light`: (b, 6); `ground`: (b, 384) pooled words of the background. `known`: rows seen but not computed.
        """
        with self._precision(light):
            return self._forward(groups, light, ground, known)

    def _precision(self, like: Tensor) -> torch.autocast:
        # bf16 halves the time where the processor has it; without it (most laptops) bf16 is far slower than float32.
        return torch.autocast(like.device.type, torch.bfloat16, enabled=self.uses_bfloat16)

    def _forward(
        self, groups: Sequence[Rows], light: Tensor, ground: Tensor, known: KnownRows | None
    ) -> list[Tensor]:
        conds = [self._condition(rows, light, ground) for rows in groups]
        down = [self._descend(rows, c.flatten(0, 1)) for rows, c in zip(groups, conds, strict=True)]
        joined, _ = self._join(groups, [d[0] for d in down], conds, known, collect=False)
        return [
            self._ascend(rows, low, d[1], c.flatten(0, 1))
            for rows, low, d, c in zip(groups, joined, down, conds, strict=True)
        ]

    def know(self, groups: Sequence[Rows], light: Tensor, ground: Tensor) -> KnownRows:
        """Compute once what free rows will read of known rows (all rows of `groups` must be known)."""
        with self._precision(light):
            conds = [self._condition(rows, light, ground) for rows in groups]
            down = [self._descend(rows, c.flatten(0, 1))[0] for rows, c in zip(groups, conds, strict=True)]
            _, collected = self._join(groups, down, conds, None, collect=True)
        assert collected is not None
        present = torch.cat(
            [
                rows.present.repeat_interleave(low.shape[-1] * low.shape[-2], dim=1)
                for rows, low in zip(groups, down, strict=True)
            ],
            dim=1,
        )
        return KnownRows(keys=collected, present=present)

    def arrange(
        self,
        layout: Rows,
        light_state: Tensor,
        light_noise: Tensor,
        ground: Tensor,
        known: KnownRows | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Layout path: predict clean boxes (b, k, 4) and light (b, 6) from noisy ones.

        `layout.x`: (b, k, 4, 1, 1) in layout units (`frames.encode_box`), role LAYOUT; the light token is added here.
        `known`: a picture to arrange by (a kept background, a flat picture to be split), else there are no image rows.
        """
        with self._precision(light_state):
            return self._arrange(layout, light_state, light_noise, ground, known)

    def _arrange(
        self,
        layout: Rows,
        light_state: Tensor,
        light_noise: Tensor,
        ground: Tensor,
        known: KnownRows | None,
    ) -> tuple[Tensor, Tensor]:
        b, k = layout.x.shape[:2]
        cond = self._condition(layout, torch.zeros_like(light_state), ground)
        light_cond = self.cond_out(
            self.noise_in(fourier(light_noise[:, None], 16))
            + self.role_in.weight[RowRole.LIGHT]
            + self.ground_words(self._whitened(ground))
        )
        x = torch.cat([self.layout_in(layout.x.flatten(2)), self.light_in(light_state)[:, None]], dim=1)
        words = F.pad(layout.words, (0, 0, 0, 0, 0, 1))
        word_mask = F.pad(layout.word_mask, (0, 0, 0, 1), value=True)
        present = F.pad(layout.present, (0, 1), value=True)
        if known is not None:
            present = torch.cat([present, known.present.expand(b, -1)], dim=1)
        ctx = TokenContext(
            row_of=torch.arange(k + 1, device=x.device),
            modulation=self.modulation(torch.cat([cond, light_cond[:, None]], dim=1)),
            words=self._tokens(words, word_mask).flatten(0, 1),
            words_allowed=word_mask.flatten(0, 1)[:, None, None],
            allowed=present[:, None, None, :].expand(b, 1, k + 1, -1),
            cached=known.keys if known is not None else None,
            collect=None,
        )
        for i, block in enumerate(self.blocks):
            x = block(x, ctx, i)
        return self.layout_out(x[:, :k]).float(), self.light_out(x[:, k]).float()


def has_fast_bfloat16() -> bool:
    """Whether this machine computes in bfloat16 faster than in float32 (AVX-512 bf16, AMX or a GPU)."""
    return torch.cuda.is_available() or bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001  # no public twin


def _allowed(groups: Sequence[Rows], owner: Tensor, known: KnownRows | None) -> Tensor | None:
    """Which key token a query token may read: present ones; known queries read known keys only (one-way mask)."""
    row_known = torch.cat([rows.known for rows in groups], dim=1)[:, owner]
    row_present = torch.cat([rows.present for rows in groups], dim=1)[:, owner]
    readable = row_present[:, None, :] & (~row_known[:, :, None] | row_known[:, None, :])
    same_row = owner[:, None] == owner[None, :]
    readable = readable | same_row[None]
    if known is not None:
        cached = known.present[:, None, :].expand(-1, readable.shape[1], -1)
        readable = torch.cat([readable, cached], dim=2)
    return readable[:, None]
