"""Draws the scenes of the path-traced test set: which models stand where, on what ground, in what light.

Pure numbers, frozen by seed: the same number gives the same scene for ever. Axes as in `cycles`: x right, y away from
the viewer, z up. Light as in `training.world`: the azimuth is where shadows fall on the ground, 0 right, 90 towards
the viewer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from psdstudio.training.assets.furniture import FurnitureModel

SEED: Final = 990_113
FIELD_OF_VIEW_DEG: Final = 32.0
ASPECT: Final = 4 / 3
SIDE_MARGIN, TOP_MARGIN, LOW_MARGIN = 0.88, 0.90, 0.84
"""How far from the middle objects may reach, in half canvases."""
SIZE_RATIO: Final = 3.0
"""Things of one scene differ by so much in size at most; a mug beside a truck would be a dot."""
SUN_WIDTH_DEG: Final = 50.0
"""Diameter of a sun of softness 1: the light of a large window close by."""
MODELS_FILE: Final = "traced_models.json"
RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Ground:
    """A floor: its words, pattern ("plain", "planks", "checks", "speckles"), two colours (linear), gloss.

    `reflectivity`: strength of the mirror image, 0..1 of Cycles' specular level; `roughness` blurs it.
    """

    words: str
    pattern: str
    colours: tuple[RGB, RGB]
    reflectivity: float
    roughness: float


GROUNDS: Final = (
    Ground("a wooden table", "planks", ((0.30, 0.16, 0.07), (0.42, 0.25, 0.12)), 0.5, 0.35),
    Ground("a room with a wooden floor", "planks", ((0.42, 0.29, 0.17), (0.52, 0.38, 0.24)), 0.5, 0.22),
    Ground("a tiled floor", "checks", ((0.62, 0.60, 0.55), (0.42, 0.40, 0.37)), 0.8, 0.12),
    Ground("black and white tiles", "checks", ((0.75, 0.75, 0.73), (0.06, 0.06, 0.06)), 0.8, 0.10),
    Ground("a plain studio backdrop", "plain", ((0.62, 0.63, 0.65), (0.62, 0.63, 0.65)), 0.0, 0.9),
    Ground("a pink studio", "plain", ((0.70, 0.36, 0.40), (0.70, 0.36, 0.40)), 0.3, 0.4),
    Ground("a teal studio", "plain", ((0.12, 0.36, 0.36), (0.12, 0.36, 0.36)), 0.9, 0.05),
    Ground("concrete", "speckles", ((0.36, 0.36, 0.35), (0.28, 0.28, 0.28)), 0.1, 0.8),
    Ground("sand", "speckles", ((0.66, 0.50, 0.30), (0.56, 0.40, 0.23)), 0.0, 1.0),
    Ground("a meadow", "speckles", ((0.13, 0.27, 0.05), (0.20, 0.34, 0.09)), 0.0, 1.0),
    Ground("snow", "speckles", ((0.68, 0.71, 0.76), (0.63, 0.66, 0.72)), 0.1, 0.7),
    Ground("polished marble", "speckles", ((0.70, 0.68, 0.65), (0.50, 0.49, 0.48)), 0.9, 0.06),
)
WALLS: Final[Mapping[str, RGB]] = {
    "white": (0.80, 0.80, 0.78),
    "beige": (0.68, 0.56, 0.42),
    "green": (0.22, 0.36, 0.22),
    "blue": (0.16, 0.28, 0.52),
    "red": (0.42, 0.07, 0.06),
    "yellow": (0.76, 0.58, 0.18),
    "grey": (0.32, 0.33, 0.34),
    "dark": (0.05, 0.05, 0.06),
}
OPEN_SKIES: Final = ("city", "courtyard", "forest", "interior", "studio", "sunrise", "sunset")
WALL_RATE: Final = 0.6


@dataclass(frozen=True, slots=True)
class Standing:
    """One model of a scene: its turn, its size against life, and where its foot's centre stands, in metres."""

    slug: str
    noun: str
    yaw_deg: float
    scale: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Light:
    """`softness` 0..1: width of the sun in `SUN_WIDTH_DEG`; `fill`: mean brightness of the sky; energy of the sun."""

    azimuth_deg: float
    elevation_deg: float
    softness: float
    energy: float
    colour: RGB
    sky: str
    fill: float


