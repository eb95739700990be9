"""All networks of the photoreal engine, loaded from the user's files and joined: UNet with rows, encoders, adapters."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from psdstudio.engine.sdxl.acceleration import Acceleration, acceleration_of
from psdstudio.engine.sdxl.adapters_file import AdapterWeights, JointAdapter, read_joint_adapter
from psdstudio.engine.sdxl.device import Precision
from psdstudio.engine.sdxl.image_reading import ImageReader, load_image_reader
from psdstudio.engine.sdxl.joint_attention import MEETING
from psdstudio.engine.sdxl.layer_embedding import LayerEmbedding
from psdstudio.engine.sdxl.loading import BaseModel, load_base
from psdstudio.engine.sdxl.lora_files import read_adapter
from psdstudio.engine.sdxl.placement import Parts
from psdstudio.engine.sdxl.prompts import TextParts, adapting_rows
from psdstudio.engine.sdxl.row_adapters import RowAdapters
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.scene import RowAdapterNames
from psdstudio.engine.sdxl.transparent_vae import (
    TransparentVae,
    load_transparent_decoder,
    load_transparent_encoder,
)
from psdstudio.errors import ModelIncompatible, ModelNotFound
from psdstudio.gen.model_files import EngineSetup, ModelFile, ModelKind
from psdstudio.gen.weights.pairing import reference_pair

BASE_KINDS = (ModelKind.SDXL_FOLDER, ModelKind.SDXL_CHECKPOINT)
TRANSPARENT_KINDS = (ModelKind.TRANSPARENT_LORA, ModelKind.TRANSPARENT_OFFSET)
_ADD = "Add it to your models: Scene > Models…, or psdstudio models add PATH."


@dataclass(slots=True, kw_only=True, eq=False)
class Networks:
    """What a run computes with, on the CPU until it is placed.

    Attributes:
        base: The SDXL model.
        transparent: Its VAE with LayerDiffuse's encoder and decoder.
        network: The UNet, open for rows, with the adapters that every run uses.
        text_adapters: Of the two text encoders.
        names: Which adapters act on which rows.
        trained: A joint adapter is attached: kept rows are shown clean.
        wide: Rows meet at the 64x64 level too.
        images: Reads reference pictures for an IP-Adapter; None where the user has none.
        acceleration: The few-step adapter that is switched on.
        used: The files that were read, for the identity of results.
        notes: What the user should know of them in every run.
    """

    base: BaseModel
    transparent: TransparentVae
    network: RowNetwork
    text_adapters: tuple[RowAdapters, RowAdapters]
    names: RowAdapterNames
    trained: bool
    wide: bool
    images: ImageReader | None
    acceleration: ModelFile | None
    used: tuple[ModelFile, ...]
    notes: tuple[str, ...] = ()
    _loras: dict[str, ModelFile] = field(default_factory=dict)

    @property
    def parts(self) -> Parts:
        """The modules that are placed in memory."""
        transparent: list[nn.Module] = [self.transparent.decoder]
        if self.transparent.encoder is not None:
            transparent.append(self.transparent.encoder)
        return Parts(
            text_encoders=self.base.text_encoders,
            unet=self.base.unet,
            vae=self.base.vae,
            transparent=tuple(transparent),
        )

    def text(self, device: torch.device) -> TextParts:
        """Return tokenizers and text encoders, with what adapters change of them, for encoding on `device`."""
        return TextParts(
            tokenizers=self.base.tokenizers,
            encoders=self.base.text_encoders,
            adapting=adapting_rows(self.text_adapters, device),
        )

    def weights_sha256(self, loras: Sequence[ModelFile] = ()) -> str:
        """Return the identity of all files that a result depends on."""
        said = "".join(sorted(model.sha256 for model in (*self.used, *loras)))
        return hashlib.sha256(said.encode("ascii")).hexdigest()

    def accelerated(self, text_guidance: float) -> Acceleration | None:
        """Return how steps are taken with the few-step adapter; None without one."""
        if self.acceleration is None:
            return None
        return acceleration_of(self.acceleration, text_guidance=text_guidance)

    def use_loras(self, wanted: Mapping[str, ModelFile]) -> None:
        """Attach the LoRAs of a run, by title, and forget those that it does not use.

        Raises:
            ModelError: A file is missing, damaged or for another base; none of the new ones is attached then.
        """
        new = {
            title: read_adapter(model, self.base)
            for title, model in wanted.items()
            if title not in self._loras
        }
        for title in [title for title in self._loras if title not in wanted]:
            self._detach(title)
        for title, weights in new.items():
            _attach(self.network, self.text_adapters, title, weights)
            self._loras[title] = wanted[title]

    def adapter_tensors(self) -> Iterator[Tensor]:
        """Yield the tensors of all adapters that are attached to the UNet."""
        for name in self.network.adapters.names:
            for change in self.network.adapters.changes(name).values():
                yield from (t for t in vars_of(change) if isinstance(t, Tensor))

    def move_adapters(self, device: torch.device) -> None:
        """Bring what is no part of the UNet, but computed with it, to where the UNet computes."""
        self.network.adapters.to(device)
        for adapters in self.text_adapters:
            adapters.to(device)
        if self.network.embedding is not None:
            self.network.embedding.to(device)
        if self.images is not None:
            self.images.tokens.layers.to(device)

    def close(self) -> None:
        """Restore UNet and text encoders to what they were."""
        self.network.close()
        for adapters in self.text_adapters:
            adapters.close()

    def _detach(self, title: str) -> None:
        del self._loras[title]
        self.network.detach(title)
        for adapters in self.text_adapters:
            if title in adapters.names:
                adapters.detach(title)


def vars_of(change: Any) -> tuple[object, ...]:
    """Return the values of a change's fields."""
    return tuple(getattr(change, name) for name in change.__dataclass_fields__)


