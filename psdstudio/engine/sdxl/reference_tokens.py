"""Pictures as tokens: the projections of an IP-Adapter (2308.06721), under the names of the published files.

An image encoder (CLIP, not in the file) describes a reference; a projection makes tokens of the width of words from
it; each cross-attention layer has keys and values for them (`cross_attention` says how they are read). Without an
IP-Adapter a reference is a remembered row that one object reads: `RowNetwork.remember` with its order as reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from psdstudio.errors import ModelIncompatible

HEAD_DIM = 64
"""Channels of one head of the resampler, in all published files."""
_PROJECTION, _LAYERS = "image_proj.", "ip_adapter."
_HINT = "Use an IP-Adapter for SDXL, such as ip-adapter_sdxl or ip-adapter-plus_sdxl_vit-h."


class PlainProjection(nn.Module):
    """A picture's one embedding as few tokens: (b, embedding) -> (b, tokens, words' width)."""

    reads_patches = False

    def __init__(self, embedding: int, tokens: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.proj = nn.Linear(embedding, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, described: Tensor) -> Tensor:
        """`described`: the encoder's projected embedding (`image_embeds`)."""
        tokens: Tensor = self.norm(self.proj(described).reshape(described.shape[0], -1, self.width))
        return tokens


class Resampler(nn.Module):
    """A picture's patches as few tokens, "plus" files: (b, patches, embedding) -> (b, tokens, words' width).

    Learnt latents read the patches and one another in blocks of attention and MLP (Perceiver, 2103.03206; in the form
    of Flamingo, 2204.14198, appendix A.1.1).
    """

    reads_patches = True

    def __init__(
        self, *, embedding: int, tokens: int, dim: int, width: int, depth: int, inner: int, hidden: int
    ) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(1, tokens, dim))
        self.proj_in = nn.Linear(embedding, dim)
        self.proj_out = nn.Linear(dim, width)
        self.norm_out = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            _Block([_PatchAttention(dim, inner), _mlp(dim, hidden)]) for _ in range(depth)
        )

    def forward(self, described: Tensor) -> Tensor:
        """`described`: the encoder's last hidden states but one (`hidden_states[-2]`)."""
        patches = self.proj_in(described)
        latents = self.latents.expand(described.shape[0], -1, -1)
        for block in self.layers:
            latents = block(patches, latents)
        tokens: Tensor = self.norm_out(self.proj_out(latents))
        return tokens


class _Block(nn.ModuleList):
    """Attention and MLP, which the files number 0 and 1."""

    def forward(self, patches: Tensor, latents: Tensor) -> Tensor:
        attention, mlp = self
        latents = latents + attention(patches, latents)
        out: Tensor = latents + mlp(latents)
        return out


class _PatchAttention(nn.Module):
    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.heads = inner // HEAD_DIM
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)

    def forward(self, patches: Tensor, latents: Tensor) -> Tensor:
        latents = self.norm2(latents)
        read = torch.cat([self.norm1(patches), latents], dim=1)
        parts = (self.to_q(latents), *self.to_kv(read).chunk(2, dim=-1))
        query, key, value = (x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2) for x in parts)
        out = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        seen: Tensor = self.to_out(out)
        return seen


def _mlp(dim: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, hidden, bias=False), nn.GELU(), nn.Linear(hidden, dim, bias=False)
    )


class ImageKeysValues(nn.Module):
    """Keys and values of image tokens at one cross-attention layer."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(width, channels, bias=False)
        self.to_v_ip = nn.Linear(width, channels, bias=False)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """`tokens`: (k, m, words' width); returns (k, m, channels) twice."""
        return self.to_k_ip(tokens), self.to_v_ip(tokens)


class ReferenceTokens(nn.Module):
    """One IP-Adapter: what makes tokens of a described picture, and what reads them in the UNet.

    Attributes:
        projection: Makes the tokens. `projection.reads_patches` says what it wants: hidden states of patches or one
            embedding.
        layers: One per cross-attention layer, for `RowNetwork.attach_images`.
    """

    def __init__(self, projection: PlainProjection | Resampler, layers: nn.ModuleList) -> None:
        super().__init__()
        self.projection = projection
        self.layers = layers

    def forward(self, described: Tensor) -> Tensor:
        """Return the tokens (b, m, words' width) of pictures as the image encoder describes them."""
        tokens: Tensor = self.projection(described)
        return tokens

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], unet: UNet2DConditionModel) -> ReferenceTokens:
        """Return the adapter of a published file's tensors, all of them and no others; in evaluation mode, frozen.

        Raises ModelIncompatible when the file is of another kind (faces, SD 1.5) or does not fit `unet`.
        """
        projection = _projection(
            {k.removeprefix(_PROJECTION): v for k, v in tensors.items() if k.startswith(_PROJECTION)}
        )
        layers = _layers(unet)
        named = {k: v for k, v in tensors.items() if k.startswith(_LAYERS)}
        if others := sorted(
            tensors.keys() - named.keys() - {k for k in tensors if k.startswith(_PROJECTION)}
        ):
            raise _unfit(f"it holds {others[0]}")
        _load(layers, {_place(name): tensor for name, tensor in named.items()})
        dtype = next(iter(tensors.values())).dtype
        return cls(projection, layers).to(dtype).eval().requires_grad_(False)


def _projection(tensors: Mapping[str, Tensor]) -> PlainProjection | Resampler:
    projection: PlainProjection | Resampler
    if {"proj.weight", "norm.weight"} <= tensors.keys():
        (out, embedding), width = tensors["proj.weight"].shape, tensors["norm.weight"].shape[0]
        projection = PlainProjection(embedding, out // width, width)
    elif {"latents", "proj_in.weight", "proj_out.weight", "layers.0.0.to_q.weight"} <= tensors.keys():
        projection = Resampler(
            embedding=tensors["proj_in.weight"].shape[1],
            tokens=tensors["latents"].shape[1],
            dim=tensors["latents"].shape[2],
            width=tensors["proj_out.weight"].shape[0],
            depth=1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("layers.")),
            inner=tensors["layers.0.0.to_q.weight"].shape[0],
            hidden=tensors["layers.0.1.1.weight"].shape[0],
        )
    else:
        raise _unfit("its projection is of another kind than the plain one and “plus”")
    _load(projection, tensors)
    return projection


def _layers(unet: Any) -> nn.ModuleList:
    """Return empty layers for each cross-attention of `unet`, in the order of its processors, as the files number."""
    names = [
        name.removesuffix(".processor") for name in unet.attn_processors if name.endswith(".attn2.processor")
    ]
    width = unet.config.cross_attention_dim
    return nn.ModuleList(ImageKeysValues(width, unet.get_submodule(name).to_q.out_features) for name in names)


def _place(name: str) -> str:
    """Return the name in `ReferenceTokens.layers` of a file's tensor: `ip_adapter.2i+1.to_k_ip...` is layer i."""
    number, _, rest = name.removeprefix(_LAYERS).partition(".")
    if not number.isdecimal() or int(number) % 2 == 0:
        raise _unfit(f"it holds {name}")
    return f"{int(number) // 2}.{rest}"


def _load(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    try:
        module.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as exc:
        raise _unfit(str(exc).splitlines()[-1].strip().rstrip(".")) from exc


def _unfit(why: str) -> ModelIncompatible:
    return ModelIncompatible(f"This IP-Adapter does not fit the model: {why}.", _HINT)
