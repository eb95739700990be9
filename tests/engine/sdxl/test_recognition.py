"""Recognition, which never loads torch, against the modules of diffusers: tiny ones on disk, full-size ones by name."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.header import TensorEntry, WeightsHeader
from psdstudio.gen.weights.inventory import Inventory
from psdstudio.gen.weights.recognised import Recognised
from psdstudio.gen.weights.recognition import recognise_tensors
from psdstudio.models.adding import add_models
from psdstudio.resources_path import resource_dir
from tests.engine.sdxl import tiny

pytestmark = pytest.mark.torch
Shapes = dict[str, tuple[int, ...]]


def test_the_tiny_model_is_recognised_in_both_layouts(tmp_path: Path) -> None:
    tiny.write_folder(tmp_path / "full")
    tiny.write_folder(tmp_path / "half", variant="fp16", dtype=torch.float16)
    tiny.write_checkpoint(tmp_path / "one.safetensors", dtype=torch.bfloat16)
    tiny.write_transparent(tmp_path / "transparent")
    found = {model.title: model for model in add_models(tmp_path)}
    assert found.pop("vae_transparent_encoder").kind is ModelKind.TRANSPARENT_ENCODER
    assert found.pop("vae_transparent_decoder").kind is ModelKind.TRANSPARENT_DECODER
    assert {title: model.kind for title, model in found.items()} == {
        "one": ModelKind.SDXL_CHECKPOINT,
        "full": ModelKind.SDXL_FOLDER,
        "half": ModelKind.SDXL_FOLDER,
    }
    assert [found[name].fact("numbers") for name in ("full", "half", "one")] == ["F32", "F16", "BF16"]
    assert {model.fact("words_width") for model in found.values()} == {str(tiny.WORDS_DIM)}
    assert found["half"].fact("variant") == "fp16"


@cache
def _shapes(part: str) -> Shapes:
    """Names and shapes of a part of SDXL base 1.0, without memory."""
    config: dict[str, Any] = json.loads(
        (resource_dir("sdxl/config") / part / "config.json").read_text(encoding="utf-8")
    )
    kind = UNet2DConditionModel if part == "unet" else AutoencoderKL
    with torch.device("meta"):
        module = kind.from_config(config)
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def _recognised(name: str, shapes: Shapes) -> Recognised:
    """What a file of this name in float16 with these tensors would be."""
    entries, place = [], 0
    for tensor, shape in shapes.items():
        end = place + 2 * math.prod(shape)
        entries.append(TensorEntry(tensor, "F16", shape, place, end))
        place = end
    path = Path(f"{name}.safetensors")
    header = WeightsHeader(path=path, size_bytes=place, data_begin=0, entries=tuple(entries))
    return recognise_tensors(path, Inventory(headers=(header,)))


def _unet() -> Shapes:
    return _shapes("unet")


def _forge(shapes: Shapes) -> Shapes:
    """Offsets under the original names, as Forge has them."""
    return {
        f"diffusion_model.{tiny.original_unet_name(name)}::diff::0": shape for name, shape in shapes.items()
    }


def _attention() -> Shapes:
    linears = re.compile(r"attn[12]\.(to_[qkv]|to_out\.0)\.weight$")
    return {name: shape for name, shape in _unet().items() if linears.search(name)}


def _low_rank(rank: int) -> Shapes:
    out: Shapes = {}
    for name, (writes, reads) in _attention().items():
        key = f"diffusion_model.{tiny.original_unet_name(name)}::lora"
        out |= {f"{key}::0": (writes, rank), f"{key}::1": (rank, reads)}
    return out


def _without_queries(channels: int = 4) -> Shapes:
    """All but attention's queries, keys and values, and the embeddings of time and size."""
    left_out = re.compile(r"to_[qkv]\.|^(time|add)_embedding")
    shapes = {name: shape for name, shape in _unet().items() if not left_out.search(name)}
    return shapes | {"conv_in.weight": (320, channels, 3, 3)}


def _convolutions(channels: int) -> Shapes:
    return {name: shape for name, shape in _without_queries(channels).items() if ".attentions." not in name}


def test_a_full_size_checkpoint() -> None:
    shapes = {f"model.diffusion_model.{tiny.original_unet_name(n)}": shape for n, shape in _unet().items()}
    alone = dict(shapes)
    shapes |= {f"first_stage_model.{tiny.original_vae_name(n)}": shape for n, shape in _shapes("vae").items()}
    shapes["conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"] = (49408, 768)
    shapes["conditioner.embedders.1.model.token_embedding.weight"] = (49408, 1280)
    assert _recognised("sd_xl_base_1.0", shapes).kind is ModelKind.SDXL_CHECKPOINT
    for unet in (alone, _unet()):
        with pytest.raises(ModelIncompatible, match="UNet of a model alone"):
            _recognised("unet", unet)


@pytest.mark.parametrize(
    ("name", "make", "kind", "published_bytes"),
    [
        ("layer_xl_transparent_attn", lambda: _low_rank(256), ModelKind.TRANSPARENT_LORA, 743e6),
        (
            "ld_diffusers_sdxl_attn",
            lambda: {name: shape for name, shape in _unet().items() if re.search(r"attn[12]\.", name)},
            ModelKind.TRANSPARENT_OFFSET,
            1.91e9,
        ),
        ("ld_diffusers_sdxl_conv", _without_queries, ModelKind.TRANSPARENT_OFFSET, 3.62e9),
        (
            "layer_xl_transparent_conv",
            lambda: _forge(_without_queries()),
            ModelKind.TRANSPARENT_OFFSET,
            3.62e9,
        ),
        ("layer_xl_bg2ble", lambda: _forge(_convolutions(8)), ModelKind.BACKGROUND_TO_BLEND, 702e6),
        ("diffuser_layer_xl_fg2ble", lambda: _convolutions(8), ModelKind.FOREGROUND_TO_BLEND, 702e6),
        ("layer_xl_fgble2bg", lambda: _forge(_convolutions(12)), ModelKind.BLEND_TO_BACKGROUND, 702e6),
        ("layer_xl_bgble2fg", lambda: _forge(_without_queries(12)), ModelKind.BLEND_TO_FOREGROUND, 3.62e9),
    ],
)
def test_full_size_layerdiffuse_files(name: str, make: Any, kind: ModelKind, published_bytes: float) -> None:
    """The sizes are those of the published files: what they are taken to hold is what they hold."""
    found = _recognised(name, make())
    assert found.kind is kind
    assert found.size_bytes == pytest.approx(published_bytes, rel=2e-3)


@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize("part", ["attn1.to_q", "attn2.to_k", "resnets", "transformer_blocks.0.attn1"])
def test_a_lora_on_any_part_of_the_unet(part: str, original: bool) -> None:
    shapes: Shapes = {}
    for name, shape in _unet().items():
        if part in name and name.endswith(".weight") and len(shape) > 1:
            module = tiny.original_unet_name(name) if original else name
            key = "lora_unet_" + module.removesuffix(".weight").replace(".", "_")
            shapes |= {f"{key}.lora_down.weight": (8, *shape[1:]), f"{key}.lora_up.weight": (shape[0], 8)}
    assert _recognised("style", shapes).kind is ModelKind.LORA
