"""Transparent pictures to latents and back: LayerDiffuse's latent transparency around SDXL's VAE.

Zhang & Agrawala, "Transparent Image Layer Diffusion using Latent Transparency", arXiv 2402.17113, and the released
code: the VAE encodes the picture flattened on grey, the transparent encoder adds an offset within the VAE's standard
deviation; the transparent decoder reads picture and latents and says alpha and colour.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from psdstudio.engine.sdxl.padded_colour import padded_colour
from psdstudio.engine.sdxl.tensor_file import check_unchanged, fill, read_tensors
from psdstudio.engine.sdxl.tiled import finished
from psdstudio.engine.sdxl.transparent_decoder import MULTIPLE, TransparentDecoder, decoder_channels
from psdstudio.engine.sdxl.transparent_encoder import TransparentEncoder, encoder_widths
from psdstudio.errors import ModelIncompatible, ModelNotFound
from psdstudio.gen.model_files import ModelFile

OFFSET_SCALES = (1.0, 300.0)
"""Of the file for Forge (layerdiffusion-v1) and of that for diffusers (LayerDiffuse_Diffusers); no other difference."""
TURNS = tuple((flipped, quarters) for flipped in (False, True) for quarters in range(4))
"""The eight ways to lay a picture: mirrored or not, then turned by quarters."""
_SDXL_FILES = "Get the files that LayerDiffuse published for SDXL."


@dataclass(slots=True, kw_only=True, eq=False)
class TransparentVae:
    """SDXL's VAE and the two transparent networks, where the caller has placed them; results lie where inputs do.

    Attributes:
        vae: diffusers' AutoencoderKL.
        decoder: Transparent decoder.
        encoder: Transparent encoder; None when the user has none, and then nothing can be encoded.
        offset_scale: What the encoder's offset is multiplied by. None: the one of `OFFSET_SCALES` with which a drawn
            picture comes back better, found at the first encoding.
    """

    vae: Any
    decoder: TransparentDecoder
    encoder: TransparentEncoder | None = None
    offset_scale: float | None = None
    _found_scale: float | None = field(default=None, init=False)

    @torch.no_grad()
    def encode(self, rgba: Tensor) -> Tensor:
        """Return the latents of transparent pictures: (b, 4, h/8, w/8) float32, times the VAE's scaling factor.

        latents = scaling factor * (mean + standard deviation * scale * offset), of the posterior of
        (2 colour - 1) * alpha.

        Args:
            rgba: (b, 4, h, w) 0..1, straight alpha, sides multiples of 64, where the VAE computes.

        Raises:
            ModelNotFound: There is no transparent encoder.
            ModelIncompatible: A side is not a multiple of 64.
        """
        if self.encoder is None:
            raise ModelNotFound(
                "The transparent encoder is missing, without which layers cannot be kept or changed.",
                "Add vae_transparent_encoder.safetensors of LayerDiffuse to your models.",
            )
        check_sides(rgba)
        scale = self.scale(rgba.device)
        return torch.cat([self._encode_one(one, scale) for one in rgba.float().unsqueeze(1).unbind()])

    @torch.no_grad()
    def encode_opaque(self, rgb: Tensor) -> Tensor:
        """Return the latents of opaque pictures, the posterior's mean: (b, 4, h/8, w/8) float32, scaled as `encode`'s.

        Args:
            rgb: (b, 3, h, w) 0..1, sides multiples of 8, where the VAE computes.
        """
        means = [self._posterior(2 * one - 1).mean.float() for one in rgb.float().unsqueeze(1).unbind()]
        return torch.cat(means) * float(self.vae.config.scaling_factor)

    def decode(self, latents: Tensor, *, final: bool) -> Tensor:
        """Return transparent pictures at once; see `decoding`."""
        return finished(self.decoding(latents, final=final))

    @torch.no_grad()
    def decoding(self, latents: Tensor, *, final: bool = True) -> Generator[None, None, Tensor]:
        """Return transparent pictures, (b, 4, h, w) float32 in 0..1, straight alpha; yields after each pass of each.

        Args:
            latents: (b, 4, h/8, w/8), times the scaling factor; sides of the picture multiples of 64.
            final: Take the median of eight passes, each of the picture laid another way; else one pass, for previews.
                As in the released code it is the lower of the two middle values.

        Raises:
            ModelIncompatible: A side is not a multiple of 64.
        """
        check_sides(latents, pixels=8)
        turns = TURNS if final else TURNS[:1]
        pictures = []
        for one in latents.unsqueeze(1).unbind():
            unscaled = one / float(self.vae.config.scaling_factor)
            rgb = self._decode_opaque(unscaled)
            passes = []
            for flipped, quarters in turns:
                turned = self._pass(turn(rgb, flipped, quarters), turn(unscaled, flipped, quarters))
                passes.append(turn_back(turned, flipped, quarters))
                yield
            alpha_rgb = torch.stack(passes).median(0).values
            pictures.append(torch.cat([alpha_rgb[:, 1:], alpha_rgb[:, :1]], dim=1))
        return torch.cat(pictures)

    @torch.no_grad()
    def decode_opaque(self, latents: Tensor) -> Tensor:
        """Return opaque pictures, (b, 3, h, w) float32 in 0..1, of latents times the scaling factor."""
        return torch.cat(
            [
                self._decode_opaque(one / float(self.vae.config.scaling_factor))
                for one in latents.unsqueeze(1).unbind()
            ]
        )

    @torch.no_grad()
    def scale(self, device: torch.device) -> float:
        """Return what the encoder's offset is multiplied by; found once by encoding and decoding a drawn picture.

        Args:
            device: Where the networks compute; not where they lie, if they come and go.
        """
        if self.offset_scale is not None:
            return self.offset_scale
        if self._found_scale is None:
            drawn = drawn_test_picture().to(device)
            self._found_scale = min(OFFSET_SCALES, key=lambda scale: self._loss(drawn, scale))
        return self._found_scale

    def _loss(self, rgba: Tensor, scale: float) -> float:
        back = self.decode(self._encode_one(rgba, scale), final=False)
        colour, alpha = (back[:, :3] - rgba[:, :3]) * rgba[:, 3:], back[:, 3:] - rgba[:, 3:]
        loss = float(colour.square().mean() + alpha.square().mean())
        return loss if loss == loss else float("inf")  # a wrong scale may overflow

    def _encode_one(self, rgba: Tensor, scale: float) -> Tensor:
        assert self.encoder is not None
        colour, alpha = rgba[:, :3], rgba[:, 3:]
        posterior = self._posterior((2 * colour - 1) * alpha)  # on mid-grey, which is 0
        fed = torch.cat([alpha, padded_colour(rgba)], dim=1)
        offset = self.encoder(fed.to(_dtype(self.encoder))).float() * scale
        mean, deviation = posterior.mean.float(), posterior.std.float()
        latents: Tensor = (mean + deviation * offset) * float(self.vae.config.scaling_factor)
        return latents

    def _posterior(self, picture: Tensor) -> Any:
        return self.vae.encode(picture.to(self.vae.dtype)).latent_dist

    def _decode_opaque(self, unscaled: Tensor) -> Tensor:
        picture: Tensor = self.vae.decode(unscaled.to(self.vae.dtype)).sample
        picture = picture.float() / 2 + 0.5
        return picture.clamp(0, 1)

    def _pass(self, rgb: Tensor, unscaled: Tensor) -> Tensor:
        dtype = _dtype(self.decoder)
        said: Tensor = self.decoder(rgb.to(dtype), unscaled.to(dtype))
        return said.float().clamp(0, 1)


def turn(x: Tensor, flipped: bool, quarters: int) -> Tensor:
    """Return pictures (..., h, w) mirrored or not, then turned by quarters counterclockwise."""
    return torch.rot90(x.flip(-1) if flipped else x, quarters, (-2, -1))


def turn_back(x: Tensor, flipped: bool, quarters: int) -> Tensor:
    """Undo `turn`."""
    x = torch.rot90(x, -quarters, (-2, -1))
    return x.flip(-1) if flipped else x


def check_sides(x: Tensor, *, pixels: int = 1) -> None:
    """Refuse pictures whose sides (times `pixels`) the transparent decoder cannot halve six times."""
    height, width = (side * pixels for side in x.shape[-2:])
    if height % MULTIPLE or width % MULTIPLE or not height or not width:
        raise ModelIncompatible(
            f"Transparent pictures need sides that are multiples of {MULTIPLE} pixels; this one is {width} x {height}.",
            "Choose another size.",
        )


def load_transparent_encoder(model: ModelFile, *, dtype: torch.dtype = torch.float32) -> TransparentEncoder:
    """Read a transparent encoder, strictly, on the CPU.

    Raises:
        ModelNotFound, ModelLoadFailed: As `read_tensors`; or a tensor is missing, unknown or of another shape.
        ModelIncompatible: It belongs to another family's VAE.
    """
    state = read_tensors(check_unchanged(model), dtype=dtype)
    _check_family(model, state.get("blocks.16.weight"), axis=0)
    with torch.device("meta"):
        encoder = TransparentEncoder(encoder_widths(state))
    fill(encoder, state, source=f"“{model.title}”")
    return encoder


def load_transparent_decoder(model: ModelFile, *, dtype: torch.dtype = torch.float32) -> TransparentDecoder:
    """Read a transparent decoder, strictly, on the CPU. Raises as `load_transparent_encoder`."""
    state = read_tensors(check_unchanged(model), dtype=dtype)
    _check_family(model, state.get("latent_conv_in.weight"), axis=1)
    with torch.device("meta"):
        decoder = TransparentDecoder(decoder_channels(state))
    fill(decoder, state, source=f"“{model.title}”")
    return decoder


def drawn_test_picture(size_px: int = 256) -> Tensor:
    """Return (1, 4, size, size): a red disc with a soft edge and half-clear glass beside it, to tell scales by."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size_px)] * 2, indexing="ij")
    disc = ((0.5 - torch.hypot(x + 0.35, y)) / 0.1).clamp(0, 1)
    glass = ((x > 0.25) & (x < 0.85) & (y.abs() < 0.6)).float() * 0.5
    colour = torch.stack([0.9 * disc + 0.2 * glass, 0.2 + 0.5 * glass, 0.3 + 0.6 * glass])
    return torch.cat([colour.clamp(0, 1), torch.maximum(disc, glass)[None]])[None]


def _check_family(model: ModelFile, tensor: Tensor | None, *, axis: int) -> None:
    if tensor is not None and tensor.ndim == 4 and tensor.shape[axis] == 16:
        raise ModelIncompatible(
            f"“{model.title}” belongs to Flux (16 latent channels); SDXL has 4.", _SDXL_FILES
        )


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
