"""Seconds and memory of a piece of work in `bench photoreal`, on a CUDA device or the processor."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds (on the processor: of it), and the most bytes that were taken meanwhile (there: None)."""

    seconds: float
    peak_bytes: int | None


def measured(act: Callable[[], object], device: torch.device, *, whole: bool = False) -> Measured:
    """Do it once. Bytes are those beside what was there before, or with `whole` all; a processor cannot tell them."""
    if device.type != "cuda":
        # Of the processor, not of the clock: other programs that compute meanwhile would be counted with it.
        start = time.process_time()
        act()
        return Measured(time.process_time() - start, None)
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before, start = 0 if whole else torch.cuda.memory_allocated(device), time.perf_counter()
    act()
    torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    return Measured(seconds, torch.cuda.max_memory_allocated(device) - before)


def median(runs: Sequence[Measured]) -> Measured:
    """Return the median of the seconds and the largest of the peaks."""
    peaks = [one.peak_bytes for one in runs if one.peak_bytes is not None]
    return Measured(statistics.median(one.seconds for one in runs), max(peaks, default=None))


def has_cuda() -> bool:
    """Whether there is a CUDA device."""
    return torch.cuda.is_available()


def machine() -> str:
    """Return what computes when no CUDA device does."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return (
        f"{platform.machine()}, {cores} cores, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
