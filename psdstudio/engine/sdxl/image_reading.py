"""Reference pictures for an IP-Adapter: CLIP's image encoder describes them, the adapter makes tokens of that.

IP-Adapter (Ye et al. 2308.06721). The image encoder is the one that the adapters are published with, a folder in the
layout of transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.engine.sdxl.cross_attention import ImageProjections
from psdstudio.engine.sdxl.libraries import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    init_empty_weights,
)
from psdstudio.engine.sdxl.reference_tokens import ReferenceTokens
from psdstudio.engine.sdxl.tensor_file import (
    AGAIN,
    check_unchanged,
    fill,
    read_json,
    read_tensors,
    weight_files,
)
from psdstudio.errors import ModelLoadFailed
from psdstudio.gen.model_files import ModelFile

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's training pictures (Radford et al. 2021), by channel."""
_MAX_LAYERS = 200


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageReader:
    """An IP-Adapter with its image encoder, both on the CPU: they run once per reference.

    Attributes:
        encoder: transformers' CLIPVisionModelWithProjection.
        tokens: Makes the tokens and reads them in the UNet.
        files: What was read.
    """

    encoder: Any
    tokens: ReferenceTokens
    files: tuple[ModelFile, ...]

    @property
    def layers(self) -> list[ImageProjections]:
        """What `RowNetwork.attach_images` takes."""
        return list(self.tokens.layers)

    @torch.no_grad()
    def __call__(self, rgba: Tensor) -> Tensor:
        """Return the tokens (m, words' width) of a straight RGBA picture (4, h, w) in 0..1."""
        seen = prepared(rgba, int(self.encoder.config.image_size))
        said = self.encoder(seen.to(next(self.encoder.parameters())), output_hidden_states=True)
        patches = self.tokens.projection.reads_patches
        described = said.hidden_states[-2] if patches else said.image_embeds
        made: Tensor = self.tokens(described.to(next(self.tokens.parameters())))[0]
        return made


def prepared(rgba: Tensor, side: int) -> Tensor:
    """Return what CLIP sees (1, 3, side, side): on white, the shorter side scaled, the middle cut out, normalised."""
    rgb = rgba[:3] * rgba[3:] + (1 - rgba[3:])
    scale = side / min(rgb.shape[1:])
    size = [max(side, round(length * scale)) for length in rgb.shape[1:]]
    small = F.interpolate(rgb[None], size=size, mode="bicubic", antialias=True, align_corners=False).clamp(
        0, 1
    )
    top, left = (size[0] - side) // 2, (size[1] - side) // 2
    cut = small[..., top : top + side, left : left + side]
    return (cut - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]


def load_image_reader(
    adapter: ModelFile, encoder: ModelFile, unet: Any, *, dtype: torch.dtype
) -> ImageReader:
    """Read an IP-Adapter and its image encoder, strictly, on the CPU.

    Raises:
        ModelNotFound, ModelLoadFailed: A file is missing or damaged.
        ModelIncompatible: The adapter is not for SDXL.
    """
    tokens = ReferenceTokens.from_state(read_tensors(check_unchanged(adapter), dtype=dtype), unet)
    return ImageReader(encoder=load_image_encoder(encoder), tokens=tokens, files=(adapter, encoder))


def load_image_encoder(model: ModelFile) -> Any:
    """Read CLIP's image encoder from its folder (`config.json` beside the weights), float32."""
    place = Path(model.path)
    folder = place if place.is_dir() else place.parent
    files = weight_files(folder, "model") if place.is_dir() else [check_unchanged(model)]
    stated = read_json(folder / "config.json")
    if not 0 < int(stated.get("num_hidden_layers", 0)) <= _MAX_LAYERS:
        raise ModelLoadFailed(f"The configuration of “{model.title}” cannot be used.", AGAIN)
    try:
        with init_empty_weights():
            encoder = CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(stated))
    except (TypeError, ValueError, KeyError, ArithmeticError, RuntimeError) as exc:
        raise ModelLoadFailed(f"The configuration of “{model.title}” cannot be used: {exc}", AGAIN) from exc
    state = {
        _short_name(name): tensor
        for file in files
        for name, tensor in read_tensors(file, dtype=torch.float32).items()
        if not name.endswith("position_ids")
    }
    fill(encoder, state, source=f"“{model.title}”", rename=_short_name)
    return encoder.eval().requires_grad_(False)


def _short_name(name: str) -> str:
    """transformers has dropped and kept the prefix in turn; files have it."""
    return name.removeprefix("vision_model.")
