"""The fixed validation is fixed and notices a better network; a network elsewhere is the same network."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from psdstudio.engine.network import SceneNet
from psdstudio.training.device import TrainedNet, chosen_device, moved
from psdstudio.training.stages import scene_loss
from psdstudio.training.train import train_step
from psdstudio.training.validation import SETTINGS, log_validation, validate
from tests.engine.toys import light_and_ground, scene
from tests.training.toys import TINY, material, tiny_state

pytestmark = pytest.mark.torch


def test_every_setting_is_judged_and_the_same_network_gets_the_same_figures(pack: Path) -> None:
    stuff, net = material(pack), tiny_state().average
    first = validate(net, stuff, 32)
    assert first == validate(net, stuff, 32)
    for setting in SETTINGS:
        kinds = {name.removeprefix(f"{setting} ").split()[0] for name in first if name.startswith(setting)}
        assert kinds == ({"look", "effect"} if setting == "over ground" else {"canvas", "look", "effect"})
    assert all(np.isfinite(v) and v > 0 for v in first.values())


def test_training_makes_the_figures_better(pack: Path, tmp_path: Path) -> None:
    stuff, state = material(pack), tiny_state()
    loss_of = scene_loss(stuff, 2, 32)
    log = tmp_path / "validation.jsonl"
    for _ in range(2):
        log_validation(log, state.step, validate(state.net, stuff, 32))
        for _ in range(12):
            train_step(state, loss_of, np.random.default_rng([1, state.step]), 2e-3)
    before, after = (json.loads(line) for line in log.read_text().splitlines())
    assert (before["step"], after["step"]) == (0, 12)
    assert after["mean"] < 0.9 * before["mean"]


def test_a_network_elsewhere_is_the_same_network() -> None:
    torch.manual_seed(0)
    here = SceneNet(TINY)
    there = TrainedNet(TINY)
    there.load_state_dict(here.state_dict())
    _, free = scene()
    light, ground = light_and_ground()
    for one, two in zip(here(free, light, ground), there(free, light, ground), strict=True):
        assert torch.equal(one, two)
        assert two.device.type == "cpu"


def test_all_of_a_row_goes_to_the_device() -> None:
    rows = scene()[1][0]
    away = moved(rows, torch.device("meta"))
    for f in fields(rows):
        if isinstance(getattr(rows, f.name), Tensor):
            assert getattr(away, f.name).device.type == "meta", f.name
    assert away.group == rows.group


def test_a_device_that_is_not_there_is_said_to_be_missing() -> None:
    assert chosen_device("cpu").type == "cpu"
    if torch.cuda.is_available():
        assert chosen_device("auto").type == "cuda"
    else:
        assert chosen_device("auto").type == "cpu"
        with pytest.raises(RuntimeError, match="no CUDA device"):
            chosen_device("cuda")
