"""Baselines: each sees exactly as much as its name says, what is kept stays, and differences are paired."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.conditions import references_of
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.engine.pictures import to_u8
from psdstudio.engine.rows import RowRole, Rows
from psdstudio.gen.engine import Preview
from psdstudio.gen.request import GenerationRequest
from psdstudio.training.classifier import train_judge
from psdstudio.training.evaluation_baselines import (
    CLEAN,
    CLEAN_AGAINST_REPLACEMENT,
    CLEAN_IN_FEW,
    JOINT,
    OFF,
    REPLACED,
    REPLACED_AT_COST,
    TRUE,
    Measured,
    baselines_text,
    clean_against_replacement,
    run_baselines,
    table,
)
from psdstudio.training.evaluation_kept import agreement, detail, free_part_setting, true_outcome
from psdstudio.training.evaluation_methods import (
    Painter,
    Setting,
    cells,
    paint_alone,
    paint_in_turn,
    paint_jointly,
    paint_replacing,
    setting_of,
    steps_for,
)
from psdstudio.training.evaluation_prompts import frozen_prompts
from psdstudio.training.sprites import SpriteLibrary, read_vocabulary
from tests.engine.toys import FAST, loaded, model_folder, part, picture, request
from tests.training.toys import SHAPES

BOXES = (BoxF(0.1, 0.2, 0.3, 0.5), BoxF(0.5, 0.3, 0.35, 0.5))
LIGHT = torch.tensor([[1.0, 0.0, 0.2, 0.1, 0.3, 1.0]])
THREE = replace(FAST, steps=3)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedEngine:
    return loaded(model_folder(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def painter(engine: EmbeddedEngine) -> Painter:
    return Painter.of(engine)


def two_objects(front: str = "cup", back: str = "swan") -> GenerationRequest:
    """Two objects at fixed places; the layers' ids, and so their noise, do not depend on the words."""
    parts = [
        replace(part(word, seed=11 + i, box=BOXES[i], use_library=False), id=LayerId(f"object {i}"))
        for i, word in enumerate((back, front))
    ]
    return request(parts, sampling=FAST)


def setting(painter: Painter, asked: GenerationRequest) -> Setting:
    aspect = asked.size.width / asked.size.height
    boxes = torch.tensor([[b.x * aspect, b.y, b.width * aspect, b.height] for b in BOXES])
    return setting_of(painter, asked, boxes[: len(asked.objects)], LIGHT)


