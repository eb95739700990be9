"""The rows of a scene in one UNet batch: `[composite, background, object_1 .. object_K]`, and what is said of each.

Every row is a whole canvas in the latent space of SDXL (4 channels at an eighth of the size, times the VAE's scaling
factor). Object rows hold transparent pictures in LayerDiffuse's sense: the alpha is an offset inside the latents.

Values alone: `row_network` computes with them, `sampler` makes them, `scene` reads them from a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from torch import Tensor

from psdstudio.core.layers import LayerId

NO_ADAPTERS: Mapping[str, float] = MappingProxyType({})
MAP_SCALE = 4
"""Maps of where things are lie at a quarter of the latents: 32x32 for a picture of 1024x1024."""


class RowRole(Enum):
    """What a row shows; the value is its place in the table of role embeddings."""

    COMPOSITE = 0
    BACKGROUND = 1
    OBJECT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RowIdentity:
    """Which layer a row is: its role, its place in the stack (objects 1, 2, ... back to front) and if it is kept."""

    role: RowRole
    order: int = 0
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowBatch:
    """One input of the network.

    Rows of one group attend to one another; guidance's silent half is a group of its own. Rows of a group are
    consecutive, and all groups have the same rows in the same order.

    Attributes:
        latents: (r, 4, h, w), already divided as the scheduler's `scale_model_input` wants for each row's timestep.
        timesteps: (r,), of 1000; one per row.
        words: (r, n, 2048) token states; n is a multiple of 77, the same for all rows.
        pooled: (r, 1280) of the second text encoder.
        time_ids: (r, 6): SDXL's original size, crop and target size.
        identities: One per row.
        groups: How many groups of equal length the batch is made of.
        adapters: By row, which attached adapters act on it and how strongly.
        image_tokens: (r, m, 2048) of an IP-Adapter, or None; a row without a reference has zeros.
        image_scales: By row, how strongly its image tokens act; empty: 1 each.
        composite_read: Whether layers read the composite in joint attention; it reads them in any case.
    """

    latents: Tensor
    timesteps: Tensor
    words: Tensor
    pooled: Tensor
    time_ids: Tensor
    identities: tuple[RowIdentity, ...]
    groups: int = 1
    adapters: tuple[Mapping[str, float], ...] = ()
    image_tokens: Tensor | None = None
    image_scales: tuple[float, ...] = ()
    composite_read: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steering:
    """Where the words of each row may act: the layout path.

    `weights` (r, n, h/4, w/4), zero or more, multiplies the cross-attention probability of token n at each place,
    which then are made to sum to 1 again; 1 changes nothing.
    """

    weights: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Asks for cross-attention maps of row `row` (the composite's): one per span of its tokens, [start, end)."""

    row: int
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """What the network says: `noise` (r, 4, h, w) and the watched `maps` (spans, h/4, w/4), each 0..1 by min-max."""

    noise: Tensor
    maps: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptMemory:
    """Keys and values that kept rows and references left in the joint layers, for free rows to read.

    Attributes:
        keys: By name of the attention module: (m, tokens, channels).
        values: As `keys`.
        readers: By memory row: the `order` of the only free object row that may read it; None for all free rows.
        timestep: At which the rows were evaluated; None when they were clean, so that the memory holds for all steps.
    """

    keys: Mapping[str, Tensor]
    values: Mapping[str, Tensor]
    readers: tuple[int | None, ...]
    timestep: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneRow:
    """What the sampler is told of one row.

    Attributes:
        identity: Role and order; kept when all its pixels are known.
        id: The layer; None for the composite.
        words: What it shows. The composite's are joined from those of the layers, so that each token has an owner.
        negative: What it must not show.
        seed: Of its noise alone, so that a layer's noise does not depend on the others.
        adapters: Which attached adapters act on it (transparency on objects, LoRAs of the user's choice).
        latents: (4, h, w) what is known of it; None when nothing is.
        unknown: (h, w), 1 where a row with `latents` is to be made all the same; None: nowhere.
        strength: Of a free row with `latents` and no `unknown`: from which share of the noise it starts (SDEdit); 1
            is from pure noise.
        layout: (h/4, w/4) in 0..1, where its thing is to be: a box that the user placed, or a silhouette.
        reference: (4, h, w) latents of a picture that guides it; with an IP-Adapter `image_tokens` (m, 2048) instead.
        image_tokens: See `reference`.
    """

    identity: RowIdentity
    id: LayerId | None
    words: str
    negative: str = ""
    seed: int = 0
    adapters: Mapping[str, float] = field(default_factory=lambda: NO_ADAPTERS)
    latents: Tensor | None = None
    unknown: Tensor | None = None
    strength: float = 1.0
    layout: Tensor | None = None
    reference: Tensor | None = None
    image_tokens: Tensor | None = None
