"""The longest part of a sequence that is in order already: what need not move when rows are put in another order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def longest_rising(keys: Iterable[K], place: Mapping[K, int]) -> set[K]:
    """Return the members of a longest run of `keys` whose places rise; keys without a place are not in it.

    Patience sorting, O(n log n). Keys and places are distinct.
    """
    tails: list[int] = []
    ends: list[K] = []
    link: dict[K, K | None] = {}
    for key in keys:
        if key not in place:
            continue
        at = bisect_left(tails, place[key])
        link[key] = ends[at - 1] if at else None
        tails[at : at + 1] = [place[key]]
        ends[at : at + 1] = [key]
    kept: set[K] = set()
    cursor = ends[-1] if ends else None
    while cursor is not None:
        kept.add(cursor)
        cursor = link[cursor]
    return kept
