"""What is trained: a LoRA on the joint layers and the layer embedding, around a frozen UNet with rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from psdstudio.engine.sdxl.adapters_file import Changes
from psdstudio.engine.sdxl.layer_embedding import LayerEmbedding
from psdstudio.engine.sdxl.row_adapters import fresh_low_rank
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowBatch, RowIdentity, RowRole
from psdstudio.training.joint_encode import EncodedScene
from psdstudio.training.joint_loss import NoiseTable, SceneRows, scene_errors
from psdstudio.training.joint_modes import RowPlan

JOINT, TRANSPARENT = "joint", "transparent"
"""Names of the adapters: the one that is trained acts on all rows, LayerDiffuse's on the objects."""
ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterShape:
    """What two adapters must have in common to go on from one another.

    Attributes:
        rank: Of the LoRA.
        alpha: Its scale is alpha / rank.
        wide: Rows also meet at half of the latents (64x64 of a picture of 1024x1024).
        every: Rows meet in each block (1), each second one, ...
    """

    rank: int
    alpha: float
    wide: bool = False
    every: int = 1


class JointModule(nn.Module):
    """The trained parameters, float32, and the loss of a scene; the UNet is used and never changed.

    Owned by one thread. `close` gives the UNet back as it was.

    Args:
        unet: diffusers' UNet, frozen, on the device and in the dtype that it is to compute in.
        shape: Of the adapter.
        table: The base model's noise.
        seed: Of the LoRA's first values; a fresh module changes nothing.
        transparent: LayerDiffuse's changes for object rows, or None.
    """

    def __init__(
        self,
        unet: Any,
        shape: AdapterShape,
        table: NoiseTable,
        *,
        seed: int = 0,
        transparent: Changes | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.table = shape, table
        self.embedding = LayerEmbedding(unet.time_embedding.linear_2.out_features).to(unet.device)
        # Not a module itself: the UNet's weights must be in no state dict and in nobody's gradients.
        self.network = RowNetwork(unet, wide=shape.wide, every=shape.every, embedding=self.embedding)
        paths = [f"{layer}.{part}" for layer in self.network.joint_layers for part in ADAPTED]
        fresh = fresh_low_rank(
            unet, paths, rank=shape.rank, generator=torch.Generator().manual_seed(seed), alpha=shape.alpha
        )
        # Registered and attached are the very same parameters.
        self.changes = {
            path: replace(
                change, down=nn.Parameter(change.down.detach()), up=nn.Parameter(change.up.detach())
            )
            for path, change in fresh.items()
        }
        for path, change in self.changes.items():
            self.register_parameter(_flat(f"lora.{path}.down"), change.down)  # type: ignore[arg-type]  # made above
            self.register_parameter(_flat(f"lora.{path}.up"), change.up)  # type: ignore[arg-type]  # made above
        self.network.attach(JOINT, self.changes)
        self.is_transparent = transparent is not None
        if transparent is not None:
            self.network.attach(TRANSPARENT, transparent)

    def close(self) -> None:
        """Give the UNet back as it was."""
        self.network.close()

    def named_tensors(self) -> dict[str, nn.Parameter]:
        """Return the trained parameters by their keys in the adapter file."""
        tables = {f"embedding.{name}": parameter for name, parameter in self.embedding.named_parameters()}
        own = dict(self.named_parameters())
        sides = [f"lora.{path}.{side}" for path in self.changes for side in ("down", "up")]
        return tables | {name: own[_flat(name)] for name in sides}

    def forward(self, scene: EncodedScene, plan: RowPlan, noise: Tensor, joint: bool = True) -> Tensor:
        """Return the loss of a scene, a number; `noise` (r, 4, h, w). Without `joint` no row sees another one."""
        errors, weights = self.row_errors(scene, plan, noise, joint=joint)
        return (errors * weights).mean()

    def row_errors(
        self, scene: EncodedScene, plan: RowPlan, noise: Tensor, *, joint: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Return error and weight of every free row, see `joint_loss.scene_errors`."""
        rows = self.scene_rows(scene, plan, noise)
        return scene_errors(self.network, rows, plan, self.table, joint=joint)

    def scene_rows(self, scene: EncodedScene, plan: RowPlan, noise: Tensor) -> SceneRows:
        """Return the rows of a scene on the network's device."""
        device = self.embedding.role.device
        rows = scene.latents.shape[0]
        words, pooled = scene.words, scene.pooled
        if plan.words_dropped:
            words = scene.no_words.expand(rows, -1, -1)
            pooled = scene.no_pooled.expand(rows, -1)
        height, width = (int(side) for side in scene.size)
        shaken = torch.tensor(plan.jittered).view(-1, 1, 1, 1)
        batch = RowBatch(
            latents=scene.latents.to(device),
            timesteps=torch.zeros(rows, device=device),
            words=words.to(device),
            pooled=pooled.to(device),
            time_ids=torch.tensor([[height, width, 0, 0, height, width]] * rows, device=device).float(),
            identities=identities(scene.objects),
            adapters=self.row_adapters(scene.objects),
        )
        kept = torch.where(shaken, scene.jittered, scene.kept).to(device)
        return SceneRows(batch=batch, kept=kept, noise=noise.to(device))

    def row_adapters(self, objects: int) -> tuple[Mapping[str, float], ...]:
        """Return which adapters act on the rows of a scene."""
        opaque = {JOINT: 1.0}
        transparent = opaque | ({TRANSPARENT: 1.0} if self.is_transparent else {})
        return (opaque, opaque) + (transparent,) * objects


def identities(objects: int) -> tuple[RowIdentity, ...]:
    """Return those of [composite, background, object 1 .. object K]."""
    things = (RowIdentity(role=RowRole.OBJECT, order=order) for order in range(1, objects + 1))
    return (RowIdentity(role=RowRole.COMPOSITE), RowIdentity(role=RowRole.BACKGROUND), *things)


def _flat(name: str) -> str:
    """Parameters cannot have dots in their names."""
    return name.replace(".", "/")
