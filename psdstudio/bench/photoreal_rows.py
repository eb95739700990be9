"""Rows of one scene in `bench photoreal`: joint ones against independent ones, remembered ones against all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from psdstudio.engine.sdxl.rows import KeptMemory, RowBatch, RowIdentity, RowRole
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
def count(scale: str, *, side: int, objects: Sequence[int], shares: Sequence[int]) -> CountedFigures:
    """Return the ratios of arithmetic; nothing is computed."""
    unet, work = unet_of(scale, torch.device("meta")), Work(side=side)
    rows = tuple((number, counted(unet, rows_of(unet, work, number), shares)) for number in objects)
    return CountedFigures(tuple(shares), rows, tuple(counted_cached(unet, work, every) for every in shares))


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
    alone = _arithmetic(lambda: by_themselves(unet, batch))
    ratios = []
    for every in shares:
        with RowNetwork(unet, every=every) as network:
            ratios.append(_arithmetic(lambda: network.predict(batch)) / alone)  # called at once
    return tuple(ratios)


def counted_cached(unet: Any, work: Work, every: int) -> float:
    """Return the arithmetic of a run that regenerates one layer of five by that of a joint run, on the "meta" device.

    Remembering is counted as a whole evaluation of the others; it ends a little earlier.
    """
    every_row, others, free = _regenerating(unet, work)
    steps = default_sampling(PHOTOREAL_KEY).steps
    with RowNetwork(unet, every=every) as network:
        # On "meta" nothing can be remembered: keys and values of the right shapes stand for it.
        modules = {name: network.unet.get_submodule(name) for name in network.joint_layers}
        tokens, count = (work.side // 32) ** 2, len(others.identities)
        shapes = {
            name: torch.empty(count, tokens, part.to_k.out_features, device="meta")
            for name, part in modules.items()
        }
        memory = KeptMemory(keys=shapes, values=shapes, readers=(None,) * count)
        once = _arithmetic(lambda: network.predict(others))
        cached = _arithmetic(lambda: network.predict(free, kept=memory))
        joint = _arithmetic(lambda: network.predict(every_row))
    return (once / steps + cached) / joint


def _arithmetic(act: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        act()
    return float(counter.get_total_flops())


def _in_turns(unet: Any, batch: RowBatch, work: Work) -> tuple[Measured, Measured]:
    """Measure joint and independent rows in turns: medians after one round that does not count."""
    joint, alone = [], []
    for _ in range(work.rounds + 1):
        with RowNetwork(unet, every=work.every) as network:
            joint.append(measured(lambda: network.predict(batch), unet.device))
        alone.append(measured(lambda: by_themselves(unet, batch), unet.device))
    return median(joint[1:]), median(alone[1:])


def _regenerating(unet: Any, work: Work) -> tuple[RowBatch, RowBatch, RowBatch]:
    """Return all rows of five layers, those that are kept, and those that are made anew: composite and last object."""
    objects = LAYERS - 1
    others = rows_of(unet, replace(work, groups=1), objects, places=range(1, objects + 1))
    free = rows_of(unet, work, objects, places=(0, objects + 1))
    return rows_of(unet, work, objects), others, free


def _cached(unet: Any, work: Work) -> CachedFigures:
    """Measure the regeneration of the frontmost object of five layers."""
    every_row, others, free = _regenerating(unet, work)
    remembered, cached, joint = [], [], []
    with RowNetwork(unet, every=work.every) as network:
        memory = network.remember(others, clean=False)
        for _ in range(work.rounds + 1):
            remembered.append(measured(lambda: network.remember(others, clean=False), unet.device))
            cached.append(measured(lambda: network.predict(free, kept=memory), unet.device))
            joint.append(measured(lambda: network.predict(every_row), unet.device))
    seconds = [median(one[1:]).seconds for one in (remembered, cached, joint)]
    return CachedFigures(default_sampling(PHOTOREAL_KEY).steps, *seconds)
