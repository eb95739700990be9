"""The planner on sentences written before its rules were read: 240 split at random into two halves, and later ones.

Exact parses at the first measurement of each set:

- development half: 98 of 120 (82 %) with the old rules; the rules were then improved on this half alone;
- held-out half: 78 of 120 (65 %) with the old rules, 94 (78 %) with the improved ones, before any of its failures was
  read; 100 (83 %) with the seven expectations below put right;
- fresh set, written after the general causes of those failures had been mended: 56 of 60 (93 %), or 58 (97 %) with two
  nouns put right that had been derived wrongly from the expected words;
- designers' set, written later by somebody who had not read the rules: 60 of 81 (74 %), 64 (79 %) with four nouns put
  right in the same way, 68 (84 %) with four expectations put right too ("dragon sleeping" for one asleep, the moon
  one rides on as a thing, trees beside a road as the background, "rainy window, sill");
- later set, written after the causes of those failures had been mended, and measured once: 29 of 30 (97 %), all 30 with
  one noun put right. Who wrote it knew the rules by then, so the figure flatters.

By now every failure has been read, and what the test guards is no forecast any more: 119, 118, 60, 81 and 30 with 290
nouns; 119, 117, 60, 81 and 30 with 750, many of which say closer what a sentence names: "perfume bottle" where the
expectation was written with "bottle". Such a name is accepted where the sentence has it in so many words.

A plan is exact if background, objects in depth order, the words of each, its known noun, its relation where one was
written down, and the unknown nouns are all as expected. Where several readings are right each is accepted:

- a verb's participle may stay with the thing or go ("helicopter", "helicopter flying");
- a thing inside another may stand before or after it in depth, and so may one beneath another but not hidden by it;
- what is held or worn is a property or a thing of its own; "with" binds either way unless it is a part of the thing;
- a table, shelf or fence under "on" is the ground or a thing; a vague plural ("some", "lots of") is 2 to 6 things;
- a dozen alike, or as many as find no room among 12, are one layer ("dozen eggs");
- what is refused is `accepted: []`.

Seven expectations of the held-out half were put right by these rules after it was measured: two counts of a dozen and
more, two depths of things beneath others, one relation and two verbs. One of the development half was: a thing inside
another.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from psdstudio.errors import PromptError
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.plan import Plan, PlannedObject
from psdstudio.gen.planner import plan_scene
from psdstudio.gen.text_encoder import TextEncoder
from psdstudio.resources_path import resource_dir

SETS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "planner_unseen.json").read_text("utf-8")
)
ENTRIES = json.loads(resource_dir("vocabulary.json").read_text("utf-8"))["nouns"]
KNOWN = {word: entry["noun"] for entry in ENTRIES for word in (*entry["synonyms"], entry["noun"])}
"""Noun or synonym -> noun. The nouns below are written as said: a vocabulary that grows makes more of them known."""


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    encoder = TextEncoder.load(resource_dir("text_encoder"))
    return Lexicon.load(resource_dir("vocabulary.json"), encoder, resource_dir() / "noun_vectors.npz")


def last(text: str) -> str:
    return text.lower().split()[-1]


def closer_names(text: str) -> set[str]:
    """The known nouns that are said in so many words, of two and more: "perfume bottle" where "bottle" was expected."""
    parts = text.lower().replace("-", " ").split(" ")
    spans = {" ".join(parts[a:b]) for a in range(len(parts)) for b in range(a + 2, len(parts) + 1)}
    return {KNOWN[span] for span in spans if span in KNOWN}


def is_noun(thing: PlannedObject, noun: str, texts: list[str]) -> bool:
    """A known noun must be met; of an unknown one the last word, of "a jar of honey" either."""
    if thing.noun in closer_names(thing.words):
        return True
    if noun in KNOWN:
        return bool(thing.noun == KNOWN[noun])
    return last(thing.noun) in {last(noun)} | {last(part) for text in texts for part in text.split(" of ")}


def is_reading(plan: Plan, reading: list[Any]) -> bool:
    background, objects = reading
    if plan.background.words.lower() != background.lower() or len(plan.objects) != len(objects):
        return False
    unknown = set()
    for thing, (noun, texts, *relation) in zip(plan.objects, objects, strict=True):
        if thing.words.lower() not in [text.lower() for text in texts] or not is_noun(thing, noun, texts):
            return False
        if noun not in KNOWN and thing.noun not in KNOWN.values():
            unknown.add(last(thing.noun))
        for kind, target in relation:
            said = thing.relation
            if said is None or said.kind.value != kind:
                return False
            targets = {last(plan.objects[at].noun) for at in said.targets}
            if targets != {last(KNOWN.get(target, target))} and targets != {last(target)}:
                return False
    return {last(one.word) for one in plan.unknown} == unknown


def failure(case: dict[str, Any], lexicon: Lexicon) -> str | None:
    """What is wrong with the plan of a sentence; None for an exact one."""
    try:
        plan = plan_scene(case["text"], lexicon)
    except PromptError as error:
        return f"{case['text']}\n  refused: {error}" if case["accepted"] else None
    if any(is_reading(plan, reading) for reading in case["accepted"]):
        return None
    got = [(thing.words, thing.noun, thing.relation) for thing in plan.objects]
    return f"{case['text']}\n  want {case['accepted'][:1]}\n  got  {plan.background.words!r} {got}"


@pytest.mark.parametrize(
    ("name", "size"),
    [("development", 120), ("held out", 120), ("fresh", 60), ("designers", 81), ("later", 30)],
)
def test_unseen_sentences_are_parsed_exactly(lexicon: Lexicon, name: str, size: int) -> None:
    cases = SETS[name]
    failures = [text for case in cases if (text := failure(case, lexicon)) is not None]
    print(f"{name}: {len(cases) - len(failures)} of {len(cases)} exact", *failures, sep="\n")
    assert len({case["text"] for case in cases}) == size
    assert len(cases) - len(failures) >= 0.95 * len(cases), "\n".join(failures)


def test_the_measure_tells_plans_apart(lexicon: Lexicon) -> None:
    plan = plan_scene("a cat on a red sofa in a cave", lexicon)
    sofa, cat = ["sofa", ["red sofa"]], ["cat", ["cat"]]
    assert is_reading(plan, ["cave", [sofa, [*cat, ["on", "sofa"]]]])
    for wrong in (
        ["", [sofa, cat]],
        ["cave", [cat, sofa]],
        ["cave", [sofa]],
        ["cave", [["sofa", ["sofa"]], cat]],
        ["cave", [sofa, [*cat, ["behind", "sofa"]]]],
        ["cave", [sofa, [*cat, ["on", "cat"]]]],
        ["cave", [sofa, ["dog", ["cat"]]]],
    ):
        assert not is_reading(plan, wrong)
