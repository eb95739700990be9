"""Where the weights of Qwen-Image-Layered go: they are 58 GB at full size, more than most devices hold."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path

import torch

from psdstudio.errors import ModelError

GIB = 1024**3
WORKING_BYTES = 8 * GIB
"""What a run of eight frames at 640x640 takes besides weights: the published model was reported to need 45 GB where
only its transformer (41 GB) lies on the device. Ours; not measured on a device yet."""


class Placement(Enum):
    """How the weights are placed, fastest first; the value is what the program calls it."""

    WHOLE = "all on the graphics card"
    PARTS = "one part at a time on the graphics card"
    BLOCKS = "one block at a time on the graphics card"
    PROCESSOR = "on the processor"


def placement_for(
    sizes: Mapping[str, int], *, device: torch.device, device_free: int | None, host_free: int | None
) -> Placement:
    """Return the fastest placement that fits.

    Args:
        sizes: Bytes of the weights of each part, as they will lie in memory.
        device: What computes.
        device_free: Free bytes of the graphics card; None without one.
        host_free: Free bytes of ordinary memory; None where the system does not tell, which refuses nothing.

    Raises:
        ModelError: No placement fits; the sentence says what is needed and what is there.
    """
    total, largest = sum(sizes.values()), max(sizes.values())
    if device.type == "cpu" or device_free is None:
        if host_free is not None and host_free < total + WORKING_BYTES:
            raise _too_small(
                total + WORKING_BYTES, f"this computer has {_gb(host_free)} free and no graphics card"
            )
        return Placement.PROCESSOR
    if device_free >= total + WORKING_BYTES:
        return Placement.WHOLE
    there = f"the graphics card has {_gb(device_free)} free and this computer {_gb(host_free or 0)}"
    if device_free < WORKING_BYTES:
        raise _too_small(WORKING_BYTES, there, of="on the graphics card")
    if host_free is not None and host_free < total:
        raise _too_small(total, there, of="of ordinary memory to hold the weights that are not on the card")
    return Placement.PARTS if device_free >= largest + WORKING_BYTES else Placement.BLOCKS


def _too_small(needed: int, there: str, *, of: str = "of memory") -> ModelError:
    return ModelError(
        f"Qwen-Image-Layered needs {_gb(needed)} {of}; {there}.",
        "Nothing was loaded. Close other programs, split the picture with another engine, or use a larger computer.",
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def free_device_bytes(device: torch.device, cap_gb: float | None = None) -> int | None:
    """Return the free memory of a graphics card, no more than the cap; None for the processor."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return free if cap_gb is None else min(free, int(cap_gb * 1e9))


def free_host_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return what the system can give without swapping; None where it does not say (not Linux)."""
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None
