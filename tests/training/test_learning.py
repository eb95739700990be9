"""Losses, the known/unknown mix, that the network learns, and that a run resumes as if it had never stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from psdstudio.engine.network import SceneNet
from psdstudio.engine.rows import (
    CANVAS_OWN,
    CANVAS_PICTURE,
    CONTEXT_PLATE,
    EFFECT_PICTURE,
    LOOK_PICTURE,
    REFERENCE_PLATE,
)
from psdstudio.engine.weights import load_weights, save_weights
from psdstudio.training.checkpoints import TrainState, load_state, save_state
from psdstudio.training.losses import flow_loss, row_errors
from psdstudio.training.object_batches import draw_object_batch
from psdstudio.training.scene_batches import (
    CONTACTS_ONLY,
    KEEP_GROUND,
    KNOWN_NOISE,
    MEND_GROUND,
    SPLIT_PICTURE,
    KnownParts,
    draw_given,
    draw_known,
    make_scene_batch,
    show_parts,
)
from psdstudio.training.scene_truth import render_scenes
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.stages import LossFunction, arranging_loss, draw_levels, object_loss, scene_loss
from psdstudio.training.train import train_step
from psdstudio.training.words import WordBank
from tests.training.toys import layouts_of, lively_net, material, tiny_state


def test_known_rows_have_no_gradient_and_free_ones_have() -> None:
    rng = torch.Generator().manual_seed(0)
    for group, channels in (("canvas", 3), ("look", 4), ("effect", 5)):
        clean = torch.rand(2, 3, channels, 8, 8, generator=rng) * 2 - 1
        made = (torch.rand(2, 3, channels, 8, 8, generator=rng) * 2 - 1).requires_grad_()
        weight = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        total, mass = flow_loss(made, clean, torch.full((2, 3), 0.5), weight, group)
        (total / mass).backward()  # type: ignore[no-untyped-call]
        assert made.grad is not None
        touched = made.grad.abs().sum((2, 3, 4)) > 0
        assert torch.equal(touched, weight > 0)


def test_a_perfect_prediction_costs_nothing_and_hidden_colour_costs_little() -> None:
    rng = torch.Generator().manual_seed(1)
    clean = torch.rand(1, 2, 4, 16, 16, generator=rng) * 2 - 1
    clean[:, 0, 3], clean[:, 1, 3] = -1.0, 1.0
    assert not row_errors(clean, clean, "look").any()
    off = clean.clone()
    off[:, :, :3] += 0.5
    hidden, seen = row_errors(off, clean, "look")[0].tolist()
    assert 0 < hidden < 0.1 * seen


def test_the_mix_of_known_and_free_is_as_written() -> None:
    rng, k, n = np.random.default_rng(0), 3, 30
    batches = [draw_known(rng, n, k, draw_levels(rng, (n, 2 + 2 * k))) for _ in range(400)]
    for known in batches:
        assert bool(known.background.all()) == bool(known.background.any()), "one canvas for the whole batch"
        levels = torch.cat([known.canvas_level, known.look_level, known.effect_level], dim=1)
        picture = torch.full((n, 1), known.split)
        marks = torch.cat([picture, known.background[:, None], known.looks, known.effects], dim=1)
        assert (levels[marks] <= KNOWN_NOISE).all()
        over_ground = known.background | known.mended
        assert (known.effects <= (known.looks & over_ground[:, None])).all()
        assert int(known.background.any()) + known.mended + known.split <= 1
        assert not (known.split and known.looks.any()), "nothing but the picture"
        for row, mark in zip(levels, marks, strict=True):
            free = row[~mark]
            assert bool((free == free[0]).all()) or not mark.any(), (
                "independent levels only where all is free"
            )
    on_ground = [known for known in batches if known.background.all()]
    assert len(on_ground) / len(batches) == pytest.approx(KEEP_GROUND, abs=0.07)
    assert sum(known.mended for known in batches) / len(batches) == pytest.approx(MEND_GROUND, abs=0.04)
    assert sum(known.split for known in batches) / len(batches) == pytest.approx(SPLIT_PICTURE, abs=0.04)
    counts = torch.cat([known.looks.sum(1) for known in on_ground])
    drawn = 2 / 3 - CONTACTS_ONLY
    assert float((counts == k - 1).float().mean()) == pytest.approx(1 / 3 + drawn * k / 2**k, abs=0.03)
    assert float((counts == k).float().mean()) == pytest.approx(CONTACTS_ONLY + drawn / 2**k, abs=0.03)
    rest = [b for b in batches if not (b.background.any() or b.mended or b.split)]
    counts = torch.cat([known.looks.sum(1) for known in rest])
    assert float((counts == 0).float().mean()) == pytest.approx(0.55 + 0.15 + 0.2 / 2**k, abs=0.03)
    assert float((counts == k).float().mean()) == pytest.approx(0.1 + 0.2 / 2**k, abs=0.02)
    uneven = torch.cat([known.look_level.std(1) > 1e-6 for known in rest])[counts == 0]
    assert float(uneven.float().mean()) == pytest.approx(0.15 / 0.725, abs=0.03)
    seen = torch.cat([known.context_seen for known in batches])
    assert float(seen.float().mean()) == pytest.approx(0.9, abs=0.02)


def test_rows_of_a_batch_say_what_is_known(library: SpriteLibrary, bank: WordBank) -> None:
    rng, b, k = np.random.default_rng(4), 3, 2
    truth = render_scenes(
        library, layouts_of(library, seed=1, count=b, objects=k), canvas=(64, 64), look_px=32
    )
    known = draw_known(rng, b, k, draw_levels(rng, (b, 2 + 2 * k)))
    known.background[:] = torch.tensor([True, True, False])
    known.looks[:] = torch.tensor([[True, False], [False, False], [False, True]])
    known.effects[:] = False
    known.context_seen[:] = torch.tensor([True, False, True])
    known.mended = known.split = False
    batch = make_scene_batch(library, truth, known, bank, rng)
    show_parts(batch, truth, known, None)
    canvas, looks, effects = batch.groups
    assert not canvas.known[:, 0].any(), "the composite is never known here"
    assert torch.equal(looks.known, known.looks)
    assert torch.equal(batch.weights[1] > 0, ~known.looks)
    around = looks.plate[:, :, REFERENCE_PLATE : REFERENCE_PLATE + CONTEXT_PLATE]
    assert around[0, 1, 4].any(), "a known background is said to be known"
    assert not around[1].any(), "context that is dropped leaves no trace"
    assert not canvas.present[1, 1]
    whole = canvas.plate[:, 0]
    assert not whole[2, 4].any()
    assert whole[2, 3].any(), "a known look shows on the canvas"
    assert not canvas.plate[:, 1].any(), "a background is never shown what will hide it"
    assert effects.plate[0, 0, :5].any(), "a shadow sees its own look"
    assert not effects.plate[0, 1, :5].any(), "a free look is not shown before it is guessed"
    assert effects.plate[0, 1, 5:].any(), "but the known ground is"


def test_a_free_look_never_reaches_another_row_through_a_plate(
    library: SpriteLibrary, bank: WordBank
) -> None:
    """Paint the free parts anew: no plate changes (plates would leak the target otherwise)."""
    rng, b, k = np.random.default_rng(5), 2, 2
    truth = render_scenes(
        library, layouts_of(library, seed=2, count=b, objects=k), canvas=(64, 64), look_px=32
    )
    known = draw_known(rng, b, k, draw_levels(rng, (b, 2 + 2 * k)))
    known.background[:], known.effects[:], known.context_seen[:] = False, False, True
    known.mended = known.split = False
    known.looks[:] = torch.tensor([True, False])
    plates = []
    for swap in (False, True):
        if swap:
            truth.background = 1 - truth.background
            truth.composite = 1 - truth.composite
            truth.looks[:, 1] = 1 - truth.looks[:, 1]
            truth.effects = 1 - truth.effects
        batch = make_scene_batch(library, truth, known, bank, np.random.default_rng(9))
        show_parts(batch, truth, known, None)
        plates.append([rows.plate.clone() for rows in batch.groups])
    for before, after in zip(*plates, strict=True):
        assert torch.equal(before, after)


def _known(b: int, k: int, **marks: bool) -> KnownParts:
    return KnownParts(
        background=torch.zeros(b, dtype=torch.bool),
        looks=torch.zeros(b, k, dtype=torch.bool),
        effects=torch.zeros(b, k, dtype=torch.bool),
        canvas_level=torch.full((b, 2), 0.7),
        look_level=torch.full((b, k), 0.7),
        effect_level=torch.full((b, k), 0.7),
        context_seen=torch.ones(b, dtype=torch.bool),
        **marks,
    )


def test_a_picture_to_be_split_is_known_and_shown_to_all(library: SpriteLibrary, bank: WordBank) -> None:
    b, k = 2, 2
    truth = render_scenes(
        library, layouts_of(library, seed=3, count=b, objects=k), canvas=(64, 64), look_px=32
    )
    known, rng = _known(b, k, split=True), np.random.default_rng(1)
    batch = make_scene_batch(library, truth, known, bank, rng)
    show_parts(batch, truth, known, None, given=draw_given(rng, truth, known))
    canvas, looks, effects = batch.groups
    assert canvas.known.tolist() == [[True, False]] * b, "composite and background"
    assert batch.weights[0][:, 0].eq(0).all(), "what is known is not trained"
    torch.testing.assert_close(canvas.plate[:, 1, CANVAS_PICTURE][:, :3], truth.composite * 2 - 1)
    for rows, where in ((looks, LOOK_PICTURE), (effects, EFFECT_PICTURE)):
        assert rows.plate[:, :, where].flatten(2).any(-1).all()
    known.context_seen[0] = False
    batch = make_scene_batch(library, truth, known, bank, rng)
    show_parts(batch, truth, known, None, given=draw_given(rng, truth, known))
    assert not batch.groups[1].plate[0, :, LOOK_PICTURE].any(), "context that is dropped leaves no trace"
    assert not batch.groups[0].present[0, 0]


def test_a_background_to_be_mended_is_shown_but_for_what_hides_it(
    library: SpriteLibrary, bank: WordBank
) -> None:
    b, k = 4, 2
    truth = render_scenes(
        library, layouts_of(library, seed=4, count=b, objects=k), canvas=(64, 64), look_px=32
    )
    known, rng = _known(b, k, mended=True), np.random.default_rng(2)
    batch = make_scene_batch(library, truth, known, bank, rng)
    show_parts(batch, truth, known, None, given=draw_given(rng, truth, known))
    own = batch.groups[0].plate[:, 0, CANVAS_OWN]
    there = own[:, 3:] > 0.5
    assert batch.groups[0].x.shape[1] == 1, "nobody asks for the whole"
    assert all(0.05 < float(share) < 1 for share in there.float().mean((1, 2, 3)))
    assert torch.equal(own[:, :3] * there, (truth.background * 2 - 1) * there)
    assert not (own[:, :3] * ~there).any(), "not a trace of what is to be painted"


@pytest.mark.parametrize("split", [True, False])
def test_the_layout_path_is_trained_to_read_a_picture(pack: Path, split: bool) -> None:
    stuff, b, k = material(pack), 2, 2
    layouts = layouts_of(stuff.library, seed=5, count=b, objects=k)
    truth = render_scenes(stuff.library, layouts, canvas=(64, 64), look_px=32)
    known = _known(b, k, split=split)
    known.background[:] = not split
    batch = make_scene_batch(stuff.library, truth, known, stuff.bank, np.random.default_rng(1))
    net = lively_net().requires_grad_(True)
    loss = arranging_loss(net, batch, layouts, stuff, np.random.default_rng(2))
    loss.backward()  # type: ignore[no-untyped-call]
    read = net.stems["canvas"].weight.grad
    assert isinstance(read, torch.Tensor)
    assert bool(read.any()), "boxes depend on the picture"
    assert net.stems["look"].weight.grad is None, "and on no look: there are no places yet"


def test_sixty_steps_on_a_few_looks_halve_the_loss(pack: Path) -> None:
    state, loss_of = tiny_state(), object_loss(material(pack), 8, 32)
    before = _loss(state, loss_of)
    for _ in range(60):
        train_step(state, loss_of, np.random.default_rng([1, state.step]), 3e-3)
    assert _loss(state, loss_of) < 0.5 * before
    assert state.step == 60


def _loss(state: TrainState[SceneNet], loss_of: LossFunction) -> float:
    with torch.no_grad():
        return float(np.mean([float(loss_of(state.net, np.random.default_rng([77, i]))) for i in range(6)]))


def test_the_scene_stage_reaches_every_kind_of_row(pack: Path) -> None:
    state, loss_of = tiny_state(), scene_loss(material(pack), 2, 32)
    for step in range(3):
        assert np.isfinite(train_step(state, loss_of, np.random.default_rng([2, step]), 1e-3))
    moved = {name: bool((p != q).any()) for (name, p), q in zip(
        state.net.named_parameters(), tiny_state().net.parameters(), strict=True
    )}  # fmt: skip
    for part in (
        "heads.canvas",
        "heads.look",
        "heads.effect",
        "layout_out",
        "light_out",
        "word_in",
        "blocks.0",
    ):
        assert any(changed for name, changed in moved.items() if name.startswith(part)), part


def test_a_run_goes_on_as_if_it_had_never_stopped(pack: Path, tmp_path: Path) -> None:
    loss_of = object_loss(material(pack), 4, 32)

    def steps(state: TrainState[SceneNet], count: int) -> TrainState[SceneNet]:
        for _ in range(count):
            train_step(state, loss_of, np.random.default_rng([3, state.step]), 2e-3)
        return state

    whole = steps(tiny_state(), 6)
    half = steps(tiny_state(), 3)
    half.seen = {"objects": 12}
    save_state(tmp_path / "last.safetensors", half)
    resumed = tiny_state()
    load_state(tmp_path / "last.safetensors", resumed)
    assert resumed.step == 3
    assert resumed.seen == {"objects": 12}
    steps(resumed, 3)
    for name in ("net", "average"):
        one, two = getattr(whole, name).state_dict(), getattr(resumed, name).state_dict()
        assert one.keys() == two.keys()
        assert all(torch.equal(one[k], two[k]) for k in one), name
    assert not (tmp_path / "last.part").exists()


def test_shipped_weights_paint_nearly_the_same(pack: Path, tmp_path: Path) -> None:
    net = lively_net()
    save_weights(tmp_path / "w.safetensors", net, look_px=32, trained={"objects": 5})
    shipped, info = load_weights(tmp_path / "w.safetensors")
    shipped.uses_bfloat16 = False
    assert info.look_px == 32
    assert info.trained == {"objects": 5}
    given = material(pack)
    batch = draw_object_batch(given.library, given.bank, np.random.default_rng(0), 4, 32)
    batch.rows.noise[:] = 0.5
    with torch.no_grad():
        one = net([batch.rows], batch.light, batch.ground)[0]
        two = shipped([batch.rows], batch.light, batch.ground)[0]
    assert float((one - two).std() / one.std()) < 0.05
    assert not torch.equal(one, two)
