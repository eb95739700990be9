"""Laws of the network: what known rows cost and read, that rows are a set, what one row alone is."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from psdstudio.engine.flow import renoised_step
from psdstudio.engine.network import KnownRows, SceneNet
from psdstudio.engine.network_blocks import JointBlock, TokenContext, attend
from psdstudio.engine.rows import LOOK_COLOUR, Rows
from psdstudio.engine.sampler import PaintState, _predict
from psdstudio.engine.words import pool_words, scene_words
from tests.engine.toys import light_and_ground, rows, scene, tiny_net, toy_feed

pytestmark = pytest.mark.torch


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def net() -> SceneNet:
    return tiny_net()


@torch.no_grad()
def features(net: SceneNet, groups: list[Rows], light: Tensor, ground: Tensor) -> KnownRows:
    return net.know(groups, light, ground)


@torch.no_grad()
def test_cached_known_rows_serve_free_ones_as_the_whole_masked_scene_does(net: SceneNet) -> None:
    known, free = scene()
    light, ground = light_and_ground()
    whole = net([*known, *free], light, ground)
    cached = net(free, light, ground, net.know(known, light, ground))
    for a, b in zip(whole[len(known) :], cached, strict=True):
        same(a, b)
    alone = net(free, light, ground)
    assert max(float((a - b).abs().max()) for a, b in zip(alone, cached, strict=True)) > 1e-2


@torch.no_grad()
def test_light_ground_words_and_box_of_a_known_row_are_in_its_cache(net: SceneNet) -> None:
    known, free = scene()
    light, ground = light_and_ground()
    cached = net.know(known, light, ground)
    changes = [
        net.know(known, light + 1, ground),
        net.know(known, light, ground + 1),
        net.know([known[0], replace(known[1], words=known[1].words + 1), known[2]], light, ground),
        net.know([known[0], replace(known[1], box=known[1].box + 0.1), known[2]], light, ground),
    ]
    before = net(free, light, ground, cached)[1]
    for changed in changes:
        assert float((net(free, light, ground, changed)[1] - before).abs().max()) > 1e-3


@torch.no_grad()
def test_a_known_row_never_reads_a_free_one(net: SceneNet) -> None:
    known, free = scene(1)
    _, others = scene(2)
    light, ground = light_and_ground()
    one = net([*known, *free], light, ground)[: len(known)]
    two = net([*known, *others], light, ground)[: len(known)]
    for a, b in zip(one, two, strict=True):
        same(a, b)
    # Free rows do read known ones, and one another.
    _, mixed = scene(1)
    mixed[1] = others[1]
    three = net([*known, *mixed], light, ground)
    assert float((three[-1] - net([*known, *free], light, ground)[-1]).abs().max()) > 1e-3


@torch.no_grad()
def test_a_row_without_words_reads_nobodys(net: SceneNet) -> None:
    rng = torch.Generator().manual_seed(5)
    group = rows("look", 3, rng)
    group.word_mask[0, 1] = False
    light, ground = light_and_ground()
    before = net([group], light, ground)[0]
    unsaid = replace(group, words=group.words.clone())
    unsaid.words[0, 1] = 7.0
    same(net([unsaid], light, ground)[0], before)
    # In a scene of known silent rows, the free rows' words must not reach them by the back door.
    silent = replace(group, known=torch.tensor([[False, True, False]]))
    other = replace(silent, words=silent.words.clone())
    other.words[0, 0] += 3.0
    a, b = net([silent], light, ground)[0], net([other], light, ground)[0]
    same(a[:, 1], b[:, 1])
    assert float((a[:, 0] - b[:, 0]).abs().max()) > 1e-3


def permuted(group: Rows, order: list[int]) -> Rows:
    """The rows of a group in another order."""
    changes = {
        f.name: getattr(group, f.name)[:, order]
        for f in fields(Rows)
        if f.name not in ("group", "role", "seen")
    }
    return replace(group, **changes, role=group.role[order])


@torch.no_grad()
def test_objects_are_a_set_but_for_their_index(net: SceneNet) -> None:
    _, free = scene()
    light, ground = light_and_ground()
    order = [2, 0, 1]
    before = net(free, light, ground)
    after = net([free[0], free[1], permuted(free[2], order)], light, ground)
    same(after[2], before[2][:, order])
    same(after[0], before[0])
    renumbered = replace(free[2], index=free[2].index.flip(1))
    assert float((net([*free[:2], renumbered], light, ground)[2] - before[2]).abs().max()) > 1e-3


@torch.no_grad()
def test_one_row_attends_as_plain_attention_does() -> None:
    torch.manual_seed(4)
    block = JointBlock(48, 2, reads_words=False)
    block.table.data.normal_()
    x, modulation = torch.randn(2, 9, 48), torch.randn(2, 1, 6 * 48)
    ctx = TokenContext(
        row_of=torch.zeros(9, dtype=torch.long),
        modulation=modulation,
        words=torch.zeros(2, 1, 48),
        words_allowed=torch.ones(2, 1, 1, 1, dtype=torch.bool),
        allowed=torch.ones(2, 1, 9, 9, dtype=torch.bool),
        cached=None,
        collect=None,
    )
    scale1, shift1, gate1, scale2, shift2, gate2 = (modulation + block.table).chunk(6, dim=-1)
    heads = block.qkv(block.norm1(x) * (1 + scale1) + shift1).view(2, 9, 3, 2, 24).permute(2, 0, 3, 1, 4)
    read = (
        functional.scaled_dot_product_attention(heads[0], heads[1], heads[2])
        .transpose(1, 2)
        .reshape(2, 9, 48)
    )
    plain = x + gate1 * block.out(read)
    plain = plain + gate2 * block.mlp(block.norm2(plain) * (1 + scale2) + shift2)
    same(block(x, ctx, 0), plain)


def test_attention_agrees_with_torchs_own() -> None:
    rng = torch.Generator().manual_seed(6)
    q, k, v = (torch.randn(2, 3, 7, 8, generator=rng) for _ in range(3))
    allowed = torch.rand(2, 1, 7, 7, generator=rng) > 0.3
    allowed[..., 0] = True
    for mask in (None, allowed):
        theirs = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        same(attend(q, k, v, mask), theirs)


@torch.no_grad()
def test_boxes_are_a_set_too_and_light_reads_them(net: SceneNet) -> None:
    rng = torch.Generator().manual_seed(8)
    layout = rows("look", 3, rng)
    layout = replace(layout, x=torch.randn(1, 3, 4, 1, 1, generator=rng), index=torch.full((1, 3), 2))
    light, ground = light_and_ground()
    level = torch.ones(1)
    boxes, lit = net.arrange(layout, light, level, ground)
    swapped, lit_too = net.arrange(permuted(layout, [1, 2, 0]), light, level, ground)
    same(swapped, boxes[:, [1, 2, 0]])
    same(lit, lit_too)
    moved = replace(layout, x=layout.x + 1)
    assert float((net.arrange(moved, light, level, ground)[1] - lit).abs().max()) > 1e-4


def test_a_scene_is_said_by_its_parts() -> None:
    rng = torch.Generator().manual_seed(9)
    words = torch.randn(1, 2, 4, 384, generator=rng)
    mask = torch.tensor([[[True, True, False, False], [False] * 4]])
    ground = torch.randn(1, 384, generator=rng)
    tokens, said = scene_words(words, mask, ground, 16)
    assert tokens.shape == (1, 16, 384)
    assert said[0].tolist() == [True, False, True] + [False] * 13
    torch.testing.assert_close(tokens[0, 0], words[0, 0, :2].mean(0))
    torch.testing.assert_close(tokens[0, 2], ground[0])
    assert not pool_words(words, mask)[0, 1].any()


@torch.no_grad()
def test_said_and_silent_in_one_batch_are_two_forwards(net: SceneNet) -> None:
    known, free = scene()
    light, ground = light_and_ground()
    cached = net.know(known, light, ground)
    state = PaintState(free, cached, light, ground, toy_feed(), {})
    silent = [
        replace(group, word_mask=torch.zeros_like(group.word_mask), plate=group.plate.clone())
        for group in free
    ]
    silent[1].plate[:, :, LOOK_COLOUR] = 0.0
    said, bare = net(free, light, ground, cached), net(silent, light, torch.zeros_like(ground), cached)
    made = _predict(net, state, 0.5, 2.0)
    for a, b, c in zip(said, bare, made, strict=True):
        same(c, (b + 2.0 * (a - b)).clamp(-1, 1))
        assert float((a - b).abs().max()) > 1e-3
    for a, c in zip(said, _predict(net, state, 0.99, 2.0), strict=True):
        same(c, a.clamp(-1, 1))


def test_fresh_noise_depends_on_the_layer_and_the_step_alone() -> None:
    _, free = scene()
    looks = next(group for group in free if group.group == "look")
    light, ground = light_and_ground()

    def noise(seeds: list[int], step: int) -> Tensor:
        return PaintState(free, None, light, ground, toy_feed(), {"look": seeds}).fresh_noise(looks, step)

    one = noise([5, 6], 1)
    assert one.shape == looks.x.shape
    assert torch.equal(one, noise([5, 6], 1))
    assert torch.equal(one.flip(1), noise([6, 5], 1)), "a layer keeps its noise wherever it stands"
    pictures = [noise([5, 6], 1)[0], noise([5, 6], 2)[0], noise([4, 7], 1)[0]]
    flat = torch.cat(pictures).flatten(1)
    assert float((torch.corrcoef(flat) - torch.eye(6)).abs().max()) < 0.1, "no two are alike"


def test_a_step_to_level_zero_is_the_prediction() -> None:
    clean, noise = torch.rand(1, 2, 4, 8, 8), torch.randn(1, 2, 4, 8, 8)
    assert torch.equal(renoised_step(clean, noise, 0.0), clean)
    assert torch.equal(renoised_step(clean, noise, 1.0), noise)
