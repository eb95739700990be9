"""Where the weights lie while the photoreal engine works: the fastest way that fits, and what to do when it does not.

From the fastest to the slowest: everything in the device's memory; one part at a time (text encoders, network, VAE with
the transparent decoder), the others in the computer's memory; one module at a time; everything on the processor.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import torch
from accelerate import cpu_offload, cpu_offload_with_hook
from accelerate.hooks import remove_hook_from_module
from torch import nn

from psdstudio.engine.sdxl.device import GIGABYTE, Backend, ComputeDevice, Precision
from psdstudio.engine.sdxl.run_memory import RunMemory
from psdstudio.errors import EngineOutOfMemory, is_out_of_memory

Event = TypeVar("Event")
Answer = TypeVar("Answer")
_SAFE = "Your layers are safe."
_HINT = "Keep or hide some layers, paint at a smaller canvas, or close other programs that use the memory."


class Placing(Enum):
    """Ways of placing the weights, from the fastest to the slowest; the value is what the user reads."""

    FULL = "all in memory"
    MODEL = "model offload"
    SEQUENTIAL = "sequential offload"
    PROCESSOR = "everything on the processor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The modules of the engine in the order in which a run needs them; `transparent` works together with the VAE."""

    text_encoders: tuple[nn.Module, ...]
    unet: nn.Module
    vae: nn.Module
    transparent: tuple[nn.Module, ...] = ()

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """All of them."""
        return (*self.text_encoders, self.unet, self.vae, *self.transparent)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSizes:
    """Bytes of the parts' weights; `adapters` lie beside the network, `largest_module` is the largest single one."""

    text_encoders: int
    unet: int
    vae: int
    transparent: int = 0
    adapters: int = 0
    largest_module: int = 0

    @property
    def total(self) -> int:
        """All parts together."""
        return self.text_encoders + self.unet + self.vae + self.transparent + self.adapters

    def resident(self, placing: Placing) -> int:
        """Return the most weights that lie in the device's memory at once."""
        if placing is Placing.MODEL:
            # Those that made a preview stay beside the network: they are small.
            return max(self.text_encoders, self.unet + self.adapters + self.vae + self.transparent)
        return self.largest_module + self.adapters if placing is Placing.SEQUENTIAL else self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One way of running, with the memory that it takes on the device, and on the computer besides.

    Where `halves_together`, the network is evaluated with and without words in one batch; else one after the other, in
    half the working memory.
    """

    placing: Placing
    halves_together: bool = True
    device_bytes: int
    host_bytes: int

    @property
    def name(self) -> str:
        """For the user."""
        return self.placing.value + ("" if self.halves_together else ", in halves")


def part_sizes(parts: Parts, adapters: Iterable[torch.Tensor] = ()) -> PartSizes:
    """Count the bytes of the parts in the formats that they have now."""
    largest = max((_bytes_of(m, recurse=False) for part in parts.modules for m in part.modules()), default=0)
    return PartSizes(
        text_encoders=sum(_bytes_of(part) for part in parts.text_encoders),
        unet=_bytes_of(parts.unet),
        vae=_bytes_of(parts.vae),
        transparent=sum(_bytes_of(part) for part in parts.transparent),
        adapters=sum(tensor.numel() * tensor.element_size() for tensor in adapters),
        largest_module=largest,
    )


def plans_for(device: ComputeDevice, sizes: PartSizes, run: RunMemory) -> tuple[Plan, ...]:
    """Return the ways that fit, from the fastest; `run` is what is taken besides weights.

    Raises:
        EngineOutOfMemory: Not even the last one fits.
    """
    plans = []
    for placing in _PLACINGS[device.backend]:
        for together in (True, False) if run.apart < run.together else (True,):
            plan = _plan(placing, sizes, run.together if together else run.apart, together=together)
            if plan.device_bytes <= device.free_bytes and plan.host_bytes <= device.host_free_bytes:
                plans.append(plan)
    if not plans:
        raise _too_little(device, sizes, run.apart)
    return tuple(plans)


def _plan(placing: Placing, sizes: PartSizes, working_bytes: int, *, together: bool) -> Plan:
    on_device = sizes.resident(placing) + working_bytes
    if placing is Placing.PROCESSOR:
        return Plan(placing=placing, halves_together=together, device_bytes=0, host_bytes=on_device)
    elsewhere = 0 if placing is Placing.FULL else sizes.total
    return Plan(placing=placing, halves_together=together, device_bytes=on_device, host_bytes=elsewhere)


_OFFLOADED = (Placing.FULL, Placing.MODEL, Placing.SEQUENTIAL, Placing.PROCESSOR)
_PLACINGS = {
    Backend.CUDA: _OFFLOADED,
    # An Apple GPU shares the computer's memory: weights moved out of its part of it take as much elsewhere.
    Backend.MPS: (Placing.FULL, Placing.PROCESSOR),
    Backend.CPU: (Placing.PROCESSOR,),
}


class Placement:
    """Puts the parts in their places and moves them while they are used; one thread.

    A network may be opened for rows before or after it is placed: adapters are no part of it and are moved by their
    owner. Call `rest` at the end of a run. After `release` the parts lie in the computer's memory as they were loaded.
    """

    def __init__(self, parts: Parts, device: torch.device, precision: Precision) -> None:
        self._parts = parts
        self._device = device
        self._precision = precision
        self._placing: Placing | None = None
        self._offloads: list[Any] = []

    @property
    def placing(self) -> Placing | None:
        """The way in use; None before `place` and after `release`."""
        return self._placing

    @property
    def device(self) -> torch.device:
        """Where inputs must lie: the parts compute there, wherever their weights are in between."""
        return torch.device("cpu") if self._placing is Placing.PROCESSOR else self._device

    def place(self, placing: Placing) -> None:
        """Put the parts in place. Whatever fails, they can be placed again in another way."""
        if placing is self._placing:
            return
        self.release()
        self._placing = placing
        if placing is Placing.MODEL:
            before: Any = None
            for part in (*self._parts.text_encoders, self._parts.unet):
                before = self._moved_when_used(part, before)
            # They work by turns: each of them makes room by moving the network out, and none of them the others.
            for part in (self._parts.vae, *self._parts.transparent):
                self._moved_when_used(part, before)
        elif placing is Placing.SEQUENTIAL:
            for part in self._parts.modules:
                cpu_offload(part, self._device, offload_buffers=True)
        else:
            self._bring_to(self.device)

    def rest(self) -> None:
        """Move out of the device's memory what model offload left there; what is used again comes back by itself."""
        for offload in self._offloads:
            offload.offload()

    def release(self) -> None:
        """Bring all parts into the computer's memory, without hooks."""
        for offload in self._offloads:
            offload.remove()
        self._offloads.clear()
        if self._placing is Placing.SEQUENTIAL:
            for part in self._parts.modules:
                remove_hook_from_module(part, recurse=True)
        was, self._placing = self._placing, None
        self._bring_to(torch.device("cpu"))
        if was is not None:
            free_unused(self._device)

    def _moved_when_used(self, part: nn.Module, before: Any) -> Any:
        _, offload = cpu_offload_with_hook(part, self._device, prev_module_hook=before)
        self._offloads.append(offload)
        return offload

    def _bring_to(self, device: torch.device) -> None:
        for part, dtype in self._formats():
            # diffusers' own `to` warns of every change of format, even where nothing needs float32.
            nn.Module.to(part, device, dtype)

    def _formats(self) -> list[tuple[nn.Module, torch.dtype]]:
        """Parts with the formats they have where they are: float16 is no format for a processor to compute in."""
        parts, precision = self._parts, self._precision
        if self._placing is Placing.PROCESSOR and precision.network is torch.float16:
            precision = Precision(torch.float32, precision.vae)
        wide = [(part, precision.network) for part in (*parts.text_encoders, parts.unet)]
        return wide + [(part, precision.vae) for part in (parts.vae, *parts.transparent)]


