"""Runs that keep layers: what is kept stays what it is, and what comes new is lit as the kept layers are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from psdstudio.core import tree
from psdstudio.core.document import Document
from psdstudio.core.geometry import Point
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import GroupLayer, LayerId, PixelLayer
from psdstudio.core.parts import background_of, object_groups
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.gen.planning import Verb, apply_result
from psdstudio.gen.request import Sampling
from psdstudio.training.evaluation_layers import Footing, footings, objects_of
from psdstudio.training.evaluation_measures import U8Array
from psdstudio.training.evaluation_runs import PaintedPrompt, run_verb
from psdstudio.training.shadow_reading import angle_between, mean_azimuth

FEW_STEPS = Sampling(steps=2, layout_steps=2)


@dataclass(frozen=True, slots=True)
class KeepRuns:
    """What the keep runs of one scene showed.

    `same`: all kept bytes and places are the same in every run. `angles`: degrees between the shadow of the one object
    painted anew and the mean of the kept ones, where both have a legible direction. `turns`: runs with one free object.
    """

    same: bool
    angles: tuple[float, ...]
    turns: int


def keep_runs(engine: EmbeddedEngine, painted: PaintedPrompt, sampling: Sampling) -> KeepRuns:
    """Keep the first object and paint the rest anew at two steps; then paint each object anew beside all the others."""
    doc, seed = painted.document, painted.prompt.seed
    groups, background = object_groups(doc), background_of(doc)
    assert background is not None
    _, same = _regenerated(engine, doc, (groups[0].id,), seed + 1, FEW_STEPS)
    angles: list[float] = []
    turns = groups if len(groups) > 1 else ()
    for number, free in enumerate(turns):
        kept = tuple(g.id for g in groups if g.id != free.id)
        after, all_same = _regenerated(engine, doc, (background.id, *kept), seed + 2 + number, sampling)
        same = same and all_same
        angle = _against_kept(after, free.id)
        angles += [] if angle is None else [angle]
    return KeepRuns(same, tuple(angles), len(turns))


def _regenerated(
    engine: EmbeddedEngine, doc: Document, kept: tuple[LayerId, ...], seed: int, sampling: Sampling
) -> tuple[Document, bool]:
    """Return the document after a run that keeps `kept`, and whether their bytes and places are the same."""
    pinned = SetKeep(ids=kept, keep=True).apply(doc)
    _, result = run_verb(engine, pinned, Verb.REGENERATE_FREE, seed, sampling)
    after = apply_result(pinned, result)
    background = background_of(pinned)
    with_effects = background is not None and background.id in kept
    return after, all(
        _same(_pixels(pinned, layer, with_effects), _pixels(after, layer, with_effects)) for layer in kept
    )


def _pixels(doc: Document, layer_id: LayerId, with_effects: bool) -> list[tuple[U8Array, Point]]:
    """Return bytes and places of a kept layer; its shadow and reflection are kept where the background is."""
    layer = doc.layer(layer_id)
    parts = list(tree.walk(layer.children)) if isinstance(layer, GroupLayer) else [layer]
    pixels = [part for part in parts if isinstance(part, PixelLayer)]
    chosen = pixels if with_effects else pixels[-1:]
    return [(part.pixels.read(part.pixels.bounds()), part.offset) for part in chosen]


def _same(before: list[tuple[U8Array, Point]], after: list[tuple[U8Array, Point]]) -> bool:
    return len(before) == len(after) and all(
        one[1] == two[1] and np.array_equal(one[0], two[0]) for one, two in zip(before, after, strict=True)
    )


def _against_kept(doc: Document, free: LayerId) -> float | None:
    # The horizon matters to gaps alone, which nobody reads here.
    read = footings(objects_of(doc), doc.size, horizon=0.0)
    own = [a for f in read if f.id == free and (a := azimuth(f)) is not None]
    kept = [a for f in read if f.id != free and (a := azimuth(f)) is not None]
    return angle_between(own[0], mean_azimuth(kept)) if own and kept else None


def azimuth(footing: Footing) -> float | None:
    """Return the legible direction of a shadow, if it has one."""
    return None if footing.reading is None else footing.reading.azimuth_deg
