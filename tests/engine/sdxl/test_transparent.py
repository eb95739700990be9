"""The transparent networks: published structure and names, strict loading, and the way there and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.unets.unet_2d_blocks import UNetMidBlock2D, get_down_block, get_up_block
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from psdstudio.engine.sdxl import transparent_vae
from psdstudio.engine.sdxl.padded_colour import _area, padded_colour
from psdstudio.engine.sdxl.transparent_decoder import PUBLISHED_CHANNELS, TransparentDecoder
from psdstudio.engine.sdxl.transparent_encoder import TransparentEncoder
from psdstudio.engine.sdxl.transparent_vae import (
    TURNS,
    TransparentVae,
    drawn_test_picture,
    load_transparent_decoder,
    load_transparent_encoder,
    turn,
    turn_back,
)
from psdstudio.errors import ModelIncompatible, ModelLoadFailed, ModelNotFound
from psdstudio.gen.model_files import ModelFile, ModelKind
from tests.engine.sdxl import tiny

pytestmark = pytest.mark.torch
DOWN, UP = ("DownBlock2D",) * 4 + ("AttnDownBlock2D",) * 3, ("AttnUpBlock2D",) * 3 + ("UpBlock2D",) * 4


class PublishedDecoder(nn.Module):
    """The same network put together from diffusers' blocks, as the released code does."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        shared: dict[str, Any] = {"temb_channels": None, "resnet_eps": 1e-5, "resnet_act_fn": "silu"}
        shared |= {
            "resnet_groups": 4,
            "attention_head_dim": 8,
            "resnet_time_scale_shift": "default",
            "dropout": 0.0,
        }
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.latent_conv_in = nn.Conv2d(4, channels[2], 1)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for i, kind in enumerate(DOWN):
            into, out = channels[max(i - 1, 0)], channels[i]
            more = {"add_downsample": i < 6, "downsample_padding": 1, "downsample_type": "conv", **shared}
            block = get_down_block(kind, num_layers=2, in_channels=into, out_channels=out, **more)
            self.down_blocks.append(block)
        self.mid_block = UNetMidBlock2D(
            in_channels=channels[-1],
            temb_channels=None,
            resnet_eps=1e-5,
            attention_head_dim=8,
            resnet_groups=4,
            attn_groups=None,
        )
        back = channels[::-1]
        for i, kind in enumerate(UP):
            sizes = {"in_channels": back[min(i + 1, 6)], "out_channels": back[i]}
            more = {
                "prev_output_channel": back[max(i - 1, 0)],
                "add_upsample": i < 6,
                "upsample_type": "conv",
            }
            self.up_blocks.append(get_up_block(kind, num_layers=3, **sizes, **more, **shared))
        self.conv_norm_out = nn.GroupNorm(4, channels[0], eps=1e-5)
        self.conv_out = nn.Conv2d(channels[0], 4, 3, padding=1)

    def forward(self, picture: Tensor, latents: Tensor) -> Any:
        x = self.conv_in(picture)
        skips: tuple[Tensor, ...] = (x,)
        for i, block in enumerate(self.down_blocks):
            x, left = block(hidden_states=x + self.latent_conv_in(latents) if i == 3 else x, temb=None)
            skips += left
        x = self.mid_block(x, None)
        for block in self.up_blocks:
            x, skips = block(x, skips[-3:], None), skips[:-3]
        return self.conv_out(nn.functional.silu(self.conv_norm_out(x)))


def test_published_sizes() -> None:
    with torch.device("meta"):
        encoder, decoder, published = (
            TransparentEncoder(),
            TransparentDecoder(),
            PublishedDecoder(PUBLISHED_CHANNELS),
        )
    assert sum(p.numel() for p in encoder.parameters()) == 1_181_764
    assert sum(p.numel() for p in decoder.parameters()) == 104_104_804
    assert {k: v.shape for k, v in decoder.state_dict().items()} == {
        k: v.shape for k, v in published.state_dict().items()
    }
    assert list(encoder.state_dict()) == [
        f"blocks.{i}.{kind}" for i in range(0, 17, 2) for kind in ("weight", "bias")
    ]


