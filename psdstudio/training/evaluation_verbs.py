"""The verbs beside generating, each on rendered scenes: split a flat picture, fill behind, same silhouette, contacts.

Every verb is asked of an engine as the product asks it and measured against the rendered truth (`verb_measures`). What
the engine refuses, or answers against the rules of `gen.request`, counts as a failed run and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from psdstudio.engine.pictures import to_tensor
from psdstudio.errors import EngineError
from psdstudio.gen.engine import Engine
from psdstudio.gen.request import GenerationRequest, GenerationResult, Raster, Sampling
from psdstudio.training.assets.colours import colour_words
from psdstudio.training.classifier_names import same_thing
from psdstudio.training.classifier_net import Judge
from psdstudio.training.evaluation_measures import Pair, psnr, ratio_with_interval
from psdstudio.training.sprites import SpriteLibrary
from psdstudio.training.verb_measures import (
    alpha_iou,
    balanced_error_rate,
    masked_colour_error,
    nearest_padding,
    on_canvas,
    psnr_in,
    shadow_rmse,
    smooth_padding,
    stacked,
)
from psdstudio.training.verb_requests import (
    CANVAS,
    TrueScene,
    contacts_request,
    fill_request,
    hidden_part_request,
    silhouette_request,
    split_request,
    true_scene,
)

Paint = Callable[[GenerationRequest], GenerationResult]
Measured = dict[str, Pair]
Verb = Callable[[Paint, Judge, TrueScene, Sampling], Measured]

FAILED = "runs that failed"
RECOMPOSED = "recomposed layers against the picture, dB"
SPLIT, FILL, HIDDEN, SILHOUETTE, CONTACTS = (
    "split a flat picture", "fill behind", "complete a hidden part", "same silhouette", "contacts only",
)  # fmt: skip


def painting_with(engine: Engine) -> Paint:
    """Return a function that runs a request on a loaded engine to its end."""

    def paint(request: GenerationRequest) -> GenerationResult:
        run = engine.generate(request)
        while True:
            try:
                next(run)
            except StopIteration as stop:
                result: GenerationResult = stop.value
                return result

    return paint


def measure_verbs(
    paint: Paint, judge: Judge, library: SpriteLibrary, scenes: int, sampling: Sampling
) -> dict[str, dict[str, dict[str, float]]]:
    """Run every verb on so many rendered scenes; verb -> figure -> value with interval."""
    rows: dict[str, list[Measured]] = {verb: [] for verb in VERBS}
    for number in range(scenes):
        scene = true_scene(library, number)
        for verb, measure in VERBS.items():
            try:
                figures = measure(paint, judge, scene, sampling) | {FAILED: (0.0, 1.0)}
            except EngineError as failure:
                print(f"{verb}, scene {number}: {failure.user_message}", flush=True)
                figures = {FAILED: (1.0, 1.0)}
            rows[verb].append(figures)
        print(f"verbs {number + 1}/{scenes}", flush=True)
    return {verb: _figures(measured) for verb, measured in rows.items()}


def measure_split(paint: Paint, judge: Judge, scene: TrueScene, sampling: Sampling) -> Measured:
    """Split the flat picture: do the layers give it back, and are they the true ones?"""
    request = split_request(scene, sampling)
    result = paint(request)
    assert result.background is not None
    picture, made = (
        on_canvas(scene.picture, CANVAS)[:3],
        [(o.shadow, o.reflection, o.look) for o in result.objects],
    )
    true_ground, ground = (on_canvas(r, CANVAS)[:3] for r in (scene.background, result.background))
    looks = [
        (on_canvas(o.look, CANVAS), on_canvas(t.look, CANVAS))
        for o, t in zip(result.objects, scene.objects, strict=True)
    ]
    return {
        RECOMPOSED: (psnr(stacked(result.background, made, CANVAS), picture), 1.0),
        "alpha IoU with the true layers": (sum(alpha_iou(a[3], b[3]) for a, b in looks), float(len(looks))),
        "colour off the true layers', of 255": (
            sum(masked_colour_error(a, b) for a, b in looks),
            float(len(looks)),
        ),
        "background against the true one, dB": (psnr(ground, true_ground), 1.0),
        "right object in its layer": _right(
            judge, [o.look for o in result.objects], [t.noun for t in scene.objects]
        ),
    }


def measure_fill(paint: Paint, judge: Judge, scene: TrueScene, sampling: Sampling) -> Measured:
    """Fill the background behind the foremost object, and compare with plain padding."""
    request, hole = fill_request(scene, sampling)
    unknown = torch.from_numpy(hole)
    true = on_canvas(scene.background, CANVAS)[:3]
    result = paint(request)
    made = psnr_in(on_canvas(result.background, CANVAS)[:3], true, unknown)
    nearest = psnr_in(nearest_padding(true, unknown), true, unknown)
    smooth = psnr_in(smooth_padding(true, unknown), true, unknown)
    return _against_padding(made, nearest, smooth)


def measure_hidden(paint: Paint, judge: Judge, scene: TrueScene, sampling: Sampling) -> Measured:
    """Complete an unknown part of the foremost look (premultiplied RGBA), and compare with plain padding."""
    request, hole = hidden_part_request(scene, sampling)
    unknown, true = torch.from_numpy(hole), _premul(scene.objects[-1].look)
    look = paint(request).objects[-1].look
    assert look is not None
    nearest = psnr_in(nearest_padding(true, unknown), true, unknown)
    return {
        "in the hole against the truth, dB": (psnr_in(_premul(look), true, unknown), 1.0),
        "nearest padding, dB": (nearest, 1.0),
        "better than nearest padding by, dB": (psnr_in(_premul(look), true, unknown) - nearest, 1.0),
        "right object in its layer": _right(judge, [look], [scene.objects[-1].noun]),
    }


def measure_silhouette(paint: Paint, judge: Judge, scene: TrueScene, sampling: Sampling) -> Measured:
    """Paint the foremost object anew in its outline."""
    one = scene.objects[-1]
    look = paint(silhouette_request(scene, sampling)).objects[-1].look
    assert look is not None
    same = look.rect == one.look.rect and bool((look.rgba[..., 3] == one.look.rgba[..., 3]).all())
    figures = {
        "alpha byte-equal": (float(same), 1.0),
        "right object in its layer": _right(judge, [look], [one.noun]),
        "the judge on the true look": _right(judge, [one.look], [one.noun]),
    }
    if one.colour is not None:
        figures["colour as asked"] = (float(one.colour in colour_words(look.rgba)), 1.0)
    return figures


def measure_contacts(paint: Paint, judge: Judge, scene: TrueScene, sampling: Sampling) -> Measured:
    """Paint all shadows anew over kept layers; pixels under the object itself or in front of it do not count."""
    result = paint(contacts_request(scene, sampling))
    rmse, none, errors = [], [], []
    for i, (made, one) in enumerate(zip(result.objects, scene.objects, strict=True)):
        if not one.standing:
            continue
        visible = _ground_seen(scene, i)
        true, density = on_canvas(one.shadow, CANVAS)[3], on_canvas(made.shadow, CANVAS)[3]
        off, without = shadow_rmse(density, true, visible), shadow_rmse(torch.zeros_like(true), true, visible)
        if off is not None and without is not None:
            rmse.append(off)
            none.append(without)
        error = balanced_error_rate(density, true, visible)
        errors += [] if error is None else [error]
    return {
        "shadow RMSE in its region, of 255": (sum(rmse), float(len(rmse))),
        "the same with no shadow at all, of 255": (sum(none), float(len(none))),
        "shadow balanced error rate": (sum(errors), float(len(errors))),
    }


VERBS: Mapping[str, Verb] = {
    SPLIT: measure_split,
    FILL: measure_fill,
    HIDDEN: measure_hidden,
    SILHOUETTE: measure_silhouette,
    CONTACTS: measure_contacts,
}


def _against_padding(made: float, nearest: float, smooth: float) -> Measured:
    return {
        "in the hole against the truth, dB": (made, 1.0),
        "nearest padding, dB": (nearest, 1.0),
        "smooth padding, dB": (smooth, 1.0),
        "better than nearest padding by, dB": (made - nearest, 1.0),
        "better than smooth padding by, dB": (made - smooth, 1.0),
    }


def _ground_seen(scene: TrueScene, i: int) -> Tensor:
    """Return where (h, w) the shadow of object i could be seen: in its frame, under no look but those behind it."""
    frame, seen = scene.objects[i].frame, torch.zeros(CANVAS.height, CANVAS.width, dtype=torch.bool)
    seen[frame.y : frame.bottom, frame.x : frame.right] = True
    for other in scene.objects[i:]:
        seen &= on_canvas(other.look, CANVAS)[3] < 0.5
    return seen


def _premul(raster: Raster) -> Tensor:
    rgba = to_tensor(raster.rgba)
    return torch.cat([rgba[:3] * rgba[3:], rgba[3:]])


def _right(judge: Judge, looks: Sequence[Raster | None], nouns: Sequence[str]) -> Pair:
    right = [
        look is not None and same_thing(judge.name(to_tensor(look.rgba)[None])[0], noun)
        for look, noun in zip(looks, nouns, strict=True)
    ]
    return float(sum(right)), float(len(right))


def _figures(rows: Sequence[Measured]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: ratio_with_interval([row[name] for row in rows if name in row]) for name in names}
