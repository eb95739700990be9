"""Adapter files: the same changes come out of every key style, and what does not fit is refused by name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from psdstudio.engine.sdxl.adapters_file import FullOffset, LowRank
from psdstudio.engine.sdxl.libraries import UNet2DConditionModel, init_empty_weights
from psdstudio.engine.sdxl.loading import BaseModel
from psdstudio.engine.sdxl.lora_files import _module_path, _modules_by_flat_name, read_adapter, read_two_layer
from psdstudio.engine.sdxl.lora_keys import Part, Role, adapter_key
from psdstudio.engine.sdxl.tensor_file import read_json
from psdstudio.engine.sdxl.tokenizer import clip_tokenizers
from psdstudio.errors import ModelIncompatible, ModelLoadFailed, StudioError
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.resources_path import resource_dir
from tests.engine.sdxl import tiny

pytestmark = pytest.mark.torch
Lora = dict[str, tuple[Tensor, Tensor]]
"""By diffusers' module path: down and up."""


@pytest.fixture(scope="module")
def base() -> BaseModel:
    return BaseModel(
        unet=tiny.tiny_unet(),
        vae=tiny.tiny_vae(),
        text_encoders=tiny.tiny_text_encoders(),
        tokenizers=clip_tokenizers(),
        scheduler={},
    )


@pytest.fixture(scope="module")
def lora(base: BaseModel) -> Lora:
    """A LoRA of rank 4 on all attention and feed-forward layers of the UNet."""
    generator = torch.Generator().manual_seed(0)
    made: Lora = {}
    for path, module in base.unet.named_modules():
        if "transformer_blocks" in path and isinstance(module, nn.Linear):
            down = torch.randn(4, module.in_features, generator=generator)
            made[path] = (down, torch.randn(module.out_features, 4, generator=generator))
    return made


def written(path: Path, state: dict[str, Tensor], metadata: dict[str, str] | None = None) -> ModelFile:
    path.unlink(missing_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata=metadata)
    return ModelFile(
        kind=ModelKind.LORA, path=str(path), sha256="", title="Mine", size_bytes=path.stat().st_size
    )


def original(path: str) -> str:
    return tiny.original_unet_name(path + ".weight").removesuffix(".weight")


def flat(path: str) -> str:
    return path.replace(".", "_")


def older(path: str) -> str:
    """The module of diffusers' older attention processors: `attn1.processor.to_q_lora`."""
    head, _, last = path.removesuffix(".0").rpartition(".")
    return f"unet.{head}.processor.{last}_lora" if head.endswith(("attn1", "attn2")) else f"unet.{path}.lora"


STYLES: dict[str, Callable[[str, str], str]] = {
    "kohya": lambda path, side: f"lora_unet_{flat(original(path))}.lora_{side}.weight",
    "kohya, diffusers' names": lambda path, side: f"lora_unet_{flat(path)}.lora_{side}.weight",
    "peft": lambda path, side: f"unet.{path}.lora_{'A' if side == 'down' else 'B'}.weight",
    "peft, no prefix": lambda path, side: (
        f"base_model.model.{path}.lora_{'A' if side == 'down' else 'B'}.weight"
    ),
    "diffusers": lambda path, side: f"unet.{path}.lora.{side}.weight",
    "diffusers, older": lambda path, side: f"{older(path)}.{side}.weight",
    "forge": lambda path, side: f"diffusion_model.{original(path)}.weight::lora::{int(side == 'down')}",
    "comfy": lambda path, side: f"diffusion_model.{original(path)}.lora_{side}.weight",
}


def styled(lora: Lora, style: str) -> dict[str, Tensor]:
    name = STYLES[style]
    pairs = {name(path, "down"): down for path, (down, _) in lora.items()}
    return pairs | {name(path, "up"): up for path, (_, up) in lora.items()}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_same_changes(base: BaseModel, lora: Lora, tmp_path: Path, style: str) -> None:
    read = read_adapter(written(tmp_path / "a.safetensors", styled(lora, style)), base)
    assert read.name == "Mine" and read.unet.keys() == lora.keys() and not any(map(len, read.text_encoders))
    for path, change in read.unet.items():
        assert isinstance(change, LowRank) and change.scale == 1.0
        assert torch.equal(change.down, lora[path][0]) and torch.equal(change.up, lora[path][1])


