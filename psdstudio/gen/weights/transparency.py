"""LayerDiffuse's files for SDXL: transparent encoder and decoder, transparent layers, and the four two-layer files.

Key names and shapes: the architecture of arXiv 2402.17113's release (layerdiffusion-v1 and LayerDiffuse_Diffusers).
Tensors tell most of them apart. What they do not, the published names decide: foreground-to-blend and
background-to-blend are alike, and so are the encoders and decoders for SD 1.5 and SDXL.
"""

from __future__ import annotations

import re
from pathlib import Path

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.checkpoints import words_width
from psdstudio.gen.weights.families import SAFE, Family, family_by_names, family_by_width, wrong_base
from psdstudio.gen.weights.inventory import Inventory, Shape
from psdstudio.gen.weights.recognised import Recognised

BY_NAME, BY_CHOICE = "file name", "your choice"
TWO_LAYER_CHANNELS = {
    8: (ModelKind.BACKGROUND_TO_BLEND, ModelKind.FOREGROUND_TO_BLEND),
    12: (ModelKind.BLEND_TO_FOREGROUND, ModelKind.BLEND_TO_BACKGROUND),
}
"""Channels of the widened first convolution: the latents and one or two pictures of four each."""
_NAMES_OF_KINDS = {
    ModelKind.BACKGROUND_TO_BLEND: re.compile(r"bg2ble"),
    ModelKind.FOREGROUND_TO_BLEND: re.compile(r"fg2ble"),
    ModelKind.BLEND_TO_FOREGROUND: re.compile(r"bgble2fg"),
    ModelKind.BLEND_TO_BACKGROUND: re.compile(r"fgble2bg"),
}
_UNET_NAME = re.compile(
    r"(conv_in|conv_out|conv_norm_out|time_embedding|add_embedding|down_blocks|mid_block|up_blocks)\..*(weight|bias)$"
)
_FORGE = "::"
_FORGE_NAME = re.compile(r"diffusion_model\.[^:]+::(lora|diff)::\d+$")
_FOURTH_LEVEL = ("down_blocks.3.", "up_blocks.3.", "input_blocks.9.", "input_blocks.11.", "output_blocks.9.")
_SD15 = re.compile(r"(?<![a-z])sd[-_ ]?(v?1|15)([._-]?5)?(?![0-9])")
_FILE = "LayerDiffuse file"
_FLUX_CHANNELS = 16


def recognise_encoder(path: Path, inventory: Inventory, kind: ModelKind | None) -> Recognised | None:
    """Return the transparent encoder (RGBA -> offset of the latents); None for something else.

    Raises:
        ModelIncompatible: It is the edition for Flux, or by its name (unless `kind` says otherwise) for SD 1.5.
    """
    first, last = inventory.shape("blocks.0.weight"), inventory.shape("blocks.16.weight")
    if first is None or last is None or len(first) != 4 or len(last) != 4 or first[1] != 4:
        return None
    if last[0] == _FLUX_CHANNELS:
        raise wrong_base("transparent encoder", Family.FLUX)
    if last[0] != 4 or len(inventory.shapes) != 18:
        return None
    _refuse_sd15_by_name(path, "transparent encoder", kind)
    facts = (("numbers", inventory.dtype()),)
    return Recognised(kind=ModelKind.TRANSPARENT_ENCODER, path=path, parts=(inventory,), facts=facts)


def recognise_decoder(path: Path, inventory: Inventory, kind: ModelKind | None) -> Recognised | None:
    """Return the transparent decoder (RGB and latents -> RGBA); None for something else. Raises as the encoder."""
    latent, head = inventory.shape("latent_conv_in.weight"), inventory.shape("conv_out.weight")
    if latent is None or head is None or len(latent) != 4 or len(head) != 4:
        return None
    if latent[1] == _FLUX_CHANNELS:
        raise wrong_base("transparent decoder", Family.FLUX)
    if latent[1] != 4 or head[0] != 4 or not inventory.starts("mid_block.attentions.0."):
        return None
    _refuse_sd15_by_name(path, "transparent decoder", kind)
    facts = (("numbers", inventory.dtype()),)
    return Recognised(kind=ModelKind.TRANSPARENT_DECODER, path=path, parts=(inventory,), facts=facts)


def _refuse_sd15_by_name(path: Path, what: str, kind: ModelKind | None) -> None:
    """Refuse the pair for SD 1.5: of SDXL's architecture to the last tensor, published beside it, for other latents."""
    if kind is None and _SD15.search(path.stem.lower()):
        raise wrong_base(what, Family.SD1)


