"""Weights of adapters, as values: which changes they make to which modules of the UNet and of the two text encoders.

Module paths are those of diffusers' `UNet2DConditionModel` (`mid_block.attentions.0.transformer_blocks.0.attn1.to_q`)
and of the published text encoders less `text_model.` (`encoder.layers.0.self_attn.q_proj`): transformers has dropped
and kept that prefix in turn. `lora_files` reads them from the common formats, `row_adapters` applies them per row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LowRank:
    """A change of low rank: `weight + scale * up @ down`.

    Attributes:
        down: (rank, in) of a linear layer, (rank, in, kh, kw) of a convolution.
        up: (out, rank), of a convolution (out, rank, 1, 1).
        scale: What `up @ down` is multiplied by: alpha / rank where the file names an alpha, else 1.
    """

    down: Tensor
    up: Tensor
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FullOffset:
    """A change of full size: `weight + offset`, of the shape of the module's own parameters; None leaves one alone."""

    weight: Tensor | None
    bias: Tensor | None = None


ModuleChange = LowRank | FullOffset
Changes = Mapping[str, ModuleChange]
_NONE: Changes = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdapterWeights:
    """Everything that one adapter file changes.

    Attributes:
        name: By which rows name it (`RowBatch.adapters`): the title of its model file.
        unet: Changes by module path.
        text_encoders: Changes of the first and of the second text encoder by module path.
    """

    name: str
    unet: Changes = field(default_factory=lambda: _NONE)
    text_encoders: tuple[Changes, Changes] = (_NONE, _NONE)
