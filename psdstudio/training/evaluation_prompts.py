"""The frozen prompts of the evaluation: 1 to 3 objects on a ground in a light, drawn from a seed of their own.

Training draws its scenes from generators seeded by (run seed, step); these come from another seed and none of their
noise is shared. Nouns are dealt like cards, so that every noun is asked for about equally often. Every third prompt
asks for combinations that training never draws (`held_combinations`): a ground in a light, a thing in a colour; the
others ask for none of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from psdstudio.gen.plan import Plan, PlannedBackground, PlannedObject
from psdstudio.training.held_combinations import split_of_pair, split_of_world, trained_colours
from psdstudio.training.looks import COLOURS
from psdstudio.training.sprites import Noun
from psdstudio.training.world import FAMILIES, INDOOR_MOODS, OUTDOOR_MOODS, draw_world

PROMPT_SEED = 20_261_122
COLOUR_RATE = 0.4
COUNTS = (1, 2, 2, 3, 3)
"""How many objects the prompts have, in turn."""
HELD_EVERY = 3
WORLD_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class AskedObject:
    """One object of a prompt: the noun that must be recognised, its words, the colour asked for or None.

    `unseen`: training never paints this noun in this colour.
    """

    noun: str
    words: str
    colour: str | None
    soft: bool
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """One frozen prompt; objects back to front; `seed` seeds the run.

    `unseen_ground`: training never shows this ground in this light.
    """

    number: int
    objects: tuple[AskedObject, ...]
    ground: str
    seed: int
    unseen_ground: bool = False

    @property
    def unseen(self) -> bool:
        """Whether anything in it is a combination that training never draws."""
        return self.unseen_ground or any(o.unseen for o in self.objects)

    @property
    def sentence(self) -> str:
        """The prompt as a designer would read it."""
        return ", ".join(o.words for o in self.objects) + f"; {self.ground}"


def frozen_prompts(nouns: Sequence[str], vocabulary: Mapping[str, Noun], count: int) -> tuple[Prompt, ...]:
    """Return the first `count` prompts over `nouns`; the same for the same nouns, always."""
    deck = _deal(sorted(nouns), np.random.default_rng([PROMPT_SEED, 0]))
    prompts = []
    for number in range(count):
        rng = np.random.default_rng([PROMPT_SEED, 1, number])
        held = number % HELD_EVERY == HELD_EVERY - 1
        first = next(deck)
        family, ground, unseen = _ground(rng, vocabulary[first].places, held)
        names = [first]
        for _ in range(COUNTS[number % len(COUNTS)] - 1):
            names.append(_next_fitting(deck, names, vocabulary, family, len(nouns)))
        asked = tuple(_ask(vocabulary[name], rng, held) for name in names)
        prompts.append(Prompt(number, asked, ground, int(rng.integers(2**31)), unseen))
    return tuple(prompts)


def _ground(rng: np.random.Generator, places: tuple[str, ...], held: bool) -> tuple[str, str, bool]:
    """Return family, words and whether training never shows them so; `held` wants that, where such a ground suits."""
    pairs = [pair for pair in unseen_grounds() if not places or pair[0] in places] if held else []
    if pairs:
        family, words = pairs[int(rng.integers(len(pairs)))]
        return family, words, True
    world = draw_world(rng, places)
    for _ in range(WORLD_ATTEMPTS):
        if split_of_world(world.family.key, world.mood.key) == "train":
            break
        world = draw_world(rng, places)
    return world.family.key, world.words, split_of_world(world.family.key, world.mood.key) != "train"


def unseen_grounds() -> list[tuple[str, str]]:
    """Return (family, words) of every ground in a light that is kept for the test."""
    return [
        (family.key, f"{name} {said}")
        for family in FAMILIES
        for mood in (OUTDOOR_MOODS if family.outdoors else INDOOR_MOODS)
        if split_of_world(family.key, mood.key) == "test"
        for name in family.names
        for said in mood.words
        if said
    ]


def _deal(nouns: list[str], rng: np.random.Generator) -> Iterator[str]:
    while True:
        yield from (nouns[i] for i in rng.permutation(len(nouns)))


def _next_fitting(
    deck: Iterator[str], taken: list[str], vocabulary: Mapping[str, Noun], family: str, limit: int
) -> str:
    key = "room" if family == "tiles" else family
    spare = ""
    for _ in range(2 * limit):
        name = next(deck)
        if name in taken:
            continue
        places = vocabulary[name].places
        if not places or key in places or key == "studio":
            return name
        spare = name
    return spare or taken[0]


def _ask(noun: Noun, rng: np.random.Generator, held: bool) -> AskedObject:
    unseen = [c for c in COLOURS if split_of_pair(noun.noun, c) == "test"] if held else []
    colours = unseen or trained_colours(noun.noun, COLOURS)
    wanted = noun.recolourable and bool(colours) and (bool(unseen) or rng.random() < COLOUR_RATE)
    colour = str(rng.choice(colours)) if wanted else None
    said = f"{colour} {noun.noun}" if colour else noun.noun
    words = f"{'an' if said[0] in 'aeiou' else 'a'} {said}"
    return AskedObject(noun.noun, words, colour, noun.soft, unseen=wanted and bool(unseen))


def as_plan(prompt: Prompt) -> Plan:
    """Return the prompt as the planner would propose it: what is judged is the engine, not the parser."""
    return Plan(
        sentence=prompt.sentence,
        background=PlannedBackground(words=prompt.ground, engine_words=prompt.ground),
        objects=tuple(
            PlannedObject(name=f"{o.noun} {i + 1}", noun=o.noun, words=o.words, engine_words=o.words)
            for i, o in enumerate(prompt.objects)
        ),
    )
