"""LayerDiffuse's transparent encoder: what alpha adds to a picture's latents.

Zhang & Agrawala, "Transparent Image Layer Diffusion using Latent Transparency", arXiv 2402.17113; structure and names
of the released weights. Nothing but convolutions: three of them halve the size, the last one starts at zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn

PUBLISHED_WIDTHS = (32, 64, 128, 256)
LATENT_CHANNELS = 4


class TransparentEncoder(nn.Module):
    """(b, 4, h, w) alpha and padded colour, in this order, each 0..1 -> (b, 4, h/8, w/8) offset, not yet scaled.

    Args:
        widths: Channels at full, half, quarter and eighth size.
        latent_channels: Of the VAE that it belongs to.
    """

    def __init__(
        self, widths: Sequence[int] = PUBLISHED_WIDTHS, *, latent_channels: int = LATENT_CHANNELS
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = 4
        for level, width in enumerate(widths):
            layers += [nn.Conv2d(previous, width, 3, stride=1 if level == 0 else 2, padding=1), nn.SiLU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.SiLU()]
            previous = width
        last = nn.Conv2d(previous, latent_channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]  # it has a bias
        self.blocks = nn.Sequential(*layers, last)

    def forward(self, alpha_rgb: Tensor) -> Tensor:
        """Return the offset, in units of the VAE's standard deviation."""
        return cast(Tensor, self.blocks(alpha_rgb))


def encoder_widths(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Return the widths of the encoder whose tensors these are; a tensor that is missing counts as published."""
    names = [f"blocks.{4 * i}.weight" for i in range(len(PUBLISHED_WIDTHS))]
    return tuple(
        state[name].shape[0] if name in state else width
        for name, width in zip(names, PUBLISHED_WIDTHS, strict=True)
    )
