"""Tiny random SDXL parts: the module names of the real ones, few channels. Nothing is downloaded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from psdstudio.engine.sdxl.transparent_decoder import TransparentDecoder
from psdstudio.engine.sdxl.transparent_encoder import TransparentEncoder

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


def write_folder(path: Path, *, seed: int = 0, variant: str = "", dtype: torch.dtype = torch.float32) -> Path:
    """Write the tiny SDXL as a folder in diffusers' layout, file and key names as published; return `path`.

    Args:
        path: Made if need be.
        seed: Of the random weights.
        variant: "fp16" writes `*.fp16.safetensors`, as the published half-precision editions are called.
        dtype: Of the weights in the files.
    """
    unet, vae, (first, second) = tiny_unet(seed), tiny_vae(seed), tiny_text_encoders(seed)
    suffix = f".{variant}.safetensors" if variant else ".safetensors"
    parts = {
        "unet/diffusion_pytorch_model": unet.state_dict(),
        "vae/diffusion_pytorch_model": vae.state_dict(),
        "text_encoder/model": published_text_state(first),
        "text_encoder_2/model": published_text_state(second),
    }
    for name, state in parts.items():
        file = path / (name + suffix)
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: v.to(dtype).contiguous() for k, v in state.items()}, file, metadata={"format": "pt"})
    write_configs(path)
    return path


def write_configs(path: Path) -> Path:
    """Write the folder without its weights: model_index.json and the configuration of each part; return `path`."""
    unet, vae, (first, second) = tiny_unet(), tiny_vae(), tiny_text_encoders()
    unet.save_config(path / "unet")
    vae.save_config(path / "vae")
    first.config.architectures, second.config.architectures = (
        ["CLIPTextModel"],
        ["CLIPTextModelWithProjection"],
    )
    first.config.save_pretrained(path / "text_encoder")
    second.config.save_pretrained(path / "text_encoder_2")
    tiny_scheduler().save_config(path / "scheduler")
    index = {
        "_class_name": "StableDiffusionXLPipeline",
        "_diffusers_version": "0.19.0.dev0",
        "force_zeros_for_empty_prompt": True,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (path / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    return path


def write_checkpoint(path: Path, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    """Write the tiny SDXL as one file in the original key layout (as sd_xl_base_1.0.safetensors); return `path`."""
    state = {k: v.to(dtype).contiguous() for k, v in original_state(seed).items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
    return path


def original_state(seed: int = 0) -> dict[str, Tensor]:
    """Return the tensors of the tiny SDXL under the names of the original layout, float32."""
    unet, vae, (first, second) = tiny_unet(seed), tiny_vae(seed), tiny_text_encoders(seed)
    state = {"model.diffusion_model." + original_unet_name(k): v for k, v in unet.state_dict().items()}
    for key, value in vae.state_dict().items():
        name = original_vae_name(key)
        is_projection = re.search(r"attn_1\.(q|k|v|proj_out)\.weight", name) is not None
        state["first_stage_model." + name] = value[:, :, None, None] if is_projection else value
    prefix = "conditioner.embedders.0.transformer."
    state.update({prefix + k: v for k, v in published_text_state(first).items()})
    state[prefix + "text_model.embeddings.position_ids"] = torch.arange(77)[None]
    state.update({"conditioner.embedders.1.model." + k: v for k, v in _open_clip_state(second).items()})
    return state


def published_text_state(encoder: Any) -> dict[str, Tensor]:
    """Return a text encoder's tensors as published files name them: below `text_model.`, whatever transformers does."""
    top = ("text_model.", "text_projection.")
    return {k if k.startswith(top) else "text_model." + k: v for k, v in encoder.state_dict().items()}


