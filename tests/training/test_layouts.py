"""Layouts: a size that is said is true of the box, a relation that is said is true of both, every caption is listed."""

from __future__ import annotations

import re
from collections import defaultdict
from statistics import median

import numpy as np
import pytest
import torch

from psdstudio.core.layers import Role
from psdstudio.gen.engine_words import known_words
from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.words import RELATIONS, RelationKind
from psdstudio.resources_path import resource_dir
from psdstudio.training.layouts import Layout, Placement, draw_layout
from psdstudio.training.looks import SIZES, all_object_words
from psdstudio.training.relations import LANDMARKS, SUPPORTS, Kind, relation_words
from psdstudio.training.sprites import Sprite, SpriteLibrary, read_vocabulary, trained_nouns
from psdstudio.training.world import all_world_words
from tests.training.toys import layouts_of

ASPECTS = {"table": 1.2, "lantern": 0.6, "tree": 0.7}
NAMES = ("cat", "cup", "fox", "lantern", "table", "chair", "tree", "house")


@pytest.fixture(scope="module")
def furnished() -> SpriteLibrary:
    """A library with things to stand on and behind; nobody looks at its pixels."""
    nouns = {n.noun: n for n in read_vocabulary()}
    by_noun = {
        name: [Sprite(i, name, ASPECTS.get(name, 0.9), ("brown",), nouns[name].recolourable, "toy", name)]
        for i, name in enumerate(sorted(NAMES))
    }
    pixels = torch.zeros(len(NAMES), 4, 8, 8, dtype=torch.uint8)
    return SpriteLibrary(pixels, nouns, by_noun, tuple(sorted(NAMES)), ())


def size_of(words: str) -> str:
    return next((word for word in words.removeprefix("a ").split(" ")[:1] if word in SIZES), "")


def test_what_is_called_big_is_drawn_bigger_than_usual(furnished: SpriteLibrary) -> None:
    heights: dict[str, list[float]] = defaultdict(list)
    for layout in layouts_of(furnished, seed=1, count=3000, objects=1):
        (one,) = layout.objects
        heights[size_of(one.words)].append(one.box[3])
    assert heights.keys() == {*SIZES, ""}
    usual = median(heights[""])
    share = {word: median(found) / usual for word, found in heights.items()}
    assert share["tiny"] < 0.65 < share["small"] < 0.85 < 1.2 < share["big"] < share["huge"]
    assert share["little"] == pytest.approx(share["small"], abs=0.1)
    assert share["large"] == pytest.approx(share["big"], abs=0.15)
    assert share["tall"] > 1.2


def test_wide_things_that_cannot_grow_are_not_called_big(furnished: SpriteLibrary) -> None:
    """On a narrow canvas the width is the limit: a table cannot be 1.2 times as high as it usually is there."""
    drawn = [draw_layout(furnished, np.random.default_rng([3, i]), 1, 0.35) for i in range(600)]
    tables = [one for layout in drawn for one in layout.objects if one.sprite.noun == "table"]
    widest = [one for one in tables if one.box[2] > 0.35 * 0.62 - 1e-6]
    plain = [one.box[3] for one in widest if not size_of(one.words)]
    assert plain
    assert not [one.words for one in widest if size_of(one.words) in ("tall", "small", "tiny", "little")]
    for one in widest:
        if size_of(one.words):
            assert one.box[3] <= max(plain) + 1e-6


def said_relation(layout: Layout) -> tuple[Kind, Placement, Placement] | None:
    for subject in layout.objects:
        for kind in Kind:
            if found := re.fullmatch(rf"an? [a-z ]+ {kind.value} an? ([a-z ]+)", subject.words):
                target = next(o for o in layout.objects if o is not subject and o.sprite.noun == found[1])
                return kind, subject, target
    return None


