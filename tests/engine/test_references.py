"""References: the thing in the picture stays what it is, in its box, at the size that the picture has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from psdstudio.core.layers import LayerId
from psdstudio.engine import frames
from psdstudio.engine.library import ReferenceLibrary
from psdstudio.engine.references import Reference, find_reference, reference_plate, with_detail_of
from psdstudio.engine.rows import FOLLOWED, LOOSE
from psdstudio.gen.request import ObjectPart
from psdstudio.resources_path import resource_dir

PX = 64


def disc(px: int, aspect: float = 1.0) -> Tensor:
    """A striped ellipse over the crop of its box: straight RGBA (4, px, px) in 0..1."""
    x, y, w, h = (float(v) for v in frames.box_in_crop(torch.tensor([0.0, 0.0, aspect, 1.0])))
    axis = (torch.arange(px) + 0.5) / px
    u, v = (axis[None] - x) / w * 2 - 1, (axis[:, None] - y) / h * 2 - 1
    alpha = ((1 - (u**2 + v**2).sqrt()) * px / 4).clamp(0, 1)
    stripes = 0.5 + 0.3 * torch.sin(u * 12)
    return torch.stack([stripes.expand(px, px), 0.6 * torch.ones(px, px), 1 - stripes.expand(px, px), alpha])


def part(words: str, seed: int = 1, **more: object) -> ObjectPart:
    return ObjectPart(id=LayerId("a"), name="a", engine_words=words, seed=seed, **more)  # type: ignore[arg-type]  # names are its own


def library() -> ReferenceLibrary:
    return ReferenceLibrary(Path(resource_dir("library")))


def test_in_a_box_of_its_own_shape_the_picture_is_itself() -> None:
    picture = disc(PX, 0.7)
    seen = Reference(picture, 0.7, followed=True).in_crop(torch.tensor([0.2, 0.3, 0.35, 0.5]), (PX, PX))
    assert torch.allclose(seen[3], picture[3], atol=1e-4)
    inside = picture[3] > 0.5
    assert torch.allclose(seen[:3, inside], picture[:3, inside], atol=1e-3)


@pytest.mark.parametrize("box", [(0.1, 0.2, 0.8, 0.3), (0.1, 0.2, 0.2, 0.6)])
def test_in_another_box_it_stands_on_the_lower_edge_in_the_middle_with_its_own_shape(
    box: tuple[float, float, float, float],
) -> None:
    target = torch.tensor(box)
    seen = Reference(disc(PX), 1.0, followed=True).in_crop(target, (256, 256))
    crop = frames.crop_of(target)
    ys, xs = (seen[3] > 0.5).nonzero(as_tuple=True)
    width = float((xs.max() + 1 - xs.min()) / 256 * crop[2])
    height = float((ys.max() + 1 - ys.min()) / 256 * crop[3])
    assert width == pytest.approx(height, rel=0.08)
    assert max(width / box[2], height / box[3]) == pytest.approx(1.0, abs=0.08)
    assert float(crop[1] + (ys.max() + 1) / 256 * crop[3]) == pytest.approx(box[1] + box[3], abs=0.02)
    assert float(crop[0] + (xs.float().mean() + 0.5) / 256 * crop[2]) == pytest.approx(
        box[0] + box[2] / 2, abs=0.02
    )


def test_the_plate_says_how_near_the_look_is_to_stay() -> None:
    box = torch.tensor([0.1, 0.1, 0.5, 0.5])
    near = [
        float(reference_plate(Reference(disc(PX), 1.0, followed=f), box, PX)[4].max()) for f in (True, False)
    ]
    assert near == [FOLLOWED, LOOSE]
    assert not reference_plate(None, box, PX).any()


def test_a_colour_that_is_asked_for_paints_the_library_picture() -> None:
    plain, blue = find_reference(part("fox"), library()), find_reference(part("blue fox"), library())
    assert plain is not None and blue is not None
    sure = plain.picture[3] > 0.9
    red_of_plain, red_of_blue = (float(one.picture[0, sure].mean()) for one in (plain, blue))
    blue_of_plain, blue_of_blue = (float(one.picture[2, sure].mean()) for one in (plain, blue))
    assert blue_of_blue > red_of_blue + 0.1
    assert red_of_plain > blue_of_plain
    assert torch.equal(plain.picture[3], blue.picture[3])


def test_seeds_turn_library_pictures_round_and_an_outline_that_is_kept_is_not_filled_with_them() -> None:
    found = [find_reference(part("a fox", seed), library()) for seed in range(8)]
    pictures = {one.picture.numpy().tobytes() for one in found if one is not None}
    assert len(pictures) == 2
    assert all(one is not None and one.noun == "fox" and one.followed for one in found)
    loose = find_reference(part("a red fox", follow_reference=False), library())
    assert loose is not None and not loose.followed
    assert find_reference(part("a red fox", use_library=False), library()) is None


def test_a_users_picture_keeps_its_own_fineness() -> None:
    rgba = np.zeros((600, 500, 4), np.uint8)
    rgba[100:500, 100:300] = (200, 40, 30, 255)
    found = find_reference(part("thing", reference=rgba), library())
    assert found is not None and found.aspect == pytest.approx(0.5)
    assert found.picture.shape[1] == pytest.approx(400 * 1.16, abs=2)
    clear = find_reference(part("thing", reference=np.zeros((9, 9, 4), np.uint8)), library())
    assert clear is None


def test_a_look_that_is_its_reference_gets_the_fine_reference_back_under_its_own_light() -> None:
    fine = disc(256)
    shown = torch.nn.functional.avg_pool2d(fine[None], 4)[0]
    dim = shown.clone()
    dim[:3] *= 0.6
    made = with_detail_of(dim, shown, fine)
    inside = fine[3] > 0.99
    assert float((made[:3] - 0.6 * fine[:3]).abs()[:, inside].mean()) < 0.02
    assert float((made[3] - fine[3]).abs().mean()) < 0.01


def test_a_look_that_went_its_own_way_stays_as_it_is() -> None:
    fine = disc(128)
    shown = torch.nn.functional.avg_pool2d(fine[None], 2)[0]
    other = torch.rand(4, PX, PX, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.4
    other = torch.nn.functional.avg_pool2d(other[None], 9, 1, 4)[0]
    made = with_detail_of(other, shown, fine)
    back = torch.nn.functional.avg_pool2d(made[None], 2)[0]
    assert float((back - other).abs().mean()) < 0.03
