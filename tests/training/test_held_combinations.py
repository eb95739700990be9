"""Combinations kept from training: the rule is fixed, fair and applied where prompts and training scenes are drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from psdstudio.training import (
    ablation_measures,
    classifier,
    evaluation_calibration,
    evaluation_kept,
    evaluation_neighbours,
    evaluation_prompts,
    verb_requests,
)
from psdstudio.training.evaluation_prompts import HELD_EVERY, frozen_prompts, unseen_grounds
from psdstudio.training.held_combinations import (
    FIRST_EVALUATION_SEED,
    is_trained,
    require_training_seed,
    split_of_pair,
    split_of_world,
    trained_colours,
    trained_moods,
)
from psdstudio.training.layouts import draw_layout
from psdstudio.training.looks import COLOURS, PLAIN, choose_colour
from psdstudio.training.sprites import SpriteLibrary, core_nouns, read_vocabulary
from psdstudio.training.world import FAMILIES, INDOOR_MOODS, OUTDOOR_MOODS, draw_world

NOUNS = read_vocabulary()
PAIRS = [(n.noun, colour) for n in NOUNS for colour in (*COLOURS, *PLAIN)]
GROUNDS = [(f.key, m.key) for f in FAMILIES for m in (OUTDOOR_MOODS if f.outdoors else INDOOR_MOODS)]


def test_the_splits_are_what_they_always_were() -> None:
    """Weights are trained by this table: a change of the rule would make old and new figures incomparable."""
    assert split_of_pair("candle", "blue") == "test"
    assert split_of_world("room", "window") == "test"
    assert split_of_world("meadow", "day") == "train"


def test_each_split_has_its_share_and_nothing_is_left_without_training() -> None:
    shares = Counter(split_of_pair(*pair) for pair in PAIRS)
    assert shares["test"] / len(PAIRS) == pytest.approx(0.08, abs=0.02)
    assert shares["validation"] / len(PAIRS) == pytest.approx(0.04, abs=0.015)
    assert all(trained_colours(n.noun, COLOURS) for n in NOUNS)
    worlds = Counter(split_of_world(*pair) for pair in GROUNDS)
    assert worlds["test"] >= 4
    assert worlds["validation"] >= 2
    for family in FAMILIES:
        moods = [m.key for m in (OUTDOOR_MOODS if family.outdoors else INDOOR_MOODS)]
        assert trained_moods(family.key, moods), family.key
    assert is_trained("cup", None)


def test_every_third_prompt_asks_for_what_was_never_trained_and_no_other_does() -> None:
    prompts = frozen_prompts(core_nouns(), {n.noun: n for n in NOUNS}, 99)
    for prompt in prompts:
        if prompt.number % HELD_EVERY != HELD_EVERY - 1:
            assert not prompt.unseen
        for asked in prompt.objects:
            if asked.colour is not None:
                split = split_of_pair(asked.noun, asked.colour)
                assert split == ("test" if asked.unseen else "train")
        assert prompt.unseen_ground == (prompt.ground in {words for _, words in unseen_grounds()})
    assert sum(p.unseen_ground for p in prompts) >= 10
    assert sum(o.unseen for p in prompts for o in p.objects) >= 8


def test_training_draws_no_ground_in_a_light_kept_from_it() -> None:
    rng = np.random.default_rng(1)
    worlds = [draw_world(rng) for _ in range(400)]
    assert {split_of_world(w.family.key, w.mood.key) for w in worlds} == {"train"}


def test_training_paints_nothing_in_a_colour_kept_from_it(library: SpriteLibrary) -> None:
    rng = np.random.default_rng(2)
    sprites = [sprites[0] for sprites in library.by_noun.values()]
    painted = [(s.noun, *choose_colour(s, rng)) for _ in range(150) for s in sprites]
    assert all(is_trained(noun, colour) for noun, colour, paint in painted if paint is not None)


def test_a_scene_accent_is_no_way_round_the_rule(library: SpriteLibrary) -> None:
    rng = np.random.default_rng(3)
    hues = {hue: colour for colour, hue in COLOURS.items()}
    for _ in range(400):
        for placed in draw_layout(library, rng, 3, 1.0).objects:
            if any(word in placed.words for word in PLAIN):
                continue  # golden is said, and is near yellow
            paint = placed.look.paint
            if paint is not None and (colour := _nearest(paint, hues)) is not None:
                assert is_trained(placed.sprite.noun, colour)


def _nearest(paint: tuple[float, float, float], hues: dict[float, str]) -> str | None:
    """Return the colour word whose hue is within 10 degrees of a saturated paint."""
    import colorsys

    hue, saturation, _ = colorsys.rgb_to_hsv(*paint)
    off = {colour: abs((360 * hue - at + 180) % 360 - 180) for at, colour in hues.items()}
    best = min(off, key=lambda colour: off[colour])
    return best if saturation > 0.5 and off[best] < 10 else None


def test_seeds_of_training_and_evaluation_are_apart() -> None:
    ours = (
        evaluation_prompts.PROMPT_SEED,
        evaluation_kept.KEPT_SEED,
        evaluation_neighbours.TEST_SEED,
        evaluation_calibration.CALIBRATION_SEED,
        classifier.CALIBRATION_SEED,
        ablation_measures.ABLATION_SEED,
        verb_requests.VERB_SEED,
    )
    assert len(set(ours)) == len(ours)
    assert min(ours) >= FIRST_EVALUATION_SEED
    assert require_training_seed(1) == 1
    with pytest.raises(ValueError, match="belong to the evaluation"):
        require_training_seed(evaluation_prompts.PROMPT_SEED)
