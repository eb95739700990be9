"""Laws of the planner: 100 and more sentences parsed as a person would, any text survived, promises of a plan kept."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from psdstudio.errors import PromptError
from psdstudio.gen.drafts import unique_names
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.plan import Plan, Relation, UnknownNoun
from psdstudio.gen.planner import MAX_OBJECTS, plan_scene
from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.gen.words import Position, RelationKind
from psdstudio.resources_path import resource_dir

HERE = Path(__file__).parent
SENTENCES = json.loads((HERE / "planner_sentences.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    encoder = TextEncoder.load(resource_dir("text_encoder"))
    return Lexicon.load(HERE / "planner_vocabulary.json", encoder, resource_dir() / "noun_vectors.npz")


def words_of(plan: Plan) -> list[str]:
    return [thing.words for thing in plan.objects]


def test_sentences_are_parsed_exactly(lexicon: Lexicon) -> None:
    failures = []
    for case in SENTENCES:
        plan = plan_scene(case["text"], lexicon)
        got = (
            plan.background.words,
            [[thing.noun, thing.words] for thing in plan.objects],
            [one.word for one in plan.unknown],
        )
        want = (case["background"], case["objects"], case["unknown"])
        if got != want:
            failures.append(f"{case['text']}\n  want {want}\n  got  {got}")
    print("\n".join(failures))
    assert len(SENTENCES) >= 100
    assert len(SENTENCES) - len(failures) >= 0.95 * len(SENTENCES), "\n".join(failures)


def test_a_number_is_never_given_twice() -> None:
    assert unique_names(["swan", "duck", "duck"]) == ["swan", "duck 1", "duck 2"]
    assert unique_names(["duck", "duck 1", "duck"]) == ["duck 2", "duck 1", "duck 3"]


def test_names_are_numbered_and_words_are_not(lexicon: Lexicon) -> None:
    plan = plan_scene("three small yellow ducks and a swan on a pond", lexicon)
    assert plan.background.words == "pond"
    assert [thing.name for thing in plan.objects] == [
        "small yellow duck 1",
        "small yellow duck 2",
        "small yellow duck 3",
        "swan",
    ]
    assert set(words_of(plan)) == {"small yellow duck", "swan"}


def test_relations_point_at_their_targets(lexicon: Lexicon) -> None:
    plan = plan_scene("a cat on a red sofa behind a lamp in a room", lexicon)
    cat = next(thing for thing in plan.objects if thing.noun == "cat")
    sofa = next(i for i, thing in enumerate(plan.objects) if thing.noun == "sofa")
    assert cat.relation == Relation(kind=RelationKind.ON, targets=(sofa,))
    swan = plan_scene("a swan on a lake", lexicon).objects[0]
    assert swan.relation == Relation(kind=RelationKind.ON, targets=())


@pytest.mark.parametrize(
    ("words", "order"),
    [
        ("on", ["sofa", "cat"]),
        ("in front of", ["sofa", "cat"]),
        ("behind", ["cat", "sofa"]),
        ("under", ["cat", "sofa"]),
        ("next to", ["cat", "sofa"]),
    ],
)
def test_depth_follows_the_relation(lexicon: Lexicon, words: str, order: list[str]) -> None:
    assert [thing.noun for thing in plan_scene(f"a cat {words} a sofa", lexicon).objects] == order


def test_positions_are_kept(lexicon: Lexicon) -> None:
    plan = plan_scene("a red cup on the left and a blue cup on the right", lexicon)
    assert [thing.position for thing in plan.objects] == [Position.LEFT, Position.RIGHT]


def test_unknown_nouns_are_reported_with_the_nearest(lexicon: Lexicon) -> None:
    plan = plan_scene("a small leopard and two blorbs on a beach", lexicon)
    leopard, blorb = plan.unknown
    assert (leopard.word, leopard.nearest) == ("leopard", "tiger")
    assert 0.56 <= leopard.similarity <= 1.0
    assert blorb == UnknownNoun(word="blorb")
    assert plan.objects[0].words == "small leopard"
    assert [thing.engine_words for thing in plan.objects] == ["small tiger", "blorb", "blorb"]
    assert len(plan.warnings()) == 2


def test_pieces_of_rare_words_do_not_mislead(lexicon: Lexicon) -> None:
    for word in ("capybara", "carpet"):
        for one in plan_scene(f"a {word} and a cat", lexicon).unknown:
            assert one.nearest is None or not word.startswith(one.nearest)


def test_synonyms_become_the_known_noun_for_the_engine_alone(lexicon: Lexicon) -> None:
    puppy = plan_scene("a brown puppy", lexicon).objects[0]
    assert (puppy.name, puppy.noun, puppy.engine_words) == ("brown puppy", "dog", "brown dog")
    chair = plan_scene("a wooden chair", lexicon).objects[0]
    assert chair.engine_words == "wooden chair"


def test_without_a_place_the_engine_gets_a_plain_background(lexicon: Lexicon) -> None:
    plan = plan_scene("a fox", lexicon)
    assert plan.background.words == ""
    assert "plain" in plan.background.engine_words
    assert plan_scene("a fox at night", lexicon).background.engine_words.endswith("at night")


def test_style_is_told_apart(lexicon: Lexicon) -> None:
    plan = plan_scene("a dragon above a castle on a hill at sunset, watercolor style", lexicon)
    assert plan.style == "watercolor style"
    assert plan.background.words == "hill at sunset"


THIRTEEN = (
    "a bee, a cat, a cow, a dog, a drum, a key, a bed, a lamp, a cup, an owl, a pig, a bus, a swan".split(
        ", "
    )
)


@pytest.mark.parametrize("text", ["", "   ", ",.!", "and the of", "a" * 1001, "🦢", ", ".join(THIRTEEN)])
def test_what_cannot_be_a_scene_is_refused_with_advice(lexicon: Lexicon, text: str) -> None:
    with pytest.raises(PromptError) as caught:
        plan_scene(text, lexicon)
    assert caught.value.user_message
    assert caught.value.hint


WORDS = st.sampled_from(
    "a an the two three dozen pair of and , . with on in behind under between next to front at it them red glass "
    "wooden orange duck ducks cat table tables lake snow sunset light sitting flying is that 7 left right the "
    "background bowl fruit piles made wood blorb blorbs one one glasses scissors sheep style from room".split()
)


def check_promises(plan: Plan) -> None:
    assert len(plan.objects) <= MAX_OBJECTS
    assert plan.objects or plan.background.words
    names = [thing.name for thing in plan.objects]
    assert len(set(names)) == len(names)
    assert plan.background.engine_words
    for i, thing in enumerate(plan.objects):
        assert thing.words
        assert thing.engine_words
        for target in thing.relation.targets if thing.relation is not None else ():
            assert 0 <= target < len(plan.objects)
            assert target != i


@settings(max_examples=300, deadline=None)
@example("ducks with bowl with it".split())
@example("0 ducks a cat".split())
@given(st.lists(WORDS, max_size=25))
def test_any_words_give_a_plan_or_a_prompt_error(lexicon: Lexicon, parts: list[str]) -> None:
    try:
        plan = plan_scene(" ".join(parts), lexicon)
    except PromptError:
        return
    check_promises(plan)
    assert plan == plan_scene(" ".join(parts), lexicon)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120))
def test_any_text_gives_a_plan_or_a_prompt_error(lexicon: Lexicon, text: str) -> None:
    try:
        plan = plan_scene(text, lexicon)
    except PromptError:
        return
    check_promises(plan)


@pytest.mark.parametrize(
    "text", ["a red and a blorb red", "a glass and a cat orange", "red , red , a red red red"]
)
def test_adjectives_without_a_noun_come_to_an_end(lexicon: Lexicon, text: str) -> None:
    check_promises(plan_scene(text, lexicon))


def test_planning_is_fast(lexicon: Lexicon) -> None:
    lexicon.warm()
    for text in (
        "a swan and a flamingo on calm water at sunset",
        "a leopard, a zeppelin and a cello in a cave",
    ):
        took = []
        for _ in range(7):
            start = time.perf_counter()
            plan_scene(text, lexicon)
            took.append(time.perf_counter() - start)
        assert min(took) < 0.030