def original_unet_name(name: str) -> str:
    """Return the original name (`input_blocks.4.1. ...`) of a tensor or module of diffusers' SDXL UNet."""
    if found := re.fullmatch(r"(down|up)_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.+)", name):
        side, block, kind, at, rest = found.groups()
        place = 3 * int(block) + int(at) + (side == "down")
        stem = "input" if side == "down" else "output"
        return f"{stem}_blocks.{place}.{int(kind == 'attentions')}." + _original_resnet(rest, kind)
    if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", name):
        kind, at, rest = found.groups()
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(at)}." + _original_resnet(rest, kind)
    if found := re.fullmatch(r"down_blocks\.(\d)\.downsamplers\.0\.conv\.(.+)", name):
        return f"input_blocks.{3 * int(found[1]) + 3}.0.op.{found[2]}"
    if found := re.fullmatch(r"up_blocks\.(\d)\.upsamplers\.0\.conv\.(.+)", name):
        return f"output_blocks.{3 * int(found[1]) + 2}.2.conv.{found[2]}"  # 2: both upsampling levels attend
    for ours, original in _ENDS.items():
        if name.startswith(ours + "."):
            return original + name[len(ours) :]
    raise AssertionError(name)


_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def _original_resnet(rest: str, kind: str) -> str:
    head, _, tail = rest.partition(".")
    return f"{_RESNET[head]}.{tail}" if kind == "resnets" else rest


def original_vae_name(name: str) -> str:
    """Return the original name (`decoder.up.3. ...`) of a tensor of diffusers' AutoencoderKL with four levels."""
    name = re.sub(r"encoder\.down_blocks\.(\d)\.resnets", r"encoder.down.\1.block", name)
    name = re.sub(r"encoder\.down_blocks\.(\d)\.downsamplers\.0", r"encoder.down.\1.downsample", name)
    name = re.sub(r"decoder\.up_blocks\.(\d)\.resnets", lambda m: f"decoder.up.{3 - int(m[1])}.block", name)
    name = re.sub(
        r"decoder\.up_blocks\.(\d)\.upsamplers\.0", lambda m: f"decoder.up.{3 - int(m[1])}.upsample", name
    )
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    for ours, original in _VAE.items():
        name = name.replace(ours, original)
    return name


_VAE = {
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
}


def _open_clip_state(encoder: CLIPTextModelWithProjection) -> dict[str, Tensor]:
    state = published_text_state(encoder)
    out = {
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "ln_final.weight": state["text_model.final_layer_norm.weight"],
        "ln_final.bias": state["text_model.final_layer_norm.bias"],
        "text_projection": state["text_projection.weight"].T,
        "logit_scale": torch.tensor(4.6),
    }
    for i in range(encoder.config.num_hidden_layers):
        ours, original = f"text_model.encoder.layers.{i}.", f"transformer.resblocks.{i}."
        for kind in ("weight", "bias"):
            three = [state[f"{ours}self_attn.{p}_proj.{kind}"] for p in "qkv"]
            out[f"{original}attn.in_proj_{kind}"] = torch.cat(three)
            for a, b in _CLIP_LAYER.items():
                out[f"{original}{b}.{kind}"] = state[f"{ours}{a}.{kind}"]
    return out


_CLIP_LAYER = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


DECODER_CHANNELS = (8, 8, 8, 8, 16, 16, 16)
ENCODER_WIDTHS = (8, 8, 8, 16)


def tiny_transparent_encoder(seed: int = 0) -> TransparentEncoder:
    """Return a transparent encoder whose last layer is not zero, float32."""
    torch.manual_seed(seed)
    encoder = TransparentEncoder(ENCODER_WIDTHS)
    torch.nn.init.normal_(encoder.blocks[-1].weight, std=0.1)  # type: ignore[arg-type]
    return encoder.eval().requires_grad_(False)


def tiny_transparent_decoder(seed: int = 0) -> TransparentDecoder:
    """Return a transparent decoder that reads the latents and whose output is spread around 0..1, float32."""
    torch.manual_seed(seed)
    decoder = TransparentDecoder(DECODER_CHANNELS)
    torch.nn.init.normal_(decoder.latent_conv_in.weight, std=0.3)
    torch.nn.init.constant_(decoder.conv_out.bias, 0.5)  # type: ignore[arg-type]
    return decoder.eval().requires_grad_(False)


def write_transparent(path: Path, *, seed: int = 0) -> tuple[Path, Path]:
    """Write the transparent encoder and decoder under their published file names; return the two paths."""
    path.mkdir(parents=True, exist_ok=True)
    files = path / "vae_transparent_encoder.safetensors", path / "vae_transparent_decoder.safetensors"
    for file, network in zip(
        files, (tiny_transparent_encoder(seed), tiny_transparent_decoder(seed)), strict=True
    ):
        save_file(network.state_dict(), file)
    return files
