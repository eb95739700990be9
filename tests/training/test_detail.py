"""Training of the second stage: pairs that belong together, a loss that looks where the picture is seen, learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from psdstudio.engine.detail import DetailNet
from psdstudio.engine.weights import load_detail, save_detail
from psdstudio.training.checkpoints import load_state, save_state
from psdstudio.training.detail_batches import background_pairs, look_pairs
from psdstudio.training.train import train_step
from psdstudio.training.train_detail import build_detail_state, detail_loss
from tests.training.toys import lively_net, material

pytestmark = pytest.mark.torch
PX = 32


def test_pairs_show_the_same_thing_at_twice_the_size(pack: Path) -> None:
    given, net = material(pack), lively_net()
    for draw, channels in ((look_pairs, 4), (background_pairs, 3)):
        levels = set()
        for seed in range(20):
            batch = draw(given, net, np.random.default_rng(seed), 2, PX)
            h, w = batch.low.shape[-2:]
            assert batch.target.shape == (2, 4, 2 * h, 2 * w)
            assert batch.words.shape == (2, 384)
            levels.add(float(batch.level[0]))
            if not batch.level.any():
                truth = F.interpolate(batch.target, scale_factor=0.5, mode="area")
                torch.testing.assert_close(batch.low, truth)
            if channels == 3:
                assert (batch.low[:, 3] == 1).all(), "backgrounds are opaque"
        assert 0.0 in levels, "some inputs are the truth itself"
        assert len(levels) > 2


def test_colour_that_nobody_sees_hardly_counts() -> None:
    target = torch.zeros(1, 4, 16, 16)
    target[:, 3] = -1
    target[:, 3, :, 8:] = 1
    hidden, seen = target.clone(), target.clone()
    hidden[:, 0, :, :4] += 0.5
    seen[:, 0, :, 12:] += 0.5
    assert 0 < float(detail_loss(hidden, target)) < 0.2 * float(detail_loss(seen, target))
    assert float(detail_loss(target, target)) == 0


def test_it_learns_and_goes_on_as_if_it_had_never_stopped(pack: Path, tmp_path: Path) -> None:
    given, scene_net = material(pack), lively_net()

    def loss_of(net: DetailNet, rng: np.random.Generator) -> torch.Tensor:
        batch = look_pairs(given, scene_net, rng, 4, PX)
        return detail_loss(net(batch.low, batch.level, batch.words), batch.target)

    def judged(net: DetailNet) -> float:
        with torch.no_grad():
            return float(loss_of(net, np.random.default_rng(1)))

    state = build_detail_state(1e-3, scene_net)
    before = judged(state.net)
    for _ in range(40):  # one batch, learned by heart
        train_step(state, loss_of, np.random.default_rng(1), 1e-3)
    assert judged(state.net) < 0.7 * before
    save_state(tmp_path / "detail.safetensors", state)
    resumed = build_detail_state(1e-3, scene_net)
    load_state(tmp_path / "detail.safetensors", resumed)
    for one in (state, resumed):
        train_step(one, loss_of, np.random.default_rng([1, 40]), 1e-3)
    for name, value in state.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name


def test_the_shipped_file_holds_the_network(tmp_path: Path) -> None:
    net = build_detail_state(1e-3, lively_net()).net
    with torch.no_grad():
        net.head.weight.normal_(0, 0.05)
    save_detail(tmp_path / "d.safetensors", net, trained={"pairs": 3})
    shipped, digest = load_detail(tmp_path / "d.safetensors")
    assert len(digest) == 64
    net.uses_bfloat16 = shipped.uses_bfloat16 = False
    picture, words = torch.rand(1, 4, 16, 16), torch.randn(1, 384)
    with torch.no_grad():
        one, two = net(picture, torch.zeros(1), words), shipped(picture, torch.zeros(1), words)
    plain = F.interpolate(picture, scale_factor=2, mode="bicubic", align_corners=False)
    assert float((one - two).std()) < 0.1 * float((one - plain).std())
