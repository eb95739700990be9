"""A tiny random Qwen-Image-Layered in the layout of diffusers, and requests to split a picture with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLQwenImage, FlowMatchEulerDiscreteScheduler, QwenImageTransformer2DModel
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.gen.model_files import EngineSetup, ModelFile, ModelKind
from psdstudio.gen.request import BackgroundPart, GenerationRequest, ObjectPart, Raster, Sampling

WORDS_DIM, LATENTS = 16, 8
"""Not four latent channels: diffusers takes a picture with as many channels as latents for latents."""
SHA256 = "0" * 64


def tiny_transformer(seed: int = 0, **changed: Any) -> QwenImageTransformer2DModel:
    """The layered network: positions in three dimensions, and a word for what is being made."""
    torch.manual_seed(seed)
    config: dict[str, Any] = {
        "patch_size": 2,
        "in_channels": 4 * LATENTS,
        "out_channels": LATENTS,
        "num_layers": 2,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": WORDS_DIM,
        "axes_dims_rope": (8, 4, 4),
        "use_additional_t_cond": True,
        "use_layer3d_rope": True,
    }
    return QwenImageTransformer2DModel(**{**config, **changed}).eval()


def tiny_vae(seed: int = 0, channels: int = 4) -> AutoencoderKLQwenImage:
    """The encoder and decoder of RGBA pictures."""
    torch.manual_seed(seed)
    return AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=LATENTS,
        dim_mult=[1, 2, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        input_channels=channels,
        latents_mean=[0.1 * i for i in range(LATENTS)],
        latents_std=[1.0 + 0.1 * i for i in range(LATENTS)],
    ).eval()


def tiny_text_encoder(seed: int = 0) -> Qwen2_5_VLForConditionalGeneration:
    """Qwen2.5-VL with one small layer of sight, which nothing here looks through."""
    torch.manual_seed(seed)
    text = {
        "vocab_size": 300,
        "hidden_size": WORDS_DIM,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "bos_token_id": None,
        "eos_token_id": 256,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
    }
    sight = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": WORDS_DIM,
        "fullatt_block_indexes": [0],
    }
    config = Qwen2_5_VLConfig(text_config=text, vision_config=sight)
    return Qwen2_5_VLForConditionalGeneration(config).eval()


def tiny_tokenizer() -> Qwen2Tokenizer:
    """Bytes, and the two marks of a turn."""
    vocab = {letter: i for i, letter in enumerate(sorted(ByteLevel.alphabet()))}
    vocab["<|endoftext|>"] = len(vocab)
    return Qwen2Tokenizer(vocab=vocab, merges=[], additional_special_tokens=["<|im_start|>", "<|im_end|>"])


def tiny_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """As it is published: shifted by the size of the picture, stretched to its end."""
    return FlowMatchEulerDiscreteScheduler(
        shift=1.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, base_image_seq_len=256,
        max_image_seq_len=8192, shift_terminal=0.02,
    )  # fmt: skip


def model_folder(folder: Path) -> Path:
    """A complete folder with random weights."""
    tiny_scheduler().save_pretrained(folder / "scheduler")
    tiny_tokenizer().save_pretrained(folder / "tokenizer")
    tiny_text_encoder().save_pretrained(folder / "text_encoder")
    tiny_transformer().save_pretrained(folder / "transformer")
    tiny_vae().save_pretrained(folder / "vae")
    index = {"_class_name": "QwenImageLayeredPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def setup_of(folder: Path) -> EngineSetup:
    """The user's models: this folder."""
    model = ModelFile(
        kind=ModelKind.QWEN_LAYERED, path=str(folder), sha256=SHA256, title="Qwen", size_bytes=1
    )
    return EngineSetup(models=(model,))


def part(name: str, box: BoxF | None = None, seed: int = 11) -> ObjectPart:
    """An object to be found."""
    return ObjectPart(id=LayerId(name), name=name, engine_words=f"a {name}", seed=seed, box=box)


def flat_picture(size: Size, seed: int = 3) -> Raster:
    """A picture of blocks of colour."""
    rng = np.random.default_rng(seed)
    rgba = rng.integers(0, 256, (8, 8, 4), dtype=np.uint8).repeat(size.height // 8 + 1, 0)
    rgba = rgba.repeat(size.width // 8 + 1, 1)[: size.height, : size.width].copy()
    rgba[..., 3] = 255
    return Raster(rgba=rgba, rect=Rect(0, 0, size.width, size.height))


def request(
    parts: Sequence[ObjectPart],
    *,
    size: Size = Size(72, 48),
    steps: int = 2,
    guidance: float = 4.0,
    seed: int = 5,
) -> GenerationRequest:
    """A request to split a picture into a background and these objects."""
    return GenerationRequest(
        run_id="run",
        engine="qwen-layered",
        size=size,
        scene_words=", ".join([one.engine_words for one in parts] + ["snow"]),
        background=BackgroundPart(id=LayerId("background"), engine_words="snow", seed=7),
        objects=tuple(parts),
        picture=flat_picture(size),
        sampling=Sampling(steps=steps, text_guidance=guidance),
        seed=seed,
    )