class Listener:
    """Notes what the network was given in every forward."""

    def __init__(self, painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[list[Rows]] = []
        forward = painter.net.forward

        def noted(groups: list[Rows], *rest: object) -> list[Tensor]:
            self.seen.append([replace(rows, x=rows.x.clone(), plate=rows.plate.clone()) for rows in groups])
            return forward(groups, *rest)  # type: ignore[arg-type]  # passed on as they came

        monkeypatch.setattr(painter.net, "forward", noted)


def test_painting_jointly_is_what_the_engine_does(engine: EmbeddedEngine, painter: Painter) -> None:
    size = Size(64, 48)
    ground = picture(Rect(0, 0, 64, 48), opaque=True)
    asked = replace(two_objects(), background=replace(two_objects().background, look=ground))
    chosen = setting(painter, asked)
    assert asked.size == size
    made = paint_jointly(painter, chosen)
    # Over a kept background there is no composite row, the one thing that is shown less here than in the engine.
    assert made.composite is None
    references = references_of(asked, painter.library)
    run = engine._paint(asked, chosen.words, references, chosen.boxes, chosen.light)
    *_, last = (event for event in run if isinstance(event, Preview))
    for i, (_, raster) in enumerate(last.rasters):
        assert (to_u8(made.parts.looks[0, i]) == raster.rgba).all()


def test_a_row_alone_knows_nothing_of_the_others_and_jointly_it_does(painter: Painter) -> None:
    one, other = (setting(painter, two_objects(back=word)) for word in ("swan", "lantern"))
    alone, alone_too = paint_alone(painter, one), paint_alone(painter, other)
    assert torch.equal(alone.parts.looks[0, 1], alone_too.parts.looks[0, 1])
    assert torch.equal(alone.parts.background, alone_too.parts.background)
    assert not torch.equal(alone.parts.looks[0, 0], alone_too.parts.looks[0, 0]), "its own words are read"
    joint, joint_too = paint_jointly(painter, one), paint_jointly(painter, other)
    assert not torch.equal(joint.parts.looks[0, 1], joint_too.parts.looks[0, 1])
    assert alone.composite is not None
    assert alone.work == joint.work


def test_in_turn_the_later_see_the_earlier_and_not_the_other_way_round(painter: Painter) -> None:
    made = paint_in_turn(painter, setting(painter, two_objects()))
    other_front = paint_in_turn(painter, setting(painter, two_objects(front="candle")))
    other_back = paint_in_turn(painter, setting(painter, two_objects(back="lantern")))
    assert torch.equal(made.parts.background, other_front.parts.background)
    assert torch.equal(made.parts.looks[0, 0], other_front.parts.looks[0, 0])
    assert torch.equal(made.parts.effects[0, 0], other_front.parts.effects[0, 0])
    assert not torch.equal(made.parts.looks[0, 1], other_back.parts.looks[0, 1])
    assert made.composite is None
    assert made.over.shape == (3, *made.parts.background.shape[2:])


def test_the_background_in_turn_is_the_one_painted_alone(painter: Painter) -> None:
    chosen = setting(painter, two_objects())
    alone, in_turn = paint_alone(painter, chosen), paint_in_turn(painter, chosen)
    assert torch.equal(alone.parts.background, in_turn.parts.background)


def test_the_composite_is_not_shown_its_answer(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replace(two_objects(), sampling=THREE)
    listener = Listener(painter, monkeypatch)
    paint_jointly(painter, setting(painter, asked))
    assert len(listener.seen) == 3
    shown = [
        bool(rows.plate[:, rows.role == RowRole.COMPOSITE].any())
        for forward in listener.seen
        for rows in forward
        if rows.group == "canvas"
    ]
    assert shown == [False, True, False]


def test_replacement_overwrites_the_state_and_tells_the_network_nothing(
    painter: Painter, library: SpriteLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = free_part_setting(painter, library, "look", 1, THREE)
    listener = Listener(painter, monkeypatch)
    made = paint_replacing(painter, free.setting, 4)
    assert len(listener.seen) == 4
    kept = [i for i in range(made.parts.boxes.shape[1]) if i != free.number]
    clean = made.parts.looks[:, kept] * 2 - 1
    for forward in listener.seen[1:]:
        rows = next(rows for rows in forward if rows.group == "look")
        level = float(rows.noise[0, 0])
        noise = (rows.x[:, kept] - (1 - level) * clean) / level
        assert not rows.known.any()
        assert not rows.seen.any()
        assert abs(float(noise.mean())) < 0.1
        assert float(noise.std()) == pytest.approx(1, abs=0.1)
    own = next(rows for rows in listener.seen[-1] if rows.group == "look").x[:, free.number]
    assert not torch.allclose(own, made.parts.looks[:, free.number] * 2 - 1)


def test_a_softer_picture_has_less_detail(painter: Painter, library: SpriteLibrary) -> None:
    for part_name in ("look", "background"):
        free = free_part_setting(painter, library, part_name, 2, FAST)
        true = true_outcome(free.truth).parts
        background, looks = (_softened(x) for x in (true.background, true.looks[0]))
        assert detail(free, replace(true, background=background, looks=looks[None])) < detail(free, true)


def _softened(pictures: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(pictures, 7, 1, 3, count_include_pad=False)


@pytest.mark.parametrize("free_part", ["look", "background", "effect"])
def test_what_is_kept_stays_true_in_both_ways(
    painter: Painter, library: SpriteLibrary, free_part: str
) -> None:
    free = free_part_setting(painter, library, free_part, 2, FAST)
    true = true_outcome(free.truth).parts
    ways = (paint_jointly(painter, free.setting), paint_replacing(painter, free.setting, 2))
    for made in ways:
        for i in range(true.looks.shape[1]):
            same = (made.parts.looks[0, i, 3] - true.looks[0, i, 3]).abs().mean()
            assert bool(same < 0.02) == ((free_part, i) != ("look", free.number))
        stays = (made.parts.background - true.background).abs().mean()
        assert bool(stays < 0.02) == (free_part != "background")
        assert all(value > 0 for value in agreement(free, made).values())
    assert all(value == 0 for value in agreement(free, true_outcome(free.truth)).values())


def test_equal_work_is_equal_within_half_a_step(painter: Painter, library: SpriteLibrary) -> None:
    free = free_part_setting(painter, library, "look", 0, replace(FAST, steps=16))
    clean = paint_jointly(painter, free.setting)
    steps = steps_for(clean.work, painter, free.setting)
    one_step = paint_replacing(painter, free.setting, 1).work
    assert 1 <= steps < 16
    assert abs(steps * one_step - clean.work) <= one_step / 2
    assert one_step > clean.work / 16, "a step over all rows costs more than one over the free rows"


def test_cells_count_what_is_computed(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(painter, monkeypatch)
    made = paint_jointly(painter, setting(painter, two_objects()))
    assert made.work == sum(cells(rows) for forward in listener.seen for rows in forward)


def test_differences_are_paired_by_scene() -> None:
    scenes: list[dict[str, Measured]] = [
        {JOINT: {"f": (i, 1.0)}, "other": {"f": (i + 2.0, 1.0), "own": (1.0, 1.0)}} for i in range(20)
    ]
    made = table(scenes, [("other", JOINT)])
    assert set(made["values"]) == {JOINT, "other"}
    difference = made["differences"][f"other minus {JOINT}"]
    assert set(difference) == {"f"}
    assert (difference["f"]["low"], difference["f"]["value"], difference["f"]["high"]) == (2, 2, 2)
    assert made["values"]["other"]["f"]["high"] - made["values"]["other"]["f"]["low"] > 2


def test_the_whole_comparison_makes_its_tables(
    engine: EmbeddedEngine, pack: Path, library: SpriteLibrary
) -> None:
    judge = train_judge(SpriteLibrary.load(pack, "classifier"), steps=2, batch=8, seed=1, width=8)
    prompts = frozen_prompts(list(SHAPES), {n.noun: n for n in read_vocabulary()}, 3)
    report = run_baselines(engine, judge, prompts, library, FAST)
    text = baselines_text(report, "About.")
    words, kept = report.values()
    objects = float(sum(len(prompt.objects) for prompt in prompts))
    assert all(way["right object in its layer"]["n"] == objects for way in words["values"].values())
    assert kept["values"][TRUE]["look: right object"]["n"] == 1
    assert len(kept["differences"]) == 3
    assert {name for name in kept["values"][CLEAN] if name.startswith("effect")} == {
        "effect: shadow off the true one, of 255",
        "effect: work, of the clean run",
    }
    assert kept["values"][CLEAN][OFF]["n"] == 3, "every scene regenerates one part, in turn"
    assert all(share["n"] == 3 for share in kept["verdict"][CLEAN_AGAINST_REPLACEMENT].values())
    assert "| figure | joint | independent layers | sequential layers |" in text
    assert text.count("About.") == 5


def test_the_verdict_counts_scenes_and_a_draw_counts_half() -> None:
    def scene(clean: float, replaced: float) -> dict[str, Measured]:
        off = dict(
            zip(
                (CLEAN, CLEAN_IN_FEW, REPLACED, REPLACED_AT_COST),
                (clean, clean, replaced, replaced),
                strict=True,
            )
        )
        return {way: {OFF: (value, 1.0)} for way, value in off.items()}

    better = clean_against_replacement([scene(1.0, 2.0)] * 20)
    assert all(figure["low"] == figure["value"] == 1 for figure in better.values())
    assert all(figure["value"] == 0.5 for figure in clean_against_replacement([scene(1.0, 1.0)] * 4).values())
    mixed = clean_against_replacement([scene(1.0, 2.0), scene(2.0, 1.0)] * 10)
    assert all(figure["low"] < 0.5 < figure["high"] for figure in mixed.values())
