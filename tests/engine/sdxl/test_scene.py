"""From a request to rows: what is known, where things are to be, which adapters act."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.rows import RowRole, SceneRow
from psdstudio.engine.sdxl.scene import Encoders, RowAdapterNames, kept_stack, scene_rows, used_loras
from psdstudio.gen.model_files import LoraUse
from psdstudio.gen.request import BackgroundPart, GenerationRequest, ObjectPart, PartlyKnown, Raster, U8Rgba

pytestmark = pytest.mark.torch
SIZE = BUCKET = Size(128, 128)
NAMES = RowAdapterNames(every={"joint": 1.0}, objects={"transparent": 1.0})


def plain(rgba: tuple[int, int, int, int], rect: Rect) -> Raster:
    """A raster of one colour."""
    pixels: U8Rgba = np.full((rect.height, rect.width, 4), rgba, np.uint8)
    return Raster(rgba=pixels, rect=rect)


def pooled(picture: Tensor) -> Tensor:
    """Stand in for a VAE: means of 8x8 pixels of four channels, the last one opaque where there is none."""
    four = torch.cat([picture, torch.ones_like(picture[:1])])[:4]
    return F.avg_pool2d(four, 8)


ENCODERS = Encoders(opaque=pooled, transparent=pooled)


def request(background: BackgroundPart, *objects: ObjectPart) -> GenerationRequest:
    """A request on a canvas of 128 x 128."""
    return GenerationRequest(
        run_id="r", engine="sdxl", size=SIZE, scene_words="", background=background, objects=objects, seed=5
    )


def rows(asked: GenerationRequest, *, trained: bool = False) -> tuple[SceneRow, ...]:
    """The rows with the encoders of this file."""
    return scene_rows(asked, BUCKET, ENCODERS, NAMES, trained=trained)


GROUND = BackgroundPart(id=LayerId("ground"), engine_words="a beach", seed=1, negative_words="people")
FOX = ObjectPart(id=LayerId("fox"), name="fox", engine_words="a fox", seed=2)
LAMP = ObjectPart(id=LayerId("lamp"), name="lamp", engine_words="a lamp", seed=3)


def test_everything_free_gives_rows_of_which_nothing_is_known() -> None:
    composite, ground, fox, lamp = rows(request(GROUND, FOX, LAMP))
    assert [row.identity.role for row in (composite, ground, fox)] == list(RowRole)
    assert (fox.identity.order, lamp.identity.order) == (1, 2)
    assert all(row.latents is None and not row.identity.kept for row in (composite, ground, fox, lamp))
    assert (ground.words, ground.negative, ground.seed) == ("a beach", "people", 1)
    assert dict(ground.adapters) == {"joint": 1.0}
    assert dict(fox.adapters) == {"joint": 1.0, "transparent": 1.0}
    assert len({row.seed for row in (composite, ground, fox, lamp)}) == 4


def test_loras_are_added_to_their_layer_alone() -> None:
    styled = ObjectPart(
        id=LayerId("fox"), name="fox", engine_words="a fox", seed=2,
        loras=(LoraUse(title="ink", weight=0.5), LoraUse(title="ink", weight=0.25)),
    )  # fmt: skip
    asked = request(GROUND, styled, LAMP)
    _, ground, fox, lamp = rows(asked)
    assert fox.adapters["ink"] == 0.75
    assert "ink" not in lamp.adapters
    assert "ink" not in ground.adapters
    assert used_loras(asked) == ("ink",)


def test_kept_layers_are_latents_at_their_place() -> None:
    kept = ObjectPart(
        id=LayerId("fox"), name="fox", engine_words="a fox", seed=2, box=BoxF(0.25, 0.25, 0.5, 0.5),
        look=plain((255, 0, 0, 255), Rect(32, 32, 64, 64)),
    )  # fmt: skip
    ground = BackgroundPart(
        id=LayerId("ground"), engine_words="", seed=1, look=plain((0, 0, 255, 255), Rect(0, 0, 128, 128))
    )
    _, below, fox, lamp = rows(request(ground, kept, LAMP))
    assert below.identity.kept
    assert fox.identity.kept
    assert not lamp.identity.kept
    assert below.latents is not None and fox.latents is not None
    assert torch.equal(below.latents[2], torch.ones(16, 16))
    alpha = fox.latents[3]
    assert torch.equal(alpha[4:12, 4:12].round(), torch.ones(8, 8))
    assert float(alpha.sum()) == pytest.approx(64, abs=1)


def test_box_and_silhouette_are_layout_maps() -> None:
    boxed = ObjectPart(
        id=LayerId("fox"), name="fox", engine_words="a fox", seed=2, box=BoxF(0.0, 0.5, 0.5, 0.5)
    )
    outlined = ObjectPart(
        id=LayerId("lamp"), name="lamp", engine_words="a lamp", seed=3, box=BoxF(0.5, 0.0, 0.5, 0.5),
        silhouette=plain((1, 2, 3, 255), Rect(64, 0, 64, 64)),
    )  # fmt: skip
    _, _, fox, lamp = rows(request(GROUND, boxed, outlined))
    assert fox.layout is not None and lamp.layout is not None
    wanted = torch.zeros(4, 4)
    wanted[2:, :2] = 1
    assert torch.equal(fox.layout, wanted)
    assert torch.allclose(lamp.layout, wanted.flip(0, 1), atol=0.05)
    assert lamp.latents is None


def test_partly_known_rows_say_what_is_to_be_made() -> None:
    unknown = np.zeros((128, 128), np.bool_)
    unknown[:64] = True
    ground = BackgroundPart(
        id=LayerId("ground"), engine_words="", seed=1,
        partial=PartlyKnown(raster=plain((0, 255, 0, 255), Rect(0, 0, 128, 128)), unknown=unknown),
    )  # fmt: skip
    _, below, _ = rows(request(ground, FOX))
    assert below.latents is not None and below.unknown is not None
    assert not below.identity.kept
    assert bool(below.unknown[:8].all())
    assert not bool(below.unknown[8:].any())


def test_composite_holds_what_is_kept_outside_the_boxes_of_free_objects() -> None:
    ground = BackgroundPart(
        id=LayerId("ground"), engine_words="", seed=1, look=plain((0, 0, 255, 255), Rect(0, 0, 128, 128))
    )
    placed = ObjectPart(
        id=LayerId("fox"), name="fox", engine_words="a fox", seed=2, box=BoxF(0.5, 0.5, 0.25, 0.25)
    )
    composite, *_ = rows(request(ground, placed))
    assert composite.latents is not None and composite.unknown is not None
    assert not composite.identity.kept
    assert bool(composite.unknown[8:12, 8:12].all())
    assert not bool(composite.unknown[:4].any())
    # A trained model predicts the whole, and an object that may be anywhere leaves nothing to hold.
    assert rows(request(ground, placed), trained=True)[0].latents is None
    assert rows(request(ground, placed, LAMP))[0].latents is None
    assert rows(request(GROUND, placed))[0].latents is None


def test_kept_stack_multiplies_shadows_and_lays_the_rest_over() -> None:
    everywhere = Rect(0, 0, 128, 128)
    kept = ObjectPart(
        id=LayerId("fox"), name="fox", engine_words="", seed=2, box=BoxF(0.0, 0.0, 0.5, 1.0), effects_known=True,
        look=plain((255, 255, 255, 255), Rect(0, 0, 64, 128)), shadow=plain((0, 0, 0, 51), everywhere),
    )  # fmt: skip
    ground = BackgroundPart(
        id=LayerId("ground"), engine_words="", seed=1, look=plain((0, 0, 255, 255), everywhere)
    )
    stack = kept_stack(request(ground, kept), BUCKET)
    assert torch.allclose(stack[:, 64, 32], torch.ones(3), atol=0.01)
    assert torch.allclose(stack[:, 64, 112], torch.tensor([0.0, 0.0, 0.8]), atol=0.01)


def test_reference_is_laid_where_its_object_is_to_be() -> None:
    picture = np.full((50, 20, 4), (200, 10, 10, 255), np.uint8)
    boxed = ObjectPart(
        id=LayerId("fox"), name="fox", engine_words="a fox", seed=2, box=BoxF(0.5, 0.0, 0.5, 0.5), reference=picture
    )  # fmt: skip
    _, _, fox = rows(request(GROUND, boxed))
    assert fox.reference is not None
    alpha = fox.reference[3]
    assert float(alpha[:, :8].sum()) == 0
    assert float(alpha[8:].sum()) == 0
    assert float(alpha[:8, 8:].sum()) == pytest.approx(64 * 0.4, rel=0.1)
    with_tokens = Encoders(
        opaque=pooled, transparent=pooled, image_tokens=lambda rgba: rgba.mean((1, 2))[None]
    )
    _, _, told = scene_rows(request(GROUND, boxed), BUCKET, with_tokens, NAMES, trained=False)
    assert told.reference is None
    assert told.image_tokens is not None
    assert told.image_tokens[0, 0] == pytest.approx(200 / 255)
