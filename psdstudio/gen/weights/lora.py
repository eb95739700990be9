"""LoRAs for SDXL in the key styles that are in use; those among them that are acceleration or transparent layers."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from psdstudio.errors import ModelIncompatible
from psdstudio.gen.model_files import ModelKind
from psdstudio.gen.weights.acceleration import facts_of_lora, method_of_lora
from psdstudio.gen.weights.families import SAFE, Family, family_by_names, family_by_width, wrong_base
from psdstudio.gen.weights.inventory import Inventory
from psdstudio.gen.weights.recognised import Recognised
from psdstudio.gen.weights.transparency import BY_CHOICE, BY_NAME

LORA_KINDS = (ModelKind.LORA, ModelKind.ACCELERATION, ModelKind.TRANSPARENT_LORA)
_DOWN = (
    ".lora_down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    ".lora.down.weight",
    "_lora.down.weight",
    ".lora_linear_layer.down.weight",
)
_WHOLE = ".diff"  # what some tools write for small modules, or for all: the change itself, without factors
_OTHER_METHODS = (
    ("LoCon with a middle matrix", (".lora_mid.weight",)),
    ("LoHa", (".hada_w1_a", ".hada_w1_b")),
    ("LoKr", (".lokr_w1", ".lokr_w2", ".lokr_w1_a")),
    ("DoRA", (".dora_scale", ".lora_magnitude_vector")),
    ("OFT", (".oft_blocks", ".oft_diag")),
    ("GLoRA", (".a1.weight", ".b1.weight")),
)
_KOHYA = ("lora_unet_", "lora_te")
_UNET_SIGNS = ("down_blocks", "up_blocks", "mid_block", "input_blocks", "output_blocks", "middle_block")
_FOURTH_LEVEL = re.compile(
    r"(down_blocks|up_blocks)[._]3[._]|input_blocks[._](9|10|11)[._]|output_blocks[._](9|10|11)[._]"
)
_DEEP = re.compile(r"transformer_blocks[._][1-9]")
_CROSS_KEYS = re.compile(r"attn2[._]to_[kv]")
_TEXT_QUERIES = re.compile(r"(lora_te_|^text_encoder\.).*self_attn[._]q_proj")
_TRANSPARENT = re.compile(r"transparent|layer_?diffus")
_WORDS_IN_METADATA = ("ss_output_name", "modelspec.title", "ss_base_model_version")
_ATTENTION_ALONE = re.compile(r"attn[12][._](to_[qkv]|to_out[._]0|processor\.to_(q|k|v|out)_lora)")


def recognise_lora(path: Path, inventory: Inventory, kind: ModelKind | None) -> Recognised | None:
    """Return a LoRA for SDXL as LORA, ACCELERATION or TRANSPARENT_LORA; None for something else.

    The last two are LoRAs like any other by their tensors: their name or metadata, or `kind`, tells them.

    Raises:
        ModelIncompatible: It is for another base, or an adapter of another method than LoRA.
    """
    _refuse_other_methods(inventory)
    downs = dict(inventory.ending(*_DOWN))
    changed = downs | (dict(inventory.ending(_WHOLE)) if inventory.starts(*_KOHYA) else {})
    if not changed:
        return None
    _refuse_other_base(inventory, changed)
    ranks = Counter(shape[0] for shape in downs.values() if shape).most_common(1)
    facts = [("rank", str(ranks[0][0]))] if ranks else []
    facts += [("style", _style(inventory)), ("parts", _acts_on(inventory))]
    facts.append(("numbers", inventory.dtype()))
    words = " ".join([path.stem, *(inventory.metadata.get(key, "") for key in _WORDS_IN_METADATA)]).lower()
    found, told_by = _kind_of_lora(words, changed, kind)
    if found is ModelKind.ACCELERATION:
        facts += facts_of_lora(words)
    facts += [("told_by", told_by)] if told_by else []
    return Recognised(kind=found, path=path, parts=(inventory,), facts=tuple(facts))


def _kind_of_lora(
    words: str, changed: dict[str, tuple[int, ...]], kind: ModelKind | None
) -> tuple[ModelKind, str | None]:
    if kind in LORA_KINDS:
        return kind, BY_CHOICE
    if _TRANSPARENT.search(words) and all(_ATTENTION_ALONE.search(name) for name in changed):
        return ModelKind.TRANSPARENT_LORA, BY_NAME
    if method_of_lora(words) is not None:
        return ModelKind.ACCELERATION, BY_NAME
    return ModelKind.LORA, None


def _style(inventory: Inventory) -> str:
    if inventory.starts(*_KOHYA):
        return "kohya"
    return "peft" if inventory.holds(".lora_A.") else "diffusers"


def _acts_on(inventory: Inventory) -> str:
    parts = ["unet"] if inventory.holds(*_UNET_SIGNS) else []
    parts += ["text encoders"] if inventory.starts("lora_te", "text_encoder") else []
    return ", ".join(parts)


def _refuse_other_methods(inventory: Inventory) -> None:
    for method, endings in _OTHER_METHODS:
        if any(True for _ in inventory.ending(*endings)):
            raise ModelIncompatible(
                f"This adapter is a {method}, a relative of LoRA that PSDStudio cannot load.",
                f"{SAFE} Get its LoRA edition, if there is one.",
            )


def _refuse_other_base(inventory: Inventory, downs: dict[str, tuple[int, ...]]) -> None:
    """Refuse LoRAs for other bases: by module names, words' width, depth, the training tool's notes, in that order."""
    family = family_by_names(inventory)
    if family is None:
        width = next((s[1] for n, s in downs.items() if _CROSS_KEYS.search(n) and len(s) > 1), None)
        family = family_by_width(width)
        if width is None:
            family = _family_without_words(inventory, downs)
    if family not in (None, Family.SDXL):
        raise wrong_base("LoRA", family)
    if not (inventory.holds(*_UNET_SIGNS) or inventory.starts("lora_te", "text_encoder")):
        raise ModelIncompatible(
            "This is a LoRA for a model that PSDStudio does not know; it needs one for SDXL.",
            f"{SAFE} Choose a LoRA that was made for SDXL.",
        )


def _family_without_words(inventory: Inventory, downs: dict[str, tuple[int, ...]]) -> Family | None:
    names = "\n".join(downs)
    if _DEEP.search(names) or inventory.starts("lora_te2_", "text_encoder_2."):
        return Family.SDXL
    noted = (
        inventory.metadata.get("ss_base_model_version")
        or inventory.metadata.get("modelspec.architecture")
        or ""
    )
    if re.match(r"sdxl|stable-diffusion-xl", noted):
        return Family.SDXL
    if re.match(r"sd_v2|stable-diffusion-v2", noted):
        return Family.SD2
    if re.match(r"sd_v1|sd_1|stable-diffusion-v1", noted) or _FOURTH_LEVEL.search(names):
        return Family.SD1
    width = next((s[1] for n, s in downs.items() if _TEXT_QUERIES.search(n) and len(s) > 1), None)
    # SDXL's first encoder has the width of SD 1.5's; in kohya's style its name differs (lora_te1_).
    return family_by_width(width) if inventory.starts("lora_te_") else None
