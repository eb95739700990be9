"""Measures of the verbs: perfect on the truth, bad on an engine that looks at nothing, right on made up pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.core.geometry import Rect, Size
from psdstudio.gen.fake import FakeEngine
from psdstudio.gen.request import GenerationRequest, GenerationResult, ObjectResult, Raster, Sampling
from psdstudio.training.classifier import train_judge
from psdstudio.training.classifier_net import Judge
from psdstudio.training.evaluation_verbs import (
    CONTACTS,
    FAILED,
    FILL,
    HIDDEN,
    RECOMPOSED,
    SILHOUETTE,
    SPLIT,
    VERBS,
    measure_verbs,
    painting_with,
)
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

FEW = Sampling(steps=1, layout_steps=1)
SCENES = 3


@pytest.fixture(scope="module")
def judge(pack: Path) -> Judge:
    return train_judge(SpriteLibrary.load(pack, "classifier"), steps=2, batch=8, seed=1, width=8)


@pytest.fixture(scope="module")
def scene(library: SpriteLibrary) -> TrueScene:
    return true_scene(library, 0)


class Oracle:
    """Answers every request with the rendered truth."""

    def __init__(self, library: SpriteLibrary) -> None:
        self._scenes = {f"verbs {n}": true_scene(library, n) for n in range(SCENES)}

    def __call__(self, request: GenerationRequest) -> GenerationResult:
        scene, objects = self._scenes[request.run_id], []
        for part, one in zip(request.objects, scene.objects, strict=True):
            free = not part.effects_known
            objects.append(
                ObjectResult(
                    id=part.id,
                    box=one.box,
                    look=one.look if part.look is None else None,
                    shadow=one.shadow if free else None,
                    reflection=one.reflection if free else None,
                    effects_made=free,
                )
            )
        return GenerationResult(
            request=request,
            background=scene.background if request.background.look is None else None,
            objects=tuple(objects),
            light=scene.light,
            composite=scene.picture,
            weights_sha256="0" * 64,
        )


def test_the_truth_is_perfect(library: SpriteLibrary, judge: Judge) -> None:
    made = measure_verbs(Oracle(library), judge, library, SCENES, FEW)
    assert set(made) == set(VERBS)
    assert all(made[verb][FAILED]["value"] == 0 for verb in VERBS)
    # Rasters of whole pixels and 8 bits: what any engine may lose by delivering at all.
    assert made[SPLIT][RECOMPOSED]["low"] > 30
    assert made[SPLIT]["alpha IoU with the true layers"]["value"] == 1
    assert made[SPLIT]["colour off the true layers', of 255"]["value"] == 0
    assert made[SPLIT]["background against the true one, dB"]["value"] == 60
    for verb in (FILL, HIDDEN):
        assert made[verb]["in the hole against the truth, dB"]["value"] == 60
        assert made[verb]["better than nearest padding by, dB"]["low"] > 5
    assert made[SILHOUETTE]["alpha byte-equal"]["value"] == 1
    assert made[CONTACTS]["shadow RMSE in its region, of 255"]["value"] == 0
    assert made[CONTACTS]["shadow balanced error rate"]["value"] == 0
    assert made[CONTACTS]["the same with no shadow at all, of 255"]["value"] > 20


def test_an_engine_that_looks_at_nothing_is_found_out(library: SpriteLibrary, judge: Judge) -> None:
    made = measure_verbs(painting_with(FakeEngine()), judge, library, SCENES, FEW)
    assert made[SPLIT][RECOMPOSED]["value"] > 35, "it keeps to the rules"
    assert made[SPLIT]["alpha IoU with the true layers"]["value"] < 0.9
    for verb in (FILL, HIDDEN):
        assert made[verb][FAILED]["value"] == 0
        assert made[verb]["in the hole against the truth, dB"]["value"] < 25
    assert made[SILHOUETTE]["alpha byte-equal"]["value"] == 1
    contacts = made[CONTACTS]
    assert contacts["shadow balanced error rate"]["value"] > 0.1
    assert contacts["shadow RMSE in its region, of 255"]["value"] > 20


def test_nothing_that_is_to_be_made_is_in_the_request(scene: TrueScene) -> None:
    split = split_request(scene, FEW)
    assert split.picture is not None and split.light is None
    assert split.known_ids == frozenset()
    assert all(o.shadow is None and not o.effects_known for o in split.objects)
    fill, hole = fill_request(scene, FEW)
    assert fill.background.partial is not None and fill.background.look is None
    assert not fill.background.partial.raster.rgba[hole].any()
    covered = on_canvas(scene.objects[-1].look, CANVAS)[3].numpy() > 0
    assert (hole >= covered).all()
    hidden, unknown = hidden_part_request(scene, FEW)
    partial = hidden.objects[-1].partial
    assert partial is not None and not partial.raster.rgba[unknown].any()
    assert scene.objects[-1].look.rgba[unknown][:, 3].any(), "something was there"
    outline = silhouette_request(scene, FEW).objects[-1]
    assert outline.silhouette is scene.objects[-1].look and outline.look is None
    contacts = contacts_request(scene, FEW)
    assert all(o.look is not None and o.shadow is None for o in contacts.objects)
    assert contacts.background.look is not None


def test_the_scenes_are_decided_by_their_numbers(library: SpriteLibrary, scene: TrueScene) -> None:
    again, other = true_scene(library, 0), true_scene(library, 1)
    assert (again.picture.rgba == scene.picture.rgba).all()
    assert again.layout == scene.layout
    assert other.layout != scene.layout


def test_a_stack_of_the_true_layers_is_the_true_picture(scene: TrueScene) -> None:
    made = stacked(scene.background, [(o.shadow, o.reflection, o.look) for o in scene.objects], CANVAS)
    off = (made - on_canvas(scene.picture, CANVAS)[:3]).abs()
    assert float(off.mean()) < 2 / 255


@given(st.floats(0, 1), st.floats(0, 1))
def test_iou_of_flat_alphas_is_their_ratio(a: float, b: float) -> None:
    one, two = torch.full((4, 4), a), torch.full((4, 4), b)
    a, b = float(one[0, 0]), float(two[0, 0])  # in float32 the tiniest of Python's numbers are 0
    expected = 1.0 if max(a, b) == 0 else min(a, b) / max(a, b)
    assert alpha_iou(one, two) == pytest.approx(expected, abs=1e-4)
    assert alpha_iou(one, one) == pytest.approx(1)


def test_colour_counts_where_both_are_seen() -> None:
    made, true = torch.zeros(4, 8, 8), torch.zeros(4, 8, 8)
    made[3, :, :5], true[3, :, 3:] = 1, 1
    made[0, :, :5], true[0, :, 3:] = 0.5, 0.8
    assert masked_colour_error(made, true) == pytest.approx(255 * 0.1, rel=1e-3)
    assert masked_colour_error(made, torch.zeros(4, 8, 8)) == 255


def test_padding_takes_the_nearest_colour_and_leaves_what_is_known() -> None:
    picture = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(1))
    hole = torch.zeros(24, 24, dtype=torch.bool)
    hole[6:18, 6:18] = True
    for fill in (nearest_padding, smooth_padding):
        made = fill(picture, hole)
        assert torch.equal(made[:, ~hole], picture[:, ~hole])
        other = picture.clone()
        other[:, hole] = 0.3
        assert torch.equal(made, fill(other, hole)), "what was in the hole is not read"
    two = torch.zeros(3, 9, 21)
    two[:, :, 11:] = 1
    wide = torch.zeros(9, 21, dtype=torch.bool)
    wide[:, 3:18] = True
    filled = nearest_padding(two, wide)
    assert float(filled[:, :, 5].max()) == 0 and float(filled[:, :, 15].min()) == 1
    with pytest.raises(ValueError, match="nothing is known"):
        nearest_padding(picture, torch.ones(24, 24, dtype=torch.bool))


def test_psnr_counts_the_hole_alone() -> None:
    true, where = torch.zeros(3, 8, 8), torch.zeros(8, 8, dtype=torch.bool)
    where[:4] = True
    made = true.clone()
    made[:, 4:] = 1
    assert psnr_in(made, true, where) == 60
    made[:, :4] = 0.1
    assert psnr_in(made, true, where) == pytest.approx(20, abs=0.01)
    with pytest.raises(ValueError, match="no pixel"):
        psnr_in(made, true, torch.zeros(8, 8, dtype=torch.bool))


def test_shadows_of_known_error() -> None:
    true, seen = torch.zeros(10, 10), torch.ones(10, 10, dtype=torch.bool)
    true[:5] = 0.5
    assert shadow_rmse(true, true, seen) == 0
    assert shadow_rmse(torch.zeros(10, 10), true, seen) == pytest.approx(127.5)
    assert shadow_rmse(true, torch.zeros(10, 10), seen) is None
    assert balanced_error_rate(true, true, seen) == 0
    assert balanced_error_rate(torch.zeros(10, 10), true, seen) == 0.5
    assert balanced_error_rate(0.5 - true, true, seen) == 1
    assert balanced_error_rate(torch.ones(10, 10), true, seen) == 0.5
    assert balanced_error_rate(true, torch.ones(10, 10), seen) is None


def test_a_raster_is_placed_cut_and_refused_when_it_does_not_fit() -> None:
    rgba = np.full((4, 6, 4), 128, np.uint8)
    put = on_canvas(Raster(rgba=rgba, rect=Rect(-2, 3, 6, 4)), Size(8, 5))
    assert put.shape == (4, 5, 8)
    assert bool((put[3] > 0).sum() == 8)
    assert float(put[0].max()) == pytest.approx((128 / 255) ** 2)
    assert not on_canvas(None, Size(8, 5)).any()
    with pytest.raises(ValueError, match="a raster of"):
        on_canvas(Raster(rgba=rgba, rect=Rect(0, 0, 5, 4)), Size(8, 5))
