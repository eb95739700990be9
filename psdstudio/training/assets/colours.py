"""The dominant colours of a drawing in fourteen plain words."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# sRGB anchors; several per word where one would leave a hole (light blue, dark green, cream).
ANCHORS: Final[tuple[tuple[str, tuple[int, int, int]], ...]] = (
    ("red", (215, 30, 40)), ("red", (150, 20, 30)), ("orange", (245, 130, 30)), ("orange", (225, 105, 35)),
    ("yellow", (250, 210, 40)), ("yellow", (255, 235, 110)), ("green", (50, 160, 70)), ("green", (30, 90, 40)),
    ("green", (150, 200, 70)), ("teal", (30, 150, 150)), ("teal", (90, 205, 195)), ("blue", (40, 90, 215)),
    ("blue", (90, 170, 245)), ("blue", (25, 40, 110)), ("purple", (130, 60, 190)), ("purple", (85, 50, 125)),
    ("pink", (240, 100, 170)), ("pink", (250, 170, 195)), ("pink", (235, 40, 130)), ("brown", (125, 75, 50)),
    ("brown", (85, 55, 45)), ("brown", (165, 105, 65)), ("beige", (225, 200, 160)), ("beige", (240, 205, 160)),
    ("black", (25, 25, 28)), ("black", (50, 46, 56)), ("grey", (95, 95, 100)), ("grey", (140, 140, 145)),
    ("grey", (185, 185, 192)), ("white", (245, 245, 248)), ("white", (222, 220, 230)),
)  # fmt: skip
WORDS: Final = tuple(dict.fromkeys(word for word, _ in ANCHORS))
SECOND_SHARE: Final = 0.25


def colour_words(rgba: NDArray[np.uint8]) -> tuple[str, ...]:
    """One or two words for uint8 (H, W, 4) straight colour, the larger share first."""
    weight = rgba[..., 3].reshape(-1).astype(np.float64)
    distance = np.linalg.norm(
        _lab(rgba[..., :3].reshape(-1, 1, 3)) - _lab(np.array([[a for _, a in ANCHORS]], dtype=np.uint8)),
        axis=2,
    )
    nearest = distance.argmin(axis=1)
    shares: dict[str, float] = {}
    for index, (word, _) in enumerate(ANCHORS):
        shares[word] = shares.get(word, 0.0) + float(weight[nearest == index].sum())
    total = max(sum(shares.values()), 1e-9)
    ranked = sorted(shares, key=lambda word: -shares[word])
    return tuple(ranked[:1] + [word for word in ranked[1:2] if shares[word] >= SECOND_SHARE * total])


def _lab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIE L*a*b* (D65) of sRGB bytes in the last axis."""
    value = rgb.astype(np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], dtype=np.float64
    )
    xyz = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack(
        [116 * root[..., 1] - 16, 500 * (root[..., 0] - root[..., 1]), 200 * (root[..., 1] - root[..., 2])],
        axis=-1,
    )
