"""Which colour a phrase asks for: the colour words that stand before its noun, as sRGB."""

from __future__ import annotations

import re
from typing import Final

RGB = tuple[float, float, float]

_BYTES: Final[dict[str, tuple[int, int, int]]] = {
    "red": (209, 31, 31),
    "crimson": (200, 25, 45),
    "scarlet": (220, 35, 25),
    "ruby": (195, 20, 55),
    "maroon": (120, 20, 35),
    "burgundy": (115, 20, 45),
    "vermilion": (225, 65, 40),
    "pink": (242, 107, 174),
    "magenta": (215, 40, 150),
    "fuchsia": (220, 45, 160),
    "orange": (245, 131, 32),
    "tangerine": (245, 135, 35),
    "amber": (245, 170, 40),
    "terracotta": (200, 100, 70),
    "copper": (185, 110, 60),
    "bronze": (160, 115, 60),
    "brown": (125, 75, 50),
    "tan": (205, 170, 125),
    "beige": (232, 205, 165),
    "khaki": (175, 160, 110),
    "cream": (248, 238, 210),
    "ivory": (250, 245, 228),
    "yellow": (250, 222, 45),
    "golden": (245, 200, 50),
    "gold": (225, 180, 60),
    "mustard": (215, 170, 45),
    "ochre": (200, 145, 50),
    "green": (51, 163, 60),
    "emerald": (40, 155, 85),
    "jade": (60, 160, 115),
    "teal": (54, 179, 168),
    "turquoise": (65, 190, 180),
    "cyan": (60, 205, 220),
    "aqua": (80, 205, 205),
    "blue": (43, 106, 214),
    "azure": (50, 125, 225),
    "navy": (30, 50, 125),
    "cobalt": (35, 80, 190),
    "sapphire": (30, 75, 180),
    "indigo": (75, 55, 165),
    "purple": (131, 59, 184),
    "violet": (140, 75, 200),
    "lavender": (190, 165, 225),
    "lilac": (200, 165, 215),
    "mauve": (175, 125, 170),
    "black": (28, 28, 32),
    "ebony": (38, 34, 34),
    "charcoal": (60, 62, 66),
    "grey": (140, 140, 146),
    "gray": (140, 140, 146),
    "silver": (190, 192, 198),
    "white": (244, 244, 247),
}
"""What a word means as paint. Words that name a thing as well (rose, lemon, cherry, olive, ...) are left out: before a
noun they often belong to its name ("a cherry tree")."""
_DARK: Final = frozenset({"dark", "deep"})
_LIGHT: Final = frozenset({"light", "pale", "pastel", "baby"})
_TAIL = re.compile(r"\b(?:with|on|in|of|at|under|by|and|wearing|holding|full)\b|,")


def named_colour(phrase: str) -> RGB | None:
    """Return the sRGB colour (0..1) that a phrase such as "a dark red lantern" asks for, None when it asks for none.

    The last word is the thing itself ("an orange"). What follows a preposition or "and" is another thing's colour or a
    second one ("a black and white cow" has no single colour).
    """
    parts = _TAIL.split(phrase.lower().replace("-", " "), maxsplit=1)
    words = parts[0].split()
    if len(parts) > 1 and words and words[-1] in _BYTES:
        return None
    for at, word in enumerate(words[:-1]):
        if word in _BYTES:
            red, green, blue = (value / 255 for value in _BYTES[word])
            return _shaded((red, green, blue), words[at - 1] if at else "")
    return None


def _shaded(colour: RGB, modifier: str) -> RGB:
    red, green, blue = colour
    if modifier in _DARK:
        return red * 0.55, green * 0.55, blue * 0.55
    if modifier in _LIGHT:
        return (red + 1) / 2, (green + 1) / 2, (blue + 1) / 2
    return colour
