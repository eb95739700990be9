"""Small scenes for the tests of planning: a plan, a generated document, pixels to compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from psdstudio.core.document import Document
from psdstudio.core.geometry import Point, Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import GroupLayer, LayerId, LayerProps, PixelLayer, Role
from psdstudio.core.parts import background_of, object_groups
from psdstudio.core.tiles import TileGrid
from psdstudio.gen.fake import FakeEngine
from psdstudio.gen.plan import Plan, PlannedBackground, PlannedObject
from psdstudio.gen.planning import Verb, apply_result, build_request, new_scene, plan_scope
from psdstudio.gen.request import Sampling
from psdstudio.jobs.inline import run_inline

CANVAS = Size(96, 64)
FAST = Sampling(steps=1, layout_steps=1)


def plan_of(*names: str, background: str = "calm water") -> Plan:
    """A plan with these objects, back to front."""
    return Plan(
        sentence=" and ".join(names),
        background=PlannedBackground(words=background, engine_words=background),
        objects=tuple(
            PlannedObject(name=name, noun=name, words=f"a {name}", engine_words=f"a {name}") for name in names
        ),
    )


def run(
    doc: Document, verb: Verb, selection: Iterable[LayerId] = (), *, seed: int = 7, run_id: str = "run"
) -> Document:
    """Plan, paint with the scripted engine, accept."""
    scope = plan_scope(doc, verb, tuple(selection))
    request = build_request(doc, scope, run_id=run_id, seed=seed, engine="fake", sampling=FAST)
    return apply_result(doc, run_inline(FakeEngine(), request))


def generated(*names: str, size: Size = CANVAS, seed: int = 7) -> Document:
    """A document with a painted scene."""
    return run(new_scene(Document(size=size), plan_of(*names)), Verb.GENERATE_SCENE, seed=seed)


def group_named(doc: Document, name: str) -> GroupLayer:
    """The object group of that name."""
    return next(group for group in object_groups(doc) if group.props.name == name)


def background(doc: Document) -> PixelLayer:
    """The background layer."""
    layer = background_of(doc)
    assert layer is not None
    return layer


def child(group: GroupLayer, role: Role) -> PixelLayer:
    """The group's layer of that role."""
    found = [x for x in group.children if isinstance(x, PixelLayer) and x.part and x.part.role is role]
    assert len(found) == 1
    return found[0]


def kept(doc: Document, *names: str) -> Document:
    """The document with these objects (or "background") kept."""
    ids = tuple(background(doc).id if name == "background" else group_named(doc, name).id for name in names)
    return SetKeep(ids=ids, keep=True).apply(doc)


def picture(
    *, width: int = 10, height: int = 8, at: Point = Point(20, 30), name: str = "photo"
) -> PixelLayer:
    """A layer that no engine made."""
    rgba = np.full((height, width, 4), (200, 10, 30, 255), np.uint8)
    return PixelLayer(props=LayerProps(name=name), pixels=TileGrid.from_array(rgba), offset=at)


def without_marks(layer: PixelLayer) -> PixelLayer:
    """The layer without the badges that a run may change on a kept layer."""
    if layer.part is None:
        return layer
    return replace(layer, part=replace(layer.part, is_new=False, stale_contacts=False))
