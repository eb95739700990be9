"""The frozen prompts of the evaluation: 1 to 3 objects on a ground in a light, drawn from a seed of their own.

Training draws its scenes from generators seeded by (run seed, step); these come from another seed and none of their
noise is shared. Nouns are dealt like cards, so that every noun is asked for about equally often.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from psdstudio.gen.plan import Plan, PlannedBackground, PlannedObject
from psdstudio.training.looks import COLOURS
from psdstudio.training.sprites import Noun
from psdstudio.training.world import World, draw_world

PROMPT_SEED = 20_261_122
COLOUR_RATE = 0.4
COUNTS = (1, 2, 2, 3, 3)
"""How many objects the prompts have, in turn."""


@dataclass(frozen=True, slots=True)
class AskedObject:
    """One object of a prompt: the noun that must be recognised, its words, the colour asked for or None."""

    noun: str
    words: str
    colour: str | None
    soft: bool


@dataclass(frozen=True, slots=True)
class Prompt:
    """One frozen prompt; objects back to front; `seed` seeds the run."""

    number: int
    objects: tuple[AskedObject, ...]
    ground: str
    seed: int

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
        first = next(deck)
        world = draw_world(rng, vocabulary[first].places)
        names = [first]
        for _ in range(COUNTS[number % len(COUNTS)] - 1):
            names.append(_next_fitting(deck, names, vocabulary, world, len(nouns)))
        asked = tuple(_ask(vocabulary[name], rng) for name in names)
        prompts.append(Prompt(number, asked, world.words, int(rng.integers(2**31))))
    return tuple(prompts)


def _deal(nouns: list[str], rng: np.random.Generator) -> Iterator[str]:
    while True:
        yield from (nouns[i] for i in rng.permutation(len(nouns)))


def _next_fitting(
    deck: Iterator[str], taken: list[str], vocabulary: Mapping[str, Noun], world: World, limit: int
) -> str:
    key = "room" if world.family.key == "tiles" else world.family.key
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


def _ask(noun: Noun, rng: np.random.Generator) -> AskedObject:
    colour = str(rng.choice(list(COLOURS))) if noun.recolourable and rng.random() < COLOUR_RATE else None
    said = f"{colour} {noun.noun}" if colour else noun.noun
    return AskedObject(noun.noun, f"{'an' if said[0] in 'aeiou' else 'a'} {said}", colour, noun.soft)


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
