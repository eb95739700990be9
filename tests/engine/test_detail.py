"""The second stage: sizes, edges, determinism, and that an untrained one only enlarges."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from psdstudio.engine.detail import MAX_DOUBLINGS, DetailNet, doublings, with_detail
from tests.engine.toys import TINY_DETAIL, tiny_detail

pytestmark = pytest.mark.torch
WORDS = torch.linspace(-1, 1, 384)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 5000), st.integers(1, 5000))
def test_doublings_reach_the_wanted_size_and_no_more(h: int, w: int, wanted_h: int, wanted_w: int) -> None:
    count = doublings((h, w), (wanted_h, wanted_w))
    reached = (h << count) >= wanted_h and (w << count) >= wanted_w
    assert reached or count == MAX_DOUBLINGS
    if count:
        assert (h << (count - 1)) < wanted_h or (w << (count - 1)) < wanted_w


def test_an_untrained_network_is_a_plain_enlargement() -> None:
    net = DetailNet(TINY_DETAIL)
    picture = torch.rand(2, 4, 16, 24)
    made = net(picture, torch.zeros(2), WORDS.expand(2, -1))
    wanted = F.interpolate(picture, scale_factor=2, mode="bicubic", align_corners=False)
    assert torch.allclose(made, wanted)


@settings(deadline=None, max_examples=12)
@given(st.integers(3, 22), st.integers(3, 22), st.sampled_from([1, 40, 90]))
def test_any_side_is_painted_at_a_doubled_size_in_range(h: int, w: int, wanted: int) -> None:
    net = tiny_detail()
    picture = torch.rand(4, h, w, generator=torch.Generator().manual_seed(h * 100 + w))
    with torch.no_grad():
        made = with_detail(net, picture, WORDS, (wanted, wanted))
        again = with_detail(net, picture, WORDS, (wanted, wanted))
    times = 2 ** max(1, doublings((h, w), (wanted, wanted)))
    assert made.shape == (4, times * h, times * w)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    assert torch.equal(made, again)


def test_words_and_level_reach_the_picture() -> None:
    net = tiny_detail()
    picture = torch.rand(1, 4, 16, 16)
    with torch.no_grad():
        plain = net(picture, torch.zeros(1), WORDS[None])
        other_words = net(picture, torch.zeros(1), -WORDS[None])
        other_level = net(picture, torch.full((1,), 0.6), WORDS[None])
        silent = net(picture, torch.zeros(1), torch.zeros(1, 384))
    assert not torch.equal(plain, other_words)
    assert not torch.equal(plain, other_level)
    assert not torch.equal(plain, silent)
