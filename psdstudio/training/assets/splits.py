"""Who may see a drawing: the generator ("train"), the judge ("classifier"), or neither ("heldout").

A drawing's split follows from its source and its name alone, so that a later build never moves one.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import numpy as np

from psdstudio.training.assets.crops import Crop
from psdstudio.training.assets.vocabulary import Noun

Split = Literal["train", "classifier", "heldout"]
# Mean absolute difference of premultiplied bytes above which the vector counts as another drawing.
OTHER_DRAWING: Final = 12.0


@cache
def heldout_models() -> frozenset[str]:
    """Slugs of `heldout_models.json`: furniture models that only the path-traced test set may show."""
    listed = json.loads((files(__package__) / "heldout_models.json").read_text(encoding="utf-8"))
    return frozenset(str(slug) for slug in listed["models"])


def emoji_split(noun: Noun, source: str, solid: Crop | None, crop: Crop) -> Split:
    """Who may see an emoji drawing; `solid` is the 3-D drawing of the same code point, where there is one.

    The vector twin of a 3-D drawing joins the generator only when it differs; Twemoji stays aside to test the
    classifier itself.
    """
    if source == "twemoji":
        return "heldout"
    if source in noun.drawings.train_sources:
        return "train"
    if source == "fluent_colour" and "fluent3d" in noun.drawings.train_sources:
        return "train" if solid is None or _difference(solid, crop) > OTHER_DRAWING else "classifier"
    return "classifier"


def model_splits(
    slugs: tuple[str, ...], *, others: bool, heldout: frozenset[str] = frozenset()
) -> dict[str, Split]:
    """The split of each model of a noun.

    Args:
        slugs: All models of the noun, rendered or not.
        others: Whether the noun also has emoji drawings, so that a single model may train.
        heldout: Models that are put aside from training and judging alike.
    """
    left = tuple(slug for slug in slugs if slug not in heldout)
    judged = judged_models(left, others=others)
    return {
        slug: "heldout" if slug in heldout else "classifier" if slug in judged else "train" for slug in slugs
    }


def judged_models(slugs: tuple[str, ...], *, others: bool) -> frozenset[str]:
    """The models of a noun that only the classifier sees: a quarter, at least one when two or more exist.

    Args:
        slugs: The models that are not held out.
        others: Whether the noun also has emoji drawings, so that a single model may train.
    """
    if len(slugs) < 2:
        return frozenset()
    count = max(0 if others and len(slugs) < 3 else 1, len(slugs) // 4)
    # The catalogue order puts the plainest model first; it should train.
    return frozenset(slugs[len(slugs) - count :])


def _difference(first: Crop, second: Crop) -> float:
    """Mean absolute difference of two crops over grey, in bytes, where either covers."""
    planes = [c.rgba.astype(np.float32) for c in (first, second)]
    over = [p[..., :3] * p[..., 3:] / 255 + 127 * (1 - p[..., 3:] / 255) for p in planes]
    covered = np.maximum(planes[0][..., 3], planes[1][..., 3]) > 8
    return float(np.abs(over[0] - over[1]).mean(axis=2)[covered].mean())
