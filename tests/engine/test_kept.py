"""Kept is kept: random keep and regenerate requests, each accepted into the document, never change a kept pixel."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Rect, Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import LayerId, PixelLayer
from psdstudio.core.parts import background_of, is_kept, object_groups
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.errors import CommandError, EngineProtocolError
from psdstudio.gen.planning import AcceptResult, Verb, build_request, new_scene, plan_scope
from psdstudio.gen.request import GenerationResult, Sampling
from psdstudio.jobs.inline import run_inline
from tests.engine.toys import kept, part, request
from tests.gen.scenes import plan_of

pytestmark = pytest.mark.torch
NAMES = ("swan", "duck", "boat", "lamp")
REGENERATING = tuple(verb for verb in Verb if verb not in (Verb.GENERATE_SCENE, Verb.INSERT, Verb.SPLIT))


def layer_bytes(doc: Document) -> dict[LayerId, tuple[bytes, Rect, Point]]:
    """Pixels, place and offset of every pixel layer."""
    out = {}
    for layer in doc.walk():
        if isinstance(layer, PixelLayer):
            bounds = layer.pixels.bounds()
            out[layer.id] = (layer.pixels.read(bounds).tobytes(), bounds, layer.offset)
    return out


def kept_layers(doc: Document) -> set[LayerId]:
    """Pixel layers that no run may touch: kept looks, the kept background, pinned effects."""
    ids = {layer.id for layer in doc.walk() if isinstance(layer, PixelLayer) and is_kept(layer)}
    background = background_of(doc)
    if background is not None and is_kept(background):
        ids.add(background.id)
    return ids


def painted(engine: EmbeddedEngine, size: Size) -> Document:
    """A scene of four objects."""
    return _accepted(engine, new_scene(Document(size=size), plan_of(*NAMES)), Verb.GENERATE_SCENE, (), seed=1)


def _accepted(
    engine: EmbeddedEngine,
    doc: Document,
    verb: Verb,
    chosen: tuple[LayerId, ...],
    *,
    seed: int,
    steps: int = 1,
) -> Document:
    scope = plan_scope(doc, verb, chosen)
    asked = build_request(
        doc, scope, run_id=f"run {seed}", seed=seed, sampling=Sampling(steps=steps, layout_steps=1)
    )
    after = AcceptResult(result=run_inline(engine, asked)).apply(doc)
    assert after.validate() == []
    return after


def _rounds(engine: EmbeddedEngine, count: int) -> int:
    """Do `count` random runs on documents that grow out of one another; returns how many kept layers were checked."""
    chance = random.Random(20)
    doc = painted(engine, Size(40, 32))
    checked = ran = 0
    refusals: set[str] = set()
    while ran < count:
        if ran % 50 == 49:
            doc = painted(engine, Size(chance.choice((24, 40, 61)), chance.choice((20, 32, 55))))
        parts = [group.id for group in object_groups(doc)]
        ground = background_of(doc)
        assert ground is not None
        pins = tuple(x for x in (*parts, ground.id) if chance.random() < 0.5)
        doc = SetKeep(ids=(*parts, ground.id), keep=False).apply(doc)
        if pins:
            doc = SetKeep(ids=pins, keep=True).apply(doc)
        verb = chance.choice(REGENERATING)
        chosen = () if verb is Verb.REGENERATE_FREE else tuple(chance.sample(parts, chance.randint(1, 2)))
        before, pinned = layer_bytes(doc), kept_layers(doc)
        try:
            doc = _accepted(engine, doc, verb, chosen, seed=ran, steps=chance.choice((1, 2)))
        except CommandError as refused:  # everything is kept, or what was chosen is
            refusals.add(refused.hint)
            continue
        after = layer_bytes(doc)
        for layer_id in pinned:
            assert after[layer_id] == before[layer_id], f"run {ran}: {verb} changed a kept layer"
        changed = {x for x in before if after.get(x) != before[x]}
        assert changed or verb is Verb.REFRESH_CONTACTS or len(after) != len(before), (
            f"run {ran} made nothing"
        )
        checked += len(pinned)
        ran += 1
    assert all(refusals), "a refusal says what to do"
    return checked


def test_200_random_runs_leave_every_kept_layer_alone(engine: EmbeddedEngine) -> None:
    assert _rounds(engine, 200) > 200


@pytest.mark.slow
def test_1000_random_runs_leave_every_kept_layer_alone(engine: EmbeddedEngine) -> None:
    assert _rounds(engine, 1000) > 1000


@pytest.mark.slow
def test_50_random_runs_of_the_shipped_network_leave_every_kept_layer_alone() -> None:
    shipped = EmbeddedEngine(threads=1)
    for _ in shipped.load():
        pass
    assert _rounds(shipped, 50) > 50


def test_a_result_with_a_kept_layer_cannot_exist(engine: EmbeddedEngine) -> None:
    size = Size(64, 48)
    asked = request([part("swan"), kept("duck", Rect(5, 5, 20, 20), size)])
    result = run_inline(engine, asked)
    swan, duck = result.objects
    for forged in (replace(duck, look=swan.look), replace(duck, effects_made=True)):
        with pytest.raises(EngineProtocolError, match="kept"):
            replace(result, objects=(swan, forged))
    with pytest.raises(EngineProtocolError, match="left out"):
        replace(result, objects=(replace(swan, look=None), duck))
    assert isinstance(result, GenerationResult)


@torch.no_grad()
def test_the_network_reads_what_is_kept(engine: EmbeddedEngine) -> None:
    size = Size(64, 48)
    box = BoxF(0.5, 0.3, 0.4, 0.5)
    looks = []
    for colour in ((255, 0, 0), (0, 0, 255)):
        duck = kept("duck", Rect(4, 10, 20, 24), size)
        assert duck.look is not None
        rgba = np.empty_like(duck.look.rgba)
        rgba[:] = (*colour, 255)
        neighbour = replace(duck, look=replace(duck.look, rgba=rgba))
        result = run_inline(engine, request([neighbour, part("swan", box=box)]))
        made = result.objects[1].look
        assert made is not None
        looks.append(made.rgba.astype(int))
    assert np.abs(looks[0] - looks[1]).max() > 3
