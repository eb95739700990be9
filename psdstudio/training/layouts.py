"""Layouts for training: which nouns stand where in a world, and the words for objects and scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from psdstudio.training.held_combinations import is_trained
from psdstudio.training.looks import (
    COLOURS,
    SIZES,
    SIZES_WITH_COLOUR,
    LookPlan,
    choose_colour,
    colour_of,
    object_words,
    plan_look,
)
from psdstudio.training.relations import KIND_RATES, Box, Kind, Relation, related_box, relations_of
from psdstudio.training.sprites import Noun, Sprite, SpriteLibrary
from psdstudio.training.world import World, draw_world

FLYING_GROUPS = frozenset({"animal", "bird", "nature", "vehicle"})
FLYING_TOYS = frozenset({"balloon", "kite", "soap bubble"})
FIT_RATE = 0.85
ACCENT_RATE = 0.5
"""Share of scenes with an accent colour: things whose colour is not said take it, so that a scene's colours agree."""
SIZE_RATE = 0.25
"""Share of objects whose size is said, if it can be told."""
TELLING = 1.2
"""A size is said only where the picture's borders leave it: the drawn height is this many times the usual, or less."""
RELATION_RATE = 0.35
"""Share of scenes of several objects in which one is said to stand on, behind, in front of or next to another."""
LOWEST, WIDEST = 0.96, 0.62
"""Contact lines end here; no object is wider than this share of the canvas."""
PREPOSITIONS = {
    "room": "in",
    "meadow": "in",
    "studio": "in",
    "forest": "in",
    "street": "on",
    "desert": "in",
    "snow": "in",
}


