"""LayerDiffuse's transparent decoder ("UNet1024"): picture and latents -> alpha and colour.

Zhang & Agrawala, "Transparent Image Layer Diffusion using Latent Transparency", arXiv 2402.17113; structure and names
of the released weights: a UNet without time, seven levels deep, which is given the latents at an eighth of the size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PUBLISHED_CHANNELS = (32, 32, 64, 128, 256, 512, 512)
LATENT_CHANNELS = 4
MULTIPLE = 64
"""Six halvings: sides must be multiples of this."""
_GROUPS, _HEAD_DIM, _EPS = 4, 8, 1e-5
_ATTENDING = 4
"""The first level with attention: a sixteenth of the size."""
_LATENT_LEVEL = 3
"""The level that works at the size of the latents."""


class TransparentDecoder(nn.Module):
    """(b, 3, h, w) picture as the VAE decodes it, 0..1, and (b, 4, h/8, w/8) its latents, unscaled -> (b, 4, h, w).

    The first channel is alpha, the others are the straight colour of what is visible; not yet clipped to 0..1.

    Args:
        channels: Of the seven levels, from full size to a sixty-fourth; multiples of 4, of 8 from the fifth on.
        latent_channels: Of the VAE that it belongs to.
    """

    def __init__(
        self, channels: Sequence[int] = PUBLISHED_CHANNELS, *, latent_channels: int = LATENT_CHANNELS
    ) -> None:
        super().__init__()
        last = len(channels) - 1
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.latent_conv_in = nn.Conv2d(latent_channels, channels[_LATENT_LEVEL - 1], 1)
        nn.init.zeros_(self.latent_conv_in.weight)
        nn.init.zeros_(self.latent_conv_in.bias)  # type: ignore[arg-type]  # it has a bias
        self.down_blocks = nn.ModuleList()
        skips = [channels[0]]
        for level, width in enumerate(channels):
            inputs = [channels[max(level - 1, 0)], width]
            self.down_blocks.append(_Block(inputs, width, attends=level >= _ATTENDING, down=level < last))
            skips += [width] * (3 if level < last else 2)
        self.mid_block = _MidBlock(channels[-1])
        self.up_blocks = nn.ModuleList()
        previous = channels[-1]
        for level, width in reversed(list(enumerate(channels))):
            inputs = [from_below + skips.pop() for from_below in (previous, width, width)]
            self.up_blocks.append(_Block(inputs, width, attends=level >= _ATTENDING, up=level > 0))
            previous = width
        self.conv_norm_out = nn.GroupNorm(_GROUPS, channels[0], eps=_EPS)
        self.conv_out = nn.Conv2d(channels[0], 4, 3, padding=1)

    def forward(self, picture: Tensor, latents: Tensor) -> Tensor:
        """Return alpha and colour."""
        x = self.conv_in(picture)
        skips = [x]
        for level, block in enumerate(self.down_blocks):
            if level == _LATENT_LEVEL:
                x = x + self.latent_conv_in(latents)
            x = block(x, left=skips)
        x = self.mid_block(x)
        for block in self.up_blocks:
            x = block(x, skips=skips)
        return cast(Tensor, self.conv_out(F.silu(self.conv_norm_out(x))))


class _Resnet(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_GROUPS, inputs, eps=_EPS)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(_GROUPS, outputs, eps=_EPS)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.conv_shortcut is None else self.conv_shortcut(x)
        x = self.conv1(F.silu(self.norm1(x)))
        return cast(Tensor, shortcut + self.conv2(F.silu(self.norm2(x))))


class _Attention(nn.Module):
    """Of all places among themselves, in heads of 8 channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(_GROUPS, width, eps=_EPS)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (
            project(tokens).view(b, h * w, c // _HEAD_DIM, _HEAD_DIM).transpose(1, 2)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, h * w, c)
        return x + cast(Tensor, self.to_out[0](seen)).transpose(1, 2).reshape(b, c, h, w)


class _Resampler(nn.Module):
    """A convolution by 3x3 that halves the size, or that follows doubling it."""

    def __init__(self, width: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(width, width, 3, stride=1 if up else 2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x))


class _Block(nn.Module):
    """One level on the way down or up: resnets, each with attention where the level attends, and a resampler."""

    def __init__(
        self, inputs: Sequence[int], width: int, *, attends: bool, down: bool = False, up: bool = False
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_Resnet(channels, width) for channels in inputs)
        self.attentions = nn.ModuleList(_Attention(width) for _ in inputs if attends)
        self.downsamplers = nn.ModuleList(_Resampler(width, up=False) for _ in range(down))
        self.upsamplers = nn.ModuleList(_Resampler(width, up=True) for _ in range(up))

    def forward(
        self, x: Tensor, *, left: list[Tensor] | None = None, skips: list[Tensor] | None = None
    ) -> Tensor:
        """Leave what the way up will need in `left`, or take it from the end of `skips`."""
        for i, resnet in enumerate(self.resnets):
            x = resnet(x if skips is None else torch.cat([x, skips.pop()], dim=1))
            if self.attentions:
                x = self.attentions[i](x)
            if left is not None:
                left.append(x)
        for resampler in (*self.downsamplers, *self.upsamplers):
            x = resampler(x)
            if left is not None:
                left.append(x)
        return x


class _MidBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([_Resnet(width, width), _Resnet(width, width)])
        self.attentions = nn.ModuleList([_Attention(width)])

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.resnets[1](self.attentions[0](self.resnets[0](x))))


def decoder_channels(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Return the channels of the decoder whose tensors these are; a tensor that is missing counts as published."""
    names = [f"down_blocks.{level}.resnets.0.conv1.weight" for level in range(len(PUBLISHED_CHANNELS))]
    return tuple(
        state[name].shape[0] if name in state else width
        for name, width in zip(names, PUBLISHED_CHANNELS, strict=True)
    )
