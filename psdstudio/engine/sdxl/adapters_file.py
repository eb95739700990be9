"""Weights of adapters, as values: which changes they make to which modules of the UNet and of the two text encoders.

Module paths are those of diffusers' `UNet2DConditionModel` (`mid_block.attentions.0.transformer_blocks.0.attn1.to_q`)
and of the published text encoders less `text_model.` (`encoder.layers.0.self_attn.q_proj`): transformers has dropped
and kept that prefix in turn. `lora_files` reads them from the common formats, `row_adapters` applies them per row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor

from psdstudio.engine.sdxl.tensor_file import AGAIN, check_unchanged, read_metadata, read_tensors
from psdstudio.errors import ModelIncompatible, ModelLoadFailed
from psdstudio.gen.model_files import ModelFile

JOINT_FORMAT = "psdstudio.joint/1"
_SPARSEST = 10
_LORA, _TABLE = "lora.", "embedding."


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointAdapter:
    """Our own trained adapter: what lets rows know one another, as `psdstudio.training.joint_lora` writes it.

    Attributes:
        adapter: Low-rank changes of the UNet, of all rows.
        embedding: Tables of the layer embedding by name, for `LayerEmbedding.from_state`.
        wide: It was trained with rows meeting at half of the latents too.
        every: It was trained with rows meeting in each block (1), each second one, ...
        base: SHA-256 of the model it was trained on.
    """

    adapter: AdapterWeights
    embedding: Mapping[str, Tensor]
    wide: bool
    every: int
    base: str


def read_joint_adapter(model: ModelFile) -> JointAdapter:
    """Read a joint adapter: `lora.<module>.down` and `.up`, `embedding.<table>`; metadata alpha, wide, every and base.

    If it fits the network is found when it is attached.

    Raises:
        ModelNotFound, ModelLoadFailed: As `read_tensors`; or the file lacks a part or states no number where it must.
        ModelIncompatible: It is of another format.
    """
    path = check_unchanged(model)
    stated = read_metadata(path)
    if stated.get("format") != JOINT_FORMAT:
        raise ModelIncompatible(
            f"“{model.title}” is no joint adapter of this version.", "Train it again, or update PSDStudio."
        )
    tensors = read_tensors(path)
    try:
        alpha = float(stated["alpha"])
        if not math.isfinite(alpha):
            raise ValueError("alpha is not finite")
        paths = sorted({name[len(_LORA) :].rpartition(".")[0] for name in tensors if name.startswith(_LORA)})
        changes = {at: _joint_change(tensors, at, alpha) for at in paths}
        embedding = {name[len(_TABLE) :]: table for name, table in tensors.items() if name.startswith(_TABLE)}
        if not changes or not embedding or 2 * len(changes) + len(embedding) != len(tensors):
            raise KeyError("parts")
        wide, base = {"true": True, "false": False}[stated["wide"]], stated["base"]
        every = int(stated["every"])
        if not 1 <= every <= _SPARSEST:
            raise ValueError("rows meet nowhere")
    except (KeyError, ValueError, IndexError, ZeroDivisionError) as exc:
        raise ModelLoadFailed(f"“{model.title}” is damaged: {path}", AGAIN) from exc
    adapter = AdapterWeights(name=model.title, unet=changes)
    return JointAdapter(adapter=adapter, embedding=embedding, wide=wide, every=every, base=base)


def _joint_change(tensors: Mapping[str, Tensor], path: str, alpha: float) -> LowRank:
    down, up = tensors[f"{_LORA}{path}.down"], tensors[f"{_LORA}{path}.up"]
    return LowRank(down=down, up=up, scale=alpha / down.shape[0])
