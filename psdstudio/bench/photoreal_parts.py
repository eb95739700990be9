"""The modules that `bench photoreal` measures: SDXL's as published, or smaller, with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from psdstudio.engine.sdxl.libraries import (
    AutoencoderKL,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    UNet2DConditionModel,
)
from psdstudio.engine.sdxl.placement import Parts
from psdstudio.engine.sdxl.transparent_decoder import PUBLISHED_CHANNELS, TransparentDecoder
from psdstudio.resources_path import resource_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A size of the measurement: what differs from the published configurations by part, and the number format."""

    changes: Mapping[str, Mapping[str, Any]]
    dtype: torch.dtype
    transparent: tuple[int, ...] = PUBLISHED_CHANNELS


_SMALL_TEXT = {"intermediate_size": 48, "num_attention_heads": 4, "num_hidden_layers": 2}
SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "full": Scale(changes={}, dtype=torch.bfloat16),
        "half": Scale(
            changes={"unet": {"block_out_channels": (160, 320, 640), "attention_head_dim": (2, 5, 10)}},
            dtype=torch.float32,
        ),
        "tiny": Scale(
            changes={
                "unet": {
                    "block_out_channels": (32, 64, 64),
                    "transformer_layers_per_block": (1, 1, 2),
                    "attention_head_dim": (2, 4, 4),
                    "cross_attention_dim": 64,
                },
                "vae": {"block_out_channels": (16, 16, 32, 32), "norm_num_groups": 8},
                "text_encoder": {**_SMALL_TEXT, "hidden_size": 24},
                "text_encoder_2": {**_SMALL_TEXT, "hidden_size": 40},
            },
            dtype=torch.float32,
            transparent=(8, 8, 16, 32),
        ),
    }
)


def unet_of(scale: str, device: torch.device) -> Any:
    """Return the UNet of a scale on a device, with random weights (none on "meta"), in evaluation mode."""
    return _made(
        lambda: UNet2DConditionModel.from_config(_config(scale, "unet")), SCALES[scale].dtype, device
    )


def parts_of(scale: str) -> Parts:
    """Return all modules of the engine in the computer's memory, in evaluation mode."""
    dtype, processor = SCALES[scale].dtype, torch.device("cpu")

    def text(part: str, kind: Any) -> Any:
        return _made(lambda: kind(CLIPTextConfig(**_config(scale, part))), dtype, processor)

    decoder = _made(lambda: TransparentDecoder(SCALES[scale].transparent), dtype, processor)
    return Parts(
        text_encoders=(
            text("text_encoder", CLIPTextModel),
            text("text_encoder_2", CLIPTextModelWithProjection),
        ),
        unet=unet_of(scale, processor),
        vae=_made(lambda: AutoencoderKL.from_config(_config(scale, "vae")), dtype, processor),
        transparent=(decoder,),
    )


def _config(scale: str, part: str) -> dict[str, Any]:
    published = json.loads((resource_dir("sdxl/config") / part / "config.json").read_text(encoding="utf-8"))
    return {**published, **SCALES[scale].changes.get(part, {})}


def _made(make: Callable[[], nn.Module], dtype: torch.dtype, device: torch.device) -> Any:
    with _numbers(dtype), torch.device(device):
        return make().eval().requires_grad_(False)


@contextmanager
def _numbers(dtype: torch.dtype) -> Iterator[None]:
    """Make modules in this format: made in float32, those of the full size would take twice their memory at first."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