def test_relations_that_are_said_hold(furnished: SpriteLibrary) -> None:
    seen: dict[Kind, int] = defaultdict(int)
    for layout in layouts_of(furnished, seed=2, count=1500, objects=2, aspect=1.3):
        if (said := said_relation(layout)) is None:
            continue
        kind, subject, target = said
        seen[kind] += 1
        sx, sy, sw, sh = subject.box
        tx, ty, tw, th = target.box
        overlap = min(sx + sw, tx + tw) - max(sx, tx)
        in_front = layout.objects.index(subject) > layout.objects.index(target)
        match kind:
            case Kind.ON:
                top = SUPPORTS[target.sprite.noun]
                assert in_front
                assert top[0] - 1e-6 <= (sy + sh - ty) / th <= top[1] + 1e-6
                assert tx < sx
                assert not subject.standing
                assert sx + sw < tx + tw
            case Kind.BEHIND:
                assert not in_front
                assert sy + sh < ty + th
                assert 0 < overlap <= 0.6 * min(sw, tw) + 1e-6
            case Kind.IN_FRONT_OF:
                assert in_front
                assert sy + sh >= ty + th + 0.04 - 1e-6
                assert 0 < overlap <= 0.6 * min(sw, tw) + 1e-6
            case Kind.NEXT_TO:
                assert in_front == (sy + sh >= ty + th)
                assert overlap < 0
                assert abs(sy + sh - ty - th) <= 0.03 + 1e-6
    assert min(seen[kind] for kind in Kind) > 15, seen


def test_three_objects_keep_their_order_and_the_rider_follows_what_bears_it(furnished: SpriteLibrary) -> None:
    riders = 0
    for layout in layouts_of(furnished, seed=4, count=600, objects=4):
        said = said_relation(layout)
        rider = said[1] if said is not None and said[0] is Kind.ON else None
        free = [o for o in layout.objects if o is not rider]
        order = [(o.standing, o.box[1] + o.box[3]) for o in free]
        assert order == sorted(order)
        if rider is not None and said is not None:
            riders += 1
            assert layout.objects[layout.objects.index(rider) - 1].sprite.noun == said[2].sprite.noun
    assert riders > 5


def test_every_caption_of_a_layout_is_listed(furnished: SpriteLibrary) -> None:
    listed = {
        name: all_object_words(furnished.nouns[name], furnished.by_noun[name])
        | relation_words(furnished.nouns[name], furnished.by_noun)
        for name in NAMES
    }
    worlds = all_world_words()
    for layout in layouts_of(furnished, seed=5, count=800, objects=3):
        assert all(o.words in listed[o.sprite.noun] for o in layout.objects)
        assert layout.world.words in worlds


def test_the_captions_of_all_trained_nouns_can_be_encoded_ahead() -> None:
    nouns = {n.noun: n for n in read_vocabulary()}
    trained = trained_nouns()
    assert {*SUPPORTS, *LANDMARKS} <= set(trained)
    captions: set[str] = set()
    for name in trained:
        sprite = Sprite(0, name, 1.0, ("red",), nouns[name].recolourable, "toy", name)
        captions |= all_object_words(nouns[name], [sprite]) | relation_words(nouns[name], trained)
    assert 20_000 < len(captions) < 200_000


def test_relations_are_said_as_the_planner_reads_them() -> None:
    kinds = {Kind.ON: RelationKind.ON, Kind.BEHIND: RelationKind.BEHIND,
             Kind.IN_FRONT_OF: RelationKind.IN_FRONT_OF, Kind.NEXT_TO: RelationKind.NEXT_TO}  # fmt: skip
    assert {kind.value: RELATIONS[kind.value] for kind in Kind} == {k.value: v for k, v in kinds.items()}


@pytest.mark.parametrize("size", SIZES)
def test_words_of_size_reach_the_engine(size: str) -> None:
    known = known_words(Lexicon.load(resource_dir("vocabulary.json")))
    assert known(f"a {size} fox", Role.OBJECT) == f"{size} fox"
    assert known(f"the {size} red kitty", Role.OBJECT) == f"{size} red cat"
