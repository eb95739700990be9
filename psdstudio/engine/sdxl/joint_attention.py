"""Partial joint self-attention: at chosen levels of the UNet, rows of a group read one another's keys and values.

For row i of a group, with the queries, keys and values that the published weights make of each row by itself:

    out_i = softmax(Q_i K^T / sqrt(d)) V,   K = [K_j : j visible to i],  V = [V_j : j visible to i]

Source of joining the keys and values of all layers: layer-shared self-attention of DreamLayer (2503.12838, section
3.3), whose name in PSDiffusion (2505.11468) is partial joint self-attention. Ours: at which levels, and who sees whom.

Visible to a free row: all rows of its group, and those rows of the memory that name no reader or name it. Visible to a
kept row: kept rows. So nothing a kept row says depends on what is being made, and its keys and values can be stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from psdstudio.engine.sdxl.call_slot import CallSlot
from psdstudio.engine.sdxl.rows import RowIdentity, RowRole
from psdstudio.errors import ModelIncompatible

JOINT_LEVEL = ("down_blocks.2.", "mid_block.", "up_blocks.0.")
"""Where layers meet at a quarter of the latents: 32x32 for a picture of 1024x1024, 60 of SDXL's 70 blocks."""
WIDE_LEVEL = ("down_blocks.1.", "up_blocks.1.")
"""The level above, at half of the latents: 64x64, the other 10 blocks; sixteen times the cost of a block."""
MEETING = {False: 2, True: 1}
"""By `wide`: rows meet in each second block of the deepest level, or in each one of both levels where the user wants it
finer. In each second one a scene costs 1.05 (one object) to 1.17 times (six) the arithmetic of independent rows, in
each 1.10 to 1.33; that sixty blocks share more than thirty is not known."""
QUERY_CHUNK = 16384
"""Queries of one group that are asked at once: bounds the memory where torch has no fused kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Rows of each group that read the same: places of rows in a group and in the memory.

    Attributes:
        queries: The rows that ask.
        keys: The rows that all of them read; None when each reads itself alone.
        memory: The rows of the memory that all of them read besides.
    """

    queries: tuple[int, ...]
    keys: tuple[int, ...] | None
    memory: tuple[int, ...] = ()


def readings(
    identities: Sequence[RowIdentity],
    readers: Sequence[int | None] = (),
    *,
    joint: bool = True,
    composite_read: bool = True,
) -> tuple[Reading, ...]:
    """Return who reads whom in a group of these rows beside a memory of these `readers`; each row asks once.

    Kept rows read kept rows and never the memory. Without `joint` no row reads another row, only itself and memory.
    Without `composite_read` layers do not read the composite, which reads them all the same.
    """
    kept = tuple(i for i, row in enumerate(identities) if row.kept)
    everyone = tuple(range(len(identities)))
    layers = tuple(i for i in everyone if identities[i].role is not RowRole.COMPOSITE)
    free: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for i, row in enumerate(identities):
        if not row.kept:
            keys = everyone if composite_read or row.role is RowRole.COMPOSITE else layers
            free.setdefault((_visible(row, readers), keys), []).append(i)
    found = [
        Reading(queries=tuple(rows), keys=keys if joint else None, memory=memory)
        for (memory, keys), rows in free.items()
    ]
    if kept:
        found.append(Reading(queries=kept, keys=kept if joint else None))
    return tuple(found)


def remembering(readers: Sequence[int | None]) -> tuple[Reading, ...]:
    """Return who reads whom among rows to be remembered: all that everyone may read one another, others themselves."""
    shared = tuple(i for i, reader in enumerate(readers) if reader is None)
    own = tuple(i for i, reader in enumerate(readers) if reader is not None)
    found = [Reading(queries=shared, keys=shared)] if shared else []
    return (*found, Reading(queries=own, keys=None)) if own else tuple(found)


def _visible(row: RowIdentity, readers: Sequence[int | None]) -> tuple[int, ...]:
    own = row.order if row.role is RowRole.OBJECT else None
    return tuple(i for i, reader in enumerate(readers) if reader is None or reader == own)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointCall:
    """What joint layers must know of an evaluation.

    Attributes:
        groups: How many groups of equal length the rows are.
        readings: Of the rows of each group; together they name every row once.
        remembering: Layers store their keys and values.
        ending: The last layer then raises `AllRemembered`.
    """

    groups: int
    readings: tuple[Reading, ...]
    remembering: bool = False
    ending: bool = False


class AllRemembered(Exception):
    """No error: all keys and values are stored, and what comes after them (a fifth of SDXL) is not wanted."""


