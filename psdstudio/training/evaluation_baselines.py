"""Baselines: the shipped network with the same prompts, seeds and steps, but with less of the joint design.

Text alone: all layers jointly, every row alone, one layer after another; boxes and light are those of the joint layout
path for all three; half as many steps do for that comparison. Keep and regenerate: rendered scenes of which one part
(a look, the background, a shadow, in turn) is free, painted with the kept parts known clean and by plain replacement,
once with as many steps and once with as many as cost the same; since few steps alone come out softer, and softer is
nearer to any mean, the clean way is also run with as few. Looks are judged at engine size, without the detail network.
Differences are paired by scene.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from psdstudio.core.document import Document
from psdstudio.engine.conditions import encode_words, references_of
from psdstudio.engine.embedded import EmbeddedEngine
from psdstudio.engine.pictures import to_u8
from psdstudio.gen.planning import Verb, build_request, new_scene, plan_scope
from psdstudio.gen.request import GenerationRequest, Sampling
from psdstudio.training.assets.colours import colour_words
from psdstudio.training.classifier_names import same_thing
from psdstudio.training.classifier_net import Judge
from psdstudio.training.evaluation_kept import (
    PARTS,
    FreePart,
    agreement,
    detail,
    free_part_setting,
    true_outcome,
)
from psdstudio.training.evaluation_measures import Pair, psnr, ratio_with_interval
from psdstudio.training.evaluation_methods import (
    Outcome,
    Painter,
    in_steps,
    paint_alone,
    paint_in_turn,
    paint_jointly,
    paint_replacing,
    setting_of,
    steps_for,
)
from psdstudio.training.evaluation_prompts import AskedObject, Prompt, as_plan
from psdstudio.training.evaluation_report import Figures, markdown
from psdstudio.training.evaluation_scenes import CANVAS
from psdstudio.training.sprites import SpriteLibrary

Measured = dict[str, Pair]
"""Figures of one scene painted in one way, see `ratio_with_interval`."""
Scenes = Sequence[Mapping[str, Measured]]
"""For every scene, by name of the way it was painted."""

OFF = "the part off the true one, of 255"
"""Mean colour of a look or a background, density of a shadow: see `evaluation_kept.agreement`."""
NEARER = "clean comes nearer to the true part"
KEPT_TABLE = "one part regenerated, all others kept"
CLEAN_AGAINST_REPLACEMENT = "clean known against replacement"

JOINT, ALONE, IN_TURN = "joint", "independent layers", "sequential layers"
CLEAN, CLEAN_IN_FEW, REPLACED, REPLACED_AT_COST, TRUE = (
    "kept known clean",
    "kept known clean, few steps", "replacement, same steps", "replacement, same work", "the true part",
)  # fmt: skip


def run_baselines(
    engine: EmbeddedEngine,
    judge: Judge,
    prompts: Sequence[Prompt],
    library: SpriteLibrary,
    sampling: Sampling,
) -> dict[str, Any]:
    """Paint all prompts, and as many scenes with one free part, in every way; return both tables."""
    painter = Painter.of(engine)
    fewer = replace(sampling, steps=max(1, sampling.steps // 2))
    from_text, with_kept = [], []
    for prompt in prompts:
        from_text.append(text_scene(engine, painter, judge, prompt, fewer))
        part = PARTS[prompt.number % len(PARTS)]
        with_kept.append(kept_scene(painter, judge, library, part, prompt.number, sampling))
        print(f"baselines {len(from_text)}/{len(prompts)}", flush=True)
    kept = table(with_kept, ((REPLACED, CLEAN), (REPLACED_AT_COST, CLEAN), (REPLACED_AT_COST, CLEAN_IN_FEW)))
    return {
        "from words alone": table(from_text, ((ALONE, JOINT), (IN_TURN, JOINT))),
        KEPT_TABLE: {**kept, "verdict": {CLEAN_AGAINST_REPLACEMENT: clean_against_replacement(with_kept)}},
    }


def clean_against_replacement(scenes: Scenes) -> Figures:
    """Return in which share of the scenes the clean way comes nearer to the true part, against each replacement.

    Above one half with its whole interval: better. A draw counts half.
    """
    pairs = ((REPLACED_AT_COST, CLEAN), (REPLACED, CLEAN), (REPLACED_AT_COST, CLEAN_IN_FEW))
    return {
        f"{NEARER}: {clean} against {replaced}": ratio_with_interval(
            [(_nearer(scene[clean][OFF][0], scene[replaced][OFF][0]), 1.0) for scene in scenes]
        )
        for replaced, clean in pairs
    }


def _nearer(clean: float, replaced: float) -> float:
    return 0.5 if clean == replaced else float(clean < replaced)


def text_scene(
    engine: EmbeddedEngine, painter: Painter, judge: Judge, prompt: Prompt, sampling: Sampling
) -> dict[str, Measured]:
    """Paint one prompt in all three ways and measure each."""
    request, asked = text_request(prompt, sampling)
    references = references_of(request, painter.library)
    words = encode_words(request, painter.encoder)
    boxes, light = _result(engine._arrange(request, words, references))  # noqa: SLF001  # the evaluation is the engine's own workshop
    setting = setting_of(painter, request, boxes, light)
    made = {
        JOINT: paint_jointly(painter, setting),
        ALONE: paint_alone(painter, setting),
        IN_TURN: paint_in_turn(painter, setting),
    }
    return {
        way: _text_figures(judge, asked, outcome, outcome.work / made[JOINT].work)
        for way, outcome in made.items()
    }


def text_request(prompt: Prompt, sampling: Sampling) -> tuple[GenerationRequest, list[AskedObject]]:
    """Return the request that the window would make of a prompt, and what is asked in the request's order."""
    doc = Document(size=CANVAS)
    doc = replace(doc, scene=replace(doc.scene, use_library=False))
    doc = new_scene(doc, as_plan(prompt), prompt=prompt.sentence)
    scope = plan_scope(doc, Verb.GENERATE_SCENE, ())
    request = build_request(doc, scope, run_id="baselines", seed=prompt.seed, sampling=sampling)
    by_name = {f"{o.noun} {i + 1}": o for i, o in enumerate(prompt.objects)}
    return request, [by_name[part.name] for part in request.objects]