@dataclass(frozen=True, slots=True)
class View:
    """The camera, and where the floor ends: at y = `far`, seen at `horizon`, a fraction of the picture's height."""

    target: tuple[float, float, float]
    distance: float
    elevation_deg: float
    horizon: float
    far: float


@dataclass(frozen=True, slots=True)
class TracedLayout:
    """One scene, objects back to front; `wall` is a word of `WALLS`, or empty under the open sky."""

    number: int
    objects: tuple[Standing, ...]
    ground: Ground
    wall: str
    light: Light
    view: View


def traced_models() -> dict[str, str]:
    """Return the models that the test set is made of, slug to noun; no weights were ever trained on them."""
    text = (files("psdstudio.training.assets") / MODELS_FILE).read_text(encoding="utf-8")
    models: dict[str, str] = json.loads(text)["models"]
    return models


def draw_scene(number: int, models: Sequence[FurnitureModel], nouns: Mapping[str, str]) -> TracedLayout:
    """Draw scene `number` of the given models; `nouns` by slug."""
    rng = np.random.default_rng([SEED, number])
    # The first model goes round, so that every model comes before any comes twice as often.
    first = models[number % len(models)]
    fitting = [m for m in models if m.slug != first.slug and _ratio(m, first) <= SIZE_RATIO]
    chosen = [first]
    for _ in range(min(number % 3, len(fitting))):
        chosen.append(fitting.pop(int(rng.integers(len(fitting)))))
    objects = _placed(chosen, nouns, rng)
    elevation = float(rng.uniform(12, 24))
    view = _view(objects, chosen, elevation, rng)
    ground = GROUNDS[int(rng.integers(len(GROUNDS)))]
    wall = str(rng.choice(list(WALLS))) if rng.random() < WALL_RATE else ""
    ordered = sorted(objects, key=lambda o: -o.y)
    return TracedLayout(number, tuple(ordered), ground, wall, _light(rng), view)


def light_direction(light: Light) -> tuple[float, float, float]:
    """Return the way that the sun's light travels."""
    a, e = math.radians(light.azimuth_deg), math.radians(light.elevation_deg)
    return math.cos(a) * math.cos(e), -math.sin(a) * math.cos(e), -math.sin(e)


def scene_words(layout: TracedLayout) -> str:
    """Return the words for ground and backdrop."""
    return f"{layout.ground.words} before a {layout.wall} wall" if layout.wall else layout.ground.words


def _ratio(a: FurnitureModel, b: FurnitureModel) -> float:
    one, two = max(a.size_cm), max(b.size_cm)
    return max(one, two) / min(one, two)


def _light(rng: np.random.Generator) -> Light:
    softness = float(rng.uniform(0.06, 0.7))
    warm = float(rng.uniform(-1, 1))
    sky = OPEN_SKIES[int(rng.integers(len(OPEN_SKIES)))]
    return Light(
        azimuth_deg=float(rng.uniform(0, 360)),
        elevation_deg=float(rng.uniform(25, 65)),
        softness=softness,
        energy=float(rng.uniform(2.2, 3.6)),
        colour=(1.0, 1 - 0.10 * max(0.0, warm), 1 - 0.30 * max(0.0, warm))
        if warm > 0
        else (1 + 0.12 * warm, 1 + 0.05 * warm, 1.0),
        sky=sky,
        fill=float(rng.uniform(0.14, 0.30)),
    )


def _placed(
    chosen: Sequence[FurnitureModel], nouns: Mapping[str, str], rng: np.random.Generator
) -> list[Standing]:
    """Set the models beside one another, none in another's way; the largest is a metre, the others nearer to it."""
    largest = max(max(m.size_cm) for m in chosen)
    placed: list[Standing] = []
    feet: list[NDArray[np.float64]] = []
    for model in chosen:
        own = max(model.size_cm)
        scale = 100 / own * math.sqrt(own / largest)
        at = Standing(model.slug, nouns[model.slug], float(rng.uniform(-35, 35)), scale, 0.0, 0.0)
        if placed:
            beside = placed[int(rng.integers(len(placed)))]
            angle = math.radians(float(rng.uniform(-50, 50))) + (math.pi if rng.random() < 0.5 else 0.0)
            gap, apart = float(rng.uniform(0.02, 0.12)), 0.05
            while True:
                at = replace(at, x=beside.x + apart * math.cos(angle), y=beside.y + apart * math.sin(angle))
                foot = box_corners(at, model)[::2, :2]
                if all(_apart(foot, other) >= gap for other in feet):
                    break
                apart += 0.02
        placed.append(at)
        feet.append(box_corners(at, model)[::2, :2])
    return placed


