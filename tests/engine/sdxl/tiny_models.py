"""A whole set of a user's model files for the photoreal engine, tiny and random, with the published key names."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from psdstudio.engine.sdxl.transparent_decoder import TransparentDecoder
from psdstudio.engine.sdxl.transparent_encoder import TransparentEncoder
from psdstudio.gen.model_files import EngineSetup, ModelFile, ModelKind, PhotorealOptions
from tests.engine.sdxl import tiny

DECODER_CHANNELS = (8, 8, 8, 8, 16, 16, 16)
ENCODER_WIDTHS = (8, 8, 16, 16)
BASE, STYLE, TRANSPARENT, JOINT, FAST = (
    "tiny sdxl",
    "ink",
    "layer_xl_transparent_attn",
    "joint",
    "lightning 4step",
)
RANK = 2


def model_file(path: Path, kind: ModelKind, title: str, **facts: str) -> ModelFile:
    """Describe a file or folder as the list of models does."""
    files = sorted(p for p in path.rglob("*.safetensors")) if path.is_dir() else [path]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return ModelFile(
        kind=kind,
        path=str(path),
        sha256=digest,
        title=title,
        size_bytes=sum(file.stat().st_size for file in files),
        facts=tuple(facts.items()),
    )


def write_models(folder: Path, *, single_file: bool = False) -> EngineSetup:
    """Write a base model, LayerDiffuse's three files and one LoRA; returns them as an engine's setup."""
    base = folder / "base"
    kind = ModelKind.SDXL_CHECKPOINT if single_file else ModelKind.SDXL_FOLDER
    if single_file:
        base = tiny.write_checkpoint(folder / "base.safetensors")
    else:
        tiny.write_folder(base)
    decoder, encoder = (
        folder / "vae_transparent_decoder.safetensors",
        folder / "vae_transparent_encoder.safetensors",
    )
    save_file(_state(TransparentDecoder(DECODER_CHANNELS), seed=1), decoder)
    save_file(_state(TransparentEncoder(ENCODER_WIDTHS), seed=2), encoder)
    layers = write_lora(folder / f"{TRANSPARENT}.safetensors", seed=3)
    style = write_lora(folder / "ink.safetensors", seed=4, scale=0.5)
    return EngineSetup(
        models=(
            model_file(base, kind, BASE),
            model_file(decoder, ModelKind.TRANSPARENT_DECODER, "decoder"),
            model_file(encoder, ModelKind.TRANSPARENT_ENCODER, "encoder"),
            model_file(layers, ModelKind.TRANSPARENT_LORA, TRANSPARENT),
            model_file(style, ModelKind.LORA, STYLE),
        ),
        photoreal=PhotorealOptions(upscale=False),
    )


def write_lora(path: Path, *, seed: int, scale: float = 0.2) -> Path:
    """Write a LoRA of all attention queries and values in diffusers' key style."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for name, module in tiny.tiny_unet().named_modules():
        if name.endswith((".to_q", ".to_v")):
            out, inner = module.weight.shape
            tensors[f"unet.{name}.lora_A.weight"] = torch.randn(RANK, inner, generator=generator) * scale
            tensors[f"unet.{name}.lora_B.weight"] = torch.randn(out, RANK, generator=generator) * scale
    save_file(tensors, path)
    return path


def write_joint(path: Path, base_sha256: str, *, seed: int = 5, scale: float = 0.2) -> ModelFile:
    """Write a joint adapter of the 32x32 level, as training does."""
    generator = torch.Generator().manual_seed(seed)
    unet, tensors = tiny.tiny_unet(), {}
    for name, module in unet.named_modules():
        if name.startswith(("down_blocks.2", "mid_block", "up_blocks.0")) and name.endswith("attn1.to_v"):
            out, inner = module.weight.shape
            tensors[f"lora.{name}.down"] = torch.randn(RANK, inner, generator=generator) * scale
            tensors[f"lora.{name}.up"] = torch.randn(out, RANK, generator=generator) * scale
    width = unet.add_embedding.linear_2.out_features
    for table, count in {"role": 3, "order": 8, "state": 2}.items():
        tensors[f"embedding.{table}"] = torch.randn(count, width, generator=generator) * scale
    stated = {
        "format": "psdstudio.joint/1",
        "rank": str(RANK),
        "alpha": str(RANK),
        "wide": "false",
        "every": "1",
        "base": base_sha256,
    }
    save_file(tensors, path, metadata=stated)
    return model_file(path, ModelKind.JOINT_ADAPTER, JOINT)


def write_two_layer(path: Path, kind: ModelKind, *, channels: int, seed: int = 6) -> ModelFile:
    """Write one of LayerDiffuse's two-layer files, as plain offsets: queries, and a first layer of more channels."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for name, module in tiny.tiny_unet().named_modules():
        if name.endswith(".to_q"):
            tensors[f"{name}.weight"] = torch.randn(module.weight.shape, generator=generator) * 0.1
        elif name == "conv_in":
            shape = (module.weight.shape[0], channels, 3, 3)
            tensors["conv_in.weight"] = torch.randn(shape, generator=generator) * 0.1
    save_file(tensors, path)
    return model_file(path, kind, path.stem)


def write_picture_reader(folder: Path, *, projection: int = 24) -> None:
    """Write CLIP's image encoder (a folder) and a plain IP-Adapter that reads it, as `models add` finds them."""
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, projection_dim=projection, num_hidden_layers=2,
        num_attention_heads=2, image_size=28, patch_size=14,
    )  # fmt: skip
    torch.manual_seed(7)
    encoder = CLIPVisionModelWithProjection(config)
    encoder.config.architectures = ["CLIPVisionModelWithProjection"]
    target = folder / "image_encoder"
    target.mkdir(parents=True)
    encoder.config.save_pretrained(target)
    state = {
        name if name.startswith(("vision_model.", "visual_projection.")) else f"vision_model.{name}": tensor
        for name, tensor in encoder.state_dict().items()
    }
    save_file(state, target / "model.safetensors")
    save_file(plain_ip_adapter(tiny.tiny_unet(), projection), folder / "ip-adapter_sdxl.safetensors")


def plain_ip_adapter(unet: Any, projection: int, tokens: int = 4) -> dict[str, Tensor]:
    """Return random tensors with an IP-Adapter's published names."""
    g, width = torch.Generator().manual_seed(0), tiny.WORDS_DIM
    made = {
        "image_proj.proj.weight": torch.randn(tokens * width, projection, generator=g),
        "image_proj.proj.bias": torch.randn(tokens * width, generator=g),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    layers = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for i, name in enumerate(layers):
        channels = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for part in ("to_k_ip", "to_v_ip"):
            made[f"ip_adapter.{2 * i + 1}.{part}.weight"] = torch.randn(channels, width, generator=g) * 0.2
    return made


def _state(module: torch.nn.Module, *, seed: int) -> dict[str, Tensor]:
    """Return random tensors for a module of which nothing is zero, so that every part matters."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randn(tensor.shape, generator=generator) * 0.2 + (1.0 if "norm" in name else 0.0))
        for name, tensor in module.state_dict().items()
    }
