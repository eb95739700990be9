"""What computes, how much of its memory is free, and in which number formats: measured, never guessed from a name."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import torch

GIGABYTE = 2**30
RESERVE = 0.06
"""Share of a device's free memory that is left alone: kernels have workspaces, and allocators tear holes."""
CPU_RESERVE_BYTES = GIGABYTE // 2
"""The window, and the pictures on their way to it, need memory too."""
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


class Backend(Enum):
    """Kinds of devices; the value is torch's name."""

    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeDevice:
    """A device with its memory at one moment.

    Attributes:
        backend: What kind it is.
        index: Which of several.
        title: For the user: "NVIDIA RTX 4070 (12 GB)" or "this processor".
        free_bytes: That may be used now.
        total_bytes: All of it.
        host_free_bytes: Free memory of the computer, in which offloaded weights lie. On a CPU the same as `free_bytes`.
        bfloat16: Whether it computes bfloat16 at full speed.
    """

    backend: Backend
    index: int = 0
    title: str
    free_bytes: int
    total_bytes: int
    host_free_bytes: int
    bfloat16: bool

    @property
    def torch_device(self) -> torch.device:
        """As torch names it. With the index, as a device without one equals no tensor's own."""
        if self.backend is Backend.CUDA:
            return torch.device("cuda", self.index)
        return torch.device("mps", 0) if self.backend is Backend.MPS else torch.device("cpu")

    def capped(self, gigabytes: float | None) -> ComputeDevice:
        """Return the device as if it had no more than this free."""
        if gigabytes is None:
            return self
        most = int(gigabytes * GIGABYTE)
        capped = replace(self, free_bytes=min(self.free_bytes, most))
        if self.backend is Backend.CPU:
            capped = replace(capped, host_free_bytes=capped.free_bytes)
        return capped


@dataclass(frozen=True, slots=True)
class Precision:
    """Number formats: `network` of UNet and text encoders, `vae` of the VAE and the transparent decoder."""

    network: torch.dtype
    vae: torch.dtype


def precision_of(device: ComputeDevice) -> Precision:
    """Return the formats for a device.

    bfloat16 wherever it is fast. Else float16 on a GPU, but never for the VAE, which overflows in it; and float32 on a
    CPU, which computes float16 a hundred times slower.
    """
    if device.bfloat16:
        return Precision(torch.bfloat16, torch.bfloat16)
    if device.backend is Backend.CPU:
        return Precision(torch.float32, torch.float32)
    return Precision(torch.float16, torch.float32)


def this_device() -> ComputeDevice:
    """Return the fastest device there is, with the memory that is free now: CUDA, then MPS, then the processor."""
    if torch.cuda.is_available():
        return _cuda(torch.cuda.current_device())
    if torch.backends.mps.is_available():
        return _mps()
    return this_processor()


def this_processor() -> ComputeDevice:
    """Return the CPU, with the memory that is free now."""
    free, total = host_memory()
    free = max(0, free - CPU_RESERVE_BYTES)
    return ComputeDevice(
        backend=Backend.CPU,
        title="this processor",
        free_bytes=free,
        total_bytes=total,
        host_free_bytes=free,
        # The public twin answers for a GPU too, where there is one.
        bfloat16=bool(torch.cpu._is_avx512_bf16_supported()),  # noqa: SLF001  # no public one
    )


def _cuda(index: int) -> ComputeDevice:
    free, total = torch.cuda.mem_get_info(index)
    # What torch has freed and keeps for itself can be used again.
    free += torch.cuda.memory_reserved(index) - torch.cuda.memory_allocated(index)
    return ComputeDevice(
        backend=Backend.CUDA,
        index=index,
        title=f"{torch.cuda.get_device_name(index)} ({total / GIGABYTE:.0f} GB)",
        free_bytes=int(free * (1 - RESERVE)),
        total_bytes=total,
        host_free_bytes=this_processor().free_bytes,
        bfloat16=torch.cuda.is_bf16_supported(including_emulation=False),
    )


def _mps() -> ComputeDevice:
    total = torch.mps.recommended_max_memory()
    free = total - torch.mps.driver_allocated_memory()
    return ComputeDevice(
        backend=Backend.MPS,
        title=f"Apple GPU ({total / GIGABYTE:.0f} GB)",
        free_bytes=int(max(0, free) * (1 - RESERVE)),
        total_bytes=total,
        host_free_bytes=this_processor().free_bytes,
        bfloat16=torch.backends.mps.is_macos_or_newer(14, 0),
    )


def host_memory() -> tuple[int, int]:
    """Return the bytes of the computer's memory that programs may use now, and all of it.

    What the system holds as a cache of files counts as free; a container's limit counts as all there is.
    """
    if sys.platform == "win32":
        return _windows_memory()
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    # macOS does not tell how many pages are free: half of them, then.
    free = page * os.sysconf("SC_AVPHYS_PAGES") if "SC_AVPHYS_PAGES" in os.sysconf_names else total // 2
    if (available := _available_of(_MEMINFO)) is not None:
        free = available
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is not None and used is not None and limit < total:
        cached = _stat_of(_CGROUP / "memory.stat", "inactive_file") or 0
        free, total = min(free, max(0, limit - used + cached)), limit
    return free, total


def _available_of(meminfo: Path) -> int | None:
    kilobytes = _stat_of(meminfo, "MemAvailable:")
    return None if kilobytes is None else kilobytes * 1024


def _stat_of(path: Path, name: str) -> int | None:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    words = next((line.split() for line in lines if line.split()[:1] == [name]), [])
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _windows_memory() -> tuple[int, int]:
    class Status(ctypes.Structure):
        _fields_ = (  # MEMORYSTATUSEX of the Windows API
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "c", "d", "e", "f", "g")),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    ctypes.CDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.free), int(status.total)
