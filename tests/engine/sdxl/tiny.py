"""Tiny random SDXL parts: the module names of the real ones, few channels. Nothing is downloaded."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

WORDS_DIM, POOLED_DIM = 64, 40
"""Width of the token states (24 + 40 channels of the two encoders) and of the pooled state: 2048 and 1280 in SDXL."""
UNET_CONFIG: dict[str, Any] = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (32, 64, 64),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 1, 2),
    "attention_head_dim": (2, 4, 4),
    "norm_num_groups": 8,
    "cross_attention_dim": WORDS_DIM,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + POOLED_DIM,
}
"""As SDXL's: three levels, of which the second and third attend (64x64 and 32x32 for a picture of 1024x1024)."""
VAE_CONFIG: dict[str, Any] = {
    "block_out_channels": (16, 16, 32, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "scaling_factor": 0.13025,
    "sample_size": 128,
}
SCHEDULER_CONFIG: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "interpolation_type": "linear",
}


def tiny_unet(seed: int = 0, **changed: Any) -> UNet2DConditionModel:
    """Return a UNet with SDXL's module names, float32, in evaluation mode."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(**{**UNET_CONFIG, **changed}).eval().requires_grad_(False)


def tiny_vae(seed: int = 0) -> AutoencoderKL:
    """Return a VAE with SDXL's module names, float32, in evaluation mode."""
    torch.manual_seed(seed)
    return AutoencoderKL(**VAE_CONFIG).eval().requires_grad_(False)


def tiny_scheduler() -> EulerDiscreteScheduler:
    """Return SDXL's scheduler."""
    return EulerDiscreteScheduler(**SCHEDULER_CONFIG)


def text_config(width: int, projection: int, act: str) -> CLIPTextConfig:
    """Return the configuration of a small CLIP text encoder with the real vocabulary."""
    return CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        hidden_act=act,
        projection_dim=projection,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407,
    )


def tiny_text_encoders(seed: int = 0) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    """Return both encoders. Their widths differ (24 + 40 = 64), or a single-file loader takes one for the other."""
    torch.manual_seed(seed)
    first = CLIPTextModel(text_config(24, 24, "quick_gelu"))
    second = CLIPTextModelWithProjection(text_config(40, POOLED_DIM, "gelu"))
    return first.eval().requires_grad_(False), second.eval().requires_grad_(False)
