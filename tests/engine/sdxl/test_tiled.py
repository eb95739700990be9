"""Large pictures by tiles: as the whole where the network sees no further than the margin, without seams elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from psdstudio.core.geometry import Size
from psdstudio.engine.sdxl.tiled import Tiling, decoded, finished
from psdstudio.engine.sdxl.upscaling import (
    Denoise,
    SecondPass,
    enlarged,
    painted_anew,
    second_size,
    tile_count,
    tiling_of,
)
from tests.engine.sdxl import drawn
from tests.engine.sdxl.tiny import tiny_vae

pytestmark = pytest.mark.torch
SMALL = Tiling(tile=128, overlap=64, margin=16)


@given(
    cells=st.integers(1, 60),
    tile=st.sampled_from([64, 128, 512, 1024]),
    overlap=st.sampled_from([24, 32, 64, 192]),
    margin=st.sampled_from([0, 8, 32]),
)
def test_tiles_cover_an_axis_and_every_pixel_counts(cells: int, tile: int, overlap: int, margin: int) -> None:
    length = 64 * cells
    if not 2 * margin < overlap <= tile // 2:
        with pytest.raises(ValueError, match="overlap"):
            Tiling(tile=tile, overlap=overlap, margin=margin)
        return
    tiling = Tiling(tile=tile, overlap=overlap, margin=margin)
    spans = tiling.spans(length)
    assert spans[0].start == 0 and spans[-1].end == length
    total = torch.zeros(length)
    for span in spans:
        assert span.start % 8 == 0 and (span.end - span.start) % 64 == 0 and span.end - span.start <= tile
        total[span.start : span.end] += tiling.weight(span, span)[:, (span.end - span.start) // 2]
    assert float(total.min()) > 0
    for before, after in pairwise(spans):
        assert before.end - after.start >= overlap


def conv_decoder(reach: int) -> nn.Module:
    """Upsamples by 8; sees `reach` latent pixels around each, so 8 reach pixels."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 8, 2 * reach + 1, padding=reach),
        nn.SiLU(),
        nn.Upsample(scale_factor=8),
        nn.Conv2d(8, 3, 1),
    ).requires_grad_(False)


def test_a_decoder_that_sees_no_further_than_the_margin_gives_the_whole() -> None:
    latents = torch.randn(4, 32, 48, generator=torch.Generator().manual_seed(1))
    decode = conv_decoder(reach=2)
    whole, tiles = decode(latents[None])[0], decoded(latents, decode, SMALL)
    assert tiles.shape == (3, 256, 384)
    assert float((whole - tiles).abs().max()) < 1e-5
    far = conv_decoder(reach=4)
    assert float((far(latents[None])[0] - decoded(latents, far, SMALL)).abs().max()) > 1e-3


def test_the_vae_by_tiles_is_near_the_whole() -> None:
    """Its group norms and attention see everything, so not to the bit: within a quarter of the picture's spread for
    latents of pure noise, and nowhere with a step where tiles meet."""
    vae = tiny_vae()
    latents = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(2))

    def decode(part: Tensor) -> Tensor:
        picture: Tensor = vae.decode(part).sample
        return picture

    whole, tiles = decode(latents[None])[0], decoded(latents, decode, SMALL)
    assert float((whole - tiles).abs().mean()) < 0.25 * float(whole.std())
    steps = tiles.diff(dim=-1).abs().mean(dim=(0, 1))
    usual = whole.diff(dim=-1).abs().mean(dim=(0, 1))
    cuts = [edge for span in SMALL.spans(256) for edge in (span.start, span.end) if 0 < edge < 256]
    for cut in cuts:
        assert float(steps[cut - 17 : cut + 17].max()) < 1.2 * float(usual.max())
    one = decoded(latents[:, :16, :16], decode, SMALL)
    assert torch.equal(one, decode(latents[None, :, :16, :16])[0]), "one tile is the whole"


