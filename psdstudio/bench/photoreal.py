"""What rows of one scene cost in the photoreal engine's network, against the same rows each by itself.

A UNet of SDXL's own configuration with random weights (speed does not depend on what they are): at full size in
bfloat16 where there is a CUDA device, at half of its width or tiny anywhere. Measured in turns, with medians: a step of
joint rows (composite, background, one to six objects) against the unchanged UNet on the same rows; and a whole run that
regenerates one layer of five, the others remembered, against a joint run of all five. Words, VAE and transparent
decoding are left out. "Counted" is the ratio of the arithmetic alone, counted on a UNet that has shapes and no values.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from psdstudio.engine.sdxl.row_network import RowNetwork
from psdstudio.engine.sdxl.rows import RowBatch, RowIdentity, RowRole
from psdstudio.gen.models import PHOTOREAL_KEY, default_sampling

SUMMARY = "photoreal engine: joint rows against independent rows, one regenerated layer of five against all"
GOAL_JOINT, GOAL_CACHED = 1.15, 0.45
LAYERS = 5
"""Of the scene in which one layer is regenerated: a background and four objects."""
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
    """A size of the measurement: what differs from the published configuration, the number format, the picture."""

    changes: Mapping[str, Any]
    dtype: torch.dtype
    side: int


SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "full": Scale(changes={}, dtype=torch.bfloat16, side=1024),
        "half": Scale(
            changes={"block_out_channels": (160, 320, 640), "attention_head_dim": (2, 5, 10)},
            dtype=torch.float32,
            side=512,
        ),
        "tiny": Scale(
            changes={
                "block_out_channels": (32, 64, 64),
                "transformer_layers_per_block": (1, 1, 2),
                "attention_head_dim": (2, 4, 4),
                "cross_attention_dim": 64,
            },
            dtype=torch.float32,
            side=128,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One step of `rows` rows: seconds, and the most bytes taken beside the weights (None on the processor)."""

    objects: int
    rows: int
    joint_s: float
    alone_s: float
    joint_bytes: int | None
    alone_bytes: int | None
    counted: float

    @property
    def ratio(self) -> float:
        """Seconds of joint rows by seconds of independent ones."""
        return self.joint_s / self.alone_s


@dataclass(frozen=True, slots=True)
class CachedFigures:
    """Regenerating one layer of five: seconds to remember the others once, of a step, of a step of all five."""

    steps: int
    remember_s: float
    cached_s: float
    joint_s: float

    @property
    def ratio(self) -> float:
        """Seconds of a run with the others remembered once (clean, trained adapters) by those of a joint run."""
        return (self.remember_s + self.steps * self.cached_s) / (self.steps * self.joint_s)

    @property
    def matched_ratio(self) -> float:
        """The same where they are remembered anew in every step (time-matched, without trained adapters)."""
        return (self.remember_s + self.cached_s) / self.joint_s


@dataclass(frozen=True, slots=True)
class Figures:
    """All measurements."""

    scale: str
    side: int
    device: str
    groups: int
    weights_bytes: int
    steps: tuple[StepFigures, ...]
    cached: CachedFigures

    @property
    def within_goals(self) -> bool:
        """Whether the published size keeps the goals; the others say nothing of it."""
        joint = all(step.ratio <= GOAL_JOINT for step in self.steps)
        return self.scale != "full" or (joint and self.cached.ratio <= GOAL_CACHED)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this measurement."""
    parser.add_argument(
        "--size", choices=tuple(SCALES), default="full" if torch.cuda.is_available() else "tiny",
        help="width of the network (default here: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--side", type=int, help="pixels of the picture's side, a multiple of 64")
    parser.add_argument(
        "--objects", type=int, nargs="+", choices=range(1, 7), default=list(range(1, 7)), metavar="N",
        help="numbers of objects beside composite and background (default: 1 to 6)",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=int, default=5, help="times each thing is measured (default: %(default)s)"
    )
    parser.add_argument(
        "--guided",
        action="store_true",
        help="two groups of rows in a batch, with and without words, as runs have",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print; exit code 1 when the published size misses a goal."""
    scale = SCALES[args.size]
    side = args.side or scale.side
    if side % 64 or side < 64:
        print(f"no figures: {side} is not a multiple of 64", file=sys.stderr)
        return 2
    figures = measure(
        args.size, side=side, objects=args.objects, rounds=args.rounds, groups=2 if args.guided else 1
    )
    if args.json:
        print(json.dumps({"machine": _machine(), "photoreal": _as_values(figures)}, indent=2))
    else:
        print(table(figures))
    return 0 if figures.within_goals else 1


def _as_values(figures: Figures) -> dict[str, Any]:
    values = asdict(figures)
    for row, step in zip(values["steps"], figures.steps, strict=True):
        row["ratio"] = step.ratio
    values["cached"]["ratio"] = figures.cached.ratio
    values["cached"]["matched_ratio"] = figures.cached.matched_ratio
    return values


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
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else _machine(),
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


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return (
        f"{platform.machine()}, {cores} cores, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )


def table(figures: Figures) -> str:
    """Return the figures as a Markdown table, with the goals of the published size."""
    guided = "guided: each row twice" if figures.groups == 2 else "not guided"
    lines = [
        f"SDXL UNet, {figures.scale} size ({figures.weights_bytes / 1e9:.2f} GB of weights), "
        f"{figures.side} x {figures.side} px, {guided}; {figures.device}",
        "",
        "| objects | rows | joint, s/step | alone, s/step | ratio (goal 1.15) | counted | joint, GB | alone, GB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in figures.steps:
        memory = " | ".join(_gb(size) for size in (one.joint_bytes, one.alone_bytes))
        lines.append(
            f"| {one.objects} | {one.rows} | {one.joint_s:.3f} | {one.alone_s:.3f} | {one.ratio:.3f} "
            f"| {one.counted:.3f} | {memory} |"
        )
    cached = figures.cached
    lines += [
        "",
        f"| one layer of {LAYERS} | joint, s/step | cached, s/step | remember, s | "
        f"ratio of {cached.steps} steps (goal 0.45) "
        "| time-matched |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| regenerated | {cached.joint_s:.3f} | {cached.cached_s:.3f} | {cached.remember_s:.3f} | {cached.ratio:.3f} "
        f"| {cached.matched_ratio:.3f} |",
    ]
    return "\n".join(lines)


def _gb(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e9:.2f}"
