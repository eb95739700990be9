"""Worlds: ground families, moods of light, and the words for both. A world is one draw of all scene-level values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from psdstudio.training.held_combinations import trained_moods

RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of ground. `reflectivity` of its surface; `outdoors` decides which moods fit; `names` are its words."""

    key: str
    names: tuple[str, ...]
    reflectivity: float
    outdoors: bool
    horizon: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Mood:
    """A light of day: words, light colour, range of elevation in degrees, softness, sky colours top and bottom."""

    key: str
    words: tuple[str, ...]
    tint: RGB
    elevation: tuple[float, float]
    softness: float
    sky_top: RGB
    sky_low: RGB


FAMILIES: tuple[Family, ...] = (
    Family(
        "meadow", ("a green meadow", "a meadow", "grass", "a lawn", "a green field"), 0.0, True, (0.30, 0.55)
    ),
    Family("beach", ("a sandy beach", "a beach", "sand by the sea"), 0.0, True, (0.28, 0.50)),
    Family("water", ("calm water", "a lake", "a pond", "the sea", "still water"), 0.55, True, (0.28, 0.50)),
    Family("snow", ("snow", "a snowy field", "a snowy landscape"), 0.0, True, (0.30, 0.52)),
    Family("table", ("a wooden table", "a table", "a wooden desk"), 0.18, False, (0.35, 0.55)),
    Family(
        "room",
        ("a room", "a living room with a wooden floor", "a room with a painted wall"),
        0.12,
        False,
        (0.38, 0.60),
    ),
    Family("tiles", ("a tiled floor", "a kitchen floor", "black and white tiles"), 0.30, False, (0.35, 0.55)),
    Family(
        "studio", ("a plain studio backdrop", "a studio", "a plain background"), 0.12, False, (0.40, 0.62)
    ),
    Family("street", ("a street", "a road", "asphalt", "a city street"), 0.0, True, (0.32, 0.52)),
    Family("desert", ("a desert", "sand dunes", "the desert"), 0.0, True, (0.30, 0.50)),
    Family("forest", ("a forest", "a forest clearing", "the woods"), 0.0, True, (0.32, 0.52)),
)
OUTDOOR_MOODS: tuple[Mood, ...] = (
    Mood(
        "day",
        ("", "on a sunny day", "in daylight"),
        (1.0, 1.0, 0.97),
        (40, 65),
        0.2,
        (0.30, 0.58, 0.92),
        (0.75, 0.88, 0.98),
    ),
    Mood(
        "sunset",
        ("at sunset", "in the evening"),
        (1.0, 0.82, 0.68),
        (20, 35),
        0.3,
        (0.36, 0.30, 0.52),
        (0.98, 0.56, 0.36),
    ),
    Mood(
        "morning",
        ("in the morning", "at dawn"),
        (1.0, 0.93, 0.86),
        (22, 40),
        0.35,
        (0.55, 0.70, 0.90),
        (0.99, 0.88, 0.76),
    ),
    Mood(
        "overcast",
        ("on a cloudy day", "under a grey sky"),
        (0.90, 0.93, 0.96),
        (55, 75),
        0.9,
        (0.62, 0.67, 0.73),
        (0.80, 0.83, 0.86),
    ),
    Mood(
        "night",
        ("at night", "in moonlight"),
        (0.52, 0.58, 0.82),
        (35, 60),
        0.4,
        (0.03, 0.05, 0.15),
        (0.12, 0.17, 0.34),
    ),
)
INDOOR_MOODS: tuple[Mood, ...] = (
    Mood(
        "plain",
        ("", "", "in soft light"),
        (1.0, 0.99, 0.97),
        (45, 70),
        0.6,
        (0.75, 0.78, 0.82),
        (0.86, 0.87, 0.88),
    ),
    Mood(
        "warm",
        ("in warm light", "by lamplight"),
        (1.0, 0.86, 0.68),
        (35, 60),
        0.4,
        (0.78, 0.66, 0.52),
        (0.92, 0.80, 0.64),
    ),
    Mood(
        "window",
        ("by a window", "in window light"),
        (0.94, 0.97, 1.0),
        (25, 45),
        0.25,
        (0.70, 0.77, 0.86),
        (0.84, 0.88, 0.93),
    ),
)
WALLS: dict[str, RGB] = {
    "red": (0.72, 0.26, 0.24),
    "orange": (0.90, 0.58, 0.32),
    "yellow": (0.93, 0.82, 0.46),
    "green": (0.50, 0.66, 0.48),
    "teal": (0.34, 0.62, 0.62),
    "blue": (0.42, 0.56, 0.78),
    "purple": (0.56, 0.44, 0.68),
    "pink": (0.92, 0.68, 0.72),
    "white": (0.93, 0.93, 0.92),
    "grey": (0.60, 0.61, 0.63),
    "beige": (0.86, 0.79, 0.69),
    "dark": (0.24, 0.25, 0.28),
}