def test_kohya_files_are_read_as_diffusers_reads_them(base: BaseModel, lora: Lora, tmp_path: Path) -> None:
    state = styled(lora, "kohya")
    theirs, _ = StableDiffusionXLPipeline.lora_state_dict(dict(state), unet_config=base.unet.config)
    read = read_adapter(written(tmp_path / "theirs.safetensors", theirs), base)
    assert read.unet.keys() == lora.keys()
    assert all(
        torch.equal(change.down, lora[path][0])
        for path, change in read.unet.items()
        if isinstance(change, LowRank)
    )


def test_every_module_of_sdxl_is_found_under_its_original_name() -> None:
    with init_empty_weights():
        unet = UNet2DConditionModel.from_config(
            read_json(resource_dir("sdxl/config") / "unet" / "config.json")
        )
    index = _modules_by_flat_name(unet)
    assert len(index.paths) == len(index.real) > 700
    for path in index.real:
        for name in (
            f"lora_unet_{flat(original(path))}.alpha",
            f"lora_unet_{flat(path)}.alpha",
            f"{path}.weight",
        ):
            key = adapter_key(name)
            assert key is not None and key.part is Part.UNET and _module_path(key, index) == path


LAYER = "encoder.layers.1"


@pytest.mark.parametrize(
    ("name", "part", "module"),
    [
        ("lora_te1_text_model_encoder_layers_1_mlp_fc1.lora_down", 0, f"{LAYER}.mlp.fc1"),
        ("lora_te2_text_model_encoder_layers_1_self_attn_q_proj.lora_down", 1, f"{LAYER}.self_attn.q_proj"),
        (f"text_encoder.text_model.{LAYER}.self_attn.v_proj.lora_A", 0, f"{LAYER}.self_attn.v_proj"),
        (f"text_encoder_2.text_model.{LAYER}.self_attn.to_out_lora.down", 1, f"{LAYER}.self_attn.out_proj"),
        (f"text_encoder.text_model.{LAYER}.mlp.fc2.lora_linear_layer.down", 0, f"{LAYER}.mlp.fc2"),
        ("text_encoder_2.text_projection.lora.down", 1, "text_projection"),
    ],
)
def test_text_encoders_are_changed_too(
    base: BaseModel, tmp_path: Path, name: str, part: int, module: str
) -> None:
    encoder = base.text_encoders[part]
    layer = {name.removeprefix("text_model."): found for name, found in encoder.named_modules()}[module]
    down, up = torch.randn(2, layer.in_features), torch.randn(layer.out_features, 2)
    other = name.replace("down", "up").replace("lora_A", "lora_B")
    state = {f"{name}.weight": down, f"{other}.weight": up}
    read = read_adapter(written(tmp_path / "te.safetensors", state), base)
    change = read.text_encoders[part][module]
    assert isinstance(change, LowRank) and torch.equal(change.up, up)
    assert not read.unet and not read.text_encoders[1 - part]


def test_alpha_divides_by_the_rank(base: BaseModel, lora: Lora, tmp_path: Path) -> None:
    state = styled(lora, "kohya")
    first = next(iter(lora))
    state[f"lora_unet_{flat(original(first))}.alpha"] = torch.tensor(2.0)
    read = read_adapter(written(tmp_path / "alpha.safetensors", state), base)
    scales = {path: change.scale for path, change in read.unet.items() if isinstance(change, LowRank)}
    assert scales.pop(first) == 0.5 and set(scales.values()) == {1.0}


def test_scales_in_the_metadata_of_diffusers_count(base: BaseModel, lora: Lora, tmp_path: Path) -> None:
    paths = list(lora)
    stated = {"unet.lora_alpha": 8, "unet.r": 4, "unet.alpha_pattern": {paths[1]: 2}}

    def scales(**more: object) -> list[float]:
        metadata = {"lora_adapter_metadata": json.dumps({**stated, **more})}
        model = written(tmp_path / "meta.safetensors", styled(lora, "peft"), metadata)
        return [c.scale for c in map(read_adapter(model, base).unet.get, paths[:3]) if isinstance(c, LowRank)]

    assert scales() == [2.0, 0.5, 2.0]
    assert scales(**{"unet.use_rslora": True}) == [8 / math.sqrt(4), 1.0, 4.0]
    with pytest.raises(ModelLoadFailed, match="notes inside"):
        read_adapter(
            written(tmp_path / "m.safetensors", styled(lora, "peft"), {"lora_adapter_metadata": "{"}), base
        )


