"""Colour words of plain pictures."""

from __future__ import annotations

import numpy as np
import pytest

from psdstudio.training.assets.colours import ANCHORS, WORDS, colour_words


def _plain(*colours: tuple[int, int, int]) -> np.ndarray:
    picture = np.full((8, 8, 4), 255, dtype=np.uint8)
    for index, colour in enumerate(colours):
        picture[index * 8 // len(colours) : (index + 1) * 8 // len(colours), :, :3] = colour
    return picture


@pytest.mark.parametrize(("word", "colour"), ANCHORS)
def test_every_anchor_names_itself(word: str, colour: tuple[int, int, int]) -> None:
    assert colour_words(_plain(colour)) == (word,)


def test_two_words_come_in_the_order_of_their_share_and_empty_pixels_do_not_count() -> None:
    picture = _plain((215, 30, 40), (215, 30, 40), (40, 90, 215))
    assert colour_words(picture) == ("red", "blue")
    picture[:5, :, 3] = 0
    assert colour_words(picture)[0] == "blue"


def test_the_list_is_short() -> None:
    assert len(WORDS) <= 14
