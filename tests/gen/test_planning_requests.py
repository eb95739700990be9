"""What the engine is asked: known pixels as they are, stable seeds, effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from psdstudio.core.commands import SetBox, SetProps
from psdstudio.core.document import Document
from psdstudio.core.geometry import BoxF, Point, Rect
from psdstudio.core.keep_commands import SetKeep
from psdstudio.core.layers import LayerId, LoraUse, Mask, Role
from psdstudio.core.placement_commands import TranslateLayers
from psdstudio.core.prompt_commands import SetLoras, SetNegative
from psdstudio.core.tiles import TileGrid
from psdstudio.errors import StudioError
from psdstudio.gen.models import EMBEDDED_KEY, PHOTOREAL_KEY, QWEN_KEY, default_sampling
from psdstudio.gen.planning import Verb, build_request, chosen_sampling, new_scene, plan_scope, seed_of
from psdstudio.gen.request import GenerationRequest, ObjectPart
from tests.gen.scenes import CANVAS, background, child, generated, group_named, kept, picture, plan_of


def request_of(doc: Document, verb: Verb = Verb.REGENERATE_FREE, *ids: LayerId) -> GenerationRequest:
    return build_request(doc, plan_scope(doc, verb, ids), run_id="r", seed=3)


def part_of(request: GenerationRequest, name: str) -> ObjectPart:
    return next(part for part in request.objects if part.name == name)


def test_seeds_are_stable_and_differ_by_layer_and_seed() -> None:
    # The value is pinned: recipes of saved projects depend on it.
    assert seed_of(7, LayerId("swan")) == 4981502884584945108
    seeds = {seed_of(seed, LayerId(name)) for seed in range(20) for name in ("a", "b", "c")}
    assert len(seeds) == 60
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_free_scene_knows_words_only() -> None:
    doc = new_scene(Document(size=CANVAS), plan_of("swan", "flamingo"))
    request = request_of(doc, Verb.GENERATE_SCENE)
    assert request.known_ids == frozenset()
    assert [part.engine_words for part in request.objects] == ["a swan", "a flamingo"]
    assert request.scene_words == "a swan, a flamingo, calm water"
    assert request.background.engine_words == "calm water"
    assert request.light is None
    assert all(part.box is None and not part.effects_known for part in request.objects)
    assert {part.seed for part in request.objects} == {seed_of(3, part.id) for part in request.objects}


def test_known_looks_are_the_layers_own_pixels_at_their_place() -> None:
    doc = kept(generated("swan", "flamingo"), "swan")
    group = group_named(doc, "swan")
    doc = TranslateLayers(ids=(group.id,), dx=-31, dy=17).apply(doc)
    layer = child(group_named(doc, "swan"), Role.OBJECT)
    look = part_of(request_of(doc), "swan").look
    assert look is not None
    box = layer.pixels.bounds()
    assert look.rect == box.shifted(layer.offset.x, layer.offset.y)
    assert np.array_equal(look.rgba, layer.pixels.read(box))
    assert part_of(request_of(doc), "swan").box == BoxF.from_rect(look.rect, CANVAS)


def test_masks_hide_from_the_condition_what_they_hide_on_the_canvas() -> None:
    doc = kept(generated("swan"), "swan")
    layer = child(group_named(doc, "swan"), Role.OBJECT)
    box = layer.pixels.bounds()
    left = Rect(box.x, box.y, box.width // 2, box.height)
    cover = TileGrid.from_array(np.full((left.height, left.width), 255, np.uint8), left.origin)
    doc = doc.with_layer(replace(layer, mask=Mask(pixels=cover)))
    look = part_of(request_of(doc), "swan").look
    assert look is not None
    assert look.rect.right <= left.right
    assert np.array_equal(look.rgba[..., 3], layer.pixels.read(look.rect)[..., 3])


def test_a_kept_layer_that_shows_nothing_is_named() -> None:
    doc = kept(generated("swan"), "swan")
    layer = child(group_named(doc, "swan"), Role.OBJECT)
    doc = doc.with_layer(replace(layer, mask=Mask(pixels=TileGrid(channels=1))))
    with pytest.raises(StudioError, match="“swan” has no visible pixel"):
        request_of(doc)


def test_effects_are_known_while_object_and_background_are_kept() -> None:
    doc = generated("swan", "flamingo")
    part = part_of(request_of(kept(doc, "swan", "background")), "swan")
    assert part.effects_known
    assert part.shadow is not None
    part = part_of(request_of(kept(doc, "swan")), "swan")
    assert not part.effects_known
    assert part.shadow is None
    assert request_of(kept(doc, "swan", "background")).light == doc.scene.light
    assert request_of(kept(doc, "swan")).light is None


def test_a_shadow_with_a_pin_of_its_own_is_a_condition() -> None:
    doc = kept(generated("swan"), "swan")
    shadow = child(group_named(doc, "swan"), Role.SHADOW)
    doc = SetKeep(ids=(shadow.id,), keep=True).apply(doc)
    assert part_of(request_of(doc), "swan").shadow is not None


def test_boxes_that_the_user_dragged_are_known() -> None:
    doc = generated("swan", "flamingo")
    box = BoxF(0.25, 0.25, 0.5, 0.5)
    doc = SetBox(layer_id=group_named(doc, "swan").id, box=box).apply(doc)
    request = request_of(doc)
    assert part_of(request, "swan").box == box
    assert part_of(request, "flamingo").box is None


def test_new_look_stays_where_the_pixels_are() -> None:
    doc = generated("swan", "flamingo")
    group = group_named(doc, "swan")
    part = part_of(request_of(doc, Verb.NEW_LOOK, group.id), "swan")
    bounds = child(group, Role.OBJECT).pixels.bounds()
    assert part.box == BoxF.from_rect(bounds, CANVAS)
    assert part.look is None


def test_foreign_pictures_are_read_in_place() -> None:
    doc = generated("swan")
    photo = picture(at=Point(-3, 60))
    request = request_of(doc.with_layers((*doc.layers, photo)))
    part = part_of(request, "photo")
    assert part.look is not None
    assert part.look.rect == Rect(-3, 60, 10, 8)
    assert part.effects_known


def test_a_hidden_background_is_still_read() -> None:
    doc = kept(generated("swan"), "background")
    doc = SetProps(ids=(background(doc).id,), visible=False).apply(doc)
    assert request_of(doc).background.look is not None


def test_a_scope_of_another_document_is_refused() -> None:
    scope = plan_scope(generated("swan"), Verb.REGENERATE_FREE)
    with pytest.raises(StudioError, match="changed"):
        build_request(Document(size=CANVAS), scope, run_id="r", seed=1)


def test_negative_words_and_loras_of_a_part_are_asked_for_with_it() -> None:
    doc = new_scene(Document(size=CANVAS), plan_of("swan", "flamingo"))
    ink = LoraUse(title="Ink", weight=0.5)
    doc = SetNegative(layer_id=group_named(doc, "swan").id, negative="a boat").apply(doc)
    doc = SetLoras(layer_id=background(doc).id, loras=(ink,)).apply(doc)
    request = request_of(doc, Verb.GENERATE_SCENE)
    assert (part_of(request, "swan").negative_words, part_of(request, "swan").loras) == ("a boat", ())
    assert (part_of(request, "flamingo").negative_words, part_of(request, "flamingo").loras) == ("", ())
    assert (request.background.negative_words, request.background.loras) == ("", (ink,))


def test_steps_and_scales_are_the_engines_own_unless_chosen() -> None:
    doc = new_scene(Document(size=CANVAS), plan_of("swan"))
    scope = plan_scope(doc, Verb.GENERATE_SCENE)
    for key in (EMBEDDED_KEY, PHOTOREAL_KEY, QWEN_KEY):
        own = build_request(doc, scope, run_id="r", seed=1, engine=key).sampling
        assert own == default_sampling(key) == chosen_sampling(key)
        chosen = chosen_sampling(key, steps=3, text_guidance=1.5, layout_guidance=0.0)
        assert chosen == replace(own, steps=3, text_guidance=1.5, layout_guidance=0.0)
    assert default_sampling(PHOTOREAL_KEY).steps != default_sampling(EMBEDDED_KEY).steps