def recognise_offsets(path: Path, inventory: Inventory, kind: ModelKind | None) -> Recognised | None:
    """Return what a file of changes to SDXL's UNet is: transparent layers, or one of the two-layer files.

    Both editions: Forge's (`diffusion_model.….weight::lora::0`, `::diff::0`) and plain offsets under diffusers' names.

    Args:
        path: The file.
        inventory: Its tensors.
        kind: What the user says it is; decides where tensors do not.

    Raises:
        ModelIncompatible: It is for another base, a whole UNet, or one of two that only its name could tell.
    """
    if inventory.starts("hookers.layers."):
        raise wrong_base(_FILE, Family.SD1)
    style = _style(inventory)
    if style is None:
        return None
    _refuse_whole_unet(inventory)
    _refuse_other_base(inventory)
    low_rank = next((shape for _, shape in inventory.ending("::lora::1") if shape), None)
    channels = _channels(inventory)
    facts = [("style", style), ("numbers", inventory.dtype())]
    if channels in TWO_LAYER_CHANNELS:
        two_layer, told_by = _two_layer(path, inventory, channels, kind)
        facts += [("told_by", told_by)] if told_by else []
        return Recognised(kind=two_layer, path=path, parts=(inventory,), facts=tuple(facts))
    if channels not in (None, 4):
        raise ModelIncompatible(
            f"This file changes the UNet's first convolution to {channels} channels; PSDStudio knows no use for it.",
            f"{SAFE} Choose LayerDiffuse's files for SDXL.",
        )
    if low_rank is not None:
        facts.append(("rank", str(low_rank[0])))
        return Recognised(kind=ModelKind.TRANSPARENT_LORA, path=path, parts=(inventory,), facts=tuple(facts))
    has_queries = inventory.holds(".to_q.weight")
    acts_on = [*(["attention"] if has_queries else []), *([] if channels is None else ["convolutions"])]
    facts.append(("parts", ", ".join(acts_on or ["convolutions"])))
    return Recognised(kind=ModelKind.TRANSPARENT_OFFSET, path=path, parts=(inventory,), facts=tuple(facts))


def _style(inventory: Inventory) -> str | None:
    names = inventory.shapes
    if all(_FORGE in name for name in names):
        return "forge" if all(_FORGE_NAME.match(name) for name in names) else None
    return "diffusers" if all(_UNET_NAME.match(name) for name in names) and not _is_lora(inventory) else None


def _is_lora(inventory: Inventory) -> bool:
    return inventory.holds(".lora.", ".lora_A.", ".lora_B.", "_lora.", "lora_down", "lora_up")


def _refuse_other_base(inventory: Inventory) -> None:
    """Refuse changes to other UNets: by the words' width, or (without any) by the fourth level that SDXL lacks."""
    family = family_by_names(inventory) or family_by_width(words_width(inventory))
    if family not in (None, Family.SDXL):
        raise wrong_base(_FILE, family)
    forge = next((shape for name, shape in inventory.ending("::lora::1") if "attn2.to_k" in name), None)
    family = family_by_width(None if forge is None or len(forge) != 2 else forge[1])
    if family not in (None, Family.SDXL):
        raise wrong_base(_FILE, family)
    if inventory.holds(*_FOURTH_LEVEL):
        raise wrong_base(_FILE, Family.SD1)


def _channels(inventory: Inventory) -> int | None:
    for name in ("conv_in.weight", "diffusion_model.input_blocks.0.0.weight::diff::0"):
        shape: Shape | None = inventory.shape(name)
        if shape is not None and len(shape) == 4:
            return shape[1]
    return None


def _two_layer(
    path: Path, inventory: Inventory, channels: int, kind: ModelKind | None
) -> tuple[ModelKind, str | None]:
    """Return which two-layer file it is, and what told it if not the tensors: what is said or its name goes first."""
    candidates = TWO_LAYER_CHANNELS[channels]
    if kind in candidates:
        return kind, BY_CHOICE
    by_name = [found for found in candidates if _NAMES_OF_KINDS[found].search(path.stem.lower())]
    if len(by_name) == 1:
        return by_name[0], BY_NAME
    if channels == 12:
        # Convolutions alone are 702 MB in fp16, the size of the published file that paints the background; that which
        # paints the foreground has 3.62 GB: everything but attention's queries, keys and values.
        deep = inventory.holds("transformer_blocks.")
        return (ModelKind.BLEND_TO_FOREGROUND if deep else ModelKind.BLEND_TO_BACKGROUND), None
    raise ModelIncompatible(
        f"“{path.name}” is LayerDiffuse's file from background to blend or that from foreground to blend:"
        " the two are alike inside.",
        f"{SAFE} Give the file its published name (with “bg2ble” or “fg2ble” in it), or say which with --kind.",
    )


def _refuse_whole_unet(inventory: Inventory) -> None:
    """Refuse a UNet by itself; no offset has attention's queries, convolutions and the embedding of time at once."""
    has_queries = inventory.holds(".to_q.weight")
    if has_queries and inventory.shape("conv_in.weight") is not None and inventory.starts("time_embedding."):
        raise ModelIncompatible(
            "This file holds the UNet of a model alone, without text encoders and VAE.",
            f"{SAFE} Choose the complete checkpoint, or the model's whole folder.",
        )
