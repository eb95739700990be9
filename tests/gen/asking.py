"""Short ways to ask the scripted engine for the verbs on pixels that are there."""

from __future__ import annotations

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Rect
from psdstudio.core.layers import LayerId, PixelLayer, Role
from psdstudio.core.pixel_commands import AddMask, WritePixels
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import StudioError
from psdstudio.gen.fake import FakeEngine
from psdstudio.gen.planning import build_request, plan_scope
from psdstudio.gen.request import GenerationRequest, GenerationResult
from psdstudio.gen.verbs import Verb
from psdstudio.jobs.inline import run_inline
from tests.gen.scenes import CANVAS, FAST, background, child, generated, group_named

BASE = generated("swan", "flamingo")
FULL_MASK = np.full((CANVAS.height, CANVAS.width), 255, np.uint8)


def request_of(doc: Document, verb: Verb, *names: str, seed: int = 3) -> GenerationRequest:
    """The request of a verb on the objects of these names."""
    ids = [background(doc).id if name == "background" else group_named(doc, name).id for name in names]
    return build_request(doc, plan_scope(doc, verb, ids), run_id="v", seed=seed, engine="fake", sampling=FAST)


def refusal(doc: Document, verb: Verb, *ids: LayerId) -> StudioError:
    """Why a verb is impossible."""
    fault = plan_scope(doc, verb, ids).problem()
    assert fault is not None
    assert fault.hint
    return fault


def made(request: GenerationRequest) -> GenerationResult:
    """What the scripted engine answers, checked."""
    return run_inline(FakeEngine(), request)


def look_of(doc: Document, name: str) -> PixelLayer:
    """The layer that shows an object."""
    return child(group_named(doc, name), Role.OBJECT)


def others(doc: Document, *ids: LayerId) -> dict[LayerId, TileGrid]:
    """The rasters of all pixel layers but these."""
    return {x.id: x.pixels for x in doc.walk() if isinstance(x, PixelLayer) and x.id not in ids}


def masked(doc: Document, layer: PixelLayer, *, hidden: Rect) -> Document:
    """The document with a mask on the layer that hides a rectangle of the canvas."""
    grey = FULL_MASK.copy()
    grey[hidden.y : hidden.bottom, hidden.x : hidden.right] = 0
    return AddMask(layer_id=layer.id, grey=grey, at=Point(0, 0)).apply(doc)


def erased(doc: Document, rect: Rect, *, alpha: int = 0) -> Document:
    """The document with a rectangle of the background made transparent."""
    layer = background(doc)
    rgba = layer.pixels.read(rect.shifted(-layer.offset.x, -layer.offset.y))
    rgba[..., 3] = alpha
    return WritePixels(layer_id=layer.id, at=rect.origin, rgba=rgba).apply(doc)
