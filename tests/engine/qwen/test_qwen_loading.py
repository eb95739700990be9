"""Folders of Qwen-Image-Layered: what is missing is named, other models are refused, memory is looked at first."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from psdstudio.engine.qwen.decomposition import working_bytes
from psdstudio.engine.qwen.engine import QwenLayeredEngine
from psdstudio.engine.qwen.loading import check_memory, checked_folder
from psdstudio.engine.sdxl.device import GIGABYTE, Backend, ComputeDevice
from psdstudio.errors import ModelError, ModelIncompatible, ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import EngineSetup, PhotorealOptions
from tests.engine.qwen.tiny_qwen import SHA256, setup_of, tiny_transformer, tiny_vae

pytestmark = pytest.mark.torch

WORKING = 8 * GIGABYTE
SIZES = {"text_encoder": 16 * GIGABYTE, "transformer": 40 * GIGABYTE, "vae": GIGABYTE}
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(qwen_folder: Path, tmp_path: Path) -> Path:
    """A folder to be damaged."""
    return shutil.copytree(qwen_folder, tmp_path / "qwen")


def load(folder: Path) -> QwenLayeredEngine:
    """Load the engine of a folder."""
    engine = QwenLayeredEngine(setup_of(folder), dtype=torch.float32)
    for _ in engine.load():
        pass
    return engine


def test_progress_is_told_and_the_model_introduces_itself(folder: Path) -> None:
    engine = QwenLayeredEngine(setup_of(folder))
    told = [event.done for event in engine.load()]
    assert told == [0, 1, 2, 3, 4]
    assert engine.info.weights_sha256 == SHA256
    assert engine._pipeline.transformer.dtype is torch.bfloat16
    assert "the processor" in engine.info.native_note


def test_a_model_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="not among your models"):
        next(QwenLayeredEngine(EngineSetup()).load())
    with pytest.raises(ModelNotFound, match="gone"):
        next(QwenLayeredEngine(setup_of(tmp_path / "nowhere")).load())


@pytest.mark.parametrize(
    "name",
    [
        TRANSFORMER,
        "transformer/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "text_encoder/model.safetensors",
        "text_encoder/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer_config.json",
    ],
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelNotFound, match=name):
        load(folder)


def test_weights_in_several_files_load_and_a_missing_one_is_named(folder: Path) -> None:
    network = tiny_transformer()
    (folder / TRANSFORMER).unlink()
    network.save_pretrained(folder / "transformer", max_shard_size="100KB")
    shards = sorted((folder / "transformer").glob("*.safetensors"))
    assert len(shards) > 1
    loaded = load(folder)._pipeline.transformer.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())
    shards[-1].unlink()
    with pytest.raises(ModelNotFound, match=shards[-1].name):
        load(folder)


def test_a_list_of_weights_that_leads_out_of_its_folder_is_refused(folder: Path) -> None:
    (folder / TRANSFORMER).unlink()
    index = folder / f"{TRANSFORMER}.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../../secret.safetensors"}}), encoding="utf-8")
    with pytest.raises(ModelLoadFailed, match="out of its folder"):
        load(folder)
    index.write_text("{", encoding="utf-8")
    with pytest.raises(ModelLoadFailed, match="cannot be read"):
        load(folder)
    index.write_text("{}", encoding="utf-8")
    with pytest.raises(ModelLoadFailed, match="damaged"):
        load(folder)


def test_pickles_are_not_read(folder: Path) -> None:
    weights = folder / TRANSFORMER
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelNotFound, match=r"diffusion_pytorch_model\.safetensors"):
        load(folder)


@pytest.mark.expects_logs
def test_damaged_weights_are_refused(folder: Path) -> None:
    weights = folder / TRANSFORMER
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelLoadFailed, match="“transformer”"):
        load(folder)


@pytest.mark.expects_logs
@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_weights_that_are_not_there_are_named(folder: Path, part: str) -> None:
    (weights,) = (folder / part).glob("*.safetensors")
    values = load_file(weights)
    gone = sorted(name for name in values if name.endswith("weight"))[-1]
    save_file({name: value for name, value in values.items() if name != gone}, weights, {"format": "pt"})
    with pytest.raises(ModelLoadFailed, match=rf"“{part}”.*1 weights"):
        load(folder)


def test_other_models_of_the_family_are_refused(folder: Path) -> None:
    tiny_transformer(use_layer3d_rope=False, use_additional_t_cond=False).save_pretrained(
        folder / "transformer"
    )
    with pytest.raises(ModelIncompatible, match="knows no layers"):
        load(folder)
    tiny_transformer().save_pretrained(folder / "transformer")
    checked_folder(folder)
    tiny_vae(channels=3).save_pretrained(folder / "vae")
    with pytest.raises(ModelIncompatible, match="knows no layers"):
        load(folder)


def device_with(backend: Backend, free: int, host: int) -> ComputeDevice:
    """A device with so many free gigabytes, of its own and of the computer's."""
    return ComputeDevice(
        backend=backend, title="a card", free_bytes=free * GIGABYTE, total_bytes=96 * GIGABYTE,
        host_free_bytes=host * GIGABYTE, bfloat16=True,
    )  # fmt: skip


@pytest.mark.parametrize(("free", "host"), [(80, 64), (50, 64), (12, 64)])
def test_a_card_works_with_parts_of_the_weights(free: int, host: int) -> None:
    check_memory(device_with(Backend.CUDA, free, host), SIZES, WORKING)


@pytest.mark.parametrize(
    ("backend", "free", "host"), [(Backend.CUDA, 80, 32), (Backend.CUDA, 4, 128), (Backend.CPU, 60, 60)]
)
def test_too_little_memory_is_said_with_figures(backend: Backend, free: int, host: int) -> None:
    with pytest.raises(ModelError, match=r"needs .*\d+\.\d GB of memory; .*\.0 GB of") as refused:
        check_memory(device_with(backend, free, host), SIZES, WORKING)
    assert "Nothing was loaded" in refused.value.hint


def test_a_full_model_is_refused_before_a_weight_is_read(folder: Path) -> None:
    capped = replace(setup_of(folder), photoreal=PhotorealOptions(memory_cap_gb=0.001))
    with pytest.raises(ModelError, match="needs"):
        next(QwenLayeredEngine(capped).load())


def test_working_memory_is_that_which_was_published() -> None:
    more = working_bytes(3072, 21, 1024) - working_bytes(3072, 5, 1024)
    assert more == pytest.approx((115 - 78) * 1e9, rel=0.01)
    assert working_bytes(3072, 8, 640) < 9 * GIGABYTE
