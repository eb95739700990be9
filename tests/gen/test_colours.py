"""Colours by name: the adjective before the noun, not the noun itself and not another thing's colour."""

from __future__ import annotations

import pytest

from psdstudio.gen.colours import named_colour


@pytest.mark.parametrize(
    ("phrase", "like"),
    [
        ("a red lantern", "a red car"),
        ("Red lantern", "a red car"),
        ("an orange airplane", "an orange cat"),
        ("a small green vase with a red ribbon", "a green vase"),
        ("a navy blue bag", "a navy bag"),
        ("a yellow-bellied bird", "a yellow bird"),
    ],
)
def test_the_word_before_the_noun_is_the_colour(phrase: str, like: str) -> None:
    assert named_colour(phrase) == named_colour(like)
    assert named_colour(phrase) is not None


@pytest.mark.parametrize(
    "phrase",
    [
        "",
        "a lantern",
        "an orange",
        "a rose",
        "a black and white cow",
        "a cup of green tea",
        "a cherry tree",
        "red",
    ],
)
def test_other_phrases_ask_for_no_single_colour(phrase: str) -> None:
    assert named_colour(phrase) is None


def test_dark_and_pale_shade_the_colour() -> None:
    plain, dark, pale = (named_colour(f"a {said}blue cup") for said in ("", "dark ", "pale "))
    assert plain is not None
    assert dark is not None
    assert pale is not None
    assert all(low < mid < high for low, mid, high in zip(dark, plain, pale, strict=True))
