"""The base model that a joint adapter is trained for, as the user has it: SDXL weights and LayerDiffuse's files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from psdstudio.core.layers import LayerId
from psdstudio.engine.sdxl.adapters_file import Changes
from psdstudio.engine.sdxl.loading import BaseModel, load_base
from psdstudio.engine.sdxl.lora_files import read_adapter
from psdstudio.engine.sdxl.prompts import TextParts, encode_scene
from psdstudio.engine.sdxl.rows import SceneRow
from psdstudio.engine.sdxl.transparent_vae import (
    TransparentVae,
    load_transparent_decoder,
    load_transparent_encoder,
)
from psdstudio.errors import ModelIncompatible, ModelNotFound
from psdstudio.gen.model_files import ModelFile, ModelKind
from psdstudio.models.adding import add_models, find_models
from psdstudio.models.readiness import BASE_KINDS
from psdstudio.training.joint_network import identities
from psdstudio.training.joint_scenes import U8Array


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseFiles:
    """Which files a training uses: the base model, LayerDiffuse's two networks and its change of the UNet."""

    base: ModelFile
    encoder: ModelFile
    decoder: ModelFile
    transparent: ModelFile


def find_base(base: Path, layerdiffuse: Path) -> BaseFiles:
    """Recognise the files by their content and read them whole once, for their SHA-256.

    Raises:
        ModelNotFound: One is missing; the sentence says which.
        ModelIncompatible, ModelLoadFailed: One is of another family, or damaged.
    """
    models = [*add_models(base), *find_models(layerdiffuse).models]
    return BaseFiles(
        base=_wanted(models, BASE_KINDS, base, "An SDXL model"),
        encoder=_wanted(
            models,
            (ModelKind.TRANSPARENT_ENCODER,),
            layerdiffuse,
            "LayerDiffuse's transparent encoder (vae_transparent_encoder.safetensors)",
        ),
        decoder=_wanted(
            models,
            (ModelKind.TRANSPARENT_DECODER,),
            layerdiffuse,
            "LayerDiffuse's transparent decoder (vae_transparent_decoder.safetensors)",
        ),
        transparent=_wanted(
            models,
            (ModelKind.TRANSPARENT_LORA, ModelKind.TRANSPARENT_OFFSET),
            layerdiffuse,
            "LayerDiffuse's transparent layers for SDXL (layer_xl_transparent_attn.safetensors)",
        ),
    )


class BaseCoder:
    """The encoders and decoders of a base model on one device; see `joint_encode.SceneCoder`.

    `object_changes` are LayerDiffuse's changes of the UNet for object rows, on the processor.

    Args:
        files: What to load.
        device: Where pictures and words are encoded.
        dtype: Of the text encoders; the VAE and the transparent networks compute in float32, where SDXL's VAE is safe.
    """

    def __init__(self, files: BaseFiles, *, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.base: BaseModel = load_base(files.base, dtype=dtype, vae_dtype=torch.float32)
        self.vae = TransparentVae(
            vae=self.base.vae,
            decoder=load_transparent_decoder(files.decoder),
            encoder=load_transparent_encoder(files.encoder),
        )
        self.identity = f"{files.base.sha256} {files.encoder.sha256} {files.decoder.sha256}"
        self._text = TextParts(tokenizers=self.base.tokenizers, encoders=self.base.text_encoders)
        self.object_changes: Changes = read_adapter(files.transparent, self.base).unet
        self._device = torch.device("cpu")
        self.to(device)

    def to(self, device: torch.device) -> None:
        """Move all networks but the UNet."""
        networks: tuple[Any, ...] = (self.vae.vae, self.vae.encoder, self.vae.decoder, *self._text.encoders)
        for network in networks:
            network.to(device)
        self._device = device

    @property
    def device(self) -> torch.device:
        """Where pictures are encoded and decoded."""
        return self._device

    def opaque(self, rgb: U8Array) -> Tensor:
        """Return the latents of an opaque picture."""
        return self.vae.encode_opaque(self._picture(rgb))[0]

    def transparent(self, rgba: U8Array) -> Tensor:
        """Return the latents of a transparent picture."""
        return self.vae.encode(self._picture(rgba))[0]

    def read(self, background: str, objects: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Encode words as the engine does; what a row is told that is told nothing comes from its negative words.

        Raises:
            PromptError: Somebody wrote more words into a layer's name than the engine reads.
        """
        said = ("", background, *objects)
        rows = [
            SceneRow(identity=identity, id=None if at == 0 else LayerId(f"row-{at}"), words=words)
            for at, (identity, words) in enumerate(zip(identities(len(objects)), said, strict=True))
        ]
        text = encode_scene(self._text, rows, device=self._device)
        return text.words, text.pooled, text.negative_words[0], text.negative_pooled[0]

    def _picture(self, pixels: U8Array) -> Tensor:
        return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float().to(self._device) / 255


def _wanted(models: Iterable[ModelFile], kinds: tuple[ModelKind, ...], where: Path, what: str) -> ModelFile:
    found = [model for model in models if model.kind in kinds]
    if not found:
        raise ModelNotFound(f"{what} is missing in “{where}”.", "Give the folder that holds it.")
    if len(found) > 1:
        raise ModelIncompatible(f"“{where}” holds more than one file of {what}.", "Give a folder of one.")
    return found[0]
