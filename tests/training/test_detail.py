"""Training of the second stage: pairs that belong together, losses that look where the picture is seen, learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from psdstudio.engine.detail import PAINTED_LEVEL, DetailConfig, DetailNet
from psdstudio.engine.weights import load_detail, save_detail
from psdstudio.errors import ModelLoadFailed
from psdstudio.training.checkpoints import TrainState, load_state, save_state
from psdstudio.training.detail_batches import (
    DetailBatch,
    background_pairs,
    look_pairs,
)
from psdstudio.training.detail_losses import (
    JUDGED_SHARE,
    MOST_JUDGED,
    DetailPair,
    coarse_loss,
    detail_loss,
    judged_weight,
    pair_loss,
)
from psdstudio.training.discriminator import PatchDiscriminator, deceiving_loss, judging_loss, over_mattes
from psdstudio.training.train import train_step
from psdstudio.training.train_detail import (
    HELD,
    USES,
    begin_from_shipped,
    build_detail_state,
    replayed,
)
from tests.training.toys import lively_net, material

pytestmark = pytest.mark.torch
PX = 32
SMALL = DetailConfig(c0=16, c1=16, c2=16, c_out=8, c_cond=32, fine=1)


def small_state() -> TrainState[DetailPair]:
    return build_detail_state(1e-3, lively_net(), SMALL)


def test_pairs_show_the_same_thing_at_twice_the_size(pack: Path) -> None:
    given, net = material(pack), lively_net()
    for draw, channels in ((look_pairs, 4), (background_pairs, 3)):
        levels, kinds = set(), set()
        for seed in range(20):
            batch = draw(given, net, np.random.default_rng(seed), 2, PX)
            h, w = batch.low.shape[-2:]
            assert batch.target.shape == (2, 4, 2 * h, 2 * w)
            assert batch.words.shape == (2, 384)
            level = float(batch.level[0])
            levels.add(level)
            kinds.add(batch.paired)
            if not batch.paired:
                assert level == PAINTED_LEVEL
            if not batch.level.any():
                truth = F.interpolate(batch.target, scale_factor=0.5, mode="area")
                torch.testing.assert_close(batch.low, truth)
            if channels == 3:
                assert (batch.low[:, 3] == 1).all(), "backgrounds are opaque"
        assert 0.0 in levels, "some inputs are the truth itself"
        assert kinds == {True, False}, "some are painted from pure noise"
        assert len(levels) > 3


def test_what_is_painted_from_pure_noise_knows_the_words_alone(pack: Path) -> None:
    given, net = material(pack), lively_net()
    batch = next(
        b
        for seed in range(40)
        if not (b := look_pairs(given, net, np.random.default_rng(seed), 2, PX)).paired
    )
    truth = F.interpolate(batch.target, scale_factor=0.5, mode="area")
    assert float((batch.low - truth).abs().mean()) > 0.1
    assert batch.low.abs().max() <= 1


def test_a_mirrored_batch_is_mirrored_as_a_whole(pack: Path) -> None:
    batch = look_pairs(material(pack), lively_net(), np.random.default_rng(0), 2, PX)
    other = batch.mirrored()
    assert not torch.equal(other.low, batch.low)
    again = other.mirrored()
    assert torch.equal(again.low, batch.low) and torch.equal(again.target, batch.target)
    assert torch.equal(other.target.flip(-1), batch.target)
    assert other.paired == batch.paired and torch.equal(other.words, batch.words)


def test_colour_that_nobody_sees_hardly_counts() -> None:
    target = torch.zeros(1, 4, 16, 16)
    target[:, 3] = -1
    target[:, 3, :, 8:] = 1
    hidden, seen = target.clone(), target.clone()
    hidden[:, 0, :, :4] += 0.5
    seen[:, 0, :, 12:] += 0.5
    assert 0 < float(detail_loss(hidden, target)) < 0.2 * float(detail_loss(seen, target))
    assert float(detail_loss(target, target)) == 0


def test_from_afar_only_colours_and_shapes_count() -> None:
    low = torch.rand(2, 4, 8, 8) * 2 - 1
    big = F.interpolate(low, scale_factor=2, mode="nearest")
    assert float(coarse_loss(big, low)) == pytest.approx(0, abs=1e-6)
    grid = 0.3 * (-1.0) ** torch.arange(16)
    assert float(coarse_loss(big + grid, low)) == pytest.approx(0, abs=1e-6), (
        "the finest grid is not seen from afar"
    )
    assert float(coarse_loss(big + 0.3, low)) > 0.1


def test_over_a_matte_hidden_colour_is_gone_and_a_fringe_is_seen() -> None:
    layers = torch.zeros(1, 4, 8, 8)
    layers[:, 3] = -1
    layers[:, 3, :, 4:] = 1
    matte = torch.tensor([[0.5, -0.5, 1.0]])
    seen = over_mattes(layers, matte)
    assert torch.equal(seen[:, :3, :, :4], matte[..., None, None].expand(1, 3, 8, 4))
    hidden, fringed = layers.clone(), layers.clone()
    hidden[:, 0, :, :4] = 1
    fringed[:, 3, :, 3] = 0
    assert torch.equal(over_mattes(hidden, matte), seen)
    assert not torch.equal(over_mattes(fringed, matte)[:, :3], seen[:, :3])
    assert torch.equal(seen[:, 3:], layers[:, 3:])


def test_the_judge_learns_to_tell_sharp_from_blurred() -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(width=8)
    optimizer = torch.optim.Adam(judge.parameters(), lr=5e-3)
    drawn = (torch.rand(8, 4, 8, 8) > 0.5).float().repeat_interleave(4, 2).repeat_interleave(4, 3) * 2 - 1
    blurred = F.avg_pool2d(drawn, 7, 1, 3)
    for _ in range(40):
        loss = judging_loss(judge(drawn), judge(blurred))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        sharp, soft = judge(drawn), judge(blurred)
    assert sharp.shape == (8, 1, 8, 8)
    assert float(sharp.mean()) > float(soft.mean()) + 0.5
    assert float(deceiving_loss(sharp)) < float(deceiving_loss(soft))


def test_the_judge_pulls_with_its_share_of_likeness_and_no_more() -> None:
    pull, push = torch.full((4,), 3.0), torch.full((4,), 2.0)
    assert float(judged_weight(pull, push)) == pytest.approx(JUDGED_SHARE * 1.5)
    assert float(judged_weight(pull, torch.zeros(4))) == MOST_JUDGED
    assert float(judged_weight(torch.zeros(4), push)) == 0


def test_neither_the_painter_nor_the_judge_learns_for_the_other(pack: Path) -> None:
    batch = look_pairs(material(pack), lively_net(), np.random.default_rng(0), 2, PX)
    mattes = torch.zeros(2, 3)

    def gradients(pair: DetailPair) -> tuple[torch.Tensor, torch.Tensor]:
        pair.zero_grad()
        pair_loss(pair, batch, mattes).backward()
        painter, judge = pair.net.head.weight.grad, next(pair.discriminator.parameters()).grad
        assert painter is not None and judge is not None
        return painter.clone(), judge.clone()

    pair = small_state().net
    _, judge = gradients(pair)
    with torch.no_grad():
        made = pair.net(batch.low, batch.level, batch.words)
    pair.zero_grad()
    judging_loss(
        pair.discriminator(over_mattes(batch.target, mattes)), pair.discriminator(over_mattes(made, mattes))
    ).backward()
    alone = next(pair.discriminator.parameters()).grad
    assert alone is not None
    torch.testing.assert_close(judge, alone)


def test_batches_are_replayed_from_the_latest_and_depend_on_the_step_alone(pack: Path) -> None:
    batch = look_pairs(material(pack), lively_net(), np.random.default_rng(0), 1, PX)
    asked: list[int] = []

    def draw(number: int) -> DetailBatch:
        asked.append(number)
        return batch

    for step in range(0, 3 * USES * HELD, 7):
        replayed(draw, np.random.default_rng([1, step]), step)
        assert max(0, step // USES - HELD + 1) <= asked[-1] <= step // USES
    assert len(set(asked)) > HELD
    first = list(asked)
    asked.clear()
    for step in range(0, 3 * USES * HELD, 7):
        replayed(draw, np.random.default_rng([1, step]), step)
    assert asked == first


def test_it_learns_and_goes_on_as_if_it_had_never_stopped(pack: Path, tmp_path: Path) -> None:
    given, scene_net = material(pack), lively_net()
    batch = next(
        b
        for seed in range(20)
        if (b := look_pairs(given, scene_net, np.random.default_rng(seed), 4, PX)).paired and b.level.any()
    )

    def loss_of(pair: DetailPair, rng: np.random.Generator) -> torch.Tensor:
        mattes = torch.from_numpy(rng.uniform(-1, 1, (4, 3)).astype(np.float32))
        return pair_loss(pair, batch, mattes)

    def judged(pair: DetailPair) -> float:
        with torch.no_grad():
            return float(detail_loss(pair.net(batch.low, batch.level, batch.words), batch.target))

    state = small_state()
    before = judged(state.net)
    for _ in range(60):  # one batch, learned by heart
        train_step(state, loss_of, np.random.default_rng(1), 3e-3)
    assert judged(state.net) < 0.8 * before
    save_state(tmp_path / "detail.safetensors", state)
    resumed = small_state()
    load_state(tmp_path / "detail.safetensors", resumed)
    for one in (state, resumed):
        train_step(one, loss_of, np.random.default_rng([1, 40]), 1e-3)
    for name, value in state.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name


def test_training_goes_on_from_a_shipped_file_without_fine_blocks(tmp_path: Path) -> None:
    plain = DetailConfig(c0=16, c1=16, c2=16, c_out=8, c_cond=32)
    shipped = build_detail_state(1e-3, lively_net(), plain).net.net
    with torch.no_grad():
        shipped.head.weight.normal_(0, 0.05)
    save_detail(tmp_path / "d.safetensors", shipped, trained={"pairs": 3})
    loaded, _ = load_detail(tmp_path / "d.safetensors")
    state = small_state()
    begin_from_shipped(state, loaded)
    picture, words = torch.rand(1, 4, 16, 16), torch.randn(1, 384)
    with torch.no_grad():
        expected = loaded(picture, torch.zeros(1), words)
        for held in (state.net.net, state.average.net):
            assert torch.equal(held(picture, torch.zeros(1), words), expected)
    with pytest.raises(ModelLoadFailed, match="other widths"):
        begin_from_shipped(state, DetailNet(DetailConfig(c0=32)))


def test_the_shipped_file_holds_the_network(tmp_path: Path) -> None:
    net = small_state().net.net
    with torch.no_grad():
        net.head.weight.normal_(0, 0.05)
    save_detail(tmp_path / "d.safetensors", net, trained={"pairs": 3})
    shipped, digest = load_detail(tmp_path / "d.safetensors")
    assert len(digest) == 64
    assert shipped.config == SMALL
    net.uses_bfloat16 = shipped.uses_bfloat16 = False
    picture, words = torch.rand(1, 4, 16, 16), torch.randn(1, 384)
    with torch.no_grad():
        one, two = net(picture, torch.zeros(1), words), shipped(picture, torch.zeros(1), words)
    plain = F.interpolate(picture, scale_factor=2, mode="bicubic", align_corners=False)
    assert float((one - two).std()) < 0.1 * float((one - plain).std())
