"""Run the product's own way from a prompt to a layered document with the real engine, and measure every scene."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import LayerId, PixelLayer
from psdstudio.core.parts import object_groups
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.gen.planning import Verb, apply_result, build_request, new_scene, plan_scope
from psdstudio.gen.request import GenerationRequest, GenerationResult, Sampling
from psdstudio.render.compositor import Compositor
from psdstudio.training.assets.colours import colour_words
from psdstudio.training.classifier_net import REJECT, Judge, same_thing
from psdstudio.training.evaluation_measures import (
    EMPTY_COVER,
    FULL_COVER,
    Pair,
    U8Array,
    cover,
    fog_share,
    psnr,
    ratio_with_interval,
    resized_to,
    straight,
)
from psdstudio.training.evaluation_prompts import Prompt, as_plan

CANVAS = Size(256, 256)


@dataclass(slots=True)
class MeasuredObject:
    """One object layer: what was asked, what the judge saw, and its alpha."""

    noun: str
    named: str
    right: bool
    strict: bool
    judgeable: bool
    soft: bool
    cover: float
    fog: float
    colour_asked: str | None
    colour_right: bool
    library_item: str | None


@dataclass(slots=True)
class MeasuredScene:
    """One scene with its pictures: predicted and real composite (3, h, w), background, looks (4, p, p), in 0..1."""

    prompt: Prompt
    objects: list[MeasuredObject]
    composite_psnr: float
    seconds: float
    kept_same: bool | None
    predicted: Tensor
    over: Tensor
    background: Tensor
    looks: list[Tensor] = field(default_factory=list)


def run_scene(
    engine: EmbeddedEngine,
    judge: Judge,
    prompt: Prompt,
    *,
    use_library: bool,
    sampling: Sampling,
    check_kept: bool,
) -> MeasuredScene:
    """Generate one prompt as the window does, put it into a document, composite that, and measure."""
    doc = Document(size=CANVAS)
    doc = replace(doc, scene=replace(doc.scene, use_library=use_library))
    doc = new_scene(doc, as_plan(prompt), prompt=prompt.sentence)
    began = time.monotonic()
    request, result = _run(engine, doc, Verb.GENERATE_SCENE, prompt.seed, sampling)
    seconds = time.monotonic() - began
    painted = apply_result(doc, result)
    over = straight(Compositor(threads=1).render(painted))[:3]
    predicted = straight(result.composite.rgba)[:3]
    looks = [straight(made.look.rgba) for made in result.objects if made.look is not None]
    background = result.background
    assert background is not None
    return MeasuredScene(
        prompt=prompt,
        objects=_measure_objects(judge, prompt, request, result),
        composite_psnr=psnr(resized_to(over, *predicted.shape[1:]), predicted),
        seconds=seconds,
        kept_same=_kept_same(engine, painted, prompt) if check_kept else None,
        predicted=predicted,
        over=over,
        background=straight(background.rgba)[:3],
        looks=looks,
    )


def _run(
    engine: EmbeddedEngine,
    doc: Document,
    verb: Verb,
    seed: int,
    sampling: Sampling,
    chosen: Sequence[LayerId] = (),
) -> tuple[GenerationRequest, GenerationResult]:
    request = build_request(
        doc, plan_scope(doc, verb, tuple(chosen)), run_id="eval", seed=seed, sampling=sampling
    )
    steps = engine.generate(request)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result = stop.value
            assert isinstance(result, GenerationResult)
            return request, result


def _measure_objects(
    judge: Judge, prompt: Prompt, request: GenerationRequest, result: GenerationResult
) -> list[MeasuredObject]:
    # Objects may be reordered by depth on the way: the name tells which prompt object a layer is.
    asked = {f"{o.noun} {i + 1}": o for i, o in enumerate(prompt.objects)}
    out = []
    for part, made in zip(request.objects, result.objects, strict=True):
        wanted = asked[part.name]
        assert made.look is not None
        look = straight(made.look.rgba)
        named = judge.name(look[None])[0]
        out.append(
            MeasuredObject(
                noun=wanted.noun,
                named=named,
                right=same_thing(named, wanted.noun),
                strict=named == wanted.noun,
                judgeable=judge.knows(wanted.noun),
                soft=wanted.soft,
                cover=cover(look),
                fog=fog_share(look),
                colour_asked=wanted.colour,
                colour_right=wanted.colour is not None and wanted.colour in colour_words(made.look.rgba),
                library_item=made.library_item,
            )
        )
    return out


def _kept_same(engine: EmbeddedEngine, painted: Document, prompt: Prompt) -> bool:
    """Keep the first object, regenerate the rest at two steps: are the kept look's bytes and place the same?"""
    first = object_groups(painted)[0]
    pinned = SetKeep(ids=(first.id,), keep=True).apply(painted)
    _, result = _run(engine, pinned, Verb.REGENERATE_FREE, prompt.seed + 1, Sampling(steps=2, layout_steps=2))
    after = apply_result(pinned, result)
    before_look, after_look = _look_bytes(pinned, first.id), _look_bytes(after, first.id)
    return before_look[1] == after_look[1] and np.array_equal(before_look[0], after_look[0])


