"""The renderer: the same seed paints the same scene, and its composite is the product's compositor over its layers."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from torch import Tensor

from psdstudio.core.document import Document
from psdstudio.core.geometry import Size
from psdstudio.core.layers import BlendMode, LayerProps, PixelLayer
from psdstudio.core.tiles import TileGrid
from psdstudio.engine.compose import Placed, mask_effects, over_composite
from psdstudio.gen.colours import RGB, named_colour
from psdstudio.render.compositor import Compositor
from psdstudio.training.assets.colours import colour_words
from psdstudio.training.held_combinations import trained_colours
from psdstudio.training.looks import (
    COLOURS,
    ODD_PAINT_RATE,
    PARAPHRASES,
    PLAIN,
    choose_colour,
    colour_of,
    plan_look,
    render_looks,
)
from psdstudio.training.scene_truth import SceneTruth, placed_objects, render_scenes
from psdstudio.training.sprites import SpriteLibrary
from tests.training.toys import layouts_of

CANVAS, LOOK_PX = (64, 80), 64


def truth_of(library: SpriteLibrary, seed: int, objects: int = 3, count: int = 2) -> SceneTruth:
    aspect = CANVAS[1] / CANVAS[0]
    drawn = layouts_of(library, seed=seed, count=count, objects=objects, aspect=aspect)
    return render_scenes(library, drawn, canvas=CANVAS, look_px=LOOK_PX)


def test_a_seed_decides_every_pixel_and_box(library: SpriteLibrary) -> None:
    one, two, other = truth_of(library, 5), truth_of(library, 5), truth_of(library, 6)
    for name in ("background", "composite", "looks", "effects", "boxes", "light"):
        assert torch.equal(getattr(one, name), getattr(two, name)), name
        assert not torch.equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize("objects", [1, 2, 4])
def test_every_picture_is_in_range_and_objects_stand_back_to_front(
    library: SpriteLibrary, objects: int
) -> None:
    truth = truth_of(library, 11, objects, count=4)
    for name in ("background", "composite", "looks", "effects"):
        picture = getattr(truth, name)
        assert picture.isfinite().all()
        assert picture.min() >= 0
        assert picture.max() <= 1
    for layout in truth.layouts:
        order = [(p.standing, p.box[1] + p.box[3]) for p in layout.objects]
        assert order == sorted(order)
        assert layout.words.removesuffix(layout.world.words).count(" and ") <= 1


def test_colours_nobody_says_agree_in_many_scenes(library: SpriteLibrary) -> None:
    """The other parts must tell something that words and light do not: accent, exposure and warmth."""
    drawn = layouts_of(library, seed=3, count=300, objects=4)
    silent = [
        [_hue(p.look.paint) for p in layout.objects if p.look.paint is not None and not _says_colour(p.words)]
        for layout in drawn
    ]
    pairs = [hues for hues in silent if len(hues) >= 2]
    assert pairs
    assert all(abs((a - b + 180) % 360 - 180) <= 17 for hues in pairs for a in hues for b in hues)
    assert len({layout.world.gain for layout in drawn}) == len(drawn)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_drawing_recoloured_by_a_word_has_the_colour_of_that_word(
    library: SpriteLibrary, colour: str
) -> None:
    """Dark drawings too: turning the hue alone made "orange" brown and "yellow" olive."""
    sprites = [s for drawn in library.by_noun.values() for s in drawn if s.recolourable]
    dark = library.pixels.clone()
    dark[:, :3] = dark[:, :3] // 4
    white = (1.0, 1.0, 1.0)
    plans = [
        plan_look(s, colour_of(COLOURS[colour]), white, (0, 0), np.random.default_rng(1)) for s in sprites
    ]
    for pixels in (library.pixels, dark):
        looks = (render_looks(pixels, plans, 32) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        assert all(colour_words(look)[0] == colour for look in looks)


def _hue(paint: RGB) -> float:
    return colorsys.rgb_to_hsv(*paint)[0] * 360


def _says_colour(words: str) -> bool:
    said = {word for names in PARAPHRASES.values() for name in names for word in name.split()} | set(PLAIN)
    return not said.isdisjoint(words.split(" "))


def test_anything_is_now_and_then_painted_in_a_colour_that_is_said(library: SpriteLibrary) -> None:
    rng = np.random.default_rng(5)
    fixed = next(s for drawn in library.by_noun.values() for s in drawn if not s.recolourable)
    drawn = [choose_colour(fixed, rng) for _ in range(2000)]
    painted = [word for word, paint in drawn if paint is not None]
    assert len(painted) / len(drawn) == pytest.approx(ODD_PAINT_RATE, abs=0.02)
    assert set(painted) == set(trained_colours(fixed.noun, (*COLOURS, *PLAIN)))
    black = next(paint for word, paint in drawn if word == "black" and paint is not None)
    look = render_looks(library.pixels, [plan_look(fixed, black, (1, 1, 1), (0, 0), rng)], 32)
    assert colour_words((look[0] * 255).round().byte().permute(1, 2, 0).numpy())[0] == "black"


def test_flying_objects_and_matt_ground_leave_no_trace(library: SpriteLibrary) -> None:
    truth = truth_of(library, 21, 2, count=12)
    matt = 0
    for i, layout in enumerate(truth.layouts):
        for j, placed in enumerate(layout.objects):
            density, reflection = truth.effects[i, j, 0], truth.effects[i, j, 4]
            assert (density.max() > 0.02) == placed.standing
            if layout.world.reflectivity < 0.05 or not placed.standing:
                matt += 1
                assert reflection.max() == 0
    assert matt > 0


def _u8(picture: Tensor) -> Tensor:
    return (picture.clamp(0, 1) * 255 + 0.5).floor()


def _rounded(placed: Placed) -> tuple[Placed, list[np.ndarray]]:
    """The layers as a document holds them (uint8, straight) and the same values back as tensors."""
    rasters, out = [], []
    for premul in (placed.reflection, placed.look):
        colour = premul[:, :3] / premul[:, 3:4].clamp(min=1e-6)
        straight = _u8(torch.cat([colour, premul[:, 3:4]], dim=1))
        rasters.append(straight[0].permute(1, 2, 0).byte().numpy())
        straight = straight / 255
        out.append(torch.cat([straight[:, :3] * straight[:, 3:4], straight[:, 3:4]], dim=1))
    density = _u8(placed.density)
    black = torch.cat([torch.zeros(1, 3, *density.shape[2:]), density], dim=1)
    shadow = black[0].permute(1, 2, 0).byte().numpy()
    return Placed(out[1], density / 255, out[0]), [shadow, *rasters]


def _layer(rgba: np.ndarray, mode: BlendMode) -> PixelLayer:
    return PixelLayer(
        props=LayerProps(name="layer", blend_mode=mode),
        pixels=TileGrid.from_array(np.ascontiguousarray(rgba)),
    )


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_true_composite_is_the_compositor_over_the_document_stack(
    library: SpriteLibrary, seed: int
) -> None:
    truth = truth_of(library, seed, 3, count=1)
    masked = mask_effects(placed_objects(truth, CANVAS))
    ground = _u8(truth.background)
    opaque = torch.cat([ground, torch.full_like(ground[:, :1], 255)], dim=1)
    layers = [_layer(opaque[0].permute(1, 2, 0).byte().numpy(), BlendMode.NORMAL)]
    rounded = []
    for placed in masked:
        held, (shadow, reflection, look) = _rounded(placed)
        rounded.append(held)
        layers += [
            _layer(shadow, BlendMode.MULTIPLY),
            _layer(reflection, BlendMode.NORMAL),
            _layer(look, BlendMode.NORMAL),
        ]
    doc = Document(size=Size(CANVAS[1], CANVAS[0]), layers=tuple(layers))
    assert doc.validate() == []
    shown = torch.from_numpy(Compositor(threads=1).render(doc)).permute(2, 0, 1).float()
    assert (shown[3] == 255).all()
    same_layers = over_composite(ground / 255, rounded)[0] * 255
    assert float((shown[:3] - same_layers).abs().max()) <= 1
    # Against the unrounded truth every layer's own rounding adds up.
    apart = (shown[:3] - truth.composite[0] * 255).abs()
    assert float(apart.max()) <= 3
    assert float(apart.mean()) < 0.6


def test_effects_are_masked_by_what_stands_behind() -> None:
    full, none = torch.ones(1, 4, 8, 8), torch.zeros(1, 4, 8, 8)
    back = Placed(full, torch.zeros(1, 1, 8, 8), none)
    front = Placed(none, torch.ones(1, 1, 8, 8), full)
    masked = mask_effects([back, front])
    assert not masked[1].density.any()
    assert not masked[1].reflection.any()
    alone = mask_effects([front])
    assert alone[0].density.all()


@pytest.mark.parametrize("colour", COLOURS)
def test_words_and_renderer_mean_the_same_colour(colour: str) -> None:
    asked = named_colour(f"a {colour} thing")
    assert asked is not None
    assert colour_of(COLOURS[colour]) == pytest.approx(asked, abs=0.05)
    for word in PARAPHRASES[colour]:
        alike = named_colour(f"a {word} thing")
        assert alike is not None
        assert alike == pytest.approx(asked, abs=0.4)
