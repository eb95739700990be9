"""Rows of one scene in `bench photoreal`: joint ones against independent ones, remembered ones against all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from psdstudio.bench.photoreal_figures import (
    LAYERS,
    CachedFigures,
    CountedFigures,
    Figures,
    StepFigures,
    Work,
)
from psdstudio.bench.photoreal_parts import unet_of
from psdstudio.bench.photoreal_timing import Measured, machine, measured, median
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowBatch, RowIdentity, RowRole
from psdstudio.gen.models import PHOTOREAL_KEY, default_sampling


@torch.no_grad()
def measure(scale: str, work: Work, objects: Sequence[int]) -> Figures:
    """Make the network and measure all of it."""
    device = torch.device("cuda" if torch.cuda.is_available() and scale == "full" else "cpu")
    unet, counter = unet_of(scale, device), unet_of(scale, torch.device("meta"))
    steps = []
    for count in objects:
        batch = rows_of(unet, work, count)
        joint, alone = _in_turns(unet, batch, work)
        steps.append(
            StepFigures(
                objects=count,
                rows=count + 2,
                joint_s=joint.seconds,
                alone_s=alone.seconds,
                joint_bytes=joint.peak_bytes,
                alone_bytes=alone.peak_bytes,
                counted=counted(counter, rows_of(counter, work, count), [work.every])[0],
            )
        )
    return Figures(
        scale=scale,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else machine(),
        work=work,
        weights_bytes=sum(weight.numel() * weight.element_size() for weight in unet.parameters()),
        steps=tuple(steps),
        cached=_cached(unet, work),
    )


@torch.no_grad()
def count(*, side: int, objects: Sequence[int], shares: Sequence[int]) -> tuple[CountedFigures, ...]:
    """Return the ratios of `counted` at the published size."""
    unet = unet_of("full", torch.device("meta"))
    return tuple(
        CountedFigures(number, tuple(shares), counted(unet, rows_of(unet, Work(side=side), number), shares))
        for number in objects
    )


def rows_of(
    unet: Any,
    work: Work,
    objects: int,
    *,
    places: Sequence[int] | None = None,
    device: torch.device | None = None,
) -> RowBatch:
    """Return random rows for a UNet: composite, background and objects, or one group of those at `places`.

    They lie on `device`, or where the weights of the UNet do.
    """
    groups, side = (work.groups, work.side)
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


def counted(unet: Any, batch: RowBatch, shares: Sequence[int]) -> tuple[float, ...]:
    """Return the arithmetic of joint rows by that of independent ones, on the "meta" device.

    `shares`: 1 for rows that meet in each block, 2 for every second one, ...
    """
    with FlopCounterMode(display=False) as alone:
        by_themselves(unet, batch)
    ratios = []
    for every in shares:
        with RowNetwork(unet, every=every) as network, FlopCounterMode(display=False) as joint:
            network.predict(batch)
        ratios.append(joint.get_total_flops() / alone.get_total_flops())
    return tuple(ratios)


def _in_turns(unet: Any, batch: RowBatch, work: Work) -> tuple[Measured, Measured]:
    """Measure joint and independent rows in turns: medians after one round that does not count."""
    joint, alone = [], []
    for _ in range(work.rounds + 1):
        with RowNetwork(unet, every=work.every) as network:
            joint.append(measured(lambda: network.predict(batch), unet.device))
        alone.append(measured(lambda: by_themselves(unet, batch), unet.device))
    return median(joint[1:]), median(alone[1:])


def _cached(unet: Any, work: Work) -> CachedFigures:
    """Measure the regeneration of the frontmost object of five layers: it and the composite are made anew."""
    objects = LAYERS - 1
    every_row = rows_of(unet, work, objects)
    others = rows_of(unet, replace(work, groups=1), objects, places=range(1, objects + 1))
    free = rows_of(unet, work, objects, places=(0, objects + 1))
    remembered, cached, joint = [], [], []
    with RowNetwork(unet, every=work.every) as network:
        memory = network.remember(others, clean=False)
        for _ in range(work.rounds + 1):
            remembered.append(measured(lambda: network.remember(others, clean=False), unet.device))
            cached.append(measured(lambda: network.predict(free, kept=memory), unet.device))
            joint.append(measured(lambda: network.predict(every_row), unet.device))
    seconds = [median(one[1:]).seconds for one in (remembered, cached, joint)]
    return CachedFigures(default_sampling(PHOTOREAL_KEY).steps, *seconds)