def with_smaller_plans(
    plans: Sequence[Plan],
    place: Callable[[Placing], None],
    attempt: Callable[[Plan], Generator[Event, None, Answer]],
    notes: list[str],
) -> Generator[Event, None, Answer]:
    """Run `attempt` with the first plan; when memory runs out, anew with the next one, saying so in `notes`.

    Raises:
        EngineOutOfMemory: Memory ran out with the last plan too.
    """
    for plan in plans:
        try:
            place(plan.placing)
            return (yield from attempt(plan))
        except (RuntimeError, MemoryError) as exc:
            if not is_out_of_memory(exc):
                raise
        # Only here, outside of the handler, nothing holds the tensors of the failed attempt any more.
        free_unused(None)
        if plan is not plans[-1]:
            later = plans[plans.index(plan) + 1].placing
            notes.append(
                f"Memory ran out with “{plan.placing.value}”; painted with “{later.value}”, which is slower."
            )
    raise EngineOutOfMemory(
        f"Memory ran out while painting, even with “{plans[-1].placing.value}”. {_SAFE}", _HINT
    )


def free_unused(device: torch.device | None) -> None:
    """Collect what nobody refers to and return it to the device."""
    gc.collect()
    if torch.cuda.is_available() and (device is None or device.type == "cuda"):
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available() and (device is None or device.type == "mps"):
        torch.mps.empty_cache()


def _too_little(device: ComputeDevice, sizes: PartSizes, working_bytes: int) -> EngineOutOfMemory:
    least = min(
        sizes.resident(placing) + working_bytes
        for placing in _PLACINGS[device.backend]
        if placing is not Placing.PROCESSOR or device.backend is Backend.CPU
    )
    there = f"{device.free_bytes / GIGABYTE:.1f} GB are free on {device.title}"
    if device.backend is Backend.CUDA:
        there += f" and {device.host_free_bytes / GIGABYTE:.1f} GB in the computer's memory"
    return EngineOutOfMemory(
        f"These layers need at least {least / GIGABYTE:.1f} GB of memory; {there}. {_SAFE}", _HINT
    )


def _bytes_of(module: nn.Module, *, recurse: bool = True) -> int:
    tensors = [*module.parameters(recurse=recurse), *module.buffers(recurse=recurse)]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