def test_decoder_computes_what_the_published_blocks_compute() -> None:
    torch.manual_seed(3)
    published = PublishedDecoder(tiny.DECODER_CHANNELS).eval()
    decoder = TransparentDecoder(tiny.DECODER_CHANNELS).eval()
    decoder.load_state_dict(published.state_dict(), strict=True)
    picture, latents = torch.rand(2, 3, 128, 64), torch.randn(2, 4, 16, 8)
    with torch.no_grad():
        torch.testing.assert_close(
            decoder(picture, latents), published(picture, latents), rtol=1e-5, atol=1e-5
        )


def model(path: Path, kind: ModelKind = ModelKind.TRANSPARENT_DECODER) -> ModelFile:
    return ModelFile(kind=kind, path=str(path), sha256="", title="Tiny", size_bytes=path.stat().st_size)


def test_files_come_back_bit_for_bit(tmp_path: Path) -> None:
    encoder, decoder = tiny.write_transparent(tmp_path)
    for network, file in (
        (load_transparent_encoder(model(encoder)), encoder),
        (load_transparent_decoder(model(decoder)), decoder),
    ):
        stored = load_file(file)
        assert stored.keys() == network.state_dict().keys()
        assert all(torch.equal(stored[name], value) for name, value in network.state_dict().items())
        assert not network.training and not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("load", [load_transparent_encoder, load_transparent_decoder])
def test_incomplete_files_are_refused(tmp_path: Path, load: Callable[[ModelFile], nn.Module]) -> None:
    files = tiny.write_transparent(tmp_path)
    file = files[0] if load is load_transparent_encoder else files[1]
    state = load_file(file)
    for name in (next(iter(state)), list(state)[-1]):
        save_file({k: v for k, v in state.items() if k != name}, file)
        with pytest.raises(ModelLoadFailed, match=f"“Tiny” .*{name.rpartition('.')[0]}"):
            load(model(file))
    save_file({**state, "extra": torch.ones(1)}, file)
    with pytest.raises(ModelLoadFailed, match="unknown tensors: extra"):
        load(model(file))


def test_networks_of_flux_are_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "flux.safetensors"
    save_file(TransparentEncoder(tiny.ENCODER_WIDTHS, latent_channels=16).state_dict(), file)
    with pytest.raises(ModelIncompatible, match="Flux"):
        load_transparent_encoder(model(file))
    save_file(TransparentDecoder(tiny.DECODER_CHANNELS, latent_channels=16).state_dict(), file)
    with pytest.raises(ModelIncompatible, match="Flux"):
        load_transparent_decoder(model(file))


@pytest.fixture(scope="module")
def vae() -> TransparentVae:
    return TransparentVae(
        vae=tiny.tiny_vae(),
        decoder=tiny.tiny_transparent_decoder(),
        encoder=tiny.tiny_transparent_encoder(),
        offset_scale=1.0,
    )


def test_latents_follow_the_formula(vae: TransparentVae) -> None:
    rgba = torch.rand(2, 4, 64, 128, generator=torch.Generator().manual_seed(1))
    latents = vae.encode(rgba)
    assert latents.shape == (2, 4, 8, 16) and latents.dtype == torch.float32
    assert vae.encoder is not None
    colour, alpha = rgba[:, :3], rgba[:, 3:]
    with torch.no_grad():
        posterior = vae.vae.encode((2 * colour - 1) * alpha).latent_dist
        offset = vae.encoder(torch.cat([alpha, padded_colour(rgba)], dim=1))
    torch.testing.assert_close(latents, 0.13025 * (posterior.mean + posterior.std * offset))