def kept_scene(
    painter: Painter, judge: Judge, library: SpriteLibrary, part: str, number: int, sampling: Sampling
) -> dict[str, Measured]:
    """Regenerate a look, a background or a shadow in a rendered scene in every way, and measure it."""
    free = free_part_setting(painter, library, part, number, sampling)
    clean = paint_jointly(painter, free.setting)
    fair = steps_for(clean.work, painter, free.setting)
    made = {
        CLEAN: clean,
        CLEAN_IN_FEW: paint_jointly(painter, in_steps(free.setting, fair)),
        REPLACED: paint_replacing(painter, free.setting, sampling.steps),
        REPLACED_AT_COST: paint_replacing(painter, free.setting, fair),
    }
    figures = {way: _agreement_figures(free, outcome, clean.work) for way, outcome in made.items()}
    figures[TRUE] = {}
    if part == "look":
        made[TRUE] = true_outcome(free.truth)
        for way, outcome in made.items():
            figures[way] |= _look_figures(judge, free, outcome)
    return figures


def table(scenes: Scenes, pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, Figures]]:
    """Return the figures of every way of painting, and the paired differences of some `pairs` of ways."""
    ways = list(scenes[0]) if scenes else []
    return {
        "values": {way: _figures([scene[way] for scene in scenes]) for way in ways},
        "differences": {
            f"{one} minus {other}": _figures([_less(scene[one], scene[other]) for scene in scenes])
            for one, other in pairs
        },
    }


def baselines_text(report: Mapping[str, Mapping[str, Mapping[str, Figures]]], about: str) -> str:
    """Return all tables as markdown."""
    notes = {
        "values": about,
        "differences": f"{about} Paired by scene: an interval without 0 is a difference.",
        "verdict": f"{about} Share of scenes: an interval above 0.5 says that keeping parts clean is better.",
    }
    return "\n".join(
        markdown(f"Baselines: {name}, {kind}", columns, [notes[kind]])
        for name, kinds in report.items()
        for kind, columns in kinds.items()
    )


def _text_figures(judge: Judge, asked: Sequence[AskedObject], outcome: Outcome, work: float) -> Measured:
    looks = outcome.parts.looks[0]
    right = [same_thing(name, one.noun) for name, one in zip(judge.name(looks), asked, strict=True)]
    coloured = [
        one.colour in colour_words(to_u8(look))
        for look, one in zip(looks, asked, strict=True)
        if one.colour is not None
    ]
    figures = {"right object in its layer": (float(sum(right)), float(len(right)))}
    if coloured:
        figures["colour as asked"] = (float(sum(coloured)), float(len(coloured)))
    if outcome.composite is not None:
        figures["over-composite against predicted composite, dB"] = (
            psnr(outcome.over, outcome.composite),
            1.0,
        )
    return {**figures, "work, of the joint run": (work, 1.0)}


def _agreement_figures(free: FreePart, outcome: Outcome, clean_work: int) -> Measured:
    off = agreement(free, outcome)
    figures = {f"{free.part}: {name}": (value, 1.0) for name, value in off.items()}
    figures[OFF] = (next(iter(off.values())), 1.0)
    if free.part != "effect":
        sharper = detail(free, outcome.parts) / detail(free, true_outcome(free.truth).parts)
        figures[f"{free.part}: detail, of the true one's"] = (sharper, 1.0)
    return {**figures, f"{free.part}: work, of the clean run": (outcome.work / clean_work, 1.0)}


def _look_figures(judge: Judge, free: FreePart, outcome: Outcome) -> Measured:
    look = outcome.parts.looks[0, free.number]
    figures = {"look: right object": (float(same_thing(judge.name(look[None])[0], free.noun)), 1.0)}
    if free.colour is not None:
        figures["look: colour as asked"] = (float(free.colour in colour_words(to_u8(look))), 1.0)
    return figures


def _figures(scenes: Sequence[Measured]) -> Figures:
    names = dict.fromkeys(name for scene in scenes for name in scene)
    return {name: ratio_with_interval([scene[name] for scene in scenes if name in scene]) for name in names}


def _less(one: Measured, other: Measured) -> Measured:
    """Return the paired difference of what both measured; they divide by the same number."""
    return {name: (one[name][0] - other[name][0], one[name][1]) for name in one if name in other}


def _result(steps: Iterator[object]) -> tuple[Tensor, Tensor]:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            boxes, light = stop.value
            return boxes, light
