"""Loading of the networks: bit for bit as diffusers and transformers load them, and strict where they are lenient."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from psdstudio.engine.sdxl.libraries import CLIPTextConfig, init_empty_weights
from psdstudio.engine.sdxl.loading import load_base
from psdstudio.engine.sdxl.single_file import UNET_PREFIX, VAE_PREFIX, unet_name, vae_name
from psdstudio.engine.sdxl.tensor_file import is_finite, read_json
from psdstudio.errors import ModelIncompatible, ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.resources_path import resource_dir
from tests.engine.sdxl import tiny

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_folder(tmp_path_factory.mktemp("base") / "sdxl")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_checkpoint(tmp_path_factory.mktemp("base") / "sdxl.safetensors")


def folder_model(path: Path) -> ModelFile:
    return ModelFile(kind=ModelKind.SDXL_FOLDER, path=str(path), sha256="", title="Tiny", size_bytes=0)


def file_model(path: Path, kind: ModelKind = ModelKind.SDXL_CHECKPOINT) -> ModelFile:
    return ModelFile(kind=kind, path=str(path), sha256="", title="Tiny", size_bytes=path.stat().st_size)


def changed(path: Path, change: Callable[[dict[str, Tensor]], None], source: Path | None = None) -> None:
    """Write the tensors of a file anew, as `change` leaves them."""
    state = {name: tensor.clone() for name, tensor in load_file(source or path).items()}
    change(state)
    save_file(state, path, metadata={"format": "pt"})


def assert_equal(a: nn.Module, b: nn.Module) -> None:
    ours, theirs = a.state_dict(), b.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_folder_gives_what_diffusers_and_transformers_give(folder: Path) -> None:
    base = load_base(folder_model(folder))
    assert_equal(base.unet, UNet2DConditionModel.from_pretrained(folder, subfolder="unet"))
    assert_equal(base.vae, AutoencoderKL.from_pretrained(folder, subfolder="vae"))
    assert_equal(base.text_encoders[0], CLIPTextModel.from_pretrained(folder, subfolder="text_encoder"))
    second = CLIPTextModelWithProjection.from_pretrained(folder, subfolder="text_encoder_2")
    assert_equal(base.text_encoders[1], second)
    ids = base.tokenizers[1]("a swan", return_tensors="pt").input_ids
    assert torch.equal(base.text_encoders[1](ids).text_embeds, second(ids).text_embeds)
    assert base.scheduler["prediction_type"] == "epsilon"
    networks = (base.unet, base.vae, *base.text_encoders)
    assert not any(network.training for network in networks)
    assert not any(p.requires_grad or p.is_meta for network in networks for p in network.parameters())


def test_checkpoint_in_one_file_gives_the_same_networks(folder: Path, checkpoint: Path) -> None:
    base, whole = load_base(folder_model(folder)), load_base(file_model(checkpoint), config=folder)
    assert_equal(whole.unet, base.unet)
    assert_equal(whole.vae, base.vae)
    for mine, theirs in zip(whole.text_encoders, base.text_encoders, strict=True):
        assert_equal(mine, theirs)
    unet = UNet2DConditionModel.from_single_file(checkpoint, config=str(folder), subfolder="unet")
    assert_equal(whole.unet, unet)


def test_nothing_is_looked_for_on_the_network(
    folder: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: asked.append(args))
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    load_base(folder_model(folder))
    load_base(file_model(checkpoint), config=folder)
    assert not asked


def test_networks_of_our_own_size_are_sdxl() -> None:
    """Parameter counts of SDXL base 1.0; nothing is allocated."""
    root = resource_dir("sdxl/config")
    with init_empty_weights():
        networks = (
            UNet2DConditionModel.from_config(read_json(root / "unet" / "config.json")),
            AutoencoderKL.from_config(read_json(root / "vae" / "config.json")),
            CLIPTextModel(CLIPTextConfig.from_dict(read_json(root / "text_encoder" / "config.json"))),
            CLIPTextModelWithProjection(
                CLIPTextConfig.from_dict(read_json(root / "text_encoder_2" / "config.json"))
            ),
        )
    counts = [sum(parameter.numel() for parameter in network.parameters()) for network in networks]
    assert counts == [2_567_463_684, 83_653_863, 123_060_480, 694_659_840]
    names = networks[0].state_dict()
    assert len(names) == 1680
    assert all(unet_name(tiny.original_unet_name(name)) == name for name in names)
    assert all(vae_name(tiny.original_vae_name(name)) == name for name in networks[1].state_dict())


def test_half_precision_folder_and_types(tmp_path: Path) -> None:
    path = tiny.write_folder(tmp_path / "half", variant="fp16", dtype=torch.float16)
    base = load_base(folder_model(path), dtype=torch.float16)
    assert base.unet.dtype == base.text_encoders[0].dtype == torch.float16
    assert base.vae.dtype == torch.float32, "SDXL's VAE overflows in float16"
    assert load_base(folder_model(path), dtype=torch.bfloat16).vae.dtype == torch.bfloat16
    wide = load_base(folder_model(path)).unet.conv_in.weight
    assert wide.dtype == torch.float32 and torch.equal(wide, tiny.tiny_unet().conv_in.weight.half().float())


def test_shards_are_put_together(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "shards"))
    whole = path / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(whole)
    whole.unlink()
    names = sorted(state)
    halves = {"a.safetensors": names[: len(names) // 2], "b.safetensors": names[len(names) // 2 :]}
    for file, part in halves.items():
        save_file({name: state[name] for name in part}, path / "unet" / file)
    weight_map = {name: file for file, part in halves.items() for name in part}
    (path / "unet" / f"{whole.name}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert_equal(load_base(folder_model(path)).unet, tiny.tiny_unet())
    weight_map[names[0]] = "../a.safetensors"
    (path / "unet" / f"{whole.name}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(ModelLoadFailed, match="list of a model's files"):
        load_base(folder_model(path))


def drop(name: str) -> Callable[[dict[str, Tensor]], None]:
    def change(state: dict[str, Tensor]) -> None:
        del state[name]

    return change


def put(name: str, value: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.update({name: value})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (drop("conv_in.bias"), "lacks tensors: conv_in.bias"),
        (put("conv_in.gain", torch.ones(3)), "holds unknown tensors: conv_in.gain"),
        (put("conv_in.bias", torch.ones(31)), r"conv_in.bias \(31 where 32 is expected\)"),
        (put("conv_in.bias", torch.full((32,), float("nan"))), "“conv_in.bias” .* not finite"),
        (put("conv_in.bias", torch.full((32,), float("inf"))), "“conv_in.bias” .* not finite"),
    ],
)
def test_wrong_tensors_are_named(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, Tensor]], None], sentence: str
) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "wrong"))
    changed(path / "unet" / "diffusion_pytorch_model.safetensors", change)
    with pytest.raises(ModelLoadFailed, match=sentence):
        load_base(folder_model(path))


def test_what_overflows_in_half_precision_is_named(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "large"))
    changed(
        path / "unet" / "diffusion_pytorch_model.safetensors", put("conv_in.bias", torch.full((32,), 1e5))
    )
    load_base(folder_model(path))
    with pytest.raises(ModelLoadFailed, match=r"conv_in.bias"):
        load_base(folder_model(path), dtype=torch.float16)


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn]
)
@pytest.mark.parametrize("at", [0, 5, 1000, 4096])
def test_one_bad_number_is_found_wherever_it_is(dtype: torch.dtype, at: int) -> None:
    tensor = torch.ones(4097).to(dtype)
    assert is_finite(tensor)
    tensor[at] = float("nan")
    assert not is_finite(tensor)


def test_missing_parts_are_named(folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "part"))
    (path / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelNotFound, match=r"vae/diffusion_pytorch_model.safetensors"):
        load_base(folder_model(path))
    shutil.rmtree(path / "text_encoder_2")
    with pytest.raises(ModelNotFound, match="text_encoder_2"):
        load_base(folder_model(path))


def test_checkpoint_without_a_part_says_which(checkpoint: Path, folder: Path, tmp_path: Path) -> None:
    def without_vae(state: dict[str, Tensor]) -> None:
        for name in [name for name in state if name.startswith(VAE_PREFIX)]:
            del state[name]

    path = tmp_path / "no_vae.safetensors"
    changed(path, without_vae, source=checkpoint)
    with pytest.raises(ModelLoadFailed, match=r"no_vae.safetensors has no vae"):
        load_base(file_model(path), config=folder)


def test_checkpoint_of_another_size_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ModelLoadFailed, match=r"of another shape: .*conv_in.weight|lacks tensors"):
        load_base(file_model(checkpoint))


def test_changed_and_cut_off_files_are_refused(checkpoint: Path, folder: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(checkpoint, tmp_path / "cut.safetensors"))
    model = file_model(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelLoadFailed, match="has changed since it was added"):
        load_base(model, config=folder)
    with pytest.raises(ModelLoadFailed, match="damaged or cut off"):
        load_base(file_model(path), config=folder)
    path.unlink()
    with pytest.raises(ModelNotFound, match="“Tiny” is missing"):
        load_base(model, config=folder)


def test_notes_of_other_noise_schedules_are_heeded(checkpoint: Path, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    changed(path, lambda state: state.update(v_pred=torch.ones(1), ztsnr=torch.ones(1)), source=checkpoint)
    scheduler = load_base(file_model(path), config=folder).scheduler
    assert scheduler["prediction_type"] == "v_prediction" and scheduler["rescale_betas_zero_snr"] is True
    changed(path, lambda state: state.update(edm_mean=torch.ones(1)), source=checkpoint)
    with pytest.raises(ModelIncompatible, match="EDM"):
        load_base(file_model(path), config=folder)
    other = Path(shutil.copytree(folder, tmp_path / "edm"))
    (other / "scheduler" / "scheduler_config.json").write_text('{"_class_name": "EDMEulerScheduler"}')
    with pytest.raises(ModelIncompatible, match="EDM"):
        load_base(folder_model(other))


@pytest.mark.parametrize(
    ("part", "entries", "error", "sentence"),
    [
        ("unet", {"in_channels": 9}, ModelIncompatible, "inpainting"),
        ("unet", {"addition_embed_type": None}, ModelIncompatible, "not of the SDXL family"),
        ("unet", {"cross_attention_dim": 768}, ModelIncompatible, "do not belong together"),
        ("text_encoder", {"vocab_size": 49500}, ModelIncompatible, "vocabulary of its own"),
        ("text_encoder", {"num_hidden_layers": 10**9}, ModelLoadFailed, "more layers"),
        ("unet", {"transformer_layers_per_block": [1, [10**6], 1]}, ModelLoadFailed, "more layers"),
        ("unet", {"block_out_channels": [32] * 9}, ModelLoadFailed, "more layers"),
        (
            "unet",
            {"down_block_types": ["NoSuchBlock"] * 3},
            ModelLoadFailed,
            "configuration of the model's unet",
        ),
    ],
)
def test_other_families_and_broken_configurations_are_refused(
    folder: Path, tmp_path: Path, part: str, entries: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "other"))
    config = path / part / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **entries}))
    with pytest.raises(error, match=sentence):
        load_base(folder_model(path))


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, " " * 1_000_001])
def test_unreadable_configurations_are_refused(folder: Path, tmp_path: Path, text: str) -> None:
    path = Path(shutil.copytree(folder, tmp_path / "json"))
    (path / "unet" / "config.json").write_text(text)
    with pytest.raises(ModelLoadFailed, match="cannot be read"):
        load_base(folder_model(path))


def test_names_of_no_layout_stay_as_they_are() -> None:
    assert unet_name("input_blocks.99.0.in_layers.0.weight") == "input_blocks.99.0.in_layers.0.weight"
    assert unet_name("input_blocks_4_1_transformer_blocks_0_attn1_to_q", separator="_") == (
        "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
    )
    assert UNET_PREFIX == "model.diffusion_model."
