"""Keep with the released two-layer weights: a kept background and one object made on it, or the other way round.

LayerDiffuse (2402.17113) released for SDXL, as of its code: bg2ble makes the blended picture from the background,
bgble2fg the transparent foreground from both; fg2ble and fgble2bg do the same from a kept foreground. Each is a change
of the whole UNet whose first convolution reads the condition's latents beside the noisy ones: 8 channels [noisy, kept]
or 12 [noisy, kept, blend]. Conditions are latents of ordinary pictures (VAE mean times scaling factor; a transparent
one flattened on mid-grey), in both halves of guidance, and are not scaled for the noise level.

A convolution is linear, so one of more input channels is the sum of two, conv(noisy; W) + conv(kept; E). The network
stays the one there is, W changes by an ordinary adapter and E is added at the output: nothing is loaded twice.
What more than two layers need (an occluder, several kept) these weights cannot say: `sampler` does that.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from psdstudio.engine.sdxl.adapters_file import Changes, FullOffset
from psdstudio.engine.sdxl.lora_files import TwoLayerWeights
from psdstudio.engine.sdxl.prompts import SceneText
from psdstudio.engine.sdxl.row_states import LATENT_CHANNELS
from psdstudio.engine.sdxl.rows import KeptMemory, Prediction, RowBatch, RowRole, SceneRow
from psdstudio.engine.sdxl.sampler import Network, SampleOptions, Step, sample
from psdstudio.engine.sdxl.schedules import Schedule
from psdstudio.errors import ModelIncompatible

STOP_AT = 0.62
"""Share of the noise levels that fgble2bg is used for, then the base model finishes (Forge's check stops at 0.5, the
port to diffusers at 0.62): until the end it leaves traces of the removed object."""


class Path(Enum):
    """Which layer is made; the value says what is kept."""

    FOREGROUND = RowRole.BACKGROUND
    BACKGROUND = RowRole.OBJECT


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoLayerAdapter:
    """One of the four files, attached to the network.

    Attributes:
        name: Under which its changes, among them the first four channels of `conv_in`, are attached.
        extra: (out, 4 or 8, 3, 3) weights of `conv_in` for the condition.
        replaces: Adapters of a row that it stands for: bgble2fg makes transparent pictures by itself.
        stop_at: For which share of the noise levels, from the top, it is used.
    """

    name: str
    extra: Tensor
    replaces: frozenset[str] = frozenset()
    stop_at: float = 1.0


def conditioned(
    weights: TwoLayerWeights, *, replaces: frozenset[str] = frozenset(), stop_at: float = 1.0
) -> tuple[Changes, TwoLayerAdapter]:
    """Return a file's changes, to be attached under the adapter's name, and the adapter.

    The first four channels of `conv_in` are an ordinary change of the model's own; the others, which the released code
    adds to zeros, are the condition's.
    """
    widened = weights.conv_in.weight
    assert widened is not None
    own = FullOffset(weight=widened[:, :LATENT_CHANNELS], bias=weights.conv_in.bias)
    adapter = TwoLayerAdapter(
        name=weights.adapter.name, extra=widened[:, LATENT_CHANNELS:], replaces=replaces, stop_at=stop_at
    )
    return {**weights.adapter.unet, "conv_in": own}, adapter


def applies(rows: Sequence[SceneRow]) -> Path | None:
    """Return which path can make what is free of `rows`; None when the joint rows must.

    There must be one background and one object, one of them kept and the other wholly free, and a free composite. What
    these weights cannot be told (a place, a silhouette, a part that stays, a reference) must not be asked for.
    """
    by_role = {role: [row for row in rows if row.identity.role is role] for role in RowRole}
    if any(len(by_role[role]) != 1 for role in RowRole):
        return None
    if (
        any(_asks_more(row) for row in rows if not row.identity.kept)
        or by_role[RowRole.COMPOSITE][0].identity.kept
    ):
        return None
    kept = [path for path in Path if by_role[path.value][0].identity.kept]
    return kept[0] if len(kept) == 1 else None


def sample_two_layers(
    network: ConvInNetwork,
    text: SceneText,
    rows: Sequence[SceneRow],
    schedule: Schedule,
    options: SampleOptions,
    *,
    blending: TwoLayerAdapter,
    separating: TwoLayerAdapter,
    kept: Tensor,
) -> Generator[Step, None, Tensor]:
    """Make the blended picture, then the free layer from it; `applies(rows)` must hold. Returns as `sampler.sample`.

    The composite's latents are the blended picture's; they are the second pass's condition as they are, without the
    released code's way through pixels. Each yield is a finished step and a cancel point.

    Args:
        network: The network, with both adapters attached.
        text: Of all rows.
        rows: Of the scene.
        schedule: DPM++ 2M SDE Karras is what the weights were tried with; fgble2bg is bad with others.
        options: As for `sample`; there is neither layout path nor context here.
        blending: bg2ble or fg2ble.
        separating: bgble2fg or fgble2bg, the latter with `stop_at` = `STOP_AT`.
        kept: (4, h, w) latents of the kept layer as an ordinary picture, not those with the alpha inside.
    """
    path = applies(rows)
    if path is None:
        raise ValueError("these rows are not two layers of which one is kept")
    composite = next(i for i, row in enumerate(rows) if row.identity.role is RowRole.COMPOSITE)
    target = next(i for i, row in enumerate(rows) if not row.identity.kept and i != composite)
    alone = replace(options, layout_guidance=0.0, guidance=replace(options.guidance, context=1.0))
    total = 2 * schedule.steps
    blend = yield from _pass(
        Conditioned(network, blending, kept), text, rows, composite, schedule, alone, shown=(0, total, {})
    )
    condition = torch.cat([kept.to(blend), blend])
    made = yield from _pass(
        Conditioned(network, separating, condition),
        text,
        rows,
        target,
        schedule,
        alone,
        shown=(schedule.steps, total, {composite: blend}),
    )
    known = {composite: blend, target: made}
    return torch.stack([known[i] if i in known else _latents_of(row).to(blend) for i, row in enumerate(rows)])


class ConvInNetwork(Network, Protocol):
    """A network of which the UNet can be reached, as `RowNetwork`."""

    unet: Any


class Conditioned:
    """A network for one row that reads a condition through a two-layer adapter at the noise levels it is used for."""

    def __init__(self, network: ConvInNetwork, adapter: TwoLayerAdapter, condition: Tensor) -> None:
        """Take a condition (4 or 8, h, w). Raises ModelIncompatible when the adapter reads other channels."""
        if adapter.extra.shape[1] != condition.shape[0]:
            raise ModelIncompatible(
                f"The file “{adapter.name}” reads {adapter.extra.shape[1]} channels of conditions,"
                f" and this path has {condition.shape[0]}.",
                "Check which of the four two-layer files it is; the kind can be given when it is added.",
            )
        self._network, self._adapter, self._condition = network, adapter, condition
        self._last = 1000.0 - round(1000.0 * adapter.stop_at)

    def predict(self, batch: RowBatch, **asked: Any) -> Prediction:
        """Return the network's prediction, conditioned as long as the adapter is used."""
        if float(batch.timesteps.min()) < self._last:
            return self._network.predict(batch, **asked)
        adapters = tuple(self._conditioned(own) for own in batch.adapters)
        with _conv_in_reads(self._network.unet.conv_in, self._adapter.extra, self._condition):
            return self._network.predict(replace(batch, adapters=adapters), **asked)

    def remember(
        self, batch: RowBatch, *, readers: Sequence[int | None] | None = None, clean: bool
    ) -> KeptMemory:
        """Return the network's memory: what is kept is the condition, so nothing asks for one here."""
        return self._network.remember(batch, readers=readers, clean=clean)

    def _conditioned(self, own: Mapping[str, float]) -> Mapping[str, float]:
        left = {name: strength for name, strength in own.items() if name not in self._adapter.replaces}
        return {**left, self._adapter.name: 1.0}


