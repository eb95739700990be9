"""What stays when rows are put in another order: in order itself, and as much as can be."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from psdstudio.core.ordering import longest_rising


@given(st.permutations(range(7)), st.sets(st.integers(0, 6)))
def test_what_stays_is_in_the_wanted_order_and_nothing_longer_is(current: list[int], gone: set[int]) -> None:
    wanted = {key: key for key in range(7) if key not in gone}
    kept = longest_rising(current, wanted)
    in_place = [key for key in current if key in kept]
    assert in_place == sorted(in_place)
    assert not kept & gone
    left = [key for key in current if key not in gone]
    longer = combinations(left, len(kept) + 1)
    assert not any(list(some) == sorted(some) for some in longer)
