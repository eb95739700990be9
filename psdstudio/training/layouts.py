"""Layouts for training: which nouns stand where in a world, and the words for objects and scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from psdstudio.training.looks import COLOURS, LookPlan, choose_colour, colour_of, object_words, plan_look
from psdstudio.training.sprites import Noun, Sprite, SpriteLibrary
from psdstudio.training.world import World, draw_world

FLYING_GROUPS = frozenset({"animal", "bird", "nature", "vehicle"})
FLYING_TOYS = frozenset({"balloon", "kite", "soap bubble"})
FIT_RATE = 0.85
ACCENT_RATE = 0.5
"""Share of scenes with an accent colour: things whose colour is not said take it, so that a scene's colours agree."""
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
    sizes = _relative_sizes(nouns, rng)
    slots = (np.arange(count) + 0.5) / count + rng.normal(0, 0.10 / max(1, count - 1) + 0.03, count)
    rng.shuffle(slots)
    accent = COLOURS[str(rng.choice(list(COLOURS)))] if rng.random() < ACCENT_RATE else None
    placed = []
    for noun, size, slot in zip(nouns, sizes, slots, strict=True):
        sprite = library.by_noun[noun.noun][int(rng.integers(len(library.by_noun[noun.noun])))]
        look, words = _dressed(noun, sprite, world, accent, rng)
        placed.append(_place(noun, look, words, size, float(slot), world, aspect, rng))
    placed.sort(key=lambda p: (p.standing, p.box[1] + p.box[3]))
    return Layout(world, tuple(placed), _scene_words([p.words for p in placed], world, rng), aspect)


def is_flying(noun: Noun) -> bool:
    """Whether the thing hangs in the air; tilted tools and the like lie on the ground."""
    return noun.pose == "air" and (noun.group in FLYING_GROUPS or noun.noun in FLYING_TOYS)


def _draw_noun(library: SpriteLibrary, world: World, rng: np.random.Generator) -> Noun:
    fits = rng.random() < FIT_RATE
    key = "room" if world.family.key == "tiles" else world.family.key
    noun = library.nouns[library.draw_noun(rng)]
    for _ in range(39):
        if not fits or not noun.places or key in noun.places or key == "studio":
            break
        noun = library.nouns[library.draw_noun(rng)]
    return noun


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
        ground = world.horizon + 0.10 + near * (0.96 - world.horizon - 0.10)
        height = size * (0.72 + 0.28 * near)
    width = min(height * sprite.aspect, 0.62 * aspect)
    height = width / sprite.aspect
    x = float(np.clip(slot * aspect, 0.35 * width, aspect - 0.35 * width)) - width / 2
    return Placement(sprite, look, words, (x, ground - height, width, height), not flying)


def _dressed(
    noun: Noun, sprite: Sprite, world: World, accent: float | None, rng: np.random.Generator
) -> tuple[LookPlan, str]:
    """Choose the colour of one object under the scene's light, and the words for it."""
    colour, paint = choose_colour(sprite, rng)
    if colour is None and accent is not None and sprite.recolourable:
        paint = colour_of(accent + float(rng.uniform(-8, 8)))
    return plan_look(sprite, paint, world.gain, world.shade, rng), object_words(noun, colour, rng)


def _scene_words(words: list[str], world: World, rng: np.random.Generator) -> str:
    order = list(words)
    rng.shuffle(order)
    listed = order[0] if len(order) == 1 else ", ".join(order[:-1]) + " and " + order[-1]
    return f"{listed} {PREPOSITIONS.get(world.family.key, 'on')} {world.words}"