@contextmanager
def _conv_in_reads(conv_in: nn.Conv2d, extra: Tensor, condition: Tensor) -> Iterator[None]:
    """Let the first convolution read the condition besides: its output is the widened convolution's."""

    def add(_module: nn.Module, _args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        read = functional.conv2d(
            condition[None].to(output),
            extra.to(output),
            stride=conv_in.stride,
            padding=conv_in.padding,
        )
        return output + read

    handle = conv_in.register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()


def _pass(
    network: Network,
    text: SceneText,
    rows: Sequence[SceneRow],
    at: int,
    schedule: Schedule,
    options: SampleOptions,
    *,
    shown: tuple[int, int, Mapping[int, Tensor]],
) -> Generator[Step, None, Tensor]:
    """Sample the row at `at` alone; steps count on from `shown`'s first of its second, beside rows made before."""
    before, total, made = shown
    running = sample(network, text.of_row(at), [rows[at]], schedule, options)
    try:
        while True:
            try:
                step = next(running)
            except StopIteration as done:
                latents: Tensor = done.value[0]
                return latents
            clean = torch.stack([*made.values(), step.clean[0]])
            places = (*made, at)
            yield replace(step, index=before + step.index, total=total, rows=places, clean=clean, boxes=None)
    finally:
        running.close()


def _asks_more(row: SceneRow) -> bool:
    said = (row.latents, row.unknown, row.layout, row.reference, row.image_tokens)
    return any(one is not None for one in said)


def _latents_of(row: SceneRow) -> Tensor:
    assert row.latents is not None
    return row.latents