def _apart(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Return the widest gap between two rectangles (4, 2) along any of their sides; negative when they overlap."""
    sides = [r[i] - r[0] for r in (one, two) for i in (1, 2)]
    gaps = []
    for side in sides:
        along = side / max(float(np.linalg.norm(side)), 1e-9)
        a, b = one @ along, two @ along
        gaps.append(float(max(b.min() - a.max(), a.min() - b.max())))
    return max(gaps)


def _view(
    objects: Sequence[Standing],
    models: Sequence[FurnitureModel],
    elevation_deg: float,
    rng: np.random.Generator,
) -> View:
    points = np.concatenate([box_corners(o, m) for o, m in zip(objects, models, strict=True)])
    low, high = points.min(0), points.max(0)
    target = (
        float((low[0] + high[0]) / 2 + rng.uniform(-0.08, 0.08)),
        float((low[1] + high[1]) / 2),
        float(rng.uniform(0.25, 0.5) * high[2]),
    )
    distance = 0.5
    while not _inside(project(points, target, distance, elevation_deg)):
        distance *= 1.02
    distance *= float(rng.uniform(1.0, 1.15))
    wanted = float(rng.uniform(0.22, 0.46))
    far = _ground_at(wanted, target, distance, elevation_deg)
    nearest = float(high[1]) + 0.25
    if far is None or far < nearest:
        far = max(nearest, target[1] + 0.5)
    end = project(np.array([[target[0], far, 0.0]]), target, distance, elevation_deg)
    return View(target, distance, elevation_deg, float((1 - end[0, 1]) / 2), far)


def box_corners(placed: Standing, model: FurnitureModel) -> NDArray[np.float64]:
    """Return the eight corners (8, 3) of the box in which a model stands."""
    w, d, h = (c / 100 * placed.scale for c in model.size_cm)
    a = math.radians(placed.yaw_deg)
    out = [
        (placed.x + math.cos(a) * x - math.sin(a) * y, placed.y + math.sin(a) * x + math.cos(a) * y, z)
        for x in (-w / 2, w / 2)
        for y in (-d / 2, d / 2)
        for z in (0.0, h)
    ]
    return np.array(out)


def project(
    points: NDArray[np.float64], target: tuple[float, float, float], distance: float, elevation_deg: float
) -> NDArray[np.float64]:
    """Return where points (n, 3) are seen: (n, 2), -1..1 within the picture, y up; nan behind the camera."""
    e = math.radians(elevation_deg)
    eye = np.array([target[0], target[1] - distance * math.cos(e), target[2] + distance * math.sin(e)])
    away = points - eye
    depth = away[:, 1] * math.cos(e) - away[:, 2] * math.sin(e)
    up = away[:, 1] * math.sin(e) + away[:, 2] * math.cos(e)
    half = math.tan(math.radians(FIELD_OF_VIEW_DEG / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.stack([away[:, 0] / depth / (half * ASPECT), up / depth / half], axis=1)
    return np.where(depth[:, None] > 0, seen, np.nan)


def _inside(seen: NDArray[np.float64]) -> bool:
    if np.isnan(seen).any():
        return False
    return bool((np.abs(seen[:, 0]) <= SIDE_MARGIN).all() and (seen[:, 1] <= TOP_MARGIN).all()) and bool(
        (seen[:, 1] >= -LOW_MARGIN).all()
    )


def _ground_at(
    row: float, target: tuple[float, float, float], distance: float, elevation_deg: float
) -> float | None:
    """Return how far away (y) the ground is seen at a row in 0..1; None where that row looks above the ground."""
    half = math.tan(math.radians(FIELD_OF_VIEW_DEG / 2))
    below = math.radians(elevation_deg) + math.atan((2 * row - 1) * half)
    if below < math.radians(1.5):
        return None
    e = math.radians(elevation_deg)
    height = target[2] + distance * math.sin(e)
    return target[1] - distance * math.cos(e) + height / math.tan(below)
