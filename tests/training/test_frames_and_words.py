"""Frames as training uses them, captions, the word bank and the pack's loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.engine import frames
from psdstudio.training.looks import PARAPHRASES, all_object_words, choose_colour, object_words
from psdstudio.training.sprites import SpriteLibrary, core_nouns, read_vocabulary, trained_nouns
from psdstudio.training.words import WordBank
from psdstudio.training.world import all_world_words, draw_world
from tests.training.toys import COLOURS, SHAPES, draw_shape

SIDES = st.floats(0.05, 1.5)
PLACES = st.floats(-0.5, 1.5)


@given(x=PLACES, y=PLACES, w=SIDES, h=SIDES, aspect=st.floats(0.5, 2.0))
def test_a_box_survives_layout_units(x: float, y: float, w: float, h: float, aspect: float) -> None:
    box, wide = torch.tensor([x, y, w, h]), torch.tensor(aspect)
    assert torch.allclose(frames.decode_box(frames.encode_box(box, wide), wide), box, atol=1e-4)


@given(x=PLACES, y=PLACES, w=SIDES, h=SIDES)
def test_a_crop_holds_its_box_and_is_at_most_two_to_one(x: float, y: float, w: float, h: float) -> None:
    box = torch.tensor([x, y, w, h])
    crop, inside = frames.crop_of(box), frames.box_in_crop(box)
    assert 0.4999 <= float(crop[2] / crop[3]) <= 2.0001
    assert (inside >= -1e-5).all()
    assert (inside[:2] + inside[2:] <= 1 + 1e-5).all()
    back = torch.cat([crop[:2] + inside[:2] * crop[2:], inside[2:] * crop[2:]])
    assert torch.allclose(back, box, atol=1e-4)
    mirrored = frames.mirrored_crop(box)
    ground = y + h
    assert abs(float(mirrored[1] - ground) - (ground - float(crop[1] + crop[3]))) < 1e-4


def test_resampling_into_the_same_frame_changes_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    picture = torch.rand(3, 4, 24, 40, generator=rng)
    frame = torch.tensor([[0.1, 0.2, 1.0, 0.6]]).expand(3, 4)
    assert torch.allclose(frames.resample(picture, frame, frame, (24, 40)), picture, atol=1e-4)
    away = frame + torch.tensor([5.0, 0, 0, 0])
    assert not frames.resample(picture, frame, away, (24, 40)).any()


def test_shrinking_keeps_the_mean_and_premultiplies() -> None:
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    rng = torch.Generator().manual_seed(1)
    straight = torch.rand(1, 4, 64, 64, generator=rng)
    small = frames.resample_rgba(straight, whole, whole, (8, 8))
    premul = torch.cat([straight[:, :3] * straight[:, 3:4], straight[:, 3:4]], dim=1)
    assert torch.allclose(small.mean((2, 3)), premul.mean((2, 3)), atol=0.02)
    assert (small[:, :3] <= small[:, 3:4] + 1e-6).all()


def test_the_loader_takes_one_split_and_the_right_rows(pack: Path) -> None:
    for split, drawings in (("train", 2), ("classifier", 1), ("heldout", 1)):
        library = SpriteLibrary.load(pack, split)
        assert set(library.by_noun) == set(SHAPES)
        for noun, sprites in library.by_noun.items():
            assert len(sprites) == drawings
            wanted = draw_shape(SHAPES[noun], COLOURS[split]).permute(2, 0, 1)
            assert all(torch.equal(library.pixels[s.index], wanted) for s in sprites)
    only = SpriteLibrary.load(pack, "train", only=["cup"])
    assert list(only.by_noun) == ["cup"]


def test_trained_nouns_are_of_the_vocabulary_and_said_once() -> None:
    known = {n.noun for n in read_vocabulary()}
    assert set(trained_nouns()) <= known
    assert len(set(trained_nouns())) == len(trained_nouns())
    assert set(core_nouns()) <= set(trained_nouns())


@given(seed=st.integers(0, 2**32 - 1))
def test_captions_name_the_noun_and_the_colour_and_can_be_listed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vocabulary = [n for n in read_vocabulary() if n.noun in SHAPES]
    noun = vocabulary[int(rng.integers(len(vocabulary)))]
    colour = str(rng.choice(list(PARAPHRASES))) if rng.random() < 0.5 else None
    said = object_words(noun, colour, rng)
    assert any(said.endswith(name) for name in (noun.noun, *noun.synonyms))
    if colour is not None:
        assert any(word in said for word in PARAPHRASES[colour])
    if said.startswith(("a ", "an ")):
        assert said.startswith("an ") == (said.split(" ", 1)[1][0] in "aeiou")
    world = draw_world(rng)
    assert world.words in all_world_words()


def test_every_caption_that_can_be_drawn_is_in_the_list(library: SpriteLibrary) -> None:
    rng = np.random.default_rng(3)
    for name, sprites in library.by_noun.items():
        noun, listed = library.nouns[name], all_object_words(library.nouns[name], sprites)
        drawn = {object_words(noun, choose_colour(sprites[0], rng)[0], rng) for _ in range(200)}
        assert drawn <= listed


def test_a_caption_has_the_same_states_alone_and_in_company(tmp_path: Path) -> None:
    bank = WordBank()
    alone, mask = bank(["a red lantern"])
    again, masks = bank(["", "a red lantern", "a blue cup on a wooden table"])
    assert torch.equal(alone[0], again[1])
    assert torch.equal(mask[0], masks[1])
    assert not again[0].any()
    assert not masks[0].any()
    assert not torch.equal(again[1], again[2])
    assert not alone[0][~mask[0]].any()
    bank.save(tmp_path)
    stored = WordBank()
    stored.load(tmp_path)
    assert torch.equal(stored(["a red lantern"])[0], alone)
