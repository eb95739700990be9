"""Weights on disk: they come back as they were but for rounding, and whatever else lies there is refused by path."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.engine.weights import load_weights, save_weights
from psdstudio.errors import ModelLoadFailed, ModelNotFound
from psdstudio.jobs.inline import run_inline
from tests.engine.toys import TINY, TINY_LOOK_PX, loaded, part, request, tiny_net

pytestmark = pytest.mark.torch


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "scene.safetensors"
    save_weights(path, tiny_net(), look_px=TINY_LOOK_PX, trained={"objects": 7})
    return path


def test_weights_come_back_within_their_rounding(weights: Path) -> None:
    net, info = load_weights(weights)
    assert (info.look_px, info.trained, net.config) == (TINY_LOOK_PX, {"objects": 7}, TINY)
    assert not net.training
    for name, value in tiny_net().state_dict().items():
        got = net.state_dict()[name]
        assert got.dtype == torch.float32
        scale = (
            value.flatten(1).abs().amax(1).view(-1, *(1,) * (value.ndim - 1))
            if value.ndim > 1
            else value.abs()
        )
        assert bool(((got - value).abs() <= scale / 200 + 1e-3).all()), name


def test_a_second_trip_changes_nothing(weights: Path, tmp_path: Path) -> None:
    net, info = load_weights(weights)
    again = tmp_path / "again.safetensors"
    save_weights(again, net, look_px=info.look_px, trained=info.trained)
    for name, value in load_weights(again)[0].state_dict().items():
        torch.testing.assert_close(value, net.state_dict()[name], atol=2e-3, rtol=2e-3)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"scene\.safetensors") as missing:
        load_weights(tmp_path / "scene.safetensors")
    assert str(tmp_path) in missing.value.user_message
    assert missing.value.hint


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(4096))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path)


def one_tensor_short(path: Path) -> None:
    _rewritten(path, lambda tensors: tensors.pop("place.weight"))


def one_tensor_of_another_shape(path: Path) -> None:
    _rewritten(path, lambda tensors: tensors.update({"place.bias": torch.zeros(5)}))


def another_configuration(path: Path) -> None:
    save_weights(path, tiny_net(), look_px=TINY_LOOK_PX, trained={})
    tensors = load_file(path)
    save_file(tensors, path, metadata={"config": '{"depth": 9}', "look_px": "32", "trained": "{}"})


def _rewritten(path: Path, change: object) -> None:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        meta = file.metadata()
    tensors = load_file(path)
    change(tensors)  # type: ignore[operator]  # a plain function over the tensors
    save_file(tensors, path, metadata=meta)


DAMAGES = (
    truncated,
    garbage,
    empty,
    foreign,
    one_tensor_short,
    one_tensor_of_another_shape,
    another_configuration,
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_and_foreign_files_are_refused_by_path(weights: Path, damage: object) -> None:
    damage(weights)  # type: ignore[operator]  # one of DAMAGES
    with pytest.raises(ModelLoadFailed) as refused:
        load_weights(weights)
    assert str(weights) in refused.value.user_message
    assert "Install PSDStudio again" in refused.value.hint


def test_a_file_that_may_not_be_read_is_refused_by_path(weights: Path) -> None:
    weights.chmod(0)
    if os.access(weights, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(ModelLoadFailed, match=r"scene\.safetensors"):
        load_weights(weights)


@pytest.mark.parametrize(
    "file",
    [
        "model/scene.safetensors",
        "model/detail.safetensors",
        "text_encoder/vocab.txt",
        "text_encoder/model.safetensors",
    ],
)
def test_an_engine_names_the_file_it_lacks(folder: Path, tmp_path: Path, file: str) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine, symlinks=False)
    (mine / file).unlink()
    with pytest.raises(ModelNotFound) as missing:
        list(EmbeddedEngine(mine).load())
    assert Path(file).name in missing.value.user_message
    assert str(mine) in missing.value.user_message


@pytest.mark.parametrize("file", ["library.json", "library.webp"])
def test_a_library_that_is_missing_or_damaged_is_named(folder: Path, tmp_path: Path, file: str) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine, symlinks=False)
    (mine / "library" / file).write_bytes(b"nonsense")
    engine = loaded(mine)
    with pytest.raises(ModelLoadFailed, match="library"):
        run_inline(engine, request([part("swan")]))
    (mine / "library" / file).unlink()
    with pytest.raises(ModelNotFound, match=re.escape(file)) as missing:
        run_inline(engine, request([part("swan")]))
    assert "library switched off" in missing.value.hint
    run_inline(engine, request([part("swan", use_library=False)]))
