"""Small model files with the published key names: a few tensors of each kind, zeros, few channels. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Shapes = dict[str, tuple[int, ...]]
TINY, SD15, SD2, REFINER, SDXL = 64, 768, 1024, 1280, 2048
_LDM = "model.diffusion_model."
_CLIP, _OPEN_CLIP = "conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.1.model."


def write(
    path: Path, shapes: Shapes, *, metadata: Mapping[str, str] | None = None, dtype: str = "float16"
) -> Path:
    """Write zeros of these shapes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, NDArray[np.generic]] = {name: np.zeros(shape, dtype) for name, shape in shapes.items()}
    save_file(tensors, path, metadata=dict(metadata) if metadata else None)
    return path


def unet_ldm(width: int = TINY, *, channels: int = 4, sized: bool = True, depth: int = 10) -> Shapes:
    """A UNet in the original layout; `sized`: it is told the picture's size, as SDXL's is."""
    shapes: Shapes = {
        "input_blocks.0.0.weight": (8, channels, 3, 3),
        "input_blocks.0.0.bias": (8,),
        "time_embed.0.weight": (32, 8),
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (8, width),
        "out.2.weight": (4, 8, 3, 3),
    }
    for block in range(depth):
        shapes[f"middle_block.1.transformer_blocks.{block}.attn2.to_k.weight"] = (8, width)
    return shapes | ({"label_emb.0.0.weight": (32, 88)} if sized else {})


def prefixed(prefix: str, shapes: Shapes) -> Shapes:
    """The same tensors inside something larger."""
    return {prefix + name: shape for name, shape in shapes.items()}


def vae_ldm() -> Shapes:
    return {
        "first_stage_model.encoder.conv_in.weight": (8, 3, 3, 3),
        "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
        "first_stage_model.quant_conv.weight": (8, 8, 1, 1),
    }


def sdxl_checkpoint(first: int = 24, second: int = 40, *, channels: int = 4, depth: int = 10) -> Shapes:
    """SDXL in one file; its words are as wide as the two encoders' together."""
    encoders: Shapes = {
        _CLIP + "embeddings.token_embedding.weight": (49, first),
        _CLIP + "final_layer_norm.weight": (first,),
        _OPEN_CLIP + "token_embedding.weight": (49, second),
        _OPEN_CLIP + "text_projection": (second, second),
    }
    return prefixed(_LDM, unet_ldm(first + second, channels=channels, depth=depth)) | encoders | vae_ldm()


def sd15_checkpoint(*, channels: int = 4) -> Shapes:
    encoder = {"cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49, SD15)}
    return prefixed(_LDM, unet_ldm(SD15, sized=False, channels=channels)) | encoder | vae_ldm()


def sd2_checkpoint() -> Shapes:
    encoder = {"cond_stage_model.model.token_embedding.weight": (49, SD2)}
    return prefixed(_LDM, unet_ldm(SD2, sized=False)) | encoder | vae_ldm()


def refiner_checkpoint() -> Shapes:
    encoder = {"conditioner.embedders.0.model.token_embedding.weight": (49, REFINER)}
    return prefixed(_LDM, unet_ldm(REFINER)) | encoder | vae_ldm()


def unet(width: int = TINY, *, channels: int = 4, sized: bool = True, depth: int = 10) -> Shapes:
    """A UNet under diffusers' names."""
    shapes: Shapes = {
        "conv_in.weight": (8, channels, 3, 3),
        "time_embedding.linear_1.weight": (32, 8),
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight": (8, 8),
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (8, width),
        "conv_out.weight": (4, 8, 3, 3),
    }
    for block in range(depth):
        shapes[f"mid_block.attentions.0.transformer_blocks.{block}.attn2.to_k.weight"] = (8, width)
    return shapes | ({"add_embedding.linear_1.weight": (32, 88)} if sized else {})


def text_encoder(width: int, *, projected: bool, prefix: str = "text_model.") -> Shapes:
    """CLIP's text encoder; transformers 5 writes the first of SDXL without the prefix."""
    shapes: Shapes = {
        f"{prefix}embeddings.token_embedding.weight": (49, width),
        f"{prefix}encoder.layers.0.self_attn.q_proj.weight": (width, width),
    }
    return shapes | ({"text_projection.weight": (width, width)} if projected else {})


def vae() -> Shapes:
    return {"encoder.conv_in.weight": (8, 3, 3, 3), "decoder.conv_in.weight": (8, 4, 3, 3)}


def write_folder(
    folder: Path,
    *,
    pipeline: str = "StableDiffusionXLPipeline",
    parts: Mapping[str, Shapes] | None = None,
    variant: str = "",
    prediction: str = "epsilon",
) -> Path:
    """Write a folder in diffusers' layout; `parts` default to a tiny SDXL."""
    chosen = sdxl_parts() if parts is None else parts
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    for name, shapes in chosen.items():
        stem = "model" if name.startswith("text_encoder") else "diffusion_pytorch_model"
        write(folder / name / f"{stem}{variant}.safetensors", shapes)
        (folder / name / "config.json").write_text("{}")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"prediction_type": prediction}))
    return folder


def sdxl_parts(first: int = 24, second: int = 40) -> dict[str, Shapes]:
    return {
        "unet": unet(first + second),
        "text_encoder": text_encoder(first, projected=False, prefix=""),
        "text_encoder_2": text_encoder(second, projected=True),
        "vae": vae(),
    }