def test_an_encoder_that_says_nothing_leaves_the_latents_of_the_vae(vae: TransparentVae) -> None:
    rgba = torch.rand(1, 4, 64, 64, generator=torch.Generator().manual_seed(2))
    fresh = TransparentVae(
        vae=vae.vae, decoder=vae.decoder, encoder=TransparentEncoder(tiny.ENCODER_WIDTHS), offset_scale=300.0
    )
    flattened = (rgba[:, :3] - 0.5) * rgba[:, 3:] + 0.5
    torch.testing.assert_close(fresh.encode(rgba), vae.encode_opaque(flattened), rtol=1e-5, atol=1e-6)


def test_offset_scale_multiplies_the_offset(vae: TransparentVae) -> None:
    rgba = torch.rand(1, 4, 64, 64, generator=torch.Generator().manual_seed(3))
    plain, large, none = (
        TransparentVae(vae=vae.vae, decoder=vae.decoder, encoder=vae.encoder, offset_scale=scale).encode(rgba)
        for scale in (1.0, 300.0, 0.0)
    )
    torch.testing.assert_close(large - none, 300 * (plain - none), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 64), (128, 64)])
def test_final_decoding_is_the_median_of_eight_passes(vae: TransparentVae, shape: tuple[int, int]) -> None:
    latents = torch.randn(2, 4, shape[0] // 8, shape[1] // 8, generator=torch.Generator().manual_seed(4))
    final = vae.decode(latents, final=True)
    rgb = vae.decode_opaque(latents)
    passes = []
    for mirrored in (False, True):
        for quarters in range(4):
            pair = [x.numpy()[..., ::-1] if mirrored else x.numpy() for x in (rgb, latents / 0.13025)]
            pair = [np.ascontiguousarray(np.rot90(x, quarters, (2, 3))) for x in pair]
            with torch.no_grad():
                said = vae.decoder(*map(torch.from_numpy, pair)).clamp(0, 1).numpy()
            said = np.rot90(said, -quarters, (2, 3))
            passes.append(said[..., ::-1] if mirrored else said)
    expected = np.sort(passes, axis=0)[3]  # of eight, the lower of the two in the middle, as torch's median
    np.testing.assert_allclose(final.numpy(), np.roll(expected, -1, axis=1), atol=1e-5)
    assert final.shape == (2, 4, *shape) and 0 <= float(final.min()) < float(final.max()) <= 1


def test_preview_is_the_first_pass_with_alpha_last(vae: TransparentVae) -> None:
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    preview = vae.decode(latents, final=False)
    with torch.no_grad():
        said = vae.decoder(vae.decode_opaque(latents), latents / 0.13025).clamp(0, 1)
    assert torch.equal(preview, said[:, [1, 2, 3, 0]])


def test_decoding_one_by_one_is_decoding_together_and_can_be_stopped(vae: TransparentVae) -> None:
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(6))
    both = vae.decode(latents, final=True)
    assert torch.equal(both, torch.cat([vae.decode(one[None], final=True) for one in latents]))
    assert sum(1 for _ in vae.decoding(latents)) == 16
    stopped = vae.decoding(latents)
    next(stopped)
    stopped.close()
    assert torch.equal(both, vae.decode(latents, final=True))


@given(st.sampled_from(TURNS), st.integers(1, 5), st.integers(1, 5))
def test_turns_are_undone_exactly(laid: tuple[bool, int], height: int, width: int) -> None:
    x = torch.arange(2 * height * width).view(1, 2, height, width)
    assert torch.equal(turn_back(turn(x, *laid), *laid), x)


def test_the_eight_turns_differ() -> None:
    x = torch.arange(4).view(2, 2)
    assert len({tuple(turn(x, *laid).flatten().tolist()) for laid in TURNS}) == 8


