"""Light and ground of a scene in figures: do the shadows agree, and do things stand on the ground?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations

from psdstudio.training.evaluation_layers import Footing
from psdstudio.training.evaluation_measures import median_with_interval, ratio_with_interval
from psdstudio.training.layouts import is_flying
from psdstudio.training.shadow_reading import angle_between
from psdstudio.training.sprites import read_vocabulary

BETWEEN = "shadow azimuth between objects of a scene, median degrees"
AGAINST_LIGHT = "shadow azimuth against the scene's light, median degrees"
AGAINST_KEPT = "shadow azimuth against the kept layers', median degrees"
LEANS = "shadows that lean to the side where the light throws them"
NO_DIRECTION = "standing objects whose shadow has no legible direction"
NO_SHADOW = "standing objects without a shadow"
FLOATING = "floating objects (over 2 % of the height off the ground)"
GAP = "lower edge off the ground, median share of the height"


@dataclass(slots=True)
class SceneLight:
    """What the shadows of one scene say; only objects that stand. `against_kept` comes from keep runs."""

    between: list[float]
    against_light: list[float]
    gaps: list[float]
    leaning: int
    floating: int
    standing: int
    illegible: int
    shadowless: int
    against_kept: list[float] = field(default_factory=list)


@cache
def stands(noun: str) -> bool:
    """Whether a thing of the vocabulary stands on the ground (a kite or a bird may hang in the air)."""
    return not is_flying(next(n for n in read_vocabulary() if n.noun == noun))


def scene_light(standing: Sequence[Footing], light_deg: float) -> SceneLight:
    """Sum up the standing objects of one scene under a light that throws shadows towards `light_deg`."""
    read = [f.reading for f in standing if f.reading is not None]
    azimuths = [r.azimuth_deg for r in read if r.azimuth_deg is not None]
    return SceneLight(
        between=[angle_between(a, b) for a, b in combinations(azimuths, 2)],
        against_light=[angle_between(a, light_deg) for a in azimuths],
        gaps=[f.gap for f in standing if f.gap is not None],
        leaning=sum(r.lean * math.cos(math.radians(light_deg)) > 0 for r in read),
        floating=sum(f.floats for f in standing),
        standing=len(standing),
        illegible=len(standing) - len(azimuths),
        shadowless=len(standing) - len(read),
    )


def light_figures(scenes: Sequence[SceneLight]) -> Mapping[str, dict[str, float]]:
    """Return every figure of light and ground with its 95 % interval (bootstrap over scenes)."""
    return {
        BETWEEN: median_with_interval([s.between for s in scenes]),
        AGAINST_KEPT: median_with_interval([s.against_kept for s in scenes]),
        AGAINST_LIGHT: median_with_interval([s.against_light for s in scenes]),
        LEANS: ratio_with_interval([(float(s.leaning), float(s.standing - s.shadowless)) for s in scenes]),
        NO_DIRECTION: ratio_with_interval([(float(s.illegible), float(s.standing)) for s in scenes]),
        NO_SHADOW: ratio_with_interval([(float(s.shadowless), float(s.standing)) for s in scenes]),
        FLOATING: ratio_with_interval([(float(s.floating), float(len(s.gaps))) for s in scenes]),
        GAP: median_with_interval([s.gaps for s in scenes]),
    }
