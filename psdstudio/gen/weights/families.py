"""Families of models other than SDXL, so that a wrong one is refused by its name.

A name's dots are read as underscores: adapters in kohya's style know no dots. Markers: module names of the published
implementations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.weights.inventory import Inventory


class Family(Enum):
    """Base models by the name that their users know."""

    SDXL = "SDXL"
    SDXL_REFINER = "SDXL refiner"
    SDXL_INPAINTING = "SDXL inpainting"
    SDXL_SMALL = "cut-down SDXL (SSD-1B, Segmind Vega)"
    KOLORS = "Kolors"
    SD1 = "Stable Diffusion 1.5"
    SD2 = "Stable Diffusion 2"
    SD3 = "Stable Diffusion 3"
    FLUX = "Flux"
    FLUX2 = "Flux 2"
    CHROMA = "Chroma"
    Z_IMAGE = "Z-Image"
    LUMINA = "Lumina"
    QWEN_IMAGE = "Qwen-Image"
    AURA_FLOW = "AuraFlow"
    HUNYUAN_VIDEO = "HunyuanVideo"
    HUNYUAN_DIT = "Hunyuan-DiT"
    PIXART = "PixArt"
    CASCADE = "Stable Cascade"
    WAN = "Wan"
    LTX = "LTX-Video"
    ANIMATE_DIFF = "AnimateDiff"


@dataclass(frozen=True, slots=True)
class _Marker:
    """A family whose names match every one of these."""

    family: Family
    patterns: tuple[str, ...]


# The first that fits decides: families that share names with others stand before them.
_MARKERS = tuple(
    _Marker(family, patterns)
    for family, patterns in (
        (Family.ANIMATE_DIFF, (r"motion_modules_",)),
        (Family.FLUX2, (r"double_stream_modulation",)),
        (Family.CHROMA, (r"distilled_guidance_layer",)),
        (Family.HUNYUAN_VIDEO, (r"individual_token_refiner",)),
        (Family.AURA_FLOW, (r"joint_transformer_blocks_\d", r"single_transformer_blocks_\d")),
        (Family.AURA_FLOW, (r"double_layers_\d+_attn",)),
        (Family.FLUX, (r"(double|single)_blocks_\d+_(img|txt|linear|modulation|norm|attn)",)),
        (Family.FLUX, (r"single_transformer_blocks_\d",)),
        (Family.SD3, (r"joint_blocks_\d",)),
        (Family.QWEN_IMAGE, (r"transformer_blocks_\d+_(img_mlp|txt_mlp|img_mod)",)),
        (Family.SD3, (r"transformer_blocks_\d+_attn_add_[qkv]_proj",)),
        (Family.HUNYUAN_DIT, (r"mlp_t5", r"blocks_\d+_attn")),
        (Family.LUMINA, (r"(^|_)(noise_refiner|context_refiner)_\d",)),
        (Family.LUMINA, (r"(^|_)layers_\d+_(attention_(to_|qkv|out)|feed_forward_w\d|adaLN_modulation)",)),
        (Family.LTX, (r"patchify_proj",)),
        (Family.PIXART, (r"adaln_single_",)),
        (Family.PIXART, (r"t_block_\d", r"y_embedder")),
        (Family.CASCADE, (r"clip_txt(_pooled)?_mapper",)),
        (Family.WAN, (r"blocks_\d+_cross_attn_(k|q|v)", r"blocks_\d+_ffn_")),
        (Family.KOLORS, (r"^encoder_hid_proj_(weight|bias)",)),
    )
)
_Z_IMAGE_WIDTH = 3840
_BY_WORDS_WIDTH = {
    768: Family.SD1,
    1024: Family.SD2,
    1280: Family.SDXL_REFINER,
    2048: Family.SDXL,
}
_BY_PIPELINE = (
    ("StableDiffusion3", Family.SD3),
    ("Flux2", Family.FLUX2),
    ("Flux", Family.FLUX),
    ("Chroma", Family.CHROMA),
    ("ZImage", Family.Z_IMAGE),
    ("Lumina", Family.LUMINA),
    ("QwenImage", Family.QWEN_IMAGE),
    ("AuraFlow", Family.AURA_FLOW),
    ("HunyuanVideo", Family.HUNYUAN_VIDEO),
    ("HunyuanDiT", Family.HUNYUAN_DIT),
    ("PixArt", Family.PIXART),
    ("StableCascade", Family.CASCADE),
    ("Wan", Family.WAN),
    ("LTX", Family.LTX),
    ("Kolors", Family.KOLORS),
    ("AnimateDiff", Family.ANIMATE_DIFF),
)
SAFE = "Nothing was changed."


def family_by_names(inventory: Inventory) -> Family | None:
    """Return the family other than Stable Diffusion's UNets that module names tell; None for no such sign."""
    names = "\n".join(name.replace(".", "_") for name in inventory.shapes)
    for marker in _MARKERS:
        if all(re.search(pattern, names, re.MULTILINE) for pattern in marker.patterns):
            if marker.family is Family.LUMINA and _has_width(inventory, _Z_IMAGE_WIDTH):
                return Family.Z_IMAGE
            return marker.family
    return None


def family_by_width(words_width: int | None) -> Family | None:
    """Return which Stable Diffusion has token states of this width; None for a width that no published one has."""
    return None if words_width is None else _BY_WORDS_WIDTH.get(words_width)


def family_by_pipeline(class_name: str) -> Family | None:
    """Return the family of a diffusers pipeline by the name of its class, SDXL and older ones excepted."""
    return next((family for prefix, family in _BY_PIPELINE if class_name.startswith(prefix)), None)


def wrong_family(what: str, family: Family) -> ModelIncompatible:
    """Return the refusal of a model that is complete in itself.

    Args:
        what: "file" or "folder".
        family: What it is.
    """
    return ModelIncompatible(
        f"This {what} is a {family.value} model; PSDStudio needs one of the SDXL family.",
        f"{SAFE} Choose SDXL weights, or a model made from them (such as Pony, Illustrious or Juggernaut XL).",
    )


def wrong_base(what: str, family: Family) -> ModelIncompatible:
    """Return the refusal of an adapter for another base; `what` names it: "LoRA"."""
    return ModelIncompatible(
        f"This {what} was made for {family.value}; PSDStudio needs one for SDXL.",
        f"{SAFE} Get the edition for SDXL, if there is one.",
    )


def _has_width(inventory: Inventory, width: int) -> bool:
    return any(width in shape for shape in inventory.shapes.values())
