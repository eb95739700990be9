"""What a run would cost, told from its scope alone: no pixel is rendered for a price."""

from __future__ import annotations

import numpy as np

from psdstudio.core.geometry import Rect, Size
from psdstudio.gen.costs import RunCost, estimated
from psdstudio.gen.engine import CostModel
from psdstudio.gen.request import BackgroundPart, GenerationRequest, ObjectPart, Raster, Sampling
from psdstudio.gen.scopes import Scope
from psdstudio.gen.verbs import Verb

_KEPT = Raster(rgba=np.zeros((1, 1, 4), np.uint8), rect=Rect(0, 0, 1, 1))
"""Stands for any kept look: what it shows costs nothing."""


def cost_of(scope: Scope, size: Size, sampling: Sampling, costs: CostModel) -> RunCost:
    """Return what a run of this scope takes on a canvas of `size`."""
    assert scope.background_id is not None  # a scope without one has a problem and no price
    objects = tuple(
        ObjectPart(id=part.id, name="", engine_words="", seed=0, look=_KEPT if part.look_known else None)
        for part in scope.objects
    )
    background = BackgroundPart(
        id=scope.background_id, engine_words="", seed=0, look=_KEPT if scope.background_known else None
    )
    request = GenerationRequest(
        run_id="",
        engine="",
        size=size,
        scene_words="",
        background=background,
        objects=objects,
        picture=_KEPT if scope.verb is Verb.SPLIT else None,
        sampling=sampling,
    )
    return estimated(costs, request)
