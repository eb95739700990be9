"""Turns of phrase in their plain form, as the planner reads them."""

from __future__ import annotations

import pytest

from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.planner import plan_scene


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.shipped()


@pytest.mark.parametrize(
    ("text", "background", "things"),
    [
        ("a castle behind which the sun is setting", "setting sun", ["castle"]),
        ("a barn with the sun rising behind it", "rising sun", ["barn"]),
        ("a fox in a field, it is snowing", "field, snow", ["fox"]),
        ("a cat on a bench at seven o'clock", "seven o'clock", ["bench", "cat"]),
        ("a taxi on a street at 7:30 pm", "street at 7:30 pm", ["taxi"]),
        ("a bench on which two cats sit", "", ["bench", "cat", "cat"]),
        ("a two door fridge", "", ["two door fridge"]),
        ("a three tier wedding cake", "", ["three tier wedding cake"]),
        ("a fox just behind a barrel", "", ["fox", "barrel"]),
        ("sun glasses infront of a wall", "wall", ["sunglasses"]),
        ("a pair of glasses on a barrel", "", ["barrel", "glasses"]),
        ("a pair of wine glasses", "", ["wine glass", "wine glass"]),
        ("a pair of binoculars and a pair of swans", "", ["binoculars", "swan", "swan"]),
        ("planet earth and the moon", "", ["planet earth", "moon"]),
        ("a duck on cracked earth", "cracked earth", ["duck"]),
        ("one green apple and three red ones", "", ["green apple", "red apple", "red apple", "red apple"]),
        ("two lamps, a small one and a big one", "", ["small lamp", "big lamp"]),
        ("two deers", "", ["deer", "deer"]),
        ("a hot dog and a dog", "", ["hot dog", "dog"]),
        ("no cat and 0 dogs, a duck", "", ["duck"]),
    ],
)
def test_the_plain_form_is_planned(lexicon: Lexicon, text: str, background: str, things: list[str]) -> None:
    plan = plan_scene(text, lexicon)
    assert (plan.background.words, [thing.words for thing in plan.objects]) == (background, things)


@pytest.mark.parametrize(
    ("text", "words", "engine_words"),
    [
        ("a dozen roses", "dozen roses", "dozen roses"),
        ("13 ducks", "13 ducks", "13 ducks"),
        ("hundreds of red balloons", "hundreds of red balloons", "hundreds of red balloons"),
        ("two dozen puppies", "two dozen puppies", "two dozen dogs"),
    ],
)
def test_a_dozen_alike_are_one_layer(lexicon: Lexicon, text: str, words: str, engine_words: str) -> None:
    [thing] = plan_scene(text, lexicon).objects
    assert (thing.words, thing.engine_words) == (words, engine_words)


def test_what_finds_no_room_becomes_one_layer(lexicon: Lexicon) -> None:
    things = [thing.words for thing in plan_scene("eight ducks and seven geese", lexicon).objects]
    assert things == ["duck"] * 8 + ["seven geese"]


def test_positions_before_a_thing_are_its_own(lexicon: Lexicon) -> None:
    things = plan_scene("on the left a cow, on the right a pig", lexicon).objects
    assert [(thing.words, thing.position and thing.position.value) for thing in things] == [
        ("cow", "left"),
        ("pig", "right"),
    ]
