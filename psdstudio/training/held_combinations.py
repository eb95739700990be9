"""Which combinations training never draws: some colours of every noun, some lights of every kind of ground.

A network that was shown a blue cup cannot be asked whether it can paint one it never saw. A pair's split follows from
a hash of its two names alone: it stays what it is when nouns, colours, grounds or lights are added, and no list has to
be kept. Seeds are apart in the same way: those of training lie below `FIRST_EVALUATION_SEED`, all others above.

Training asks `is_trained` before it *paints* a thing in a colour, said or not, and `split_of_world` before it lights a
ground. The colour a drawing has by itself is not asked about: it is seen as soon as the drawing is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

Split = Literal["train", "validation", "test"]

PAIR_SHARES = (0.08, 0.04)
"""Share of (noun, colour) pairs for test and for validation."""
WORLD_SHARES = (0.15, 0.08)
"""The same of (ground, light) pairs: there are only some fifty of them."""
FIRST_EVALUATION_SEED = 20_000


def split_of_pair(noun: str, colour: str) -> Split:
    """Return the split of a thing painted in a colour; `colour` is a word of `looks.COLOURS` or `looks.PLAIN`."""
    return _split("painted", noun, colour, PAIR_SHARES)


def is_trained(noun: str, colour: str | None) -> bool:
    """Whether training may paint this noun in this colour; None (as drawn) always."""
    return colour is None or split_of_pair(noun, colour) == "train"


def trained_colours(noun: str, colours: Iterable[str]) -> list[str]:
    """Return those of `colours` in which training may paint a noun, in their order."""
    return [colour for colour in colours if is_trained(noun, colour)]


def split_of_world(family: str, mood: str) -> Split:
    """Return the split of a ground in a light; both are keys of `world` ("meadow", "sunset")."""
    return _split("lit", family, mood, WORLD_SHARES)


def trained_moods(family: str, moods: Iterable[str]) -> list[str]:
    """Return the keys of those lights in which training may show a ground, in their order."""
    return [mood for mood in moods if split_of_world(family, mood) == "train"]


def require_training_seed(seed: int) -> int:
    """Return a seed that training may use.

    Raises:
        ValueError: it belongs to the scenes that evaluation draws.
    """
    if not 0 <= seed < FIRST_EVALUATION_SEED:
        raise ValueError(
            f"Seed {seed} cannot be trained with: seeds of {FIRST_EVALUATION_SEED:,} and more belong to the evaluation."
        )
    return seed


def _split(kind: str, one: str, other: str, shares: tuple[float, float]) -> Split:
    digest = hashlib.blake2b(f"{kind}\0{one}\0{other}".encode(), digest_size=8).digest()
    at = int.from_bytes(digest, "big") / 2**64
    if at < shares[0]:
        return "test"
    return "validation" if at < sum(shares) else "train"