def nothing_new(tiling: Tiling = SMALL) -> SecondPass:
    """A network that finds nothing to add: what is encoded comes back (at an eighth, so coarse)."""

    def encode(picture: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(picture[:, [0, 1, 2, -1]], 8)

    def decode(latents: Tensor) -> Tensor:
        return nn.functional.interpolate(latents, scale_factor=8, mode="bilinear", align_corners=False)

    return SecondPass(
        encode=encode, denoise=in_one_step(lambda clean, noise, share: clean), decode=decode, tiling=tiling
    )


def in_one_step(change: Callable[[Tensor, Tensor, float], Tensor]) -> Denoise:
    """Denoise by one step that does this."""

    def denoise(clean: Tensor, noise: Tensor, strength: float) -> Generator[None, None, Tensor]:
        yield
        return change(clean, noise, strength)

    return denoise


@pytest.mark.parametrize(
    ("canvas", "size"),
    [
        (Size(1024, 1024), None),
        (Size(1150, 1150), None),
        (Size(2048, 2048), Size(2048, 2048)),
        (Size(1500, 1480), Size(1536, 1536)),
        (Size(20_000, 20_000), Size(4096, 4096)),
        (Size(500, 500), None),
    ],
)
def test_only_larger_canvases_have_a_second_pass(canvas: Size, size: Size | None) -> None:
    assert second_size(Size(1024, 1024), canvas) == size


@given(columns=st.integers(1, 32), rows=st.integers(1, 32))
def test_tiles_are_as_large_as_the_bucket(columns: int, rows: int) -> None:
    tiling = tiling_of(Size(64 * columns, 64 * rows))
    assert tiling.tile**2 <= max(64 * 64, 64 * columns * 64 * rows)
    assert tiling_of(Size(1216, 832)) == Tiling(tile=960, overlap=176, margin=24)


def test_the_second_size_keeps_the_aspect_of_the_bucket() -> None:
    size = second_size(Size(1216, 832), Size(3648, 2500))
    assert size is not None
    assert size.width % 64 == size.height % 64 == 0
    assert size.width / size.height == pytest.approx(1216 / 832, rel=0.03)


def test_clear_tiles_are_skipped_and_counted_out() -> None:
    thing = torch.zeros(4, 128, 128)
    thing[:, 10:40, 10:40] = 0.8
    size = Size(512, 512)
    seen: list[tuple[int, ...]] = []
    second = nothing_new()

    def encode(picture: Tensor) -> Tensor:
        seen.append(tuple(picture.shape))
        return second.encode(picture)

    counted = SecondPass(encode=encode, denoise=second.denoise, decode=second.decode, tiling=SMALL)
    out = finished(painted_anew(thing, size, 1, counted))
    assert len(seen) == tile_count(thing, size, SMALL) == 9
    assert all(shape == (1, 4, 128, 128) for shape in seen)
    assert out.shape == (4, 512, 512)
    assert not out[3, 300:, 300:].any()
    told = list(painted_anew(thing, size, 1, counted))
    assert told == sorted([*range(9), *range(1, 10)]), "after the step of every tile, and after the tile"


def test_a_flat_picture_stays_flat_without_seams() -> None:
    """Whatever a network does to the tiles' means, coarse colours are those of the first pass."""
    flat = torch.full((3, 128, 128), 0.4)
    rng = torch.Generator().manual_seed(5)
    second = nothing_new()
    drifting = SecondPass(
        encode=second.encode,
        denoise=in_one_step(lambda clean, noise, share: clean + 0.2 * torch.rand(1, 4, 1, 1, generator=rng)),
        decode=lambda latents: second.decode(latents)[:, :3],
        tiling=SMALL,
    )
    out = finished(painted_anew(flat, Size(512, 512), 1, drifting))
    assert float((out - 0.4).abs().max()) < 1e-4


@given(seed=st.integers(0, 2**63 - 1))
@settings(max_examples=10)
def test_the_second_pass_is_deterministic_and_its_noise_belongs_to_places(seed: int) -> None:
    flat = torch.full((3, 64, 64), 0.5)
    second = nothing_new()
    noises: list[Tensor] = []

    def denoise(clean: Tensor, noise: Tensor, strength: float) -> Tensor:
        noises.append(noise)
        return clean + strength * noise

    noisy = SecondPass(
        encode=second.encode,
        denoise=in_one_step(denoise),
        decode=lambda z: second.decode(z)[:, :3],
        tiling=SMALL,
    )
    first = finished(painted_anew(flat, Size(192, 128), seed, noisy))
    assert torch.equal(first, finished(painted_anew(flat, Size(192, 128), seed, noisy)))
    assert len(noises) == 4
    assert torch.equal(noises[0][..., 8:], noises[1][..., :8]), (
        "two tiles share the noise of the place they share"
    )


def test_enlarging_keeps_colours_at_soft_edges() -> None:
    big = enlarged(drawn.ball(64, shadow=0)[0], Size(256, 256))
    edge = (big[3] > 0.1) & (big[3] < 0.9)
    assert float((big[:3, edge] - torch.tensor([0.8, 0.2, 0.15])[:, None]).abs().max()) < 0.02