@dataclass(frozen=True, slots=True)
class Placement:
    """One object of a layout; `box` in square units (x, y, width, height); `standing`: it touches the ground."""

    sprite: Sprite
    look: LookPlan
    words: str
    box: tuple[float, float, float, float]
    standing: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole scene before rendering: world, objects back to front, scene caption, canvas aspect."""

    world: World
    objects: tuple[Placement, ...]
    words: str
    aspect: float


def draw_layout(library: SpriteLibrary, rng: np.random.Generator, count: int, aspect: float) -> Layout:
    """Draw a world, `count` nouns that suit it and their places; objects come back to front."""
    world = draw_world(rng)
    nouns = [_draw_noun(library, world, rng) for _ in range(count)]
    relation = _draw_relation(library, nouns, world, rng) if rng.random() < RELATION_RATE else None
    if relation is not None:
        nouns[1] = library.nouns[relation.target]
    sizes = _relative_sizes(nouns, rng)
    slots = (np.arange(count) + 0.5) / count + rng.normal(0, 0.10 / max(1, count - 1) + 0.03, count)
    rng.shuffle(slots)
    accent = str(rng.choice(list(COLOURS))) if rng.random() < ACCENT_RATE else None
    placed = []
    for i, (noun, usual, slot) in enumerate(zip(nouns, sizes, slots, strict=True)):
        sprite = library.by_noun[noun.noun][int(rng.integers(len(library.by_noun[noun.noun])))]
        related = relation if i == 0 else None
        look, colour = _dressed(sprite, world, accent, rng, silent=related is not None)
        word, size = (None, usual) if related else _sized(sprite, usual, colour, aspect, rng)
        words = related.said(noun.noun) if related else object_words(noun, colour, rng, size=word)
        placed.append(_place(noun, look, words, size, float(slot), world, aspect, rng))
    ordered = _back_to_front(placed, relation, world, aspect, rng)
    return Layout(world, ordered, _scene_words([p.words for p in ordered], world, rng), aspect)


def is_flying(noun: Noun) -> bool:
    """Whether the thing hangs in the air; tilted tools and the like lie on the ground."""
    return noun.pose == "air" and (noun.group in FLYING_GROUPS or noun.noun in FLYING_TOYS)


def _draw_noun(library: SpriteLibrary, world: World, rng: np.random.Generator) -> Noun:
    fits = rng.random() < FIT_RATE
    noun = library.nouns[library.draw_noun(rng)]
    for _ in range(39):
        if not fits or _suits(noun, world):
            break
        noun = library.nouns[library.draw_noun(rng)]
    return noun


def _draw_relation(
    library: SpriteLibrary, nouns: list[Noun], world: World, rng: np.random.Generator
) -> Relation | None:
    """Draw how the first object stands to the second, whose noun the relation decides; None where nothing suits."""
    if len(nouns) < 2 or is_flying(nouns[0]):
        return None
    kind = list(KIND_RATES)[int(rng.choice(len(KIND_RATES), p=list(KIND_RATES.values())))]
    fitting = [
        relation
        for relation in relations_of(nouns[0], library.by_noun)
        if relation.kind is kind and _suits(library.nouns[relation.target], world)
    ]
    return fitting[int(rng.integers(len(fitting)))] if fitting else None


def _suits(noun: Noun, world: World) -> bool:
    key = "room" if world.family.key == "tiles" else world.family.key
    return not noun.places or key in noun.places or key == "studio"


def _sized(
    sprite: Sprite, usual: float, colour: str | None, aspect: float, rng: np.random.Generator
) -> tuple[str | None, float]:
    """Draw a word of size and the height it makes of the usual one; no word where the picture could not show it."""
    if rng.random() >= SIZE_RATE:
        return None, usual
    words = [word for word in SIZES if colour is None or word in SIZES_WITH_COLOUR]
    word = words[int(rng.integers(len(words)))]
    if word == "tall" and sprite.aspect > 0.8:
        return None, usual
    highest = WIDEST * aspect / sprite.aspect  # `_place` draws nothing wider
    size = float(np.clip(usual * float(rng.uniform(*SIZES[word])), 0.07, 0.9))
    ratio = min(size, highest) / min(usual, highest)
    return (word, size) if ratio >= TELLING or ratio <= 1 / TELLING else (None, usual)


def _back_to_front(
    placed: list[Placement],
    relation: Relation | None,
    world: World,
    aspect: float,
    rng: np.random.Generator,
) -> tuple[Placement, ...]:
    """Order by contact line; the first object is moved to where its relation to the second wants it."""
    if relation is None:
        return tuple(sorted(placed, key=_depth))
    subject, target, *others = placed
    span = LOWEST - world.horizon - 0.10
    ground: Box = (0.0, world.horizon + 0.10, aspect, span)
    box = related_box(relation, subject.box, target.box, ground, rng)
    # The renderer throws shadows on the ground: under what stands on a chair there is none to be seen.
    subject = replace(subject, box=box, standing=relation.kind is not Kind.ON)
    if relation.kind is not Kind.ON:
        return tuple(sorted([subject, target, *others], key=_depth))
    ordered = sorted([target, *others], key=_depth)
    # What stands on a thing hides it, though its contact line lies higher in the picture.
    at = next(i for i, one in enumerate(ordered) if one is target)
    return (*ordered[: at + 1], subject, *ordered[at + 1 :])


def _depth(one: Placement) -> tuple[bool, float]:
    return one.standing, one.box[1] + one.box[3]


def _relative_sizes(nouns: list[Noun], rng: np.random.Generator) -> list[float]:
    largest = max(n.height_cm for n in nouns)
    base = rng.uniform(0.34, 0.62) * (1.0 if len(nouns) < 3 else 0.85)
    return [
        float(np.clip(base * (n.height_cm / largest) ** 0.3 * rng.uniform(0.9, 1.1), 0.13, 0.75))
        for n in nouns
    ]


def _place(
    noun: Noun,
    look: LookPlan,
    words: str,
    size: float,
    slot: float,
    world: World,
    aspect: float,
    rng: np.random.Generator,
) -> Placement:
    sprite, flying = look.sprite, is_flying(noun)
    if flying:
        height = size * 0.8
        ground = float(rng.uniform(0.10 + height, max(0.12 + height, world.horizon + 0.15)))
    else:
        near = float(rng.uniform(0.15, 1.0))
        ground = world.horizon + 0.10 + near * (LOWEST - world.horizon - 0.10)
        height = size * (0.72 + 0.28 * near)
    width = min(height * sprite.aspect, WIDEST * aspect)
    height = width / sprite.aspect
    x = float(np.clip(slot * aspect, 0.35 * width, aspect - 0.35 * width)) - width / 2
    return Placement(sprite, look, words, (x, ground - height, width, height), not flying)


def _dressed(
    sprite: Sprite, world: World, accent: str | None, rng: np.random.Generator, *, silent: bool
) -> tuple[LookPlan, str | None]:
    """Choose the look of one object under the scene's light, and the colour to say; none where `silent`."""
    colour, paint = (None, None) if silent else choose_colour(sprite, rng)
    takes_accent = accent is not None and sprite.recolourable and is_trained(sprite.noun, accent)
    if colour is None and accent is not None and takes_accent:
        paint = colour_of(COLOURS[accent] + float(rng.uniform(-8, 8)))
    return plan_look(sprite, paint, world.gain, world.shade, rng), colour


def _scene_words(words: list[str], world: World, rng: np.random.Generator) -> str:
    order = list(words)
    rng.shuffle(order)
    listed = order[0] if len(order) == 1 else ", ".join(order[:-1]) + " and " + order[-1]
    return f"{listed} {PREPOSITIONS.get(world.family.key, 'on')} {world.words}"