def load_networks(setup: EngineSetup, precision: Precision) -> Generator[str, None, Networks]:
    """Load everything that the setup holds, on the CPU; yields the title of each file before it is read.

    Raises:
        ModelNotFound: A file that is needed is missing; the sentence names it.
        ModelLoadFailed, ModelIncompatible: A file is damaged, or does not belong to the others.
    """
    model = _first(setup, BASE_KINDS, "SDXL model")
    decoder = _first(setup, (ModelKind.TRANSPARENT_DECODER,), "transparent decoder (LayerDiffuse)")
    layers = _first(setup, TRANSPARENT_KINDS, "transparent layers for SDXL (LayerDiffuse)")
    encoder = next(iter(setup.of_kind(ModelKind.TRANSPARENT_ENCODER)), None)
    acceleration = _chosen_acceleration(setup)
    yield model.title
    base = load_base(model, dtype=precision.network, vae_dtype=precision.vae)
    yield decoder.title
    transparent = TransparentVae(
        vae=base.vae,
        decoder=load_transparent_decoder(decoder, dtype=precision.vae),
        encoder=None if encoder is None else load_transparent_encoder(encoder, dtype=precision.vae),
    )
    yield layers.title
    adapters = [(file, read_adapter(file, base)) for file in (layers, acceleration) if file is not None]
    joint = yield from _joint_adapter(setup, base, model)
    images = yield from _image_reader(setup, base, precision)
    wide = setup.photoreal.wide_joint if joint is None else joint.weights.wide
    every = MEETING[wide] if joint is None else joint.weights.every
    told = None if joint is None else joint.embedding
    network = RowNetwork(base.unet, wide=wide, every=every, embedding=told)
    if images is not None:
        network.attach_images(images.layers)
    texts = (RowAdapters(base.text_encoders[0]), RowAdapters(base.text_encoders[1]))
    if joint is not None:
        adapters.append((joint.file, joint.weights.adapter))
    for file, weights in adapters:
        _attach(network, texts, file.title, weights)
    read = [model, decoder, *(file for file, _ in adapters), *([] if encoder is None else [encoder])]
    return Networks(
        base=base,
        transparent=transparent,
        network=network,
        text_adapters=texts,
        names=RowAdapterNames(
            every={file.title: 1.0 for file, _ in adapters if file is not layers}, objects={layers.title: 1.0}
        ),
        trained=joint is not None,
        wide=wide,
        images=images,
        acceleration=acceleration,
        used=(*read, *(() if images is None else images.files)),
        notes=() if joint is None else joint.notes,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Joint:
    """The trained adapter of the user with its embedding."""

    file: ModelFile
    weights: JointAdapter
    embedding: LayerEmbedding
    notes: tuple[str, ...]


def _joint_adapter(
    setup: EngineSetup, base: BaseModel, model: ModelFile
) -> Generator[str, None, _Joint | None]:
    file = next(iter(setup.of_kind(ModelKind.JOINT_ADAPTER)), None)
    if file is None:
        return None
    yield file.title
    weights = read_joint_adapter(file)
    width = LayerEmbedding.of(base.unet).role.shape[1]
    stranger = f"“{file.title}” was trained on another base model than “{model.title}”."
    return _Joint(
        file=file,
        weights=weights,
        embedding=LayerEmbedding.from_state(weights.embedding, dim=width),
        notes=() if weights.base == model.sha256 else (stranger,),
    )


def _chosen_acceleration(setup: EngineSetup) -> ModelFile | None:
    title = setup.photoreal.acceleration
    if title is None:
        return None
    found = [model for model in setup.of_kind(ModelKind.ACCELERATION) if model.title == title]
    if not found:
        raise ModelNotFound(f"The acceleration “{title}” is not among your models.", _ADD)
    return found[0]


def _image_reader(
    setup: EngineSetup, base: BaseModel, precision: Precision
) -> Generator[str, None, ImageReader | None]:
    """Load an IP-Adapter with its image encoder where the user has both."""
    pair = reference_pair(setup.models)
    if pair is None:
        return None
    adapter, encoder = pair
    yield adapter.title
    return load_image_reader(adapter, encoder, base.unet, dtype=precision.network)


def _first(setup: EngineSetup, kinds: tuple[ModelKind, ...], what: str) -> ModelFile:
    found = setup.of_kind(*kinds)
    if not found:
        raise ModelNotFound(f"The photoreal engine has no {what}.", _ADD)
    return found[0]


def _attach(
    network: RowNetwork, texts: tuple[RowAdapters, RowAdapters], name: str, weights: AdapterWeights
) -> None:
    """Attach an adapter to UNet and text encoders, or to none of them."""
    network.attach(name, weights.unet)
    attached = []
    try:
        for adapters, changes in zip(texts, weights.text_encoders, strict=True):
            if changes:
                adapters.attach(name, changes)
                attached.append(adapters)
    except ModelIncompatible:
        network.detach(name)
        for adapters in attached:
            adapters.detach(name)
        raise
