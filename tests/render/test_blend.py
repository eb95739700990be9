"""Blend functions against formulas written again for single numbers, and against psd-tools' own functions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from psd_tools.composite.blend import BLEND_FUNC
from psd_tools.constants import BlendMode as PsdMode

from psdstudio.core.geometry import Rect
from psdstudio.core.layers import BlendMode
from psdstudio.render.blend import BLEND, F32, SPECIAL_EIGHT, blend_filled, dissolve_noise

LEVELS = sorted({0, 1, 2, 31, 63, 64, 65, 100, 127, 128, 129, 191, 192, 200, 254, 255})
Scalar = Callable[[float, float], float]
Triple = tuple[float, float, float]


def _soft(b: float, s: float) -> float:
    if s <= 0.5:
        return b - (1 - 2 * s) * b * (1 - b)
    d = ((16 * b - 12) * b + 4) * b if b <= 0.25 else math.sqrt(b)
    return b + (2 * s - 1) * (d - b)


def _hard(b: float, s: float) -> float:
    return 2 * b * s if s <= 0.5 else 1 - 2 * (1 - b) * (1 - s)


def _burn(b: float, s: float) -> float:
    if b == 1:
        return 1
    return 0 if s == 0 else 1 - min(1, (1 - b) / s)


def _dodge(b: float, s: float) -> float:
    if b == 0:
        return 0
    return 1 if s == 1 else min(1, b / (1 - s))


def _vivid(b: float, s: float) -> float:
    if s in (0, 1):
        return s
    return 1 - min(1, (1 - b) / (2 * s)) if s <= 0.5 else min(1, b / (2 * (1 - s)))


def _divide(b: float, s: float) -> float:
    if s == 0:
        return float(b > 0)
    return min(1, b / s)


SEPARABLE: dict[BlendMode, Scalar] = {
    BlendMode.NORMAL: lambda b, s: s,
    BlendMode.DISSOLVE: lambda b, s: s,
    BlendMode.DARKEN: min,
    BlendMode.MULTIPLY: lambda b, s: b * s,
    BlendMode.COLOR_BURN: _burn,
    BlendMode.LINEAR_BURN: lambda b, s: max(0, b + s - 1),
    BlendMode.LIGHTEN: max,
    BlendMode.SCREEN: lambda b, s: 1 - (1 - b) * (1 - s),
    BlendMode.COLOR_DODGE: _dodge,
    BlendMode.LINEAR_DODGE: lambda b, s: min(1, b + s),
    BlendMode.OVERLAY: lambda b, s: _hard(s, b),
    BlendMode.SOFT_LIGHT: _soft,
    BlendMode.HARD_LIGHT: _hard,
    BlendMode.VIVID_LIGHT: _vivid,
    BlendMode.LINEAR_LIGHT: lambda b, s: min(1, max(0, b + 2 * s - 1)),
    BlendMode.PIN_LIGHT: lambda b, s: min(b, 2 * s) if s <= 0.5 else max(b, 2 * s - 1),
    BlendMode.DIFFERENCE: lambda b, s: abs(b - s),
    BlendMode.EXCLUSION: lambda b, s: b + s - 2 * b * s,
    BlendMode.SUBTRACT: lambda b, s: max(0, b - s),
    BlendMode.DIVIDE: _divide,
}


def _lum(c: Triple) -> float:
    return 0.3 * c[0] + 0.59 * c[1] + 0.11 * c[2]


def _clip_color(c: Triple) -> Triple:
    lum, low, high = _lum(c), min(c), max(c)
    if low < 0:
        c = tuple(lum + (v - lum) * lum / (lum - low) for v in c)  # type: ignore[assignment]
    if high > 1:
        c = tuple(lum + (v - lum) * (1 - lum) / (high - lum) for v in c)  # type: ignore[assignment]
    return c


def _set_lum(c: Triple, lum: float) -> Triple:
    d = lum - _lum(c)
    return _clip_color((c[0] + d, c[1] + d, c[2] + d))


def _set_sat(c: Triple, sat: float) -> Triple:
    order = sorted(range(3), key=lambda i: c[i])
    out = [0.0, 0.0, 0.0]
    if c[order[2]] > c[order[0]]:
        out[order[1]] = (c[order[1]] - c[order[0]]) * sat / (c[order[2]] - c[order[0]])
        out[order[2]] = sat
    return out[0], out[1], out[2]


def _sat(c: Triple) -> float:
    return max(c) - min(c)


WHOLE: dict[BlendMode, Callable[[Triple, Triple], Triple]] = {
    BlendMode.HUE: lambda b, s: _set_lum(_set_sat(s, _sat(b)), _lum(b)),
    BlendMode.SATURATION: lambda b, s: _set_lum(_set_sat(b, _sat(s)), _lum(b)),
    BlendMode.COLOR: lambda b, s: _set_lum(s, _lum(b)),
    BlendMode.LUMINOSITY: lambda b, s: _set_lum(b, _lum(s)),
    BlendMode.DARKER_COLOR: lambda b, s: s if _lum(s) < _lum(b) else b,
    BlendMode.LIGHTER_COLOR: lambda b, s: s if _lum(s) > _lum(b) else b,
}


def _grid() -> tuple[F32, F32]:
    """Every pair of LEVELS as (3, n, n) planes."""
    levels = np.array(LEVELS, np.float32) / np.float32(255)
    b, s = np.meshgrid(levels, levels)
    return np.stack([b] * 3), np.stack([s] * 3)


def _colors(seed: int, count: int = 400) -> F32:
    values = np.random.default_rng(seed).choice(LEVELS, (3, 1, count)).astype(np.float32)
    return values / np.float32(255)


def test_every_layer_mode_has_a_function() -> None:
    assert set(BLEND) == set(BlendMode) - {BlendMode.PASS_THROUGH}
    assert set(BLEND) == {*SEPARABLE, *WHOLE, BlendMode.HARD_MIX}
    assert len(BLEND) == 27
    assert set(FILLED) == SPECIAL_EIGHT


@pytest.mark.parametrize("mode", SEPARABLE, ids=lambda mode: mode.name)
def test_a_separable_mode_is_its_formula(mode: BlendMode) -> None:
    b, s = _grid()
    wanted = [SEPARABLE[mode](float(x), float(y)) for x, y in zip(b[0].flat, s[0].flat, strict=True)]
    got = BLEND[mode](b, s)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[1].ravel(), wanted, atol=2e-6)


@pytest.mark.parametrize("mode", WHOLE, ids=lambda mode: mode.name)
def test_a_whole_colour_mode_is_its_formula(mode: BlendMode) -> None:
    b, s = _colors(1), _colors(2)
    pairs = zip(b[:, 0].T.tolist(), s[:, 0].T.tolist(), strict=True)
    wanted = [WHOLE[mode]((x[0], x[1], x[2]), (y[0], y[1], y[2])) for x, y in pairs]
    np.testing.assert_allclose(BLEND[mode](b, s)[:, 0].T, wanted, atol=4e-6)


def test_hard_mix_is_the_sign_of_the_sum_in_bytes() -> None:
    """In whole bytes the sum is exact, so the tie at 255 is decided and not left to rounding."""
    b, s = np.meshgrid(np.arange(256), np.arange(256))
    wanted = (b + s > 255) | ((b + s == 255) & (b > 127))
    planes = [np.stack([(v / np.float32(255)).astype(np.float32)] * 3) for v in (b, s)]
    np.testing.assert_array_equal(BLEND[BlendMode.HARD_MIX](*planes)[0], wanted)


@pytest.mark.parametrize("mode", BLEND, ids=lambda mode: mode.name)
def test_a_mode_agrees_with_psd_tools_and_leaves_its_arguments_alone(mode: BlendMode) -> None:
    b, s = _colors(3), _colors(4)
    held = b.copy(), s.copy()
    got = BLEND[mode](b, s)
    theirs = BLEND_FUNC[PsdMode(mode.value.encode("ascii"))](
        np.ascontiguousarray(np.moveaxis(b, 0, 2)), np.ascontiguousarray(np.moveaxis(s, 0, 2))
    )
    np.testing.assert_allclose(got, np.moveaxis(theirs, 2, 0), atol=1e-5)
    np.testing.assert_array_equal(b, held[0])
    np.testing.assert_array_equal(s, held[1])


@pytest.mark.parametrize("mode", BLEND, ids=lambda mode: mode.name)
def test_a_mode_stays_within_the_colour_range(mode: BlendMode) -> None:
    b, s = _grid()
    b[1], s[2] = b[1].T, s[2].T
    got = BLEND[mode](b, s)
    assert got.min() >= -1e-6
    assert got.max() <= 1 + 1e-6


@pytest.mark.parametrize("mode", sorted(SPECIAL_EIGHT, key=str), ids=lambda mode: mode.name)
def test_fill_fades_a_special_mode_from_itself_to_nothing(mode: BlendMode) -> None:
    b, s = _grid()
    np.testing.assert_array_equal(blend_filled(mode, b, s, 1.0), BLEND[mode](b, s))
    np.testing.assert_allclose(blend_filled(mode, b, s, 0.0), b, atol=2e-6)


FILLED: dict[BlendMode, Callable[[float, float, float], float]] = {
    BlendMode.COLOR_BURN: lambda b, s, f: max(0, 1 - (1 - b) / (1 - f + f * s)),
    BlendMode.LINEAR_BURN: lambda b, s, f: max(0, b - f * (1 - s)),
    BlendMode.COLOR_DODGE: lambda b, s, f: min(1, b / (1 - f * s)),
    BlendMode.LINEAR_DODGE: lambda b, s, f: min(1, b + f * s),
    BlendMode.VIVID_LIGHT: lambda b, s, f: _vivid(b, 0.5 + f * (s - 0.5)),
    BlendMode.LINEAR_LIGHT: lambda b, s, f: min(1, max(0, b + 2 * f * s - f)),
    BlendMode.HARD_MIX: lambda b, s, f: min(1, max(0, (b - f * (1 - s)) / (1 - f))),
    BlendMode.DIFFERENCE: lambda b, s, f: abs(b - f * s),
}


@pytest.mark.parametrize("fill", [0.2, 0.75])
@pytest.mark.parametrize("mode", FILLED, ids=lambda mode: mode.name)
def test_a_special_mode_under_fill_is_its_formula(mode: BlendMode, fill: float) -> None:
    b, s = _grid()
    pairs = zip(b[0].flat, s[0].flat, strict=True)
    wanted = [FILLED[mode](float(x), float(y), fill) for x, y in pairs]
    np.testing.assert_allclose(blend_filled(mode, b, s, fill)[2].ravel(), wanted, atol=4e-6)


def test_dissolve_noise_is_even_and_belongs_to_the_canvas_position() -> None:
    whole = dissolve_noise(Rect(-300, -200, 600, 500))
    assert whole.dtype == np.float32
    assert whole.min() >= 0
    assert whole.max() < 1
    histogram = np.histogram(whole, bins=20, range=(0, 1))[0] / whole.size
    assert np.abs(histogram - 0.05).max() < 0.002
    np.testing.assert_array_equal(dissolve_noise(Rect(-20, 30, 64, 64)), whole[230:294, 280:344])
    # Neighbours know nothing of each other.
    assert abs(np.corrcoef(whole[:, :-1].ravel(), whole[:, 1:].ravel())[0, 1]) < 0.01