def test_convolutions_and_matrices_in_either_form(base: BaseModel, tmp_path: Path) -> None:
    conv, shortcut = "down_blocks.0.resnets.0.conv1", "down_blocks.1.resnets.0.conv_shortcut"
    linear = "down_blocks.1.attentions.0.proj_in"
    state = {
        f"lora_unet_{flat(original(conv))}.lora_down.weight": torch.randn(3, 32, 3, 3),
        f"lora_unet_{flat(original(conv))}.lora_up.weight": torch.randn(32, 3, 1, 1),
        f"lora_unet_{flat(original(shortcut))}.lora_down.weight": torch.randn(3, 32),
        f"lora_unet_{flat(original(shortcut))}.lora_up.weight": torch.randn(64, 3),
        f"lora_unet_{flat(original(linear))}.lora_down.weight": torch.randn(3, 64, 1, 1),
        f"lora_unet_{flat(original(linear))}.lora_up.weight": torch.randn(64, 3, 1, 1),
    }
    read = read_adapter(written(tmp_path / "conv.safetensors", state), base)
    shapes = {
        path: (tuple(c.down.shape), tuple(c.up.shape))
        for path, c in read.unet.items()
        if isinstance(c, LowRank)
    }
    assert shapes == {
        conv: ((3, 32, 3, 3), (32, 3, 1, 1)),
        shortcut: ((3, 32, 1, 1), (64, 3, 1, 1)),
        linear: ((3, 64), (64, 3)),
    }


def test_trained_norms_and_biases_are_offsets(base: BaseModel, tmp_path: Path) -> None:
    norm, conv = "down_blocks.0.resnets.0.norm1", "down_blocks.0.resnets.0.conv1"
    state = {
        f"lora_unet_{flat(original(norm))}.w_norm": torch.ones(32),
        f"lora_unet_{flat(original(norm))}.b_norm": torch.zeros(32),
        f"lora_unet_{flat(original(conv))}.diff": torch.ones(32, 32, 3, 3),
        f"lora_unet_{flat(original(conv))}.diff_b": torch.ones(32),
    }
    read = read_adapter(written(tmp_path / "norm.safetensors", state), base).unet
    assert read.keys() == {norm, conv}
    assert all(
        isinstance(c, FullOffset) and c.weight is not None and c.bias is not None for c in read.values()
    )


@given(st.text(alphabet=st.sampled_from("lora_.unetABdw:0weightbiasprocessorto_qk"), max_size=60))
def test_any_name_is_taken_apart_or_refused(name: str) -> None:
    key = adapter_key(name)
    assert key is None or isinstance(key.role, Role)


@pytest.mark.parametrize("forge", [False, True])
@pytest.mark.parametrize("attention", [False, True])
def test_offsets_are_added_to_the_weights_they_name(
    base: BaseModel, tmp_path: Path, forge: bool, attention: bool
) -> None:
    """Queries, keys and values alone, or all but them: the two published sets."""
    weights = base.unet.state_dict()
    is_query = (".to_q.", ".to_k.", ".to_v.")
    chosen = [name for name in weights if any(part in name for part in is_query) is attention]
    offsets = {name: torch.randn(weights[name].shape) for name in chosen}
    state = offsets
    if forge:
        state = {
            f"diffusion_model.{tiny.original_unet_name(name)}::diff::0": offset
            for name, offset in offsets.items()
        }
    read = read_adapter(written(tmp_path / "offset.safetensors", state), base)
    found: dict[str, Tensor] = {}
    for path, change in read.unet.items():
        assert isinstance(change, FullOffset)
        found |= {f"{path}.weight": change.weight} if change.weight is not None else {}
        found |= {f"{path}.bias": change.bias} if change.bias is not None else {}
    assert found.keys() == offsets.keys()
    assert all(torch.equal(found[name], offsets[name]) for name in offsets)


@pytest.mark.parametrize("forge", [False, True])
@pytest.mark.parametrize(
    ("kind", "channels"), [(ModelKind.BACKGROUND_TO_BLEND, 8), (ModelKind.BLEND_TO_FOREGROUND, 12)]
)
def test_two_layer_files_widen_the_first_convolution(
    base: BaseModel, tmp_path: Path, kind: ModelKind, channels: int, forge: bool
) -> None:
    offsets = {
        "conv_in.weight": torch.randn(32, channels, 3, 3),
        "conv_in.bias": torch.randn(32),
        "mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight": torch.randn(64, 64),
    }
    state = offsets
    if forge:
        state = {
            f"diffusion_model.{tiny.original_unet_name(name)}::diff::0": offset
            for name, offset in offsets.items()
        }
    model = replace(written(tmp_path / "two.safetensors", state), kind=kind)
    read = read_two_layer(model, base)
    assert read.channels == channels and read.conv_in.weight is not None and read.conv_in.bias is not None
    assert torch.equal(read.conv_in.weight, offsets["conv_in.weight"])
    assert list(read.adapter.unet) == ["mid_block.attentions.0.transformer_blocks.0.attn1.to_q"]
    with pytest.raises(ModelIncompatible, match=r"conv_in is of another size \(32x"):
        read_adapter(model, base)
    with pytest.raises(ModelIncompatible, match="no two-layer model"):
        read_two_layer(replace(model, kind=ModelKind.LORA), base)
    narrow = {**offsets, "conv_in.weight": torch.randn(32, 4, 3, 3)}
    with pytest.raises(ModelIncompatible, match="conv_in is of another size"):
        read_two_layer(replace(written(tmp_path / "narrow.safetensors", narrow), kind=kind), base)


