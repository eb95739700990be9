"""Rows of one scene in `bench photoreal`: joint ones against independent ones, remembered ones against all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from psdstudio.bench.photoreal_figures import LAYERS, CachedFigures, Figures, StepFigures
from psdstudio.bench.photoreal_parts import unet_of
from psdstudio.bench.photoreal_timing import Measured, machine, measured, median
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowBatch, RowIdentity, RowRole
from psdstudio.gen.models import PHOTOREAL_KEY, default_sampling


@torch.no_grad()
def measure(scale: str, *, side: int, objects: Sequence[int], rounds: int, groups: int) -> Figures:
    """Make the network and measure all of it."""
    device = torch.device("cuda" if torch.cuda.is_available() and scale == "full" else "cpu")
    unet, counter = unet_of(scale, device), unet_of(scale, torch.device("meta"))
    steps = []
    for count in objects:
        batch = rows_of(unet, objects=count, side=side, groups=groups)
        joint, alone = _in_turns(unet, batch, rounds)
        steps.append(
            StepFigures(
                objects=count,
                rows=count + 2,
                joint_s=joint.seconds,
                alone_s=alone.seconds,
                joint_bytes=joint.peak_bytes,
                alone_bytes=alone.peak_bytes,
                counted=counted_ratio(counter, rows_of(counter, objects=count, side=side, groups=groups)),
            )
        )
    return Figures(
        scale=scale,
        side=side,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else machine(),
        groups=groups,
        weights_bytes=sum(weight.numel() * weight.element_size() for weight in unet.parameters()),
        steps=tuple(steps),
        cached=_cached(unet, side=side, rounds=rounds, groups=groups),
    )


def rows_of(
    unet: Any,
    *,
    objects: int,
    side: int,
    groups: int = 1,
    places: Sequence[int] | None = None,
    device: torch.device | None = None,
) -> RowBatch:
    """Return random rows for a UNet: composite, background and objects, or those of them at `places`.

    They lie on `device`, or where the weights of the UNet do.
    """
    identities = [RowIdentity(role=RowRole.COMPOSITE), RowIdentity(role=RowRole.BACKGROUND)]
    identities += [RowIdentity(role=RowRole.OBJECT, order=i + 1) for i in range(objects)]
    if places is not None:
        identities = [identities[place] for place in places]
    count, device = groups * len(identities), device or unet.device
    words, pooled = (
        unet.config.cross_attention_dim,
        unet.config.projection_class_embeddings_input_dim - 6 * 256,
    )

    def values(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, device=device, dtype=unet.dtype)

    return RowBatch(
        latents=values(4, side // 8, side // 8),
        timesteps=torch.full((count,), 500.0, device=device),
        words=values(77, words),
        pooled=values(pooled),
        time_ids=torch.full((count, 6), float(side), device=device),
        identities=tuple(identities) * groups,
        groups=groups,
    )


def by_themselves(unet: Any, batch: RowBatch) -> None:
    """Evaluate the unchanged UNet on the rows of a batch."""
    added = {"text_embeds": batch.pooled, "time_ids": batch.time_ids}
    unet(batch.latents, batch.timesteps, batch.words, added_cond_kwargs=added, return_dict=False)


def counted_ratio(unet: Any, batch: RowBatch) -> float:
    """Return the arithmetic of joint rows by that of independent ones, for a UNet and rows on the "meta" device."""
    with FlopCounterMode(display=False) as alone:
        by_themselves(unet, batch)
    with RowNetwork(unet) as network, FlopCounterMode(display=False) as joint:
        network.predict(batch)
    return float(joint.get_total_flops() / alone.get_total_flops())


def _in_turns(unet: Any, batch: RowBatch, rounds: int) -> tuple[Measured, Measured]:
    """Measure joint and independent rows in turns: medians after one round that does not count."""
    joint, alone = [], []
    for _ in range(rounds + 1):
        with RowNetwork(unet) as network:
            joint.append(measured(lambda: network.predict(batch), unet.device))
        alone.append(measured(lambda: by_themselves(unet, batch), unet.device))
    return median(joint[1:]), median(alone[1:])


def _cached(unet: Any, *, side: int, rounds: int, groups: int) -> CachedFigures:
    """Measure the regeneration of the frontmost object of five layers: it and the composite are made anew."""
    objects = LAYERS - 1
    every = rows_of(unet, objects=objects, side=side, groups=groups)
    others = rows_of(unet, objects=objects, side=side, places=range(1, objects + 1))
    free = rows_of(unet, objects=objects, side=side, groups=groups, places=(0, objects + 1))
    remembered, cached, joint = [], [], []
    with RowNetwork(unet) as network:
        memory = network.remember(others, clean=False)
        for _ in range(rounds + 1):
            remembered.append(measured(lambda: network.remember(others, clean=False), unet.device))
            cached.append(measured(lambda: network.predict(free, kept=memory), unet.device))
            joint.append(measured(lambda: network.predict(every), unet.device))
    seconds = [median(one[1:]).seconds for one in (remembered, cached, joint)]
    return CachedFigures(default_sampling(PHOTOREAL_KEY).steps, *seconds)
