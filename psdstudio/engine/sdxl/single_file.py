"""Names of the original SDXL layout, that of checkpoints in one file, and what diffusers calls the same tensors.

The layout is that of Stability's `generative-models`: the UNet as numbered input, middle and output blocks, the second
text encoder in OpenCLIP's names, the VAE in those of latent diffusion. LoRAs of several trainers use the same names
for the UNet's modules. Every function maps names alone; what must be cut or turned is said where it happens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIXES = ("conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.1.model.")
_LEVELS, _RESNETS = 3, 2
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


def _unet_places() -> dict[str, str]:
    """Original name -> diffusers name of what the UNet is made of; longer names first, so that the first fit is it."""
    places = {
        "time_embed.0": "time_embedding.linear_1",
        "time_embed.2": "time_embedding.linear_2",
        "label_emb.0.0": "add_embedding.linear_1",
        "label_emb.0.2": "add_embedding.linear_2",
        "input_blocks.0.0": "conv_in",
        "middle_block.0": "mid_block.resnets.0",
        "middle_block.1": "mid_block.attentions.0",
        "middle_block.2": "mid_block.resnets.1",
        "out.0": "conv_norm_out",
        "out.2": "conv_out",
    }
    for level in range(_LEVELS):
        for i in range(_RESNETS):
            at = (_RESNETS + 1) * level + i + 1  # 0 is conv_in
            places[f"input_blocks.{at}.0"] = f"down_blocks.{level}.resnets.{i}"
            places[f"input_blocks.{at}.1"] = f"down_blocks.{level}.attentions.{i}"
        last = (_RESNETS + 1) * (level + 1)
        places[f"input_blocks.{last}.0.op"] = f"down_blocks.{level}.downsamplers.0.conv"
        for i in range(_RESNETS + 1):
            at = (_RESNETS + 1) * level + i
            places[f"output_blocks.{at}.0"] = f"up_blocks.{level}.resnets.{i}"
            places[f"output_blocks.{at}.1"] = f"up_blocks.{level}.attentions.{i}"
        for after in (1, 2):  # behind the resnet alone, or behind resnet and attention
            places[f"output_blocks.{last - 1}.{after}.conv"] = f"up_blocks.{level}.upsamplers.0.conv"
    return dict(sorted(places.items(), key=lambda place: -len(place[0])))


UNET_PLACES: Mapping[str, str] = _unet_places()


def unet_name(original: str, *, separator: str = ".") -> str:
    """Return diffusers' name of a tensor or module of the UNet; a name that is not of the layout comes back as it is.

    Args:
        original: Without `UNET_PREFIX`.
        separator: Between the parts of the name; LoRA files write "_".
    """
    for place, name in UNET_PLACES.items():
        stem = place.replace(".", separator)
        if original == stem or original.startswith(stem + separator):
            rest = original[len(stem) :]
            if ".resnets." in name:
                rest = _resnet_rest(rest, separator)
            return name.replace(".", separator) + rest
    return original


def _resnet_rest(rest: str, separator: str) -> str:
    for old, new in _RESNET.items():
        stem = separator + old.replace(".", separator)
        if rest == stem or rest.startswith(stem + separator):
            return separator + new + rest[len(stem) :]
    return rest


_VAE = (
    (r"^encoder\.down\.(\d)\.block\.", r"encoder.down_blocks.\1.resnets."),
    (r"^encoder\.down\.(\d)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0."),
    (r"\bmid\.block_1\.", r"mid_block.resnets.0."),
    (r"\bmid\.block_2\.", r"mid_block.resnets.1."),
    (r"\bmid\.attn_1\.norm\.", r"mid_block.attentions.0.group_norm."),
    (r"\bmid\.attn_1\.(q|k|v)\.", r"mid_block.attentions.0.to_\1."),
    (r"\bmid\.attn_1\.proj_out\.", r"mid_block.attentions.0.to_out.0."),
    (r"\bnin_shortcut\.", r"conv_shortcut."),
    (r"\bnorm_out\.", r"conv_norm_out."),
)


def vae_name(original: str, *, levels: int = 4) -> str:
    """Return diffusers' name of a tensor of the VAE; a name that is not of the layout comes back as it is.

    Args:
        original: Without `VAE_PREFIX`.
        levels: Of the decoder, which the original numbers from the finest, diffusers from the coarsest.
    """
    if found := re.match(r"decoder\.up\.(\d)\.(block|upsample)\.", original):
        kind = "resnets" if found[2] == "block" else "upsamplers.0"
        original = f"decoder.up_blocks.{levels - 1 - int(found[1])}.{kind}.{original[found.end() :]}"
    for pattern, replacement in _VAE:
        original = re.sub(pattern, replacement, original)
    return original


def vae_state(original: Mapping[str, Tensor], *, levels: int = 4) -> dict[str, Tensor]:
    """Return the VAE's tensors under diffusers' names; projections of the attention become matrices.

    They are convolutions of one pixel in the original, (c, c, 1, 1).
    """
    state = {vae_name(name, levels=levels): tensor for name, tensor in original.items()}
    return {
        name: tensor.flatten(1) if ".attentions.0.to_" in name and name.endswith(".weight") else tensor
        for name, tensor in state.items()
    }


_OPEN_CLIP = (
    (r"^transformer\.resblocks\.", "encoder.layers."),
    (r"\.ln_(1|2)\.", r".layer_norm\1."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
    (r"^ln_final\.", "final_layer_norm."),
    (r"^token_embedding\.", "embeddings.token_embedding."),
    (r"^positional_embedding$", "embeddings.position_embedding.weight"),
)


def open_clip_state(original: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the second text encoder's tensors under transformers' names, less `text_model.`.

    Queries, keys and values are one tensor of three equal parts in the original, the projection is transposed.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in original.items():
        if name == "text_projection":
            state["text_projection.weight"] = tensor.T.contiguous()
        elif found := re.fullmatch(r"transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)", name):
            for letter, part in zip("qkv", tensor.chunk(3), strict=False):
                state[f"encoder.layers.{found[1]}.self_attn.{letter}_proj.{found[2]}"] = part
        else:
            for pattern, replacement in _OPEN_CLIP:
                name = re.sub(pattern, replacement, name)
            state[name] = tensor
    return state