def refused(base: BaseModel, tmp_path: Path, state: dict[str, Tensor]) -> StudioError:
    with pytest.raises(StudioError) as caught:
        read_adapter(written(tmp_path / "bad.safetensors", state), base)
    return caught.value


QUERY = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"


def test_adapters_of_other_bases_are_refused_by_name(base: BaseModel, lora: Lora, tmp_path: Path) -> None:
    other = {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": torch.ones(2, 8)}
    error = refused(base, tmp_path, {**styled(lora, "kohya"), **other})
    assert (
        isinstance(error, ModelIncompatible)
        and "double_blocks_0_img_attn_qkv" in error.user_message
        and error.hint
    )
    wide = {f"{QUERY}.lora_A.weight": torch.ones(2, 320), f"{QUERY}.lora_B.weight": torch.ones(320, 2)}
    error = refused(base, tmp_path, wide)
    assert (
        isinstance(error, ModelIncompatible) and "attn1.to_q is of another size (2x320)" in error.user_message
    )


@pytest.mark.parametrize(
    ("state", "kind", "sentence"),
    [
        ({f"{QUERY}.lora_A.weight": torch.ones(2, 64)}, ModelLoadFailed, "half of its change"),
        ({f"{QUERY}.alpha": torch.ones(1)}, ModelLoadFailed, "half of its change"),
        ({f"{QUERY}.dora_scale": torch.ones(1)}, ModelIncompatible, "method that is not supported"),
        ({f"{QUERY}.hada_w1_a": torch.ones(1)}, ModelIncompatible, "method that is not supported"),
        ({f"{QUERY}.lora_mid.weight": torch.ones(1)}, ModelIncompatible, "method that is not supported"),
        ({"diffusion_model.out.2.weight::lokr::0": torch.ones(1)}, ModelIncompatible, "not supported"),
        ({f"{QUERY}.lora_A.weight": torch.full((2, 64), torch.nan)}, ModelLoadFailed, "not finite"),
        ({}, ModelIncompatible, "changes nothing"),
    ],
)  # fmt: skip
def test_incomplete_and_strange_files_are_refused(
    base: BaseModel, tmp_path: Path, state: dict[str, Tensor], kind: type[StudioError], sentence: str
) -> None:
    error = refused(base, tmp_path, state)
    assert isinstance(error, kind) and sentence in error.user_message


def test_more_contradictions_are_refused(base: BaseModel, tmp_path: Path) -> None:
    pair = {f"{QUERY}.lora_A.weight": torch.ones(2, 64), f"{QUERY}.lora_B.weight": torch.ones(64, 2)}
    twice = {**pair, f"lora_{flat(QUERY).replace('unet_', 'unet_', 1)}.lora_down.weight": torch.ones(2, 64)}
    assert "changes one thing twice" in refused(base, tmp_path, twice).user_message
    both = {**pair, f"{QUERY.removeprefix('unet.')}.weight": torch.ones(64, 64)}
    assert "in two ways at once" in refused(base, tmp_path, both).user_message
    empty = {f"{QUERY}.lora_A.weight": torch.ones(0, 64), f"{QUERY}.lora_B.weight": torch.ones(64, 0)}
    assert "is of another size (0x64)" in refused(base, tmp_path, empty).user_message
    assert "damaged alpha" in refused(base, tmp_path, {**pair, f"{QUERY}.alpha": torch.ones(2)}).user_message


def test_names_are_taken_apart() -> None:
    key = adapter_key("diffusion_model.out.2.bias::diff::0")
    assert key is not None and (key.part, key.module, key.role) == (Part.UNET, "out.2", Role.BIAS)
    assert adapter_key("diffusion_model.out.2.bias::lora::0") is None
