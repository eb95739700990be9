"""Which layer a row is, told to the UNet: embeddings of role, order and kept state beside the time embedding.

Row i's time embedding becomes `time(t_i) + text(pooled_i, sizes_i) + role[r_i] + order[o_i] + state[s_i]`. All tables
start at zero, so that an untrained embedding changes nothing. Sources: that layers need an index to be told apart is
from ART (2502.18364, Table 5: FID 17.8 with, 124 without) and DreamLayer (2503.12838, the layer-assign embedding);
adding it to the time embedding, and the state, are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from psdstudio.engine.sdxl.rows import RowIdentity, RowRole
from psdstudio.errors import ModelIncompatible, ModelLoadFailed

MAX_ORDER = 8
"""Objects in one stack that the table tells apart."""


class LayerEmbedding(nn.Module):
    """Three tables, zero at first: `role` (3, dim), `order` (8, dim) of objects 1 to 8, `state` (2, dim) free, kept."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.role = nn.Parameter(torch.zeros(len(RowRole), dim))
        self.order = nn.Parameter(torch.zeros(MAX_ORDER, dim))
        self.state = nn.Parameter(torch.zeros(2, dim))

    def forward(self, identities: Sequence[RowIdentity]) -> Tensor:
        """Return (rows, dim). Raises ModelIncompatible for an order beyond the table."""
        if (last := max(row.order for row in identities)) > MAX_ORDER:
            raise ModelIncompatible(
                f"This adapter was trained for at most {MAX_ORDER} objects in one picture, and there are {last}.",
                "Make the scene in parts: keep some objects and generate the others.",
            )
        orders = functional.pad(self.order, (0, 0, 1, 0))  # no order: zeros
        return (
            self.role[[row.role.value for row in identities]]
            + orders[[row.order for row in identities]]
            + self.state[[int(row.kept) for row in identities]]
        )

    @classmethod
    def of(cls, unet: UNet2DConditionModel) -> LayerEmbedding:
        """Return tables of zeros as wide as the time embedding of `unet`, on its device; float32."""
        last = unet.add_embedding.linear_2
        return cls(last.out_features).to(last.weight.device)

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], *, dim: int) -> LayerEmbedding:
        """Return an embedding with these tables. Raises ModelLoadFailed when one lacks or has another shape."""
        embedding = cls(dim)
        try:
            embedding.load_state_dict(dict(tensors), strict=True)
        except RuntimeError as exc:
            raise ModelLoadFailed(
                "The layer embeddings of the joint adapter do not fit this model.",
                "Use the adapter with the base model that it was trained on.",
            ) from exc
        return embedding
