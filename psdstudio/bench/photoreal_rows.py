"""The network whose rows `bench photoreal` measures, and how: in turns, with medians, the arithmetic counted."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from psdstudio.bench.photoreal_figures import LAYERS, CachedFigures, Figures, StepFigures
from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowBatch, RowIdentity, RowRole
from psdstudio.gen.models import PHOTOREAL_KEY, default_sampling

UNET_CONFIG: Mapping[str, Any] = MappingProxyType(
    {
        "sample_size": 128,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (320, 640, 1280),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 6 * 256 + 1280,
    }
)
"""As published with stabilityai/stable-diffusion-xl-base-1.0: 2,567,463,684 parameters. Its head "dims" are counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A size of the measurement: what differs from the published configuration, and the number format."""

    changes: Mapping[str, Any]
    dtype: torch.dtype


SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "full": Scale(changes={}, dtype=torch.bfloat16),
        "half": Scale(
            changes={"block_out_channels": (160, 320, 640), "attention_head_dim": (2, 5, 10)},
            dtype=torch.float32,
        ),
        "tiny": Scale(
            changes={
                "block_out_channels": (32, 64, 64),
                "transformer_layers_per_block": (1, 1, 2),
                "attention_head_dim": (2, 4, 4),
                "cross_attention_dim": 64,
            },
            dtype=torch.float32,
        ),
    }
)


@torch.no_grad()
def measure(scale: str, *, side: int, objects: Sequence[int], rounds: int, groups: int) -> Figures:
    """Make the network and measure all of it."""
    device = torch.device("cuda" if torch.cuda.is_available() and scale == "full" else "cpu")
    unet, counter = _unet(scale, device), _unet(scale, torch.device("meta"))
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


def _unet(scale: str, device: torch.device) -> Any:
    """Return the UNet of a scale on a device, with random weights (none on "meta"), in evaluation mode."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(
        SCALES[scale].dtype
    )  # made in float32, the full size would take twice its memory at first
    try:
        with torch.device(device):
            unet = UNet2DConditionModel(**{**UNET_CONFIG, **SCALES[scale].changes})
    finally:
        torch.set_default_dtype(before)
    return unet.eval().requires_grad_(False)


def rows_of(
    unet: Any, *, objects: int, side: int, groups: int = 1, places: Sequence[int] | None = None
) -> RowBatch:
    """Return random rows for a UNet: composite, background and objects, or those of them at `places`."""
    identities = [RowIdentity(role=RowRole.COMPOSITE), RowIdentity(role=RowRole.BACKGROUND)]
    identities += [RowIdentity(role=RowRole.OBJECT, order=i + 1) for i in range(objects)]
    if places is not None:
        identities = [identities[place] for place in places]
    count = groups * len(identities)
    words, pooled = (
        unet.config.cross_attention_dim,
        unet.config.projection_class_embeddings_input_dim - 6 * 256,
    )

    def values(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, device=unet.device, dtype=unet.dtype)

    return RowBatch(
        latents=values(4, side // 8, side // 8),
        timesteps=torch.full((count,), 500.0, device=unet.device),
        words=values(77, words),
        pooled=values(pooled),
        time_ids=torch.full((count, 6), float(side), device=unet.device),
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


@dataclass(frozen=True, slots=True)
class _Measured:
    seconds: float
    peak_bytes: int | None


def _in_turns(unet: Any, batch: RowBatch, rounds: int) -> tuple[_Measured, _Measured]:
    """Measure joint and independent rows in turns: medians after one round that does not count."""
    joint, alone = [], []
    for _ in range(rounds + 1):
        with RowNetwork(unet) as network:
            joint.append(_measured(lambda: network.predict(batch), unet.device))
        alone.append(_measured(lambda: by_themselves(unet, batch), unet.device))
    return _median(joint[1:]), _median(alone[1:])


def _median(all_of_them: Sequence[_Measured]) -> _Measured:
    peaks = [one.peak_bytes for one in all_of_them if one.peak_bytes is not None]
    return _Measured(statistics.median(one.seconds for one in all_of_them), max(peaks, default=None))


def _measured(act: Callable[[], object], device: torch.device) -> _Measured:
    """Do it once; on the processor memory cannot be told for one call."""
    if device.type != "cuda":
        start = time.perf_counter()
        act()
        return _Measured(time.perf_counter() - start, None)
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before, start = torch.cuda.memory_allocated(device), time.perf_counter()
    act()
    torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    return _Measured(seconds, torch.cuda.max_memory_allocated(device) - before)


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
            remembered.append(_measured(lambda: network.remember(others, clean=False), unet.device))
            cached.append(_measured(lambda: network.predict(free, kept=memory), unet.device))
            joint.append(_measured(lambda: network.predict(every), unet.device))
    seconds = [_median(one[1:]).seconds for one in (remembered, cached, joint)]
    return CachedFigures(default_sampling(PHOTOREAL_KEY).steps, *seconds)


def usual_size() -> str:
    """Return the size that says most on this computer."""
    return "full" if torch.cuda.is_available() else "tiny"


def machine() -> str:
    """Return what computes when no CUDA device does."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return (
        f"{platform.machine()}, {cores} cores, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