def _look_bytes(doc: Document, group_id: LayerId) -> tuple[U8Array, object]:
    group = next(g for g in object_groups(doc) if g.id == group_id)
    look = group.children[-1]
    assert isinstance(look, PixelLayer)
    return look.pixels.read(look.pixels.bounds()), look.offset


def summary(scenes: Sequence[MeasuredScene]) -> dict[str, dict[str, float]]:
    """Return every figure with its 95 % interval (bootstrap over scenes)."""

    def of(pairs: Sequence[Pair]) -> dict[str, float]:
        return ratio_with_interval(pairs)

    def count(scene: MeasuredScene, flag: str) -> Pair:
        return float(sum(bool(getattr(o, flag)) for o in scene.objects)), float(len(scene.objects))

    solid = [[o for o in s.objects if not o.soft] for s in scenes]
    gentle = [[o for o in s.objects if o.soft] for s in scenes]
    fair = [[o for o in s.objects if o.judgeable] for s in scenes]
    coloured = [[o for o in s.objects if o.colour_asked is not None] for s in scenes]
    return {
        "right object in its layer": of([count(s, "right") for s in scenes]),
        "right, of the nouns the judge knows": of(
            [(float(sum(o.right for o in row)), float(len(row))) for row in fair]
        ),
        "right, exact noun": of([count(s, "strict") for s in scenes]),
        "right, soft things": of([(float(sum(o.right for o in row)), float(len(row))) for row in gentle]),
        "whole scene right": of([(float(all(o.right for o in s.objects)), 1.0) for s in scenes]),
        "rejected by the judge": of(
            [(float(sum(o.named == REJECT for o in s.objects)), float(len(s.objects))) for s in scenes]
        ),
        "colour as asked": of(
            [(float(sum(o.colour_right for o in row)), float(len(row))) for row in coloured]
        ),
        "empty layers": of(
            [(float(sum(o.cover < EMPTY_COVER for o in s.objects)), float(len(s.objects))) for s in scenes]
        ),
        "full layers": of(
            [(float(sum(o.cover > FULL_COVER for o in s.objects)), float(len(s.objects))) for s in scenes]
        ),
        "fog outside the boundary band": of([(sum(o.fog for o in row), float(len(row))) for row in solid]),
        "over-composite against predicted composite, dB": of([(s.composite_psnr, 1.0) for s in scenes]),
        "kept layers byte-equal": of([(float(s.kept_same), 1.0) for s in scenes if s.kept_same is not None]),
        "seconds a scene": of([(s.seconds, 1.0) for s in scenes]),
    }
