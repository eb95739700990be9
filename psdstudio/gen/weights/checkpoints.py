"""SDXL in one file, in the key layout of the original release: recognised, and refused with what it lacks."""

from __future__ import annotations

from pathlib import Path

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.acceleration import method_of_model
from psdstudio.gen.weights.families import SAFE, Family, family_by_names, family_by_width, wrong_family
from psdstudio.gen.weights.inventory import Inventory
from psdstudio.gen.weights.recognised import Recognised

UNET, FIRST_ENCODER, SECOND_ENCODER, VAE = (
    "model.diffusion_model.",
    "conditioner.embedders.0.transformer.text_model.",
    "conditioner.embedders.1.model.",
    "first_stage_model.",
)
LATENT_CHANNELS = 4
_PARTS = (
    (FIRST_ENCODER, "its first text encoder (CLIP ViT-L)"),
    (SECOND_ENCODER, "its second text encoder (OpenCLIP ViT-bigG)"),
    (VAE + "decoder.", "the decoder of its VAE"),
    (VAE + "encoder.", "the encoder of its VAE"),
)
# 10 blocks deep in the middle; only SDXL's real width is held to it.
_DEEPEST = (
    "middle_block.1.transformer_blocks.9.attn2.to_k.weight",
    "mid_block.attentions.0.transformer_blocks.9.attn2.to_k.weight",
)
_V_PREDICTION = "v_prediction"


def recognise_checkpoint(path: Path, inventory: Inventory) -> Recognised | None:
    """Return the checkpoint; None when the file is none of the original layout.

    Raises:
        ModelIncompatible: It is of another family, or a part is missing; the sentence says which.
    """
    if not inventory.starts(UNET):
        return None
    if (family := family_by_names(inventory)) is not None:
        raise wrong_family("file", family)
    width = words_width(inventory)
    channels = inventory.shape(UNET + "input_blocks.0.0.weight")
    refuse_other_unet(
        "file", inventory, width, None if channels is None or len(channels) != 4 else channels[1]
    )
    if not inventory.starts(*(prefix for prefix, _ in _PARTS)):
        raise ModelIncompatible(
            "This file holds the UNet of a model alone, without text encoders and VAE.",
            f"{SAFE} Choose the complete checkpoint, or the model's whole folder.",
        )
    for prefix, part in _PARTS:
        if not inventory.starts(prefix):
            raise ModelIncompatible(
                f"The checkpoint “{path.name}” lacks {part}.", f"{SAFE} Choose a complete SDXL checkpoint."
            )
    first = inventory.shape(FIRST_ENCODER + "embeddings.token_embedding.weight")
    second = inventory.shape(SECOND_ENCODER + "token_embedding.weight")
    check_widths(path, width, first, second)
    refuse_other_schedule(inventory)
    facts = [("words_width", str(width)), ("numbers", inventory.dtype())]
    if "v_pred" in inventory.shapes or inventory.metadata.get("modelspec.prediction_type", "").startswith(
        "v"
    ):
        facts.append(("prediction", _V_PREDICTION))
    facts += distilled(path)
    return Recognised(kind=ModelKind.SDXL_CHECKPOINT, path=path, parts=(inventory,), facts=tuple(facts))


def distilled(path: Path) -> list[tuple[str, str]]:
    """Return how a model was distilled to fewer steps, if its name says so."""
    method = method_of_model(path.name)
    return [("distilled", method)] if method else []


def words_width(inventory: Inventory) -> int | None:
    """Return the width of the token states that a UNet's cross-attention reads; None when it has none."""
    return next((shape[1] for _, shape in inventory.ending("attn2.to_k.weight") if len(shape) == 2), None)


def refuse_other_unet(what: str, inventory: Inventory, width: int | None, channels: int | None) -> None:
    """Refuse UNets of other families by the widths that tell them; widths that no published model has pass.

    Args:
        what: "file" or "folder".
        inventory: All tensors of the file, or those of the folder's UNet.
        width: Width of the token states.
        channels: Channels that the UNet's first convolution reads; None when it has none.

    Raises:
        ModelIncompatible: It is another family's.
    """
    if width is None or channels is None:
        raise ModelIncompatible(
            f"The UNet in this {what} is not one of SDXL.",
            f"{SAFE} Choose SDXL weights, or a model made from them.",
        )
    family = family_by_width(width)
    if family not in (None, Family.SDXL):
        raise wrong_family(what, family)
    if channels == 9:
        raise wrong_family(what, Family.SDXL_INPAINTING)
    if channels != LATENT_CHANNELS:
        raise ModelIncompatible(
            f"The UNet in this {what} reads {channels} channels; that of SDXL reads {LATENT_CHANNELS}.",
            f"{SAFE} Choose SDXL weights, or a model made from them.",
        )
    if not inventory.holds("label_emb.", "add_embedding."):
        raise ModelIncompatible(
            f"The UNet in this {what} is not told the size of the picture, as that of SDXL is.",
            f"{SAFE} Choose SDXL weights, or a model made from them.",
        )
    if family is Family.SDXL and not any(True for _ in inventory.ending(*_DEEPEST)):
        raise wrong_family(what, Family.SDXL_SMALL)


def check_widths(
    path: Path, width: int | None, first: tuple[int, ...] | None, second: tuple[int, ...] | None
) -> None:
    """Check that a UNet reads what its two text encoders say: their token states side by side (SDXL, section 2.1).

    Args:
        path: Named in the sentence.
        width: Width of the token states that the UNet reads.
        first: Shape of the first encoder's table of tokens, (vocabulary, width); None when it has none.
        second: The second's.

    Raises:
        ModelIncompatible: They are of different models.
    """
    if first is None or second is None or len(first) != 2 or len(second) != 2:
        raise ModelIncompatible(
            f"The text encoders of “{path.name}” are not those of SDXL.",
            f"{SAFE} Choose a complete SDXL model.",
        )
    if first[1] + second[1] != width:
        raise ModelIncompatible(
            f"The parts of “{path.name}” are of different models: its UNet reads words of width {width},"
            f" its text encoders write {first[1]} and {second[1]}.",
            f"{SAFE} Choose a complete SDXL model.",
        )


def refuse_other_schedule(inventory: Inventory) -> None:
    """Refuse models that were trained with EDM's noise (CosXL, Playground 2.5), which our samplers do not follow."""
    if "edm_vpred.sigma_max" in inventory.shapes or "edm_mean" in inventory.shapes:
        raise ModelIncompatible(
            "This SDXL model was trained with another kind of noise (EDM: CosXL, Playground 2.5);"
            " PSDStudio cannot paint with it.",
            f"{SAFE} Choose an SDXL model trained in the usual way.",
        )
