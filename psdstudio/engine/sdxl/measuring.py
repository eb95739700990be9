"""What runs will cost on this device, from a short measurement and from what the network has to compute.

A product of two matrices tells the speed, the shapes of the modules tell the work (`network_work`); that is done while
the engine loads and takes a fraction of a second. Estimates, for the user to choose by: half or twice is possible.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from psdstudio.engine.sdxl.canvas import NATIVE_AREA
from psdstudio.engine.sdxl.device import Backend, ComputeDevice, precision_of
from psdstudio.engine.sdxl.network_work import row_work
from psdstudio.engine.sdxl.placement import PartSizes, Placing
from psdstudio.engine.sdxl.run_memory import row_bytes
from psdstudio.gen.engine import CostModel

EFFICIENCY = 0.5
"""Share of the speed of large matrix products at which the whole network computes: norms, activations and small
products are slower. On a busy CPU core 0.31 to 0.57 in bfloat16 and 0.55 to 0.90 in float32, for three widths."""
DECODE_FLOPS = 16.5e6
"""Of a pixel: 10.0 million of SDXL's VAE decoder and eight times 0.82 of the transparent decoder, counted by torch's
flop counter on modules of the published shapes at 1024 x 1024."""
MEASURED_S = 0.05
COPY_BYTES = 64 * 2**20
LATENT = 8


def measure_costs(
    device: ComputeDevice,
    unet: nn.Module,
    sizes: PartSizes,
    *,
    area: int = NATIVE_AREA,
    wide: bool = False,
    kept_each_step: bool = False,
    second_pass: float = 0.0,
    speed: Callable[[ComputeDevice], float] | None = None,
) -> CostModel:
    """Return the cost model of a network on a device.

    Args:
        device: With its free memory when no weights lie in it.
        unet: As loaded; its shapes alone are read.
        sizes: Of all parts.
        area: Pixels of a row.
        wide: Whether rows meet at two levels.
        kept_each_step: Whether kept rows are evaluated anew in every step.
        second_pass: Share of the steps that the second pass of larger canvases takes.
        speed: Gives floating point operations a second; `matrix_speed` when None.
    """
    side = math.isqrt(area) // LATENT
    work = row_work(unet, side, side, wide=wide)
    flops_per_s = (speed or matrix_speed)(device) * EFFICIENCY
    width = torch.empty(0, dtype=precision_of(device).network).element_size()
    placings = _placings(device)
    return CostModel(
        device=device.title,
        seconds_fixed=DECODE_FLOPS * area / flops_per_s,
        seconds_per_row_step=work.flops / flops_per_s,
        native_pixels=area,
        bytes_per_row=row_bytes(work, width),
        bytes_per_kept_row=work.remembered * width,
        plans=tuple((placing.value, sizes.resident(placing)) for placing in placings),
        free_bytes=device.free_bytes,
        moving_seconds=_moving_seconds(device, sizes, placings),
        kept_each_step=kept_each_step,
        second_pass=second_pass,
    )


def learned(costs: CostModel, *, estimated_s: float, took_s: float) -> CostModel:
    """Correct a model by a run that is over: halfway, on a logarithmic scale, towards what it took."""
    factor = math.sqrt(min(16.0, max(1 / 16, took_s / max(estimated_s, 1e-3))))
    return replace(
        costs,
        seconds_fixed=costs.seconds_fixed * factor,
        seconds_per_row_step=costs.seconds_per_row_step * factor,
        moving_seconds=tuple(seconds * factor for seconds in costs.moving_seconds),
    )


def matrix_speed(device: ComputeDevice, clock: Callable[[], float] = time.perf_counter) -> float:
    """Measure floating point operations a second in products of two large matrices, in the network's format."""
    n = 1024 if device.backend is Backend.CPU else 4096
    where, dtype = device.torch_device, precision_of(device).network
    a = torch.randn(n, n, device=where).to(dtype)
    _wait(device, a @ a)  # the first one loads the kernel
    best, spent = math.inf, 0.0
    while spent < MEASURED_S:
        begun = clock()
        _wait(device, a @ a)
        took = max(clock() - begun, 1e-9)
        best, spent = min(best, took), spent + took
    return 2.0 * n**3 / best


def copy_speed(device: ComputeDevice, clock: Callable[[], float] = time.perf_counter) -> float:
    """Measure bytes a second from the computer's memory to the device's."""
    source = torch.zeros(COPY_BYTES, dtype=torch.uint8)
    _wait(device, source[:1024].to(device.torch_device))
    begun = clock()
    _wait(device, source.to(device.torch_device))
    return COPY_BYTES / max(clock() - begun, 1e-9)


def _wait(device: ComputeDevice, result: torch.Tensor) -> None:
    """Wait until `result` is there: devices compute while Python goes on."""
    if device.backend is Backend.CUDA:
        torch.cuda.synchronize(device.index)
    elif device.backend is Backend.MPS:
        torch.mps.synchronize()
    del result


def _placings(device: ComputeDevice) -> tuple[Placing, ...]:
    """Ways of placing weights for the device itself; where a processor is the device, all is in its memory."""
    if device.backend is Backend.CUDA:
        return (Placing.FULL, Placing.MODEL, Placing.SEQUENTIAL)
    return (Placing.FULL,)


def _moving_seconds(
    device: ComputeDevice, sizes: PartSizes, placings: Sequence[Placing]
) -> tuple[float, ...]:
    """Return what each way adds to a step: with sequential offload all of the network is moved in each."""
    if Placing.SEQUENTIAL not in placings:
        return ()
    moved = sizes.unet / copy_speed(device)
    return tuple(moved if placing is Placing.SEQUENTIAL else 0.0 for placing in placings)
