"""Sizes that SDXL paints at, and the document's layers, boxes and holes at those sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from psdstudio.core.geometry import BoxF, Rect, Size
from psdstudio.engine.sdxl.canvas import (
    NATIVE_AREA,
    bucket_of,
    layout_of_box,
    layout_of_silhouette,
    on_canvas,
    unknown_latents,
)
from psdstudio.errors import ModelIncompatible
from psdstudio.gen.request import PartlyKnown, Raster

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        (Size(1000, 1000), Size(1024, 1024)),
        (Size(3000, 2000), Size(1216, 832)),
        (Size(1920, 1080), Size(1344, 768)),
        (Size(1080, 1920), Size(768, 1344)),
        (Size(4000, 1000), Size(2048, 512)),
        (Size(4096, 3072), Size(1152, 896)),
        (Size(40, 30), Size(1152, 896)),
    ],
)
def test_buckets_are_those_of_sdxl(size: Size, bucket: Size) -> None:
    assert bucket_of(size) == bucket


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    area=st.sampled_from([128 * 128, 512 * 512, 768 * 768, NATIVE_AREA]),
)
def test_every_canvas_has_a_bucket_or_is_refused(width: int, height: int, area: int) -> None:
    aspect = width / height
    if not 1 / 5 <= aspect <= 5:
        with pytest.raises(ModelIncompatible, match=f"{width} × {height}"):
            bucket_of(Size(width, height), area)
        return
    bucket = bucket_of(Size(width, height), area)
    assert bucket.width % 64 == bucket.height % 64 == 0
    assert 0.89 * area < bucket.width * bucket.height <= area
    if area == NATIVE_AREA and 0.26 < aspect < 3.9:
        assert bucket.width / bucket.height == pytest.approx(aspect, rel=0.09)


def drawn(rect: Rect, seed: int = 0) -> Raster:
    rng = np.random.default_rng(seed)
    return Raster(rgba=rng.integers(0, 256, (rect.height, rect.width, 4), dtype=np.uint8), rect=rect)


def test_a_layer_of_the_buckets_own_size_is_read_as_it_is() -> None:
    raster = drawn(Rect(0, 0, 128, 128))
    raster.rgba[..., 3] |= 32  # nowhere so clear that the colour is taken from its neighbours
    seen = on_canvas(raster, Size(128, 128), Size(128, 128))
    assert float((seen - torch.from_numpy(raster.rgba).permute(2, 0, 1) / 255).abs().max()) < 1e-3


def test_a_layer_lies_where_it_lay_and_no_colour_of_clear_pixels_is_mixed_in() -> None:
    rgba = np.zeros((40, 60, 4), np.uint8)
    rgba[10:30, 20:50] = (200, 100, 50, 255)
    rgba[..., :3][rgba[..., 3] == 0] = (0, 255, 0)  # what lies under alpha 0 must not be seen
    seen = on_canvas(Raster(rgba=rgba, rect=Rect(30, 70, 60, 40)), Size(256, 256), Size(128, 128))
    rows, columns = torch.nonzero(seen[3] > 0.5, as_tuple=True)
    assert (int(rows.min()), int(rows.max())) == (40, 49)
    assert (int(columns.min()), int(columns.max())) == (25, 39)
    colour = torch.tensor([200, 100, 50]).view(3, 1, 1) / 255
    assert float((seen[:3] - colour).abs().max()) < 0.01


@given(x=st.integers(-200, 300), y=st.integers(-200, 300), w=st.integers(1, 400), h=st.integers(1, 400))
def test_the_mass_of_a_layer_is_that_of_its_part_on_the_canvas(x: int, y: int, w: int, h: int) -> None:
    rect, canvas = Rect(x, y, w, h), Size(256, 192)
    whole = Raster(rgba=np.full((h, w, 4), 255, np.uint8), rect=rect)
    seen = on_canvas(whole, canvas, Size(128, 128))
    inside = rect.intersection(Rect(0, 0, 256, 192))
    want = (0 if inside.is_empty else inside.width * inside.height) / (256 * 192)
    assert float(seen[3].mean()) == pytest.approx(want, abs=0.005)
    assert bool((seen >= 0).all()) and bool((seen <= 1).all())


def test_boxes_and_silhouettes_say_the_same_of_the_same_place() -> None:
    canvas, bucket = Size(400, 300), Size(512, 384)
    rect = Rect(50, 75, 130, 95)
    box = layout_of_box(BoxF.from_rect(rect, canvas), bucket)
    full = Raster(rgba=np.full((95, 130, 4), 255, np.uint8), rect=rect)
    assert box.shape == (12, 16)
    assert float(box.sum()) == pytest.approx(12 * 16 * 130 * 95 / (400 * 300), rel=1e-5)
    assert float((layout_of_silhouette(full, canvas, bucket) - box).abs().max()) < 0.02


def test_a_box_off_the_canvas_covers_nothing() -> None:
    assert float(layout_of_box(BoxF(1.2, 0.1, 0.3, 0.3), Size(512, 512)).abs().max()) == 0
    assert float(layout_of_box(BoxF(-1, -1, 3, 3), Size(512, 512)).min()) == 1


def test_a_latent_is_made_as_soon_as_one_of_its_pixels_is_unknown() -> None:
    raster = drawn(Rect(0, 0, 256, 256))
    unknown = np.zeros((256, 256), bool)
    unknown[16, 33] = True  # a fourth of one pixel of the bucket
    made = unknown_latents(PartlyKnown(raster=raster, unknown=unknown), Size(256, 256), Size(128, 128))
    assert made.shape == (16, 16)
    assert torch.nonzero(made).tolist() == [[1, 2]]
    unknown[:] = True
    assert bool(
        unknown_latents(PartlyKnown(raster=raster, unknown=unknown), Size(256, 256), Size(128, 128)).all()
    )
