"""How much an evaluation of the UNet computes and holds, counted from the shapes of its modules: nothing is run.

Works on modules without data (torch's meta device) as well, so that a run can be priced before weights are moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

WORD_TOKENS = 77
_LEVEL = re.compile(r"^(down_blocks|up_blocks)\.(\d+)\.(?:(resnets|attentions|downsamplers|upsamplers)\b)?")
_CROSS = re.compile(r"\.attn2\.to_[kv]$")
_PER_ROW = re.compile(r"^(time_embedding|add_embedding)\.|\.time_emb_proj$")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowWork:
    """Of one row: `flops` of an evaluation (a multiplication and an addition are two), `held` numbers at the peak.

    `remembered` numbers are the keys and values that a kept row leaves in the layers where rows meet.
    """

    flops: int
    held: int
    remembered: int


def row_work(
    unet: nn.Module,
    height: int,
    width: int,
    *,
    rows: int = 1,
    words: int = WORD_TOKENS,
    memory_rows: int = 0,
    wide: bool = False,
) -> RowWork:
    """Count one row of a batch of `rows` that see one another, with latents of height x width.

    Args:
        unet: A diffusers UNet2DConditionModel.
        height: Of the latents.
        width: Of the latents.
        rows: Of its group.
        words: Tokens of a row's words.
        memory_rows: Kept rows whose keys and values are read besides.
        wide: Whether rows meet at the level above the deepest too.

    Counted are linear layers and convolutions (2 x weights x places) and
    attention (4 x queries x keys x channels). Norms and activations, about a hundredth, are left out.
    """
    places = _Places(unet, height, width, wide=wide)
    flops = remembered = 0
    for name, module in unet.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            flops += 2 * module.weight.numel() * places.of(name, words)
        elif name.endswith((".attn1", ".attn2")):
            flops += _attention(module, name, places, rows + memory_rows, words)
            if name.endswith("attn1") and name.startswith(places.joint):
                remembered += 2 * _channels(module) * places.at(places.level(name))
    return RowWork(flops=flops, held=_held(unet, places), remembered=remembered)


class _Places:
    """At how many places a module of the UNet works, from the level that its name tells."""

    def __init__(self, unet: nn.Module, height: int, width: int, *, wide: bool) -> None:
        self._height, self._width = height, width
        parts: Any = unet
        self.levels: int = len(parts.down_blocks)
        self.joint: tuple[str, ...] = (f"down_blocks.{self.levels - 1}.", "mid_block.", "up_blocks.0.")
        if wide:
            self.joint += (f"down_blocks.{self.levels - 2}.", "up_blocks.1.")

    def at(self, level: int) -> int:
        """Return the places of a level; halving rounds up."""
        scale = 1 << level
        return -(-self._height // scale) * -(-self._width // scale)

    def level(self, name: str) -> int:
        """Return the level at whose size a module gives its output."""
        if name.startswith("mid_block"):
            return self.levels - 1
        found = _LEVEL.match(name)
        if found is None:
            return 0
        block, kind = int(found[2]), found[3]
        if found[1] == "down_blocks":
            return block + (kind == "downsamplers")
        return self.levels - 1 - block - (kind == "upsamplers")

    def of(self, name: str, words: int) -> int:
        """Return at how many places a layer's weights are used for one row."""
        if _PER_ROW.search(name):
            return 1
        return words if _CROSS.search(name) else self.at(self.level(name))


def _attention(module: nn.Module, name: str, places: _Places, rows: int, words: int) -> int:
    queries = places.at(places.level(name))
    channels = _channels(module)
    if name.endswith("attn2"):
        return 4 * queries * words * channels
    keys = queries * (rows if name.startswith(places.joint) else 1)
    return 4 * queries * keys * channels


def _channels(attention: nn.Module) -> int:
    queries = attention.get_submodule("to_q")
    assert isinstance(queries, nn.Linear)
    return int(queries.out_features)


def _held(unet: nn.Module, places: _Places) -> int:
    """Return the numbers of one row that are held at once where most are: skips that wait, and the widest layer.

    A residual block holds its inputs, what they were joined to, and its norm beside its activation, or later its input
    and three maps of its own; a feed-forward layer its inputs, the doubled projection and the gated half.
    """
    skips: list[int] = []
    most = 0
    for name, block in _blocks(unet):
        where = places.at(places.level(name))
        if isinstance(block, nn.Conv2d):  # conv_in and downsamplers
            skips.append(block.out_channels * where)
            most = max(most, sum(skips))
            continue
        into, out = _widths(block)
        if name.startswith("up_blocks") and ".resnets." in name:
            waiting = sum(skips)
            skips.pop()
        else:
            waiting = sum(skips)
        own = (
            max(4 * into, 2 * into + 3 * out) if ".resnets." in name else _feed_forward(block, out)
        ) * where
        most = max(most, waiting + own)
        if name.startswith("down_blocks") and not _is_followed_by_attention(unet, name):
            skips.append(out * where)
    return most


def _blocks(unet: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Give residual blocks, transformers and the convolutions that leave a skip, in the order of the forward pass."""
    parts: Any = unet
    yield "conv_in", parts.conv_in
    for kind in ("down_blocks", "mid_block", "up_blocks"):
        blocks = (
            [("mid_block", parts.mid_block)] if kind == "mid_block" else _numbered(kind, getattr(parts, kind))
        )
        for name, block in blocks:
            attentions = list(getattr(block, "attentions", None) or ())
            for i, resnet in enumerate(block.resnets):
                yield f"{name}.resnets.{i}", resnet
                if i < len(attentions):
                    yield f"{name}.attentions.{i}", attentions[i]
            for i, sampler in enumerate(getattr(block, "downsamplers", None) or ()):
                yield f"{name}.downsamplers.{i}", sampler.conv


def _numbered(kind: str, blocks: Any) -> list[tuple[str, Any]]:
    return [(f"{kind}.{i}", block) for i, block in enumerate(blocks)]


def _is_followed_by_attention(unet: nn.Module, name: str) -> bool:
    """Whether a residual block's output goes through attention before it is put aside as a skip."""
    if ".resnets." not in name:
        return False
    block: Any = unet.get_submodule(name.split(".resnets.")[0])
    return bool(getattr(block, "attentions", None))


def _widths(block: nn.Module) -> tuple[int, int]:
    parts: Any = block
    if hasattr(parts, "conv1"):
        return int(parts.conv1.in_channels), int(parts.conv2.out_channels)
    return int(parts.norm.num_channels), int(parts.norm.num_channels)


def _feed_forward(block: nn.Module, channels: int) -> int:
    wide = max(
        (module.out_features for name, module in block.named_modules() if name.endswith("net.0.proj")),
        default=0,
    )
    return 3 * channels + wide + wide // 2
