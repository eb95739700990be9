"""Ablations: what is taken away is really gone, all variants train alike and go on where they stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from psdstudio.engine.network import SceneNet
from psdstudio.engine.rows import CONTEXT_PLATE, REFERENCE_PLATE, RowRole, Rows
from psdstudio.engine.weights import save_weights
from psdstudio.training.ablation_measures import everything_free, validation_errors
from psdstudio.training.ablation_nets import ABLATIONS, FULL, AblatedNet, Ablation
from psdstudio.training.ablations import AblationsFailed, Plan, main, train_variant
from psdstudio.training.card import card_text
from psdstudio.training.card_facts import network_file
from psdstudio.training.evaluation_neighbours import make_batch
from psdstudio.training.scene_batches import SceneBatch
from psdstudio.training.scene_truth import render_scenes
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.stages import Material
from psdstudio.training.words import WordBank
from tests.engine.toys import scene
from tests.training.toys import SHAPES, layouts_of, lively_net

PLAN = Plan(steps=2, stage="scenes", batch=1, rate=1e-3, seed=1, look_px=32, nouns=6, init="toy")
BY_NAME = {ablation.name: ablation for ablation in ABLATIONS}


def ablated(ablation: Ablation, net: SceneNet) -> AblatedNet:
    out = AblatedNet(ablation, net.config)
    out.load_state_dict(net.state_dict())
    out.uses_bfloat16 = False
    return out.eval().requires_grad_(False)


@pytest.fixture
def batch(library: SpriteLibrary, bank: WordBank) -> SceneBatch:
    """Two scenes of two objects, everything free, plates and noise random."""
    layouts = layouts_of(library, seed=3, count=2, objects=2)
    truth = render_scenes(library, layouts, canvas=(64, 64), look_px=32)
    made = make_batch(library, truth, everything_free(2, 2), bank)
    noise = torch.Generator().manual_seed(5)
    for rows in made.groups:
        rows.plate = torch.randn(rows.plate.shape, generator=noise)
        rows.noise = torch.full_like(rows.noise, 0.6)
    return made


def run(net: SceneNet, batch: SceneBatch, groups: list[Rows] | None = None) -> list[Tensor]:
    made: list[Tensor] = net(groups or batch.groups, batch.light, batch.ground)
    return made


def test_the_full_variant_is_the_network_itself(batch: SceneBatch) -> None:
    net = lively_net()
    for one, other in zip(run(net, batch), run(ablated(FULL, net), batch), strict=True):
        assert torch.equal(one, other)


def test_without_the_composite_nobody_reads_it_and_nobody_paints_it(batch: SceneBatch) -> None:
    net = ablated(BY_NAME["no composite row"], lively_net())
    made = run(net, batch)
    assert [m.shape for m in made] == [rows.x.shape for rows in batch.groups]
    canvas = batch.groups[0]
    at = canvas.role.tolist().index(int(RowRole.COMPOSITE))
    assert not made[0][:, at].any()
    assert made[0][:, 1 - at].any()
    other = replace(canvas, x=canvas.x.clone())
    other.x[:, at] += 1
    for one, two in zip(made, run(net, batch, [other, *batch.groups[1:]]), strict=True):
        assert torch.equal(one, two)
    full = ablated(FULL, lively_net())
    assert not torch.equal(run(full, batch)[1], run(full, batch, [other, *batch.groups[1:]])[1])


def test_a_picture_that_is_to_be_split_is_no_row_of_the_design() -> None:
    canvas = scene()[0][0]
    canvas.role = torch.tensor([int(RowRole.COMPOSITE)])
    assert BY_NAME["no composite row"].change(canvas).x.shape[1] == 1, "known, so it stays"
    canvas.known = torch.zeros_like(canvas.known)
    assert BY_NAME["no composite row"].change(canvas).x.shape[1] == 0


def test_without_the_index_no_number_is_read(batch: SceneBatch) -> None:
    numbered = [replace(rows, index=rows.index.flip(1) + 1) for rows in batch.groups]
    net, full = (ablated(a, lively_net()) for a in (BY_NAME["no layer index"], FULL))
    for one, two in zip(run(net, batch), run(net, batch, numbered), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(run(full, batch)[1], run(full, batch, numbered)[1])


def test_without_plates_references_stay(batch: SceneBatch) -> None:
    net = ablated(BY_NAME["no plates"], lively_net())
    made = run(net, batch)
    shown = [replace(rows, plate=rows.plate + 1) for rows in batch.groups]
    look = batch.groups[1]
    context = look.plate.clone()
    context[:, :, REFERENCE_PLATE : REFERENCE_PLATE + CONTEXT_PLATE] += 1
    blind = run(net, batch, [shown[0], replace(look, plate=context), shown[2]])
    for one, two in zip(made, blind, strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(made[1], run(net, batch, [batch.groups[0], shown[1], batch.groups[2]])[1])


@pytest.mark.parametrize("name", ["no layer index", "no plates"])
def test_what_is_taken_away_is_away_from_known_rows_too(batch: SceneBatch, name: str) -> None:
    net, full = ablated(BY_NAME[name], lively_net()), ablated(FULL, lively_net())
    known = [replace(rows, known=torch.ones_like(rows.known)) for rows in batch.groups]
    one = net.know(known, batch.light, batch.ground)
    other = full.know(known, batch.light, batch.ground)
    same = one.keys[0][0].shape == other.keys[0][0].shape and torch.equal(one.keys[0][0], other.keys[0][0])
    assert not same


@pytest.mark.slow
def test_a_stopped_variant_goes_on_as_if_it_had_not_stopped(
    library: SpriteLibrary, bank: WordBank, tmp_path: Path
) -> None:
    material = Material(library, bank)
    ablation = BY_NAME["no composite row"]
    whole = train_variant(ablation, PLAN, material, tmp_path / "whole", lively_net())
    # The rate falls with the share of the steps done: the same plan stopped half way is a checkpoint of one step.
    half = train_variant(ablation, replace(PLAN, steps=1), material, tmp_path / "half", lively_net())
    assert (tmp_path / "half" / "no-composite-row.safetensors").is_file()
    again = train_variant(ablation, replace(PLAN, steps=1), material, tmp_path / "half", lively_net())
    for name, value in half.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), "nothing is trained twice"
    on = train_variant(ablation, PLAN, material, tmp_path / "half", lively_net())
    moved = [
        not torch.equal(v, half.state_dict()[n]) for n, v in on.state_dict().items() if v.is_floating_point()
    ]
    assert sum(moved) > len(moved) / 2
    assert set(on.state_dict()) == set(whole.state_dict())


def test_errors_are_paired_by_fixed_scenes(library: SpriteLibrary, bank: WordBank) -> None:
    net = lively_net()
    full = validation_errors(ablated(FULL, net), library, bank, 4, 32)
    assert full == validation_errors(ablated(FULL, net), library, bank, 4, 32)
    assert len(full) == 4
    blind = validation_errors(ablated(BY_NAME["no composite row"], net), library, bank, 4, 32)
    assert set(full[0]) - set(blind[0]) == {"composite, all free: error x 1000"}
    assert full[0]["looks, all free: error x 1000"] != blind[0]["looks, all free: error x 1000"]


@pytest.mark.slow
def test_the_whole_command_writes_a_report_that_the_card_reads(pack: Path, tmp_path: Path) -> None:
    weights, out = tmp_path / "w.safetensors", tmp_path / "out"
    save_weights(weights, lively_net(), look_px=32, trained={"objects": 1})
    line = [
        "--init", str(weights), "--data", str(pack), "--out", str(out), "--steps", "1", "--batch", "1",
        "--scenes", "1", "--painted", "1", "--painting-steps", "1", "--neighbours", "1", "--stage", "scenes",
    ]  # fmt: skip
    assert main(line) == 0
    report = json.loads((out / "ablations.json").read_text(encoding="utf-8"))
    made = report["ablations"]
    assert set(made["values"]) == set(BY_NAME)
    assert set(made["differences"]) == {f"{name} minus full" for name in BY_NAME if name != "full"}
    assert made["plan"]["nouns"] == len(SHAPES)
    before = {path.name: path.read_bytes() for path in out.glob("*.safetensors")}
    assert main(line) == 0, "a finished comparison is measured again, not trained again"
    assert before == {path.name: path.read_bytes() for path in out.glob("*.safetensors")}
    assert main([*line, "--rate", "1"]) == 1, "another plan needs another folder"
    text = card_text([network_file(weights, "joint network")], [], [report], "an abacus")
    assert "trained on for 1 steps with the row of the whole picture taken away, 6 nouns, 64 px" in text


def test_a_plan_says_what_was_done() -> None:
    assert PLAN.said(FULL) == "trained on for 2 steps, 6 nouns, 32 px"
    nothing = replace(PLAN, init="", steps=1200).said(BY_NAME["no plates"])
    assert nothing.startswith("trained from nothing for 1,200 steps with the pictures that rows are shown")
    assert issubclass(AblationsFailed, ValueError)
