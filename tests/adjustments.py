"""Hypothesis strategies for adjustments: every kind, with settings all over their ranges."""

from __future__ import annotations

from hypothesis import strategies as st

from psdstudio.core.adjustments import (
    Adjustment,
    BlackAndWhite,
    BrightnessContrast,
    ChannelMixer,
    Curve,
    Curves,
    Exposure,
    HueSaturation,
    Invert,
    Levels,
    LevelsChannel,
    MixerRow,
    Posterize,
    Threshold,
)

BYTES = st.integers(0, 255)
_SHARES = st.integers(-200, 200)
_WEIGHTS = st.integers(-200, 300)


@st.composite
def levels_channels(draw: st.DrawFn) -> LevelsChannel:
    """One channel's levels."""
    black = draw(st.integers(0, 253))
    return LevelsChannel(
        black_in=black, white_in=draw(st.integers(black + 2, 255)), black_out=draw(BYTES),
        white_out=draw(BYTES), gamma=draw(st.integers(10, 999)),
    )  # fmt: skip


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """A curve of 2 to 19 points; often the straight one."""
    if draw(st.booleans()):
        return Curve()
    inputs = sorted(draw(st.sets(BYTES, min_size=2, max_size=19)))
    return Curve(tuple((x, draw(BYTES)) for x in inputs))


_ROWS = st.builds(MixerRow, red=_SHARES, green=_SHARES, blue=_SHARES, constant=_SHARES)
_FOUR_DIGITS = st.integers(-5000, 5000).map(lambda n: n / 10_000)

ADJUSTMENTS: st.SearchStrategy[Adjustment] = st.one_of(
    st.just(Invert()),
    st.builds(Posterize, levels=st.integers(2, 255)),
    st.builds(Threshold, level=st.integers(1, 255)),
    st.builds(BrightnessContrast, brightness=st.integers(-150, 150), contrast=st.integers(-50, 100)),
    st.builds(
        BrightnessContrast, brightness=st.integers(-100, 100), contrast=st.integers(-100, 100),
        legacy=st.just(value=True),
    ),
    st.builds(Levels, master=levels_channels(), red=levels_channels(), green=levels_channels(),
              blue=levels_channels()),
    st.builds(Curves, master=curves(), red=curves(), green=curves(), blue=curves()),
    st.builds(
        Exposure, exposure=st.integers(-2000, 2000).map(lambda n: n / 100), offset=_FOUR_DIGITS,
        gamma=st.integers(1, 999).map(lambda n: n / 100),
    ),
    st.builds(HueSaturation, hue=st.integers(-180, 180), saturation=st.integers(-100, 100),
              lightness=st.integers(-100, 100)),
    st.builds(HueSaturation, hue=st.integers(0, 359), saturation=st.integers(0, 100),
              lightness=st.integers(-100, 100), colorize=st.just(value=True)),
    st.builds(BlackAndWhite, reds=_WEIGHTS, yellows=_WEIGHTS, greens=_WEIGHTS, cyans=_WEIGHTS, blues=_WEIGHTS,
              magentas=_WEIGHTS),
    st.builds(ChannelMixer, red=_ROWS, green=_ROWS, blue=_ROWS, monochrome=st.booleans()),
)  # fmt: skip
