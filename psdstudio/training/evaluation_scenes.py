"""Run the product's own way from a prompt to a layered document with the real engine, and measure every scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from psdstudio.core.layers import LayerId
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.gen.request import Sampling
from psdstudio.render.compositor import Compositor
from psdstudio.training.assets.colours import colour_words
from psdstudio.training.classifier_names import same_thing
from psdstudio.training.classifier_net import REJECT, Judge
from psdstudio.training.evaluation_layers import Footing, footings, objects_of
from psdstudio.training.evaluation_light import SceneLight, light_figures, scene_light, stands
from psdstudio.training.evaluation_measures import (
    EMPTY_COVER,
    FULL_COVER,
    Pair,
    cover,
    fog_share,
    psnr,
    ratio_with_interval,
    resized_to,
    straight,
)
from psdstudio.training.evaluation_pinned import azimuth, keep_runs
from psdstudio.training.evaluation_prompts import Prompt
from psdstudio.training.evaluation_runs import CANVAS, PaintedPrompt, paint_prompt

__all__ = ["CANVAS", "MeasuredObject", "MeasuredScene", "run_scene", "summary"]


@dataclass(slots=True)
class MeasuredObject:
    """One object layer: what was asked, what the judge saw, its alpha, and where it stands.

    `azimuth_deg`: towards where its shadow falls; None where nobody could read that. `gap`: see `Footing`.
    """

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
    colour_unseen: bool
    library_item: str | None
    standing: bool
    azimuth_deg: float | None
    gap: float | None


@dataclass(slots=True)
class MeasuredScene:
    """One scene with its pictures: predicted and real composite (3, h, w), background, looks (4, p, p), in 0..1."""

    prompt: Prompt
    objects: list[MeasuredObject]
    composite_psnr: float
    seconds: float
    kept_same: bool | None
    light: SceneLight
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
    """Generate one prompt, composite the document, and measure; `check_kept` adds the runs that keep layers."""
    painted = paint_prompt(engine, prompt, use_library=use_library, sampling=sampling)
    result, doc = painted.result, painted.document
    over = straight(Compositor(threads=1).render(doc))[:3]
    predicted = straight(result.composite.rgba)[:3]
    background = result.background
    assert background is not None
    grounds = {f.id: f for f in footings(objects_of(doc), doc.size, result.light.horizon)}
    objects = _measure_objects(judge, painted, grounds)
    standing = [
        grounds[made.id]
        for made, o in zip(result.objects, objects, strict=True)
        if o.standing and made.id in grounds
    ]
    light = scene_light(standing, result.light.azimuth_deg)
    kept = keep_runs(engine, painted, sampling) if check_kept else None
    if kept is not None:
        light.against_kept = list(kept.angles)
    return MeasuredScene(
        prompt=prompt,
        objects=objects,
        composite_psnr=psnr(resized_to(over, *predicted.shape[1:]), predicted),
        seconds=painted.seconds,
        kept_same=None if kept is None else kept.same,
        light=light,
        predicted=predicted,
        over=over,
        background=straight(background.rgba)[:3],
        looks=[straight(made.look.rgba) for made in result.objects if made.look is not None],
    )


def _measure_objects(
    judge: Judge, painted: PaintedPrompt, grounds: dict[LayerId, Footing]
) -> list[MeasuredObject]:
    # Objects may be reordered by depth on the way: the name tells which prompt object a layer is.
    asked = {f"{o.noun} {i + 1}": o for i, o in enumerate(painted.prompt.objects)}
    out = []
    for part, made in zip(painted.request.objects, painted.result.objects, strict=True):
        wanted, ground = asked[part.name], grounds.get(made.id)
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
                colour_unseen=wanted.unseen,
                library_item=made.library_item,
                standing=stands(wanted.noun),
                azimuth_deg=None if ground is None else azimuth(ground),
                gap=None if ground is None else ground.gap,
            )
        )
    return out


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
    unseen_colours = [[o for o in row if o.colour_unseen] for row in coloured]
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
        "right object, in scenes with held-out combinations": of(
            [count(s, "right") for s in scenes if s.prompt.unseen]
        ),
        "right object, on a ground in a held-out light": of(
            [count(s, "right") for s in scenes if s.prompt.unseen_ground]
        ),
        "right object, in a colour held out for it": of(
            [(float(sum(o.right for o in row)), float(len(row))) for row in unseen_colours]
        ),
        "colour as asked, held out for that thing": of(
            [(float(sum(o.colour_right for o in row)), float(len(row))) for row in unseen_colours]
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
        **light_figures([s.light for s in scenes]),
        "seconds a scene": of([(s.seconds, 1.0) for s in scenes]),
    }