class JointSelfAttention:
    """Attention processor of one joint layer (`attn1` of a transformer block).

    It does not know its name: torch.compile would make code of its own for each block that does.

    Attributes:
        memory: Keys and values (m, tokens, c) of this layer that were remembered before, or None.
        remembered: Those of the last evaluation that was to be remembered.
    """

    def __init__(
        self, slot: CallSlot[JointCall], *, last: bool = False, query_chunk: int = QUERY_CHUNK
    ) -> None:
        self.memory: tuple[Tensor, Tensor] | None = None
        self.remembered: tuple[Tensor, Tensor] | None = None
        self._slot = slot
        self._last = last
        self._query_chunk = query_chunk

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """`hidden_states`: (r, t, c) of all rows of all groups; the result has the same shape."""
        call = self._slot.now
        query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        if call.remembering:
            self.remembered = (key, value)
            if call.ending and self._last:
                raise AllRemembered
        out = attended(query, key, value, call, self.memory, heads=attn.heads, query_chunk=self._query_chunk)
        projected: Tensor = attn.to_out[1](attn.to_out[0](out))
        return projected


def attended(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    call: JointCall,
    memory: tuple[Tensor, Tensor] | None,
    *,
    heads: int,
    query_chunk: int = QUERY_CHUNK,
) -> Tensor:
    """Return what each row reads: (r, t, c) from `query`, `key` and `value` (r, t, c) and memory (m, tokens, c).

    Rows that see the same are asked together and rows they do not see are left out of the keys, so that no mask is
    needed and every case runs in torch's fused kernels.
    """
    rows = [x.reshape(call.groups, -1, *x.shape[1:]) for x in (query, key, value)]
    parts = []
    for reading in call.readings:
        asked = _picked(rows[0], reading.queries)
        shape = asked.shape
        own = reading.keys is None
        sources = [_picked(x, reading.queries if reading.keys is None else reading.keys) for x in rows[1:]]
        asked, keys, values = (x.flatten(0, 1) if own else x.flatten(1, 2) for x in (asked, *sources))
        if reading.memory and memory is not None:
            keys, values = (
                torch.cat([x, _lined_up(kept, reading.memory, like=x)], dim=1)
                for x, kept in zip((keys, values), memory, strict=True)
            )
        parts.append(_dot_product(asked, keys, values, heads, query_chunk).reshape(shape))
    if len(parts) == 1:  # the readings of one part are in the order of the rows
        return parts[0].flatten(0, 1)
    asking = [row for reading in call.readings for row in reading.queries]
    places = sorted(range(len(asking)), key=asking.__getitem__)
    return torch.cat(parts, dim=1)[:, places].flatten(0, 1)


def _picked(rows: Tensor, places: tuple[int, ...]) -> Tensor:
    """Return rows (g, n, t, c) at `places`: a view where they follow one another."""
    if places == tuple(range(places[0], places[0] + len(places))):
        return rows[:, places[0] : places[0] + len(places)]
    return rows[:, list(places)]


def _lined_up(memory: Tensor, places: tuple[int, ...], *, like: Tensor) -> Tensor:
    """Return rows of memory (m, tokens, c) as further tokens of each batch entry: (b, places * tokens, c)."""
    tokens = _picked(memory[None], places).to(device=like.device, dtype=like.dtype).flatten(1, 2)
    return tokens.expand(like.shape[0], -1, -1)


def _dot_product(query: Tensor, key: Tensor, value: Tensor, heads: int, chunk: int) -> Tensor:
    """Dot-product attention (Vaswani et al. 1706.03762, eq. 1) of (b, tokens, c): torch applies 1 / sqrt(d)."""
    query, key, value = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    pieces = [
        functional.scaled_dot_product_attention(piece, key, value)
        for piece in torch.split(query, chunk, dim=2)
    ]
    out = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=2)
    return out.transpose(1, 2).flatten(2)


def joint_layers(names: Iterable[str], *, wide: bool, every: int = 1) -> tuple[str, ...]:
    """Return which of the UNet's modules attend jointly, in the order of evaluation.

    Args:
        names: Of all modules.
        wide: Include the level above.
        every: Of the transformer blocks in a row only each second, third, ... is joint, the last ones of such a run.

    Raises ModelIncompatible when there are none.
    """
    levels = JOINT_LEVEL + (WIDE_LEVEL if wide else ())
    found = [name for name in names if name.startswith(levels) and name.endswith(".attn1")]
    chosen = [name for name in found if (int(name.split(".")[-2]) + 1) % every == 0]
    if not chosen:
        raise ModelIncompatible(
            "This model has no layers in which the pictures of a scene could see one another.",
            "Choose a model of the SDXL family.",
        )
    return tuple(sorted(chosen, key=lambda name: ("down", "mid", "up").index(name.split("_")[0])))
