"""The evaluation: frozen prompts, measures that mean what they say, swapped neighbours, and the whole command."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.engine.detail import DetailNet
from psdstudio.engine.rows import REFERENCE_PLATE
from psdstudio.engine.weights import save_detail, save_weights
from psdstudio.training.classifier import train_judge
from psdstudio.training.classifier_net import save_judge
from psdstudio.training.evaluate import main, parser
from psdstudio.training.evaluation_measures import fog_share, psnr, ratio_with_interval, straight
from psdstudio.training.evaluation_neighbours import (
    PARTS,
    make_batch,
    one_free,
    swapped_neighbours,
    with_swapped,
)
from psdstudio.training.evaluation_prompts import COUNTS, as_plan, frozen_prompts
from psdstudio.training.evaluation_protocols import PROTOCOLS, Minutes, with_protocol
from psdstudio.training.evaluation_report import markdown
from psdstudio.training.evaluation_verbs import VERBS
from psdstudio.training.scene_truth import render_scenes
from psdstudio.training.sprites import SpriteLibrary, core_nouns, read_vocabulary, shipped_nouns
from psdstudio.training.words import WordBank
from tests.engine.toys import TINY_DETAIL
from tests.training.toys import SHAPES, draw_shape, layouts_of, lively_net

VOCABULARY = {n.noun: n for n in read_vocabulary()}


def test_prompts_are_frozen_and_deal_the_nouns_evenly() -> None:
    nouns = core_nouns()
    prompts = frozen_prompts(nouns, VOCABULARY, 100)
    assert prompts == frozen_prompts(list(reversed(nouns)), VOCABULARY, 100)
    assert prompts[:10] == frozen_prompts(nouns, VOCABULARY, 10)
    assert [len(p.objects) for p in prompts[:5]] == list(COUNTS)
    dealt = Counter(o.noun for p in prompts for o in p.objects)
    assert set(dealt) <= set(nouns)
    assert len(dealt) > 0.9 * len(nouns)
    assert len({p.seed for p in prompts}) == 100
    for prompt in prompts:
        assert len({o.noun for o in prompt.objects}) == len(prompt.objects)
        for asked in prompt.objects:
            assert asked.words.endswith(asked.noun)
            assert asked.colour is None or asked.colour in asked.words
        plan = as_plan(prompt)
        assert [o.engine_words for o in plan.objects] == [o.words for o in prompt.objects]
        assert plan.background.engine_words == prompt.ground


def test_fog_is_found_and_a_clean_edge_is_not_fog() -> None:
    clean = straight(draw_shape("disc", (0.8, 0.2, 0.2)).numpy())
    assert fog_share(clean) < 0.005
    foggy = clean.clone()
    foggy[3] = foggy[3] * 0.6
    assert fog_share(foggy) > 0.3
    assert fog_share(torch.zeros(4, 32, 32)) == 0
    assert fog_share(torch.full((4, 32, 32), 0.4)) == 1


def test_psnr_of_known_errors() -> None:
    picture = torch.full((3, 8, 8), 0.5)
    assert psnr(picture, picture) == 60
    assert psnr(picture, picture + 0.1) == pytest.approx(20, abs=0.01)


@given(st.lists(st.tuples(st.integers(0, 3), st.just(3)), min_size=1, max_size=40))
def test_an_interval_holds_its_value(pairs: list[tuple[int, int]]) -> None:
    figure = ratio_with_interval([(float(a), float(b)) for a, b in pairs])
    assert figure["low"] <= figure["value"] + 1e-3
    assert figure["value"] <= figure["high"] + 1e-3
    assert 0 <= figure["low"] <= figure["high"] <= 1
    assert figure["n"] == 3 * len(pairs)


def test_more_scenes_give_a_narrower_interval_and_none_gives_nothing() -> None:
    few = ratio_with_interval([(1.0, 1.0), (0.0, 1.0)] * 5)
    many = ratio_with_interval([(1.0, 1.0), (0.0, 1.0)] * 80)
    assert many["high"] - many["low"] < 0.5 * (few["high"] - few["low"])
    nothing = ratio_with_interval([])
    assert nothing["n"] == 0
    assert "| - |" in markdown("t", {"run": {"figure": nothing}}, [])


@pytest.mark.parametrize("part", PARTS)
def test_a_swap_changes_the_neighbours_and_nothing_else(
    library: SpriteLibrary, bank: WordBank, part: str
) -> None:
    b, k, j = 3, 3, 1
    truth = render_scenes(
        library, layouts_of(library, seed=8, count=b, objects=k), canvas=(64, 64), look_px=32
    )
    swapped = with_swapped(truth, part, j)
    known = one_free(part, j, b, k)
    right, wrong = make_batch(library, truth, known, bank), make_batch(library, swapped, known, bank)
    group, row = {"background": (0, -1), "look": (1, j), "effect": (2, j)}[part]
    assert not right.groups[group].known[:, row].any(), "the scored part is free"
    assert torch.equal(right.clean[group][:, row], wrong.clean[group][:, row]), "and true both times"
    for name in ("words", "word_mask", "box", "index", "noise"):
        one, two = getattr(right.groups[group], name), getattr(wrong.groups[group], name)
        assert torch.equal(one[:, row], two[:, row]), name
    for g in range(3):
        assert torch.equal(right.groups[g].known, wrong.groups[g].known)
        marked = right.groups[g].known
        if marked.any():
            assert not torch.equal(right.groups[g].x[marked], wrong.groups[g].x[marked])
    assert not right.groups[1].plate[:, :, :REFERENCE_PLATE].any(), "no references"
    if part == "effect":
        assert torch.equal(swapped.looks, truth.looks.roll(1, 0)), "even its own object is another"


def test_a_deaf_network_prefers_nobody(library: SpriteLibrary, bank: WordBank) -> None:
    net = lively_net()
    with torch.no_grad():
        for head in net.heads.values():
            for parameter in head.parameters():
                parameter.zero_()
    figures = swapped_neighbours(net, library, bank, scenes=1, look_px=32)
    assert set(figures) >= {"all", *PARTS}
    assert all(figure["value"] == 0 for figure in figures.values())
    assert figures["all"]["n"] == sum(figures[part]["n"] for part in PARTS)


def test_the_whole_command_writes_its_report(
    pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_weights(tmp_path / "w.safetensors", lively_net(), look_px=32, trained={"objects": 1})
    save_detail(tmp_path / "d.safetensors", DetailNet(TINY_DETAIL), trained={"pairs": 1})
    judge = train_judge(SpriteLibrary.load(pack, "classifier"), steps=2, batch=8, seed=1, width=8)
    save_judge(tmp_path / "judge.safetensors", judge)
    out = tmp_path / "eval"
    main(
        [
            "--weights", str(tmp_path / "w.safetensors"), "--detail", str(tmp_path / "d.safetensors"),
            "--classifier", str(tmp_path / "judge.safetensors"),
            "--data", str(pack), "--out", str(out), "--quick", "--count", "5", "--neighbours", "1",
            "--references", "--per-noun", "--threads", "1", "--steps", "2",
        ]
    )  # fmt: skip
    report = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert set(report["per noun"]) == set(SHAPES)
    assert report["nouns"] == {"set": "core", "count": len(SHAPES), "with library": len(shipped_nouns())}
    for run in ("text alone", "with library"):
        scenes = report[run]["scenes"]
        assert [len(s["objects"]) for s in scenes] == list(COUNTS)
        assert report[run]["figures"]["kept layers byte-equal"]["value"] == 1
        assert report[run]["figures"]["kept layers byte-equal"]["n"] == 1
        assert all(np.isfinite(s["composite_psnr"]) for s in scenes)
        asked = [o["library_item"] is not None for s in scenes for o in s["objects"]]
        assert any(asked) == (run == "with library")
    assert (out / "text-alone-1.png").is_file()
    assert (out / "with-library-1.png").is_file()
    assert (out / "per-noun.png").is_file()
    text = (out / "evaluation.md").read_text(encoding="utf-8")
    assert "| figure | text alone | with library | right neighbours preferred |" in text
    assert text in capsys.readouterr().out
    parts = {
        "text alone",
        "with library",
        "swapped neighbours",
        "single looks",
        "calibration",
        "path-traced truth",
    }
    assert set(report["minutes by part"]) == parts
    assert report["minutes"] == pytest.approx(sum(report["minutes by part"].values()), abs=0.01)


@pytest.mark.slow
def test_verbs_and_baselines_stand_in_the_same_report(pack: Path, tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", lively_net(), look_px=32, trained={"objects": 1})
    save_detail(tmp_path / "d.safetensors", DetailNet(TINY_DETAIL), trained={"pairs": 1})
    judge = train_judge(SpriteLibrary.load(pack, "classifier"), steps=2, batch=8, seed=1, width=8)
    save_judge(tmp_path / "judge.safetensors", judge)
    out = tmp_path / "eval"
    main(
        [
            "--weights", str(tmp_path / "w.safetensors"), "--detail", str(tmp_path / "d.safetensors"),
            "--classifier", str(tmp_path / "judge.safetensors"), "--data", str(pack), "--out", str(out),
            "--count", "0", "--neighbours", "0", "--calibrate", "0", "--traced", "0",
            "--verbs", "1", "--baselines", "1",
            "--threads", "1", "--steps", "2",
        ]
    )  # fmt: skip
    report = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert set(report["verbs"]) == set(VERBS)
    assert set(report["minutes by part"]) == {"verbs", "baselines"}
    text = (out / "evaluation.md").read_text(encoding="utf-8")
    assert "# Verb: contacts only" in text
    assert "# Baselines: one part regenerated, all others kept, verdict" in text


def test_a_protocol_sets_what_is_not_said() -> None:
    short, full = (with_protocol(parser(), ["--protocol", name]) for name in ("cpu", "full"))
    assert (short.count, short.references, short.threads) == (100, True, 2)
    assert all(getattr(full, name) >= getattr(short, name) for name in PROTOCOLS["cpu"])
    own = with_protocol(parser(), ["--protocol", "cpu", "--count", "7", "--threads", "1"])
    assert (own.count, own.baselines, own.threads) == (7, 48, 1)
    plain = with_protocol(parser(), [])
    assert plain.protocol is None
    assert plain.baselines == 0
    assert all(set(settings) <= set(vars(plain)) for settings in PROTOCOLS.values())


def test_time_is_counted_by_part() -> None:
    minutes = Minutes()
    for part in ("a", "b", "a"):
        with minutes.of(part):
            pass
    assert list(minutes.by_part) == ["a", "b"]
    assert minutes.total == 0
