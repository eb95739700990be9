"""Misspelt words are mended, and rare words are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.gen.lexicon import Lexicon
from psdstudio.gen.spelling import Speller

KNOWN = (
    "elephant",
    "bicycle",
    "penguin",
    "table",
    "parrot",
    "giraffe",
    "restaurant",
    "sprinkled",
    "sleeping",
)


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.shipped()


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("elefant", "elephant"),
        ("bycicle", "bicycle"),
        ("pengiun", "penguin"),
        ("tabel", "table"),
        ("parot", "parrot"),
        ("giraff", "giraffe"),
        ("restaraunt", "restaurant"),
    ],
)
def test_a_slip_is_mended(slip: str, meant: str) -> None:
    assert Speller(KNOWN).mended(slip, lambda word: False) == meant
    assert Speller(KNOWN).mended(slip, lambda word: word == slip) == slip


@pytest.mark.parametrize("word", ["sprinkles", "steering", "parrots", "cable", "tab", "elephant-like"])
def test_another_word_is_no_slip(word: str) -> None:
    assert Speller(KNOWN).mended(word, lambda _: False) == word


@given(st.text("abcdefghilmnoprstu", max_size=14))
def test_what_is_mended_is_known_and_stays(word: str) -> None:
    speller = Speller(KNOWN)
    mended = speller.mended(word, lambda _: False)
    assert mended == word or mended in KNOWN
    assert speller.mended(mended, lambda _: False) == mended


@pytest.mark.parametrize(
    "words",
    [
        "trawler corgi clogs stetson mossy ruins bumble steering racket poppies sprinkles pliers",
        "tortoise otter ferret heron gecko walrus lobster wombat badger hatchet chisel trowel mallet",
        "saucepan spatula ladle colander toboggan dinghy gondola poncho tiara beret corset begonia",
        "houseboat snowdrop blackbird bullfinch marmot puffin gherkin parasol flagon sandcastle",
    ],
)
def test_rare_words_are_left_alone(lexicon: Lexicon, words: str) -> None:
    assert [lexicon.mended(word) for word in words.split()] == words.split()


def test_without_an_encoder_nothing_is_mended() -> None:
    assert Lexicon([{"noun": "elephant"}]).mended("elefant") == "elefant"