@dataclass(frozen=True, slots=True)
class World:
    """One draw: `azimuth_deg` is where shadows fall (0 right, 90 towards the viewer), `gain` the light's colour."""

    family: Family
    mood: Mood
    words: str
    azimuth_deg: float
    elevation_deg: float
    softness: float
    horizon: float
    reflectivity: float
    density: float
    gain: RGB
    wall: RGB
    seed: int

    @property
    def shade(self) -> tuple[float, float]:
        """Slopes of brightness across an object (right, down): the side away from the light is darker."""
        a = math.radians(self.azimuth_deg)
        strength = 0.20 * (1 - 0.6 * self.softness)
        return -strength * math.cos(a), -0.10 - 0.06 * self.softness

    def light_vector(self) -> tuple[float, ...]:
        """Return the six numbers the network reads: cos, sin of the azimuth, elevation, softness, horizon, present."""
        a = math.radians(self.azimuth_deg)
        return (
            math.cos(a),
            math.sin(a),
            (self.elevation_deg - 45) / 25,
            self.softness * 2 - 1,
            (self.horizon - 0.45) * 6,
            1.0,
        )


def draw_world(rng: np.random.Generator, places: tuple[str, ...] = ()) -> World:
    """Draw a world; `places` are family keys that suit the objects (empty: all).

    Some lights of every ground are left to the evaluation (`held_combinations`).
    """
    fitting = [
        f for f in FAMILIES if not places or f.key in places or (f.key == "tiles" and "room" in places)
    ]
    family = (
        fitting[int(rng.integers(len(fitting)))] if fitting else FAMILIES[int(rng.integers(len(FAMILIES)))]
    )
    moods = OUTDOOR_MOODS if family.outdoors else INDOOR_MOODS
    shown = trained_moods(family.key, [mood.key for mood in moods])
    moods = tuple(mood for mood in moods if mood.key in shown)
    mood = moods[int(rng.integers(len(moods)))]
    side = 1.0 if rng.random() < 0.5 else -1.0
    azimuth = math.degrees(math.atan2(float(rng.uniform(-0.6, 0.9)), side * float(rng.uniform(0.35, 1.0))))
    softness = float(np.clip(mood.softness + rng.normal(0, 0.08), 0, 1))
    wall_word = str(rng.choice(list(WALLS)))
    jitter = rng.uniform(0.94, 1.06, 3)
    wall = tuple(float(np.clip(c * j, 0, 1)) for c, j in zip(WALLS[wall_word], jitter, strict=True))
    # Exposure and warmth are said by no word and by no number of the light vector: only a scene's other parts tell.
    exposure, warmth = float(rng.uniform(0.76, 1.08)), float(np.clip(rng.normal(0, 0.07), -0.15, 0.15))
    tint = (mood.tint[0] * (1 + warmth), mood.tint[1], mood.tint[2] * (1 - warmth))
    return World(
        family=family,
        mood=mood,
        words=_words(family, mood, wall_word, rng),
        azimuth_deg=azimuth,
        elevation_deg=float(rng.uniform(*mood.elevation)),
        softness=softness,
        horizon=float(rng.uniform(*family.horizon)),
        reflectivity=family.reflectivity * float(rng.uniform(0.8, 1.2)),
        density=float(rng.uniform(0.42, 0.62))
        * (1 - 0.45 * softness)
        * (0.6 if family.key == "water" else 1.0),
        gain=(tint[0] * exposure, tint[1] * exposure, tint[2] * exposure),
        wall=(wall[0], wall[1], wall[2]),
        seed=int(rng.integers(2**31)),
    )


def all_world_words() -> set[str]:
    """Return every caption that a world can have."""
    out: set[str] = set()
    for family in FAMILIES:
        names = set(family.names)
        if family.key in ("studio", "room"):
            noun = "backdrop" if family.key == "studio" else "wall"
            names |= {f"a {wall} {kind}" for wall in WALLS for kind in (noun, family.key)}
        names |= {name[2:] for name in names if name.startswith("a ")}
        for mood in OUTDOOR_MOODS if family.outdoors else INDOOR_MOODS:
            out |= {f"{name} {said}".strip() for name in names for said in mood.words}
    return out


def _words(family: Family, mood: Mood, wall_word: str, rng: np.random.Generator) -> str:
    name = str(rng.choice(family.names))
    if family.key in ("studio", "room") and rng.random() < 0.7:
        noun = "backdrop" if family.key == "studio" else "wall"
        name = f"a {wall_word} {noun}" if rng.random() < 0.6 else f"a {wall_word} {family.key}"
    said = str(rng.choice(mood.words))
    if rng.random() < 0.3 and name.startswith("a "):
        name = name[2:]
    return f"{name} {said}".strip()
