"""The model card: everything from files, nothing of this machine, old measurements called old."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from psdstudio.engine.detail import DetailNet
from psdstudio.engine.weights import load_weights, save_detail, save_weights
from psdstudio.resources_path import resource_dir
from psdstudio.training.card import card_text, main, path_in
from psdstudio.training.card_facts import (
    GOALS,
    NEIGHBOURS,
    RENDERED,
    TRACED,
    material_rows,
    network_file,
)
from psdstudio.training.evaluation_baselines import (
    CLEAN,
    CLEAN_AGAINST_REPLACEMENT,
    KEPT_TABLE,
    NEARER,
    REPLACED_AT_COST,
)
from psdstudio.training.evaluation_report import write_json
from psdstudio.training.evaluation_scenes import summary
from psdstudio.training.evaluation_verbs import RECOMPOSED, SPLIT
from tests.engine.toys import TINY_DETAIL
from tests.training.toys import lively_net

ENTRY = {
    "noun": "bee",
    "name": "bee",
    "drawing": "bee",
    "package": "bees 1.0",
    "creator": "Ada",
    "licence": "MIT",
}
LEDGER = [
    {**ENTRY, "used_by": "train"},
    {**ENTRY, "used_by": "heldout"},
    {**ENTRY, "used_by": "train", "creator": "Bob", "licence": "CC0-1.0"},
    {**ENTRY, "used_by": "train", "creator": "Cleo", "licence": "CC0-1.0"},
    {**ENTRY, "used_by": "unused", "creator": "Dora", "licence": "CC0-1.0"},
]


@pytest.fixture
def weights(tmp_path: Path) -> tuple[Path, Path]:
    scene, detail = tmp_path / "scene.safetensors", tmp_path / "detail.safetensors"
    save_weights(scene, lively_net(), look_px=32, trained={"objects": 1234, "mixed": 56})
    save_detail(detail, DetailNet(TINY_DETAIL), trained={"pairs": 789})
    return scene, detail


def figure(value: float, spread: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": value - spread, "high": value + spread, "n": 40.0}


def report(sha256: str, right: float = 0.9) -> dict[str, Any]:
    figures = {
        "right object in its layer": figure(right),
        "over-composite against predicted composite, dB": figure(15.48, 0.7),
        "colour as asked": figure(0.275),
        "empty layers": {**figure(0.0, 0.0), "n": 0.0},
        "full layers": {**figure(0.0, 0.0), "n": 3.0},
    }
    return {
        "weights_sha256": sha256,
        "trained": {"objects": 1},
        "judge": {"heldout_top1": 0.7416, "heldout_drawings": 178.0},
        "text alone": {"figures": figures, "scenes": []},
        NEIGHBOURS: {"all": figure(0.75)},
    }


def card(weights: tuple[Path, Path], *reports: dict[str, Any], hardware: str = "two CPU cores") -> str:
    files = [network_file(path, path.stem) for path in weights]
    return card_text(files, LEDGER, reports, hardware)


def row(text: str, start: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_file_tells_what_the_network_in_it_is(weights: tuple[Path, Path]) -> None:
    net, info = load_weights(weights[0])
    told = network_file(weights[0], "scene")
    assert told.numbers == sum(value.numel() for value in net.state_dict().values())
    assert (told.sha256, told.look_px, told.trained) == (info.sha256, 32, {"objects": 1234, "mixed": 56})


def test_samples_material_and_hardware_stand_in_it(weights: tuple[Path, Path]) -> None:
    text = card(weights, hardware="an abacus")
    assert row(text, "scene | objects")[-1] == "1,234"
    assert row(text, "detail | pairs")[-1] == "789"
    assert "an abacus" in text
    assert "3 drawings trained the networks, 1 others" in text
    assert material_rows(LEDGER)[0][1:] == [
        "2 creators", "[CC0-1.0](https://creativecommons.org/publicdomain/zero/1.0/)", "2", "0",
    ]  # fmt: skip
    assert material_rows(LEDGER)[1][3:] == ["1", "1"]


def test_goals_are_judged_and_what_was_not_measured_says_so(weights: tuple[Path, Path]) -> None:
    text = card(weights, report(network_file(weights[0], "").sha256))
    words = "right object in the right layer, from words alone"
    assert row(text, words)[1:] == ["95 %", "80 %", "90 % [85 to 95]", "enough"]
    assert row(text, "layers put together")[1:] == ["30 dB", "25 dB", "15.5 dB [14.8 to 16.2]", "missed"]
    assert row(text, "right neighbours preferred")[-1] == "missed"
    assert row(text, "floating objects")[-2:] == ["not measured", ""]
    assert row(text, "empty layers")[-2:] == ["not measured", ""], "no scene is no measurement"
    assert row(text, "full layers")[-1] == "too few to say (n = 3)"
    assert row(card(weights, report("x", right=0.96)), words)[-1] == "goal reached"
    assert "27.5 % of the cases" in text


def test_every_goal_of_the_scenes_has_a_figure_of_that_name() -> None:
    measured = set(summary([]))
    from_scenes = {
        goal.figure for goal in GOALS if goal.run == "text alone" and "px of 128" not in goal.figure
    }
    assert from_scenes - measured == set()


def test_verbs_and_the_verdict_on_keeping_stand_in_it(weights: tuple[Path, Path]) -> None:
    nearer = f"{NEARER}: {CLEAN} against {REPLACED_AT_COST}"
    words = "keeping parts clean against replacing them"

    def told(low: float) -> str:
        share = {"value": 0.7, "low": low, "high": 0.85, "n": 48.0}
        verdict = {"verdict": {CLEAN_AGAINST_REPLACEMENT: {nearer: share}}}
        verbs = {SPLIT: {RECOMPOSED: figure(36.0, 1.0)}}
        return card(weights, {**report("a"), "verbs": verbs, "baselines": {KEPT_TABLE: verdict}})

    assert row(told(0.55), words)[-1] == "goal reached"
    assert row(told(0.45), words)[-1] == "enough", "an interval with one half in it shows nothing"
    assert row(told(0.55), "a flat picture split")[-2:] == ["36 dB [35 to 37]", "goal reached"]
    assert row(told(0.55), RECOMPOSED)[1] == "36 [35 to 37], n = 40"
    assert row(card(weights, report("a")), words)[-2:] == ["not measured", ""]


def test_a_measurement_of_other_weights_is_called_that(weights: tuple[Path, Path]) -> None:
    mine = network_file(weights[0], "").sha256
    assert "measured on these weights" in card(weights, report(mine))
    old = card(weights, report("0123456789abcdef"))
    assert "measured on these weights" not in old
    assert "**other weights** than these (0123456789ab; samples: objects 1)" in old


def test_the_measures_own_error_stands_on_both_kinds_of_truth(weights: tuple[Path, Path]) -> None:
    name, only = "shadow azimuth against the scene's light, median degrees", "true layers put together, dB"
    truths = {RENDERED: {name: figure(6.0, 1.0)}, TRACED: {name: figure(14.0, 2.0), only: figure(39.0, 1.0)}}
    text = card(weights, {**report("a"), **truths})
    assert "| figure | on rendered truth | on path-traced scenes |" in text
    assert row(text, name)[1:] == ["6 [5 to 7], n = 40", "14 [12 to 16], n = 40"]
    assert row(text, only)[1] == "-"
    assert "on path-traced scenes" not in card(weights, {**report("a"), RENDERED: truths[RENDERED]})


def test_the_last_report_counts(weights: tuple[Path, Path]) -> None:
    text = card(weights, report("a", right=0.5), report("b", right=0.7))
    assert row(text, "right object in the right layer")[3] == "70 % [65 to 75]"
    later = {"weights_sha256": "c", "trained": {}, "text alone": {"figures": {}}}
    assert row(card(weights, report("a"), later), "right object in the right layer")[3] == "90 % [85 to 95]"


@pytest.mark.parametrize("place", ["/home/ada/model", "at /srv/x/y.json", "C:\\models", "(/usr/share/x)"])
def test_a_path_of_this_machine_is_refused(weights: tuple[Path, Path], place: str) -> None:
    with pytest.raises(ValueError, match="path of this machine"):
        card(weights, hardware=place)


def test_links_and_package_names_are_no_paths(weights: tuple[Path, Path]) -> None:
    assert "https://opensource.org/license/mit" in card(
        weights, hardware="`@lobehub/fluent-emoji-3d` and/or 1/2/3"
    )


def test_the_command_writes_the_card(weights: tuple[Path, Path], tmp_path: Path) -> None:
    ledger, told = tmp_path / "ledger.json", tmp_path / "evaluation.json"
    ledger.write_text(json.dumps(LEDGER), encoding="utf-8")
    write_json(told, report("a"))
    main(
        [
            "--weights", str(weights[0]), "--detail", str(weights[1]), "--ledger", str(ledger),
            "--evaluation", str(told), "--out", str(tmp_path / "CARD.md"),
        ]
    )  # fmt: skip
    text = (tmp_path / "CARD.md").read_text(encoding="utf-8")
    assert text.startswith("# Model card")
    assert str(tmp_path) not in text
    widths = {
        line.count("|")
        for line in text.split("## Material")[1].split("##")[0].splitlines()
        if line[:1] == "|"
    }
    assert widths == {6}


def test_the_shipped_card_names_no_place_and_every_section() -> None:
    text = resource_dir("model/CARD.md").read_text(encoding="utf-8")
    for words in (
        "## What it is for",
        "## Training",
        "## Material and licences",
        "## Limits",
        "95 % intervals",
    ):
        assert words in text
    assert path_in(text) is None
