"""Folders of Qwen-Image-Layered: what is missing is named, other models are refused, memory is looked at first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from psdstudio.engine.qwen import engine as engine_module
from psdstudio.engine.qwen import memory
from psdstudio.engine.qwen.engine import QwenLayeredEngine
from psdstudio.engine.qwen.loading import checked_folder
from psdstudio.engine.qwen.memory import GIB, WORKING_BYTES, Placement, free_host_bytes, placement_for
from psdstudio.errors import ModelError, ModelIncompatible, ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import EngineSetup
from tests.engine.qwen.tiny_qwen import SHA256, setup_of, tiny_transformer, tiny_vae

pytestmark = pytest.mark.torch

CARD, PROCESSOR = torch.device("cuda"), torch.device("cpu")
SIZES = {"text_encoder": 16 * GIB, "transformer": 41 * GIB, "vae": GIB}
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
    assert "on the processor" in engine.info.native_note


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


@pytest.mark.parametrize(
    ("device", "card", "host", "placed"),
    [
        (CARD, 80, 64, Placement.WHOLE),
        (CARD, 80, None, Placement.WHOLE),
        (CARD, 50, 64, Placement.PARTS),
        (CARD, 12, 64, Placement.BLOCKS),
        (CARD, 12, None, Placement.BLOCKS),
        (PROCESSOR, None, 128, Placement.PROCESSOR),
        (PROCESSOR, None, None, Placement.PROCESSOR),
    ],
)
def test_the_fastest_way_that_fits_is_taken(
    device: torch.device, card: int | None, host: int | None, placed: Placement
) -> None:
    free = [None if size is None else size * GIB for size in (card, host)]
    assert placement_for(SIZES, device=device, device_free=free[0], host_free=free[1]) is placed


@pytest.mark.parametrize(("device", "card", "host"), [(CARD, 50, 32), (CARD, 4, 128), (PROCESSOR, None, 60)])
def test_too_little_memory_is_said_with_figures(device: torch.device, card: int | None, host: int) -> None:
    free = None if card is None else card * GIB
    with pytest.raises(ModelError, match=r"needs \d+\.\d GB .*has \d+\.\d GB free") as refused:
        placement_for(SIZES, device=device, device_free=free, host_free=host * GIB)
    assert "Nothing was loaded" in refused.value.hint


def test_a_full_model_is_refused_before_a_weight_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "free_host_bytes", lambda: WORKING_BYTES)
    with pytest.raises(ModelError, match="needs"):
        next(QwenLayeredEngine(setup_of(folder)).load())


def test_free_memory_is_read_where_the_system_tells(tmp_path: Path) -> None:
    table = tmp_path / "meminfo"
    table.write_text("MemTotal: 10 kB\nMemAvailable:    7 kB\n", encoding="ascii")
    assert free_host_bytes(table) == 7 * 1024
    assert free_host_bytes(tmp_path / "none") is None
    assert memory.free_device_bytes(PROCESSOR) is None
