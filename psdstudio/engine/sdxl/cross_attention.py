"""Layer cross-attention: where words act is read from one row (maps) and told to the others (steering); references.

For the queries of row i at place x and the keys of its words n:

    p_i(x, n) = softmax_n(q_i(x) . k_i(n) / sqrt(d))

Watched: `M_s(x) = minmax_x(mean over layers and heads of sum_{n in span s} p(x, n))` of one row, the composite's, at a
quarter of the latents. Source: context-aware cross-attention of DreamLayer (2503.12838, section 3.2); there the maps
are summed over layers and refined by trained blocks, here they are as the base weights make them.

Steered: `p'_i(x, n) = w_i(x, n) p_i(x, n) / sum_m w_i(x, m) p_i(x, m)`. That is the softmax with `log w` added to the
logits, so it runs in torch's fused kernels. The reweighting by layer is PSDiffusion's idea (2505.11468, by its name);
the formula is that of attention reweighting in Prompt-to-Prompt (2208.01626, section 3.2), made to sum to 1 by us.

References: decoupled cross-attention of IP-Adapter (2308.06721, equation 5): `out_i += s_i Attention(q_i, K', V')` with
keys and values of image tokens by weights of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from psdstudio.engine.sdxl.call_slot import CallSlot
from psdstudio.engine.sdxl.rows import MAP_SCALE, Watch

SMALLEST = 1e-30
"""Stands for a weight of 0: its logarithm is finite, also in fp16, and where all weights are 0 nothing changes."""


class ImageProjections(Protocol):
    """Keys and values of image tokens at one layer."""

    def __call__(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values (k, m, c) of tokens (k, m, words' width)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReading:
    """Rows that read image tokens: `rows` (k,) their places, `tokens` (k, m, width), `scales` (k,)."""

    rows: Tensor
    tokens: Tensor
    scales: Tensor


@dataclass(slots=True)
class MapSum:
    """Adds up what the watched row's layers say: `total` (spans, places) over `layers` layers."""

    total: Tensor | None = None
    layers: int = 0

    def add(self, probabilities: Tensor) -> None:
        """Add one layer's (spans, places)."""
        self.total = probabilities if self.total is None else self.total + probabilities
        self.layers += 1

    def maps(self, height: int, width: int) -> Tensor:
        """Return (spans, height, width) float32, each from 0 to 1 by min-max; all 0 where a map is flat."""
        if self.total is None:
            raise RuntimeError("maps were asked of a network that has no layers to watch")
        mean = self.total / self.layers
        low, high = mean.amin(dim=1, keepdim=True), mean.amax(dim=1, keepdim=True)
        scaled = (mean - low) / (high - low).clamp_min(torch.finfo(mean.dtype).tiny)
        return scaled.reshape(-1, height, width)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCall:
    """What cross-attention layers must know of an evaluation.

    Attributes:
        height: Of the latents.
        width: Of the latents.
        weights: (r, n, height / 4, width / 4) of `Steering`, or None.
        watch: Whose maps are asked for, or None.
        maps: Receives them.
        images: Who reads image tokens, or None.
    """

    height: int
    width: int
    weights: Tensor | None = None
    watch: Watch | None = None
    maps: MapSum = field(default_factory=MapSum)
    images: ImageReading | None = None
    _biases: dict[int, Tensor] = field(default_factory=dict, init=False)

    def bias(self, places: int, dtype: torch.dtype) -> Tensor | None:
        """Return `log w` at a layer of so many places: (r, 1, places, n) to be added to the logits, or None."""
        if self.weights is None:
            return None
        if places not in self._biases:
            self._biases[places] = log_weights(self.weights, self._size_at(places)).to(dtype)
        return self._biases[places]

    def _size_at(self, places: int) -> tuple[int, int]:
        height, width = self.height, self.width
        while height * width > places:
            height, width = (height + 1) // 2, (width + 1) // 2  # as a convolution of stride 2 leaves it
        return height, width


def log_weights(weights: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the logarithm of `weights` (r, n, h, w), bilinearly resampled to `size`: (r, 1, height * width, n)."""
    resampled = weights.float()
    if tuple(weights.shape[-2:]) != size:
        resampled = functional.interpolate(resampled, size, mode="bilinear", align_corners=False)
    return resampled.flatten(2).transpose(1, 2).clamp_min(SMALLEST).log()[:, None]


class LayerCrossAttention:
    """Attention processor of one cross-attention layer (`attn2` of a transformer block)."""

    def __init__(
        self, slot: CallSlot[CrossCall], *, watched: bool, images: ImageProjections | None = None
    ) -> None:
        self._slot = slot
        self._watched = watched
        self.images = images

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """`hidden_states`: (r, t, c), `encoder_hidden_states`: (r, n, words' width); returns (r, t, c)."""
        call = self._slot.now
        query = _heads(attn.to_q(hidden_states), attn.heads)
        key = _heads(attn.to_k(encoder_hidden_states), attn.heads)
        value = _heads(attn.to_v(encoder_hidden_states), attn.heads)
        bias = call.bias(hidden_states.shape[1], query.dtype)
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        if self._watched and call.watch is not None:
            call.maps.add(_watched(query, key, bias, call.watch))
        if self.images is not None and call.images is not None:
            out = _with_images(out, query, call.images, self.images)
        projected: Tensor = attn.to_out[1](attn.to_out[0](out.transpose(1, 2).flatten(2)))
        return projected


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


def _watched(query: Tensor, key: Tensor, bias: Tensor | None, watch: Watch) -> Tensor:
    """Return the watched row's probabilities as they act: (spans, places) float32."""
    row = watch.row
    logits = (query[row] @ key[row].transpose(-1, -2)).float() * query.shape[-1] ** -0.5
    if bias is not None:
        logits = logits + bias[row]
    probabilities = logits.softmax(-1).mean(0)
    return torch.stack([probabilities[:, start:end].sum(1) for start, end in watch.spans])


def _with_images(out: Tensor, query: Tensor, reading: ImageReading, images: ImageProjections) -> Tensor:
    """Return `out` (r, heads, t, d) with what the reading rows see in their image tokens added."""
    key, value = (_heads(x, query.shape[1]) for x in images(reading.tokens.to(query.dtype)))
    seen = functional.scaled_dot_product_attention(query[reading.rows], key, value)
    return out.index_add(0, reading.rows, seen * reading.scales.to(seen.dtype)[:, None, None, None])


def check_maps(height: int, width: int) -> tuple[int, int]:
    """Return the size of maps for latents of this size. ValueError when it is no whole number."""
    if height % MAP_SCALE or width % MAP_SCALE:
        raise ValueError(f"maps need latents whose sides are multiples of {MAP_SCALE}, not {height}x{width}")
    return height // MAP_SCALE, width // MAP_SCALE
