"""Names in adapter files: which part of the model a tensor belongs to, which module, and what it is to that module.

The styles that are in use: kohya (`lora_unet_….lora_down.weight`), peft and diffusers (`unet.….lora_A.weight`,
`.lora.down.weight`, and older `….processor.to_q_lora.down.weight`), Forge (`diffusion_model.….weight::lora::1`), and
plain offsets under the names of the UNet's own tensors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Part(Enum):
    """A network that adapters change; the value is what a sentence calls it."""

    UNET = "UNet"
    TEXT_1 = "first text encoder"
    TEXT_2 = "second text encoder"


class Role(Enum):
    """What a tensor is to its module."""

    DOWN = "down"
    UP = "up"
    ALPHA = "alpha"
    WEIGHT = "weight"
    BIAS = "bias"


@dataclass(frozen=True, slots=True)
class AdapterKey:
    """A name taken apart; `module` is in the file's own spelling, with "." or "_" between its parts."""

    part: Part
    module: str
    role: Role


# Forge numbers what its patches hold: 0 up, 1 down, 2 alpha (of a LoRA); 0 the offset (of a difference).
_FORGE = re.compile(r"(?P<module>.+)\.(?P<own>weight|bias)::(?P<kind>lora|diff)::(?P<at>\d+)")
_FORGE_ROLES = {("lora", "0"): Role.UP, ("lora", "1"): Role.DOWN, ("lora", "2"): Role.ALPHA}
_ENDINGS = (
    (re.compile(r"\.lora_(down|A)(\.default)?\.weight$"), Role.DOWN),
    (re.compile(r"\.lora_(up|B)(\.default)?\.weight$"), Role.UP),
    (re.compile(r"[._]lora(_linear_layer)?\.down\.weight$"), Role.DOWN),
    (re.compile(r"[._]lora(_linear_layer)?\.up\.weight$"), Role.UP),
    (re.compile(r"\.alpha$"), Role.ALPHA),
    (re.compile(r"\.(diff|w_norm)$"), Role.WEIGHT),
    (re.compile(r"\.(diff_b|b_norm)$"), Role.BIAS),
)
_STRANGE = re.compile(r"lora|dora_scale|hada_|lokr_|oft_|\.diff_|reconstruct|magnitude")
_OWN = re.compile(r"\.(weight|bias)$")
_PARTS = (
    ("lora_unet_", Part.UNET),
    ("lora_te1_", Part.TEXT_1),
    ("lora_te2_", Part.TEXT_2),
    ("lora_te_", Part.TEXT_1),
    ("unet.", Part.UNET),
    ("text_encoder_2.", Part.TEXT_2),
    ("text_encoder.", Part.TEXT_1),
    ("model.diffusion_model.", Part.UNET),
    ("diffusion_model.", Part.UNET),
)


def adapter_key(name: str) -> AdapterKey | None:
    """Take the name of a tensor apart; None when it is of no known style (DoRA, LoHa, LoKr, a convolution's middle)."""
    if "::" in name:
        found = _FORGE.fullmatch(name)
        if found is None:
            return None
        difference = Role(found["own"]) if (found["kind"], found["at"]) == ("diff", "0") else None
        role = difference or (
            _FORGE_ROLES.get((found["kind"], found["at"])) if found["own"] == "weight" else None
        )
        return None if role is None else _key(found["module"], role)
    for pattern, role in _ENDINGS:
        if (ending := pattern.search(name)) is not None:
            return _key(name[: ending.start()], role)
    if (ending := _OWN.search(name)) is not None and not _STRANGE.search(name):
        return _key(name[: ending.start()], Role(ending[1]))
    return None


def _key(module: str, role: Role) -> AdapterKey:
    module = module.removeprefix("base_model.model.")
    part = Part.UNET
    for prefix, named in _PARTS:
        if module.startswith(prefix):
            part, module = named, module.removeprefix(prefix)
            break
    return AdapterKey(part, _today(module, part), role)


def _today(module: str, part: Part) -> str:
    """Return what older files of diffusers call an attention's projections under their present names."""
    if part is Part.UNET:
        module = re.sub(r"\.processor\.(to_[qkv])$", r".\1", module)
        return re.sub(r"\.processor\.to_out$", ".to_out.0", module)
    module = re.sub(r"\.to_([qkv])$", r".\1_proj", module)
    return re.sub(r"\.to_out$", ".out_proj", module)