@pytest.mark.parametrize("shape", [(64, 100), (32, 64), (64, 0)])
def test_sides_must_be_multiples_of_64(vae: TransparentVae, shape: tuple[int, int]) -> None:
    with pytest.raises(ModelIncompatible, match=f"{shape[1]} x {shape[0]}"):
        vae.encode(torch.zeros(1, 4, *shape))
    with pytest.raises(ModelIncompatible, match="multiples of 64"):
        vae.decode(torch.zeros(1, 4, shape[0] // 8, shape[1] // 8), final=False)


def test_without_an_encoder_encoding_says_what_is_missing(vae: TransparentVae) -> None:
    with pytest.raises(ModelNotFound, match="transparent encoder is missing"):
        TransparentVae(vae=vae.vae, decoder=vae.decoder).encode(torch.zeros(1, 4, 64, 64))


def test_offset_scale_is_found_by_a_round_trip(vae: TransparentVae, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair trained to bring a picture back at scale 1 is known as such, and so is its copy for scale 300."""
    monkeypatch.setattr(transparent_vae, "drawn_test_picture", lambda: drawn_test_picture(64))
    encoder, decoder = tiny.tiny_transparent_encoder(7), tiny.tiny_transparent_decoder(7)
    nn.init.normal_(encoder.blocks[-1].weight, std=2.0)  # type: ignore[arg-type]
    trained = TransparentVae(vae=vae.vae, decoder=decoder, encoder=encoder, offset_scale=1.0)
    drawn = drawn_test_picture(64)
    latents = trained.encode(drawn)
    rgb = trained.decode_opaque(latents)
    target = drawn[:, [3, 0, 1, 2]]
    decoder.requires_grad_()
    optimizer = torch.optim.Adam(decoder.parameters(), lr=5e-3)
    for _ in range(15):
        loss = (decoder(rgb, latents / 0.13025) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    decoder.requires_grad_(requires_grad=False)
    assert TransparentVae(vae=vae.vae, decoder=decoder, encoder=encoder).scale(torch.device("cpu")) == 1.0
    with torch.no_grad():
        for parameter in encoder.blocks[-1].parameters():
            parameter.div_(300)
    assert TransparentVae(vae=vae.vae, decoder=decoder, encoder=encoder).scale(torch.device("cpu")) == 300.0


def test_padded_colour_keeps_what_is_opaque_and_fills_the_rest() -> None:
    rgba = torch.zeros(1, 4, 40, 56)
    rgba[:, 0, 10:30, 10:30], rgba[:, 3, 10:30, 10:30] = 1.0, 1.0
    rgba[:, 2, :, 40:], rgba[:, 3, :, 40:] = 1.0, 1.0
    rgba[:, 1, :5, :5] = 1.0  # invisible green must not come through
    padded = padded_colour(rgba)
    visible = rgba[:, 3:] == 1
    assert torch.equal(padded * visible, rgba[:, :3] * visible)
    assert float(padded[:, 1].abs().max()) == 0.0
    torch.testing.assert_close(padded[:, 0] + padded[:, 2], torch.ones(1, 40, 56), rtol=1e-5, atol=1e-5)
    assert padded[0, 0, 20, 5] > 0.8 and padded[0, 2, 20, 5] < 0.2


def test_padded_colour_of_nothing_is_black_and_of_one_colour_that_colour() -> None:
    assert float(padded_colour(torch.zeros(1, 4, 16, 24)).abs().max()) == 0.0
    rgba = torch.rand(1, 4, 33, 17, generator=torch.Generator().manual_seed(8))
    rgba[:, :3] = torch.tensor([0.2, 0.5, 0.8]).view(1, 3, 1, 1)
    torch.testing.assert_close(padded_colour(rgba), rgba[:, :3], rtol=1e-4, atol=1e-4)


def test_shrinking_by_area_keeps_the_mean() -> None:
    picture = torch.rand(1, 1, 60, 48, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    small = _area(picture, (50, 40))
    torch.testing.assert_close(small.mean(), picture.mean())
    assert torch.allclose(_area(picture, (30, 24)), nn.functional.avg_pool2d(picture, 2))
    finer = picture.repeat_interleave(5, 2).repeat_interleave(5, 3)  # sixths of what is made
    torch.testing.assert_close(small, nn.functional.avg_pool2d(finer, 6))