def transparent_encoder(out: int = 4) -> Shapes:
    """Nine convolutions at the even places of a Sequential."""
    widths = (4, 32, 32, 64, 64, 128, 128, 256, 256, out)
    shapes: Shapes = {}
    for i in range(9):
        shapes[f"blocks.{2 * i}.weight"] = (widths[i + 1], widths[i], 3, 3)
        shapes[f"blocks.{2 * i}.bias"] = (widths[i + 1],)
    return shapes


def transparent_decoder(latents: int = 4) -> Shapes:
    return {
        "conv_in.weight": (32, 3, 3, 3),
        "latent_conv_in.weight": (64, latents, 1, 1),
        "down_blocks.0.resnets.0.conv1.weight": (32, 32, 3, 3),
        "down_blocks.4.attentions.0.to_q.weight": (8, 8),
        "mid_block.attentions.0.to_q.weight": (8, 8),
        "up_blocks.6.resnets.2.conv1.weight": (32, 64, 3, 3),
        "conv_norm_out.weight": (32,),
        "conv_out.weight": (4, 32, 3, 3),
    }


def forge_lora(width: int = TINY, rank: int = 4) -> Shapes:
    """layer_xl_transparent_attn as Forge has it: 0 is up, 1 is down."""
    shapes: Shapes = {}
    for block in ("input_blocks.4.1", "middle_block.1"):
        for attention, reads in (("attn1", 8), ("attn2", width)):
            key = f"diffusion_model.{block}.transformer_blocks.1.{attention}.to_k.weight::lora"
            shapes |= {f"{key}::0": (8, rank), f"{key}::1": (rank, reads)}
    return shapes


def forge_offsets(channels: int = 4, *, deep: bool = False) -> Shapes:
    """Convolutions alone, or with what stands beside attention's queries (transparent_conv, bgble2fg)."""
    shapes: Shapes = {
        "diffusion_model.input_blocks.0.0.weight::diff::0": (8, channels, 3, 3),
        "diffusion_model.input_blocks.1.0.in_layers.2.weight::diff::0": (8, 8, 3, 3),
        "diffusion_model.out.2.bias::diff::0": (4,),
    }
    inner = {"diffusion_model.input_blocks.4.1.transformer_blocks.1.ff.net.2.weight::diff::0": (8, 8)}
    return shapes | (inner if deep else {})


def offsets(*, attention: bool, channels: int | None = None, deep: bool = False, width: int = TINY) -> Shapes:
    """Plain offsets under the UNet's names: attention's linears, or everything but them."""
    block = "down_blocks.1.attentions.0.transformer_blocks.1"
    if attention:
        return {
            f"{block}.attn1.to_q.weight": (8, 8),
            f"{block}.attn2.to_k.weight": (8, width),
            f"{block}.attn1.to_out.0.bias": (8,),
        }
    shapes: Shapes = {
        "conv_in.weight": (8, channels or 4, 3, 3),
        "down_blocks.0.resnets.0.conv1.weight": (8, 8, 3, 3),
        "up_blocks.0.upsamplers.0.conv.bias": (8,),
    }
    return shapes | ({f"{block}.ff.net.2.weight": (8, 8)} if deep else {})


def kohya_lora(width: int = TINY, rank: int = 4, *, text: tuple[str, ...] = ("te1", "te2")) -> Shapes:
    """A LoRA as kohya's scripts write it."""
    shapes: Shapes = {}
    places = {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k": width}
    places |= {f"lora_{name}_text_model_encoder_layers_0_self_attn_q_proj": 24 for name in text}
    for place, reads in places.items():
        shapes |= {
            f"{place}.lora_down.weight": (rank, reads),
            f"{place}.lora_up.weight": (8, rank),
            f"{place}.alpha": (),
        }
    return shapes


def peft_lora(width: int = TINY, rank: int = 4, *, base: str = "unet.") -> Shapes:
    place = f"{base}down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    return {f"{place}.lora_A.weight": (rank, width), f"{place}.lora_B.weight": (8, rank)}


def diffusers_lora(width: int = TINY, rank: int = 4) -> Shapes:
    place = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    return {f"{place}.lora.down.weight": (rank, width), f"{place}.lora.up.weight": (8, rank)}


def ip_adapter(width: int = TINY, *, tokens: int = 4, image_width: int = 24) -> Shapes:
    return {
        "image_proj.proj.weight": (tokens * width, image_width),
        "image_proj.norm.weight": (width,),
        "ip_adapter.1.to_k_ip.weight": (8, width),
        "ip_adapter.1.to_v_ip.weight": (8, width),
    }


def ip_adapter_plus(width: int = TINY, *, tokens: int = 16, image_width: int = 32) -> Shapes:
    return {
        "image_proj.latents": (1, tokens, 24),
        "image_proj.proj_in.weight": (24, image_width),
        "image_proj.proj_out.weight": (width, 24),
        "ip_adapter.1.to_k_ip.weight": (8, width),
    }


def image_encoder(*, projected: bool = True) -> Shapes:
    shapes: Shapes = {
        "vision_model.embeddings.patch_embedding.weight": (32, 3, 14, 14),
        "vision_model.encoder.layers.0.layer_norm1.weight": (32,),
        "vision_model.encoder.layers.1.layer_norm1.weight": (32,),
    }
    return shapes | ({"visual_projection.weight": (24, 32)} if projected else {})
